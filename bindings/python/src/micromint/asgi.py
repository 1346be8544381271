"""Charges for the pages of an ASGI application, such as one of Starlette, FastAPI or Django.

    application = Charge(application, Paywall("/etc/micromint/vendor.toml"), {"/story": 1})

The event loop never waits for the disk. Bodies are read only as far as the paywall needs them, at
most 60 KiB and a message.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from typing import Any, Awaitable, Callable, MutableMapping, Optional, TypeVar

from ._charging import FAILED, OnEvent, Prices, Visit, check_head, terms_of
from .paywall import Decision, Paywall, Request, Terms

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Result = TypeVar("Result")


class Charge:
    """An ASGI application that asks for coins for pages of another one.

    ``prices`` maps paths (``scope["path"]``) to prices in coins or Terms, or is a function of
    ``scope``. If the application serves a page under several paths, use a function: a path without
    a price is free. ``on_event`` receives a log line for every request that has to do with coins.
    A WebSocket at a page with a price is refused.
    """

    def __init__(self, application: Application, paywall: Paywall, prices: Prices, *, on_event: OnEvent = None):
        self.application, self.paywall, self.prices, self.on_event = application, paywall, prices, on_event

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.application(scope, receive, send)
            return
        terms = terms_of(self.prices, scope, scope["path"])
        body = _Body(receive)
        try:
            decision = await self._decide(scope, terms, body)
        except _Left:
            return
        visit = Visit(self.paywall, decision, self.on_event)
        if scope["type"] == "websocket":
            await self._websocket(visit, scope, receive, send)
        elif decision.serves:
            scope = {**scope, "micromint.terms": terms}
            _hide(scope, decision, body)
            await _serve(self.application, scope, body, send, visit)
        else:
            status, fields, content = visit.answer(scope["method"])
            await _send_all(send, status, fields, content)

    async def _decide(self, scope: Scope, terms: Terms, body: _Body) -> Decision:
        with _request(scope, terms) as request:
            look = self.paywall.look(request)
            if look.decision is not None:
                return look.decision
            if scope["type"] == "http" and look.body_max is not None and await body.read(look.body_max):
                request.set_body(body.start)
            return await _in_thread(lambda: self.paywall.decide(request))

    async def _websocket(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        is_free = visit.decision.serves and visit.decision.outcome == "free"
        if visit.decision.serves:
            await _in_thread(lambda: visit.settle(101 if is_free else 403, []))
        else:
            visit.answer("GET")
        if is_free:
            await self.application(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})


class _Left(Exception):
    """The client left."""


async def _in_thread(work: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(None, work)


def _request(scope: Scope, terms: Terms) -> Request:
    raw = scope.get("raw_path") or urllib.parse.quote(scope["path"]).encode("ascii")
    query = scope.get("query_string") or b""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    server, client = scope.get("server"), scope.get("client")
    return Request(
        scope.get("method", "GET"),
        raw + (b"?" + query if query else b""),
        terms,
        [(bytes(name), bytes(value)) for name, value in scope["headers"]],
        host=bytes(hosts[0]) if hosts else None,
        is_https=scope.get("scheme") in ("https", "wss"),
        port=(server[1] if server else None) or 0,
        client=client[0] if client else None,
    )


class _Body:
    """The body of a request, of which the first messages may have been read."""

    def __init__(self, receive: Receive):
        self._receive = receive
        self._read: list[Message] = []
        self.start = b""
        self.is_whole = False
        self._is_dropped = False

    async def read(self, most: int) -> bool:
        """Reads a body of at most `most` bytes; False if it is longer."""
        pieces: list[bytes] = []
        size, is_more = 0, True
        while is_more and size <= most:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise _Left
            self._read.append(message)
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            is_more = message.get("more_body", False)
        self.is_whole = not is_more and size <= most
        self.start = b"".join(pieces) if self.is_whole else b""
        return self.is_whole

    def drop(self) -> None:
        """The content sees no body, whether or not it was read."""
        self._is_dropped = True
        self._read = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive(self) -> Message:
        """What the application calls as ``receive``."""
        if self._read:
            return self._read.pop(0)
        message = await self._receive()
        while self._is_dropped and message["type"] == "http.request":
            message = await self._receive()
        return message


def _hide(scope: Scope, decision: Decision, body: _Body) -> None:
    """Makes the request that the content sees."""
    hidden = {name.encode("latin-1") for name in decision.hidden_headers}
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name.lower() not in hidden]
    if decision.as_get:
        scope["method"] = "GET"
        body.drop()


async def _serve(application: Application, scope: Scope, body: _Body, send: Send, visit: Visit) -> None:
    head: Optional[Message] = None

    async def send_head() -> None:
        nonlocal head
        if head is not None and not visit.is_settled:
            fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.get("headers", ())]
            # Before the payment is settled: a response that cannot be sent is not charged.
            check_head(head["status"], fields)
            held, head = head, None
            visit.is_settled = True
            fields = await _in_thread(lambda: visit.settle(held["status"], fields))
            await send({**held, "headers": _encoded(fields)})

    async def hold(message: Message) -> None:
        nonlocal head
        if message["type"] == "http.response.start":
            # Held until the first byte of the content, which might still fail.
            head = message
            return
        if message["type"].startswith("http.response.") and (
            message["type"] != "http.response.body" or message.get("body") or not message.get("more_body", False)
        ):
            if not isinstance(message.get("body", b""), (bytes, bytearray, memoryview)):
                raise TypeError(f"expected a body of bytes, found {type(message['body']).__name__}")
            await send_head()
        await send(message)

    try:
        await application(scope, body.receive, hold)
    except asyncio.CancelledError:
        if not visit.is_settled:
            asyncio.get_running_loop().run_in_executor(None, visit.fail)
        raise
    except BaseException:
        if not visit.is_settled:
            fields = await _in_thread(visit.fail)
            if fields is not None:
                await _send_all(send, 500, fields, FAILED)
        raise
    if not visit.is_settled:
        # No response at all: the server answers.
        await _in_thread(visit.fail)


def _encoded(fields: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]


async def _send_all(send: Send, status: int, fields: list[tuple[str, str]], content: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": _encoded(fields)})
    await send({"type": "http.response.body", "body": content})
