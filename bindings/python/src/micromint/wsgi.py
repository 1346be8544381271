"""Charges for the pages of a WSGI application (PEP 3333), such as one of Flask or Django.

    application = Charge(application, Paywall("/etc/micromint/vendor.toml"), {"/story": 1})

Bodies are read only as far as the paywall needs them, at most 60 KiB and a byte.
"""

from __future__ import annotations

import io
import urllib.parse
from typing import Any, Callable, Iterable, Iterator, Optional

from ._charging import FAILED, OnEvent, Prices, Visit, check_head, status_line, terms_of
from .paywall import Decision, Paywall, Request

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class Charge:
    """A WSGI application that asks for coins for pages of another one.

    ``prices`` maps paths (SCRIPT_NAME and PATH_INFO, decoded) to prices in coins or Terms, or is a
    function of ``environ``. If the application serves a page under several paths, use a function:
    a path without a price is free. ``on_event`` receives a log line for every request that has to
    do with coins.
    """

    def __init__(self, application: Application, paywall: Paywall, prices: Prices, *, on_event: OnEvent = None):
        self.application, self.paywall, self.prices, self.on_event = application, paywall, prices, on_event

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        terms = terms_of(self.prices, environ, path.encode("latin-1").decode("utf-8", "replace"))
        body = _Body(environ)
        with _request(environ, terms) as request:
            look = self.paywall.look(request)
            if look.decision is None and look.body_max is not None and body.read(look.body_max):
                request.set_body(body.start)
            decision = look.decision or self.paywall.decide(request)
        visit = Visit(self.paywall, decision, self.on_event)
        method = environ["REQUEST_METHOD"]
        if not decision.serves:
            status, fields, content = visit.answer(method)
            start_response(status_line(status), fields)
            return [content] if content else []
        _hide(environ, decision, body)
        environ["micromint.terms"] = terms
        return _serve(self.application, environ, start_response, visit)


def _request(environ: Environ, terms: Any) -> Request:
    headers = [
        (name[5:].replace("_", "-"), value.encode("latin-1"))
        for name, value in environ.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    ]
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers.append((name.replace("_", "-"), environ[name].encode("latin-1")))
    host = environ.get("HTTP_HOST")
    port = str(environ.get("SERVER_PORT") or "")
    return Request(
        environ["REQUEST_METHOD"].encode("latin-1"),
        _target(environ).encode("latin-1", "replace"),
        terms,
        headers,
        host=None if host is None else host.encode("latin-1"),
        is_https=environ["wsgi.url_scheme"] == "https",
        port=int(port) if port.isascii() and port.isdigit() and int(port) < 65536 else 0,
        client=environ.get("REMOTE_ADDR"),
    )


def _target(environ: Environ) -> str:
    """The request target as received. If the server does not provide it, the decoded path is
    encoded again."""
    received = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if received:
        return str(received)
    path = urllib.parse.quote(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), encoding="latin-1")
    return (path or "/") + (f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else "")


