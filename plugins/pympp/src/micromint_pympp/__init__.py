"""MicroMint coins as a payment method of pympp.

The user's wallet pays: ``mmwallet answer`` makes a payment, and ``mmwallet settle`` records what
became of it. The wallet decides by the user's limits. It records coins as sent before they leave,
and the same request gets the same payment until it is settled, so a program that stops at any
point loses nothing.

    coins = MicroMint(autopay="0.05 USD", task_limit="0.50 USD")
    async with httpx.AsyncClient(transport=coins.transport()) as client:
        response = await client.get("https://news.example/story")
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import httpx
from mpp.client import PaymentTransport
from mpp.methods import Method
from mpp.runtime import ClientMethod, CredentialParams
from pydantic import BaseModel, ConfigDict

__all__ = ["MicroMint", "NotPaid", "Payment", "WalletFailed"]

REMEMBERED_MAX = 1000
"""How many offers and payments are remembered at most; the oldest are forgotten first."""

_NOT_PAID = 3
"""The exit status of mmwallet that says: not paid, no coins were sent."""
_CREDENTIAL_HEADERS = ("authorization", "payment-authorization")


class NotPaid(Exception):
    """The wallet does not pay. No coins were sent."""


class WalletFailed(Exception):
    """The wallet could not be used. The message says whether coins were sent."""


@dataclass(frozen=True)
class Payment:
    """A payment whose coins are recorded as sent."""

    reference: str
    again: bool
    """The same payment was made before, and its outcome is not known yet."""
    vendor: str
    coins: int
    money: str | None
    """The value of the coins, such as ``0.02 USD``."""
    task_left: str | None
    """What is left of the limit for the task."""
    credential: str
    """The value of the header field to send."""


@dataclass(frozen=True)
class _Offer:
    """A 402 answer, and the request that it answered."""

    head: str
    url: str
    method: str
    body: bytes


class MicroMint:
    """The user's wallet as a payment method, for one task of a program.

    Amounts are texts such as ``0.05 USD``, or numbers of coins. What is not given is the user's
    setting.

    autopay: the highest price of a page.
    daily_limit: the most that leaves the wallet in a UTC day.
    site_limit: the most money that one vendor gets in a UTC day.
    task: the name of the task, 1 to 64 printable characters; a new name if it is not given.
    task_limit: the most money for the task.
    asked: what the program pays for, in words, for the user's history.
    allow_http: pay over plain http too; others on the network can then steal the coins.
    cacert: a PEM file of the certificates to trust when a vendor is asked for its consent.
    wallet, program: the wallet file, and the program instead of ``mmwallet``.
    """

    def __init__(
        self,
        *,
        autopay: str | int | None = None,
        daily_limit: str | int | None = None,
        site_limit: str | None = None,
        task: str | None = None,
        task_limit: str | None = None,
        asked: str | None = None,
        allow_http: bool = False,
        cacert: str | PathLike[str] | None = None,
        wallet: str | PathLike[str] | None = None,
        program: str | PathLike[str] = "mmwallet",
    ) -> None:
        self.task = task or f"program-{uuid.uuid4()}"
        self._program = fspath(program)
        self._wallet = [] if wallet is None else ["--wallet", fspath(wallet)]
        given = {
            "autopay": autopay,
            "daily-limit": daily_limit,
            "site-limit": site_limit,
            "task": self.task,
            "task-limit": task_limit,
            "asked": asked,
            "cacert": None if cacert is None else fspath(cacert),
        }
        self._options = [f"--{name}={value}" for name, value in given.items() if value is not None]
        if allow_http:
            self._options.append("--allow-http")
        self._offers: OrderedDict[str, _Offer] = OrderedDict()
        self._payments: OrderedDict[str, Payment] = OrderedDict()
        self.method = ClientMethod(
            method=_CHARGE,
            create_credential=self._create_credential,
        )

    def transport(
        self, inner: httpx.AsyncBaseTransport | None = None, **options: Any
    ) -> httpx.AsyncBaseTransport:
        """An httpx transport that pays, and settles each payment once its content was read to the
        end. ``options`` are those of ``PaymentTransport``."""
        settling = _Settling(self, inner or httpx.AsyncHTTPTransport())
        return PaymentTransport(methods=[self.method], inner=settling, **options)

    async def pay(self, offer: str, *, url: str, method: str = "GET", body: bytes = b"") -> Payment:
        """Asks the wallet for a payment. ``offer`` is the head of a 402 answer, or a challenge of
        the scheme "Payment". Raises ``NotPaid`` if the wallet does not pay."""
        args = ["answer", "--url", url, "-X", method, "--format", "json", "--silent"]
        if body:
            # The wallet only compares bodies, to see whether a request is the same as before. The
            # body itself may be long, binary, or begin with the @ that names a file.
            args.append(f"--data={hashlib.sha256(body).hexdigest()}")
        found = json.loads(await self._run([*args, *self._options], offer))
        payment = Payment(
            reference=found["reference"],
            again=found["again"],
            vendor=found["vendor"],
            coins=found["coins"],
            money=found["money"],
            task_left=found["task-left"],
            credential=(found["header"] or {}).get("value", ""),
        )
        _remember(self._payments, _message_in(payment.credential), payment)
        return payment

    async def settle(self, reference: str, status: int, fields: Sequence[tuple[str, str]]) -> None:
        """Records what became of a payment, from the status and header fields of the answer."""
        lines = [f"{name}: {value}" for name, value in fields]
        lines = [f"HTTP/1.1 {status} answer", *lines, "", ""]
        await self._run(["settle", reference, "answer"], "\r\n".join(lines))

    async def _create_credential(self, params: CredentialParams) -> str:
        offer = self._offers.get(params.challenge.id)
        if offer is None:
            raise NotPaid(
                "no answer with this challenge came through MicroMint.transport; no coins were sent"
            )
        payment = await self.pay(offer.head, url=offer.url, method=offer.method, body=offer.body)
        return payment.credential

    def _note(self, request: httpx.Request, body: bytes, response: httpx.Response) -> None:
        """Remembers the offers of a 402 answer."""
        values = response.headers.get_list("www-authenticate")
        head = "".join(f"WWW-Authenticate: {value}\r\n" for value in values)
        # As the wallet knows it: without the fragment.
        url = str(request.url.copy_with(fragment=None))
        for found in re.finditer(r'\bid="([^"]*)"', head):
            _remember(self._offers, found[1], _Offer(head, url, request.method, body))

    def _payment_in(self, request: httpx.Request) -> Payment | None:
        values = (request.headers.get(name) for name in _CREDENTIAL_HEADERS)
        found = (self._payments.get(_message_in(value)) for value in values if value)
        return next((payment for payment in found if payment), None)

    async def _run(self, args: list[str], text: str) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                self._program,
                *self._wallet,
                *args,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise WalletFailed(f"cannot run {self._program}; no coins were sent") from error
        output, words = await process.communicate(text.encode("utf-8", "surrogateescape"))
        if process.returncode == 0:
            return output.decode()
        why = words.decode("utf-8", "replace").strip()
        raise NotPaid(why) if process.returncode == _NOT_PAID else WalletFailed(why)


class _Charge(BaseModel):
    """The fields of a challenge that every charge has."""

    model_config = ConfigDict(extra="allow")
    amount: str
    currency: str
    recipient: str


class _Payload(BaseModel):
    """The payload of a credential."""

    message: str


_CHARGE = Method(name="micromint", intent="charge", request_model=_Charge, payload_model=_Payload)


class _Settling(httpx.AsyncBaseTransport):
    """Remembers what 402 answers ask for, and settles payments."""

    def __init__(self, coins: MicroMint, inner: httpx.AsyncBaseTransport) -> None:
        self._coins = coins
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        payment = self._coins._payment_in(request)
        response = await self._inner.handle_async_request(request)
        if payment is not None:
            fields = list(response.headers.multi_items())

            async def settle() -> None:
                await self._coins.settle(payment.reference, response.status_code, fields)

            # A closed response was read already, by the inner transport.
            is_open = not response.is_closed and isinstance(response.stream, httpx.AsyncByteStream)
            if response.is_success and is_open:
                response.stream = _SettlingStream(response.stream, settle)
            else:
                await settle()
        elif response.status_code == 402:
            body = b"" if request.method in ("GET", "HEAD") else await request.aread()
            self._coins._note(request, body, response)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _SettlingStream(httpx.AsyncByteStream):
    """A body that settles its payment once it has been read to the end."""

    def __init__(
        self, inner: httpx.AsyncByteStream, settle: Callable[[], Awaitable[None]]
    ) -> None:
        self._inner = inner
        self._settle = settle

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            yield piece
        await self._settle()

    async def aclose(self) -> None:
        await self._inner.aclose()


def _message_in(credential: str) -> str:
    """The message in a credential; empty for any other value."""
    scheme, _, token = credential.partition(" ")
    if scheme.lower() != "payment":
        return ""
    try:
        text = base64.urlsafe_b64decode(token.strip() + "=" * (-len(token.strip()) % 4))
        message = json.loads(text)["payload"]["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return message if isinstance(message, str) else ""


def _remember(held: OrderedDict[str, Any], key: str, value: Any) -> None:
    held.pop(key, None)
    held[key] = value
    while len(held) > REMEMBERED_MAX:
        held.popitem(last=False)
