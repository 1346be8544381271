"""Tests of the package.

    python -m unittest discover -s bindings/python/tests

With WORLD=folder (scripts/test-examples.sh makes it) also of a wallet that pays a web server.
"""

import copy
import http.client
import os
import pickle
import tempfile
import threading
import time
import unittest
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import micromint
from micromint import (
    Ask, Challenge, Fault, Message, MicroMintError, Params, Payment, Paywall, Refused, Request, Terms, Wallet,
)
from micromint.paywall import split_target
from micromint.wsgi import Charge

WORLD = Path(os.environ.get("WORLD", "/nowhere"))
PERIOD = Path(__file__).parent / "../../../testdata/periods/2026-12.params"
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


def vendor(test):
    """A vendor that accepts one period, which ends in 2031."""
    folder = Path(test.enterContext(tempfile.TemporaryDirectory()) if hasattr(test, "enterContext") else tempfile.mkdtemp())
    (folder / "periods").mkdir()
    text = PERIOD.read_text()
    for key, year in (("start", 2020), ("expiration", 2031), ("redeem-until", 2032)):
        text = "".join(
            f'{key} = "{year}-01-01T00:00:00Z"\n' if line.startswith(f"{key} =") else line
            for line in text.splitlines(keepends=True)
        )
    (folder / "periods/2026-12.params").write_text(text)
    (folder / "vendor.toml").write_text(
        'vendor-id = "news.example"\norigins = ["http://news.example"]\nperiods = "periods"\ntill = "till"\n'
    )
    return folder / "vendor.toml"


class Coins(unittest.TestCase):
    def test_a_coin_is_good_for_its_user_and_vendor_once(self):
        with Params.load(PERIOD) as params:
            self.assertEqual(params.coin_size, 4)
            self.assertEqual(params.check("news.example", "alice", COIN), Fault.GOOD)
            self.assertEqual(params.check("news.example", "bob", COIN), Fault.USER_DIFFERENCES)
            self.assertEqual(params.check("news.example", "alice", COIN * 2), Fault.REPEATED_COIN)
            self.assertLess(params.hash(COIN[0]), 1 << 64)
            self.assertEqual(Params(params.to_toml()).to_toml(), params.to_toml())
            for wrong in (-1, 1 << 64):
                self.assertRaises(ValueError, params.hash, wrong)
                self.assertRaises(ValueError, params.check, "news.example", "alice", [wrong])

    def test_errors_say_what_was_expected(self):
        with self.assertRaisesRegex(MicroMintError, "period: invalid type: integer `7`, expected a string") as raised:
            Params("period = 7")
        self.assertEqual(raised.exception.status, 5)
        with self.assertRaisesRegex(MicroMintError, "nowhere.toml"):
            Paywall("nowhere.toml")
        params = Params.load(PERIOD)
        params.close()
        params.close()
        with self.assertRaisesRegex(MicroMintError, "the Params is closed"):
            params.to_toml()

    def test_the_version_is_that_of_the_package(self):
        self.assertEqual(micromint.version(), "0.1.0")


class Values(unittest.TestCase):
    def test_integers_out_of_range_are_errors(self):
        wrong = [(1 << 32, ValueError), (-1, ValueError), (1 << 64, ValueError)]
        wrong += [(it, TypeError) for it in (1.0, float("nan"), True, "1", None)]
        for value, error in wrong:
            for name in ("price", "free_views"):
                with self.subTest(name=name, value=value), self.assertRaises(error):
                    Request("GET", "/", Terms(**{name: value}))
            with self.assertRaises(error):
                Request("GET", "/", Terms(), port=value)
        self.assertRaises(TypeError, Request, "GET", "/", Terms(is_dry_run=1))
        self.assertRaises(TypeError, Request, "GET", 7, Terms())

    def test_handles_cannot_be_copied(self):
        with Params.load(PERIOD) as params:
            for make in (copy.copy, copy.deepcopy, pickle.dumps):
                with self.assertRaisesRegex(TypeError, "cannot be copied"):
                    make(params)
            self.assertEqual(params.coin_size, 4)

    def test_targets_in_absolute_form_are_split(self):
        self.assertEqual(split_target(b"http://u:p@b.example:8000/a?b"), (b"b.example:8000", b"/a?b"))
        self.assertEqual(split_target(b"http://b.example?x"), (b"b.example", b"/?x"))
        self.assertEqual(split_target(b"/a://b"), (None, b"/a://b"))