class _Body:
    """The body of a request, of which the start may have been read."""

    def __init__(self, environ: Environ):
        self.stream = environ["wsgi.input"]
        length = environ.get("CONTENT_LENGTH") or ""
        self.is_chunked = "HTTP_TRANSFER_ENCODING" in environ
        self.length: Optional[int] = int(length) if length.isascii() and length.isdigit() else 0
        if self.is_chunked:
            # Its end is known only to a server that says so.
            self.length = None if environ.get("wsgi.input_terminated") else -1
        self.start = b""
        self.is_whole = False

    def read(self, most: int) -> bool:
        """Reads a body of at most `most` bytes; False if it is longer or its end is unknown."""
        if self.length is not None and not 0 <= self.length <= most:
            return False
        wanted = most + 1 if self.length is None else self.length
        pieces: list[bytes] = []
        while wanted > 0 and (piece := self.stream.read(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
        self.start = b"".join(pieces)
        if self.length is None:
            self.is_whole = len(self.start) <= most
        else:
            self.is_whole = True
            if wanted:
                raise ConnectionError("the client left before its body was read")
        return self.is_whole


class _Rest(io.RawIOBase):
    """The start of a body that was read, then the rest of the stream."""

    def __init__(self, start: bytes, stream: Any):
        self._start, self._stream = io.BytesIO(start), stream

    def readable(self) -> bool:
        return True

    def readinto(self, place: Any) -> int:
        piece = self._start.read(len(place)) or self._stream.read(len(place))
        place[: len(piece)] = piece
        return len(piece)


def _hide(environ: Environ, decision: Decision, body: _Body) -> None:
    """Makes the request that the content sees."""
    for name in decision.hidden_headers:
        key = name.upper().replace("-", "_")
        environ.pop("HTTP_" + key, None)
        if key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            environ.pop(key, None)
    if decision.as_get:
        environ.update({"REQUEST_METHOD": "GET", "wsgi.input": io.BytesIO()})
    elif body.is_whole:
        environ["wsgi.input"] = io.BytesIO(body.start)
        if body.is_chunked:
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            environ["CONTENT_LENGTH"] = str(len(body.start))
    elif body.start:
        environ["wsgi.input"] = io.BufferedReader(_Rest(body.start, body.stream))


def _serve(application: Application, environ: Environ, start_response: StartResponse, visit: Visit) -> Iterable[bytes]:
    head = _Head(start_response, visit)
    try:
        content = application(environ, head.hold)
        wrapper = environ.get("wsgi.file_wrapper")
        is_file = isinstance(wrapper, type) and isinstance(content, wrapper)
        is_whole = isinstance(content, (list, tuple)) and all(isinstance(piece, bytes) for piece in content)
        if head.held and (is_file or is_whole):
            # Nothing can fail any more. The server may send a file itself.
            head.send()
            return content
    except BaseException:
        return _failed(head)
    return _Content(content, head)


def _failed(head: _Head) -> Iterable[bytes]:
    """Called in an ``except`` block. Answers if the client must know of a reversal; then the
    exception goes on to the server, which logs it."""
    import sys

    error = sys.exc_info()[1]
    assert error is not None
    fields = None if head.visit.is_settled else head.visit.fail()
    if fields is None:
        raise error
    head.start_response(status_line(500), fields)
    return _message_and_error(error)


def _message_and_error(error: BaseException) -> Iterator[bytes]:
    yield FAILED
    raise error


class _Head:
    """The head of a response, held until the first byte of the content."""

    def __init__(self, start_response: StartResponse, visit: Visit):
        self.start_response, self.visit = start_response, visit
        self.held: Optional[tuple[str, list[tuple[str, str]]]] = None
        self.write: Optional[Callable[[bytes], Any]] = None

    def hold(self, status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], Any]:
        """What the application calls as ``start_response``."""
        if self.write is not None:
            if exc_info:
                raise exc_info[1].with_traceback(exc_info[2])
            raise AssertionError("start_response was called after the head was sent")
        self.held = (status, list(fields))

        def write(data: bytes) -> Any:
            return self.send()(data)

        return write

    def send(self) -> Callable[[bytes], Any]:
        """Sends the head, once."""
        if self.write is None:
            if self.held is None:
                raise AssertionError("the application did not call start_response")
            status, fields = self.held
            number, _, phrase = status.partition(" ")
            check_head(int(number), [("phrase", phrase)])
            fields = self.visit.settle(int(number), fields)
            self.write = self.start_response(status, fields)
        return self.write


class _Content:
    """The content of a response, before whose first byte the head is sent."""

    def __init__(self, content: Iterable[bytes], head: _Head):
        self._content, self._head = content, head
        self._pieces: Iterator[bytes] = self._pieces_of()

    def _pieces_of(self) -> Iterator[bytes]:
        try:
            for piece in self._content:
                if not isinstance(piece, bytes):
                    raise TypeError(f"expected a body of bytes, found {type(piece).__name__}")
                if piece:
                    self._head.send()
                    yield piece
            self._head.send()
        except GeneratorExit:
            raise
        except BaseException:
            yield from _failed(self._head)

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        try:
            getattr(self._content, "close", lambda: None)()
        finally:
            if not self._head.visit.is_settled:
                # The client left before there was a head.
                self._head.visit.fail()
