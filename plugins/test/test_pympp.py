"""micromint-pympp with a stand-in for mmwallet, and without a network."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path

import httpx
from micromint_pympp import REMEMBERED_MAX, MicroMint, NotPaid, WalletFailed

URL = "https://news.example/story"
REQUEST = base64.urlsafe_b64encode(
    json.dumps(
        {"amount": "2", "currency": "coin", "recipient": "news.example", "methodDetails": {}}
    ).encode()
)
CHALLENGE = {
    "id": "i",
    "realm": "news.example",
    "method": "micromint",
    "intent": "charge",
    "request": REQUEST.decode().rstrip("="),
}
CREDENTIAL = "Payment " + base64.urlsafe_b64encode(
    json.dumps({"challenge": CHALLENGE, "payload": {"message": "TWlj"}}).encode()
).decode().rstrip("=")
ANSWER = {
    "reference": "f" * 32,
    "again": False,
    "vendor": "news.example",
    "coins": 2,
    "money": "0.02 USD",
    "task-left": None,
    "header": {"name": "Authorization", "value": CREDENTIAL},
}


def unpaid(identifier: str = "i") -> httpx.Response:
    fields = {**CHALLENGE, "id": identifier}
    value = ", ".join(f'{name}="{text}"' for name, text in fields.items())
    return httpx.Response(402, headers={"WWW-Authenticate": f"Payment {value}"})


class PymppTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = Path(folder.name, "log")
        self.log.touch()
        self.program = Path(folder.name, "mmwallet")
        self.stand_in(f"echo '{json.dumps(ANSWER)}'")

    def stand_in(self, script: str) -> None:
        """A mmwallet that writes down its arguments and input, and does this."""
        text = f"#!/bin/sh\n{{ printf '%s|' \"$@\"; cat; echo; }} >> {self.log}\n{script}\n"
        self.program.write_text(text)
        os.chmod(self.program, 0o755)

    def fetch(self, paid: Callable[[], httpx.Response]) -> httpx.Response:
        """Fetches a page that costs coins."""

        def site(request: httpx.Request) -> httpx.Response:
            return paid() if "authorization" in request.headers else unpaid()

        async def run() -> httpx.Response:
            coins = MicroMint(autopay="0.02 USD", task="t", program=self.program)
            transport = coins.transport(httpx.MockTransport(site))
            async with httpx.AsyncClient(transport=transport) as client:
                return await client.get(URL)

        return asyncio.run(run())

    def test_a_payment_is_settled_once_its_content_was_read(self) -> None:
        async def pieces():  # type: ignore[no-untyped-def]
            yield b"con"
            self.assertNotIn("settle|", self.log.read_text())
            yield b"tent"

        response = self.fetch(lambda: httpx.Response(200, content=pieces()))
        self.assertEqual((response.status_code, response.text), (200, "content"))
        said = self.log.read_text()
        options = "|--autopay=0.02 USD|--task=t|"
        self.assertIn(f"answer|--url|{URL}|-X|GET|--format|json|--silent{options}", said)
        self.assertIn("WWW-Authenticate: Payment id=", said)
        self.assertIn(f"settle|{'f' * 32}|answer|HTTP/1.1 200 answer", said)

    def test_content_that_came_already_is_settled(self) -> None:
        response = self.fetch(lambda: httpx.Response(200, content=b"content"))
        self.assertEqual(response.text, "content")
        self.assertIn(f"settle|{'f' * 32}|answer|HTTP/1.1 200 answer", self.log.read_text())

    def test_content_that_breaks_off_is_not_settled(self) -> None:
        async def pieces():  # type: ignore[no-untyped-def]
            yield b"con"
            raise httpx.ReadError("lost")

        with self.assertRaises(httpx.ReadError):
            self.fetch(lambda: httpx.Response(200, content=pieces()))
        self.assertNotIn("settle|", self.log.read_text())

    def test_a_refusal_is_settled_at_once(self) -> None:
        refused = unpaid()
        refused.headers["MicroMint-Status"] = "spent"
        self.fetch(lambda: refused)
        self.assertIn("HTTP/1.1 402 answer", self.log.read_text())
        self.assertIn("micromint-status: spent", self.log.read_text().lower())

    def test_errors_say_what_happened_to_the_coins(self) -> None:
        self.stand_in('echo "mmwallet: not paid: a limit; no coins were sent" >&2; exit 3')
        with self.assertRaisesRegex(NotPaid, "no coins were sent"):
            self.fetch(unpaid)
        self.stand_in('echo "mmwallet: error: damaged" >&2; exit 1')
        with self.assertRaisesRegex(WalletFailed, "damaged"):
            self.fetch(unpaid)
        self.program.unlink()
        with self.assertRaisesRegex(WalletFailed, "no coins were sent"):
            self.fetch(unpaid)

    def test_what_is_remembered_is_bounded(self) -> None:
        coins = MicroMint(program=self.program)
        for number in range(REMEMBERED_MAX + 1):
            coins._note(httpx.Request("GET", URL), b"", unpaid(str(number)))
        self.assertEqual(len(coins._offers), REMEMBERED_MAX)
        self.assertNotIn("0", coins._offers)


if __name__ == "__main__":
    unittest.main()