class Paywalls(unittest.TestCase):
    def test_a_price_and_a_challenge_are_read(self):
        with Paywall(vendor(self)) as paywall, Request("GET", "/story", Terms(price=2), is_https=False) as request:
            decision = paywall.look(request).decision
            fields = dict(decision.head(402, False, ()))
            self.assertEqual((decision.serves, decision.status, decision.outcome), (False, 402, "unpaid"))
            wanted = Message.from_header(fields["MicroMint-Request"])
            self.assertEqual((wanted.type, wanted.header("Price"), wanted.header("Nothing")), ("Request-Payment", "2", None))
            self.assertEqual(bytes(wanted), bytes(Message(bytes(wanted))))
            challenge = Challenge(fields["WWW-Authenticate"])
            self.assertEqual(bytes(challenge.request), bytes(wanted))
            self.assertFalse(challenge.has_ended())
            self.assertTrue(challenge.has_ended(1 << 40))
            self.assertRaises(MicroMintError, challenge.answer, b"nonsense")
            self.assertRaises(MicroMintError, Challenge, "Basic realm=x")
            self.assertIn("price=2", decision.event(402))
            self.assertIn("micromint", paywall.metrics())

    def test_a_handle_is_freed_when_no_thread_uses_it(self):
        paywall = Paywall(vendor(self))
        errors = []

        def ask():
            try:
                while True:
                    with Request("GET", "/story", Terms(price=1)) as request:
                        paywall.decide(request).close()
            except MicroMintError as error:
                errors.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        paywall.close()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, ["the Paywall is closed"] * 4)

    def test_logs_and_the_clock_come_from_callbacks(self):
        lines = []
        with Paywall(vendor(self), log=lambda level, line: lines.append((level, line)), clock=lambda: 1) as paywall:
            with Request("GET", "/story", Terms(price=1)) as request:
                self.assertEqual(dict(paywall.decide(request).head(402, False, ())).get("MicroMint-Request"), None)
        self.assertTrue(any(level == 2 for level, _ in lines), lines)


class Wallets(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name) / "wallet.mmw"

    def test_threads_share_a_wallet(self):
        with Wallet(self.path) as wallet:
            faults = []

            def work():
                try:
                    for _ in range(50):
                        self.assertEqual(wallet.balances(), [])
                        self.assertIsNone(wallet.receipt(URL))
                except BaseException as error:
                    faults.append(error)

            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(faults, [])

    def test_numbers_are_checked(self):
        with Wallet(self.path) as wallet:
            for wrong, error in ((-1, ValueError), (1 << 32, ValueError), (True, TypeError), (0.5, TypeError)):
                self.assertRaises(error, wallet.pay, b"", URL, autopay=wrong)
                self.assertRaises(error, wallet.pay, b"", URL, daily_limit=wrong)
                self.assertRaises(error, wallet.begin_return, wrong)

    def test_a_child_of_a_fork_is_refused_and_does_not_wait(self):
        with Wallet(self.path) as wallet, wallet._alone:
            child = os.fork()
            if child == 0:
                try:
                    wallet.balances()
                except MicroMintError as error:
                    os._exit(error.status)
                os._exit(99)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 10)


@unittest.skipUnless(WORLD.is_dir(), "needs coins (scripts/test-examples.sh)")
class Paying(unittest.TestCase):
    def setUp(self):
        self.paywall = Paywall(WORLD / "vendor.toml")
        application = Charge(site, self.paywall, {"/story": 1, "/gone": 1})
        self.server = make_server("127.0.0.1", 0, application, handler_class=Quiet)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def fetch(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port)
        connection.request(method, path, body, {"Host": "news.example", "Accept": MESSAGE, **dict(headers)})
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
            payment = wallet.pay(Message(offer), URL, autopay=1, allow_http=True)
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

    def test_free_pages_are_not_changed(self):
        answer, page = self.fetch("GET", "/")
        self.assertEqual((answer.status, page, answer.getheader("Cache-Control")), (200, b"GET", "public, max-age=60"))


if __name__ == "__main__":
    unittest.main()
