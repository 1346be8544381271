"""Tests of the package with the installed library: a coin, a wallet that pays a web server, and
errors.

    WORLD=folder python -m unittest test_micromint      (scripts/test-examples.sh makes the folder)

"""

import http.client
import os
import threading
import unittest
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import micromint
from micromint import Ask, Fault, MicroMintError, Params, Payment, Paywall, Refused, Wallet
from paywall_app import PaidPages

WORLD = Path(os.environ["WORLD"])
PERIOD = Path(__file__).parent / "../../testdata/periods/2026-12.params"
COIN = [0x892, 0x245, 0x1298, 0x78A]
MESSAGE = "application/x-micromint"
URL = "http://news.example/story"


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def site(environ, start_response):
    status = "404 Not Found" if environ["PATH_INFO"] == "/gone" else "200 OK"
    start_response(status, [("Content-Type", "text/plain"), ("Cache-Control", "public, max-age=60")])
    return [environ["REQUEST_METHOD"].encode()]


class Coins(unittest.TestCase):
    def test_a_coin_is_good_for_its_user_and_vendor_once(self):
        with Params.load(PERIOD) as params:
            self.assertEqual(params.coin_size, 4)
            self.assertEqual(params.check("news.example", "alice", COIN), Fault.GOOD)
            self.assertEqual(params.check("news.example", "bob", COIN), Fault.USER_DIFFERENCES)
            self.assertEqual(params.check("news.example", "alice", COIN * 2), Fault.REPEATED_COIN)
            self.assertLess(params.hash(COIN[0]), 1 << 64)
            self.assertEqual(Params(params.to_toml()).to_toml(), params.to_toml())

    def test_errors_say_what_was_expected(self):
        with self.assertRaisesRegex(MicroMintError, "period: invalid type: integer `7`, expected a string") as raised:
            Params("period = 7")
        self.assertEqual(raised.exception.status, 5)
        with self.assertRaisesRegex(MicroMintError, "nowhere.toml"):
            Paywall("nowhere.toml")
        params = Params.load(PERIOD)
        params.close()
        params.close()
        with self.assertRaisesRegex(MicroMintError, "params is NULL"):
            params.to_toml()

    def test_the_version_is_that_of_the_package(self):
        self.assertEqual(micromint.version(), "0.1.0")


class Paying(unittest.TestCase):
    def setUp(self):
        self.paywall = Paywall(WORLD / "vendor.toml")
        application = PaidPages(site, self.paywall, {"/story": 1, "/gone": 1})
        self.server = make_server("127.0.0.1", 0, application, handler_class=Quiet)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def fetch(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port)
        connection.request(method, path, body, {"Host": "news.example", **dict(headers)})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def test_a_wallet_pays_for_a_page_and_sees_it_again(self):
        with Wallet(WORLD / "python.mmw") as wallet:
            sale = (WORLD / "python.sale").read_bytes()
            coins = wallet.receive(sale)
            self.assertGreater(coins, 3)
            self.assertEqual(wallet.receive(sale), 0)
            with self.assertRaises(ValueError):
                wallet.receive(sale.replace(b"User-ID: python", b"User-ID: nohtyp"))

            answer, offer = self.fetch("GET", "/story")
            self.assertEqual((answer.status, answer.getheader("Content-Type")), (402, MESSAGE))
            self.assertEqual(wallet.pay(offer, URL, allow_http=True), Ask(1))
            self.assertIsInstance(wallet.pay(offer, "https://elsewhere.example/", autopay=1), Refused)
            payment = wallet.pay(offer, URL, autopay=1, allow_http=True)
            self.assertIsInstance(payment, Payment)

            answer, page = self.fetch("POST", "/story", payment.message, {"Content-Type": MESSAGE})
            self.assertEqual((answer.status, page, answer.getheader("Cache-Control")), (200, b"GET", "private, max-age=60"))
            self.assertEqual(wallet.record_outcome(payment, answer.status, answer.getheader("MicroMint-Status")), "paid")
            self.assertEqual(sum(wallet.keep_receipt(payment, it) for it in answer.msg.get_all("Set-Cookie")), 1)
            answer, page = self.fetch("GET", "/story", headers={"Cookie": wallet.receipt(URL)})
            self.assertEqual((answer.status, answer.getheader("MicroMint-Status")), (200, "receipt"))
            self.assertIsNone(wallet.receipt("http://news.example/other"))

            (balance,) = wallet.balances()
            self.assertEqual((balance.user, balance.paid, balance.unspent), ("python", 1, coins - 1))

    def test_a_missing_page_costs_nothing(self):
        with Wallet(WORLD / "python-2.mmw") as wallet:
            wallet.receive((WORLD / "python-2.sale").read_bytes())
            _, offer = self.fetch("GET", "/gone")
            payment = wallet.pay(offer, "http://news.example/gone", autopay=1, allow_http=True)
            answer, _ = self.fetch("POST", "/gone", payment.message, {"Content-Type": MESSAGE})
            self.assertEqual((answer.status, answer.getheader("MicroMint-Status")), (404, "reversed"))
            self.assertEqual(wallet.record_outcome(payment, answer.status, "reversed"), "not-kept")

    def test_the_site_keeps_its_headers_and_a_bad_address_is_an_error(self):
        free = self.paywall.decide("GET", "/", price=0, client="192.0.2.9")
        self.assertTrue(free.serves)
        self.assertIn("status=200", self.paywall.event(free, 200))
        self.assertIn(("X-Mine", "1"), self.paywall.finish(free, 200, [("X-Mine", "1")]))
        with self.assertRaisesRegex(MicroMintError, "(?i)address"):
            self.paywall.decide("GET", "/story", price=1, client="nowhere")

    def test_free_pages_are_not_changed(self):
        answer, page = self.fetch("GET", "/")
        self.assertEqual((answer.status, page, answer.getheader("Cache-Control")), (200, b"GET", "public, max-age=60"))


if __name__ == "__main__":
    unittest.main()
