"""A vendor's paywall, for any web server or framework."""

from __future__ import annotations

import ipaddress
import os
from ctypes import byref, c_bool, c_int, c_size_t, c_void_p
from dataclasses import dataclass
from typing import Callable, Iterable, Optional, Union

from ._library import Handle, Host, Text, c, call, flag, integer, lent, lent_pair, sized, taken

Fields = Iterable[tuple[Text, Text]]

ERROR, WARNING, INFO = 1, 2, 3
"""How serious a line of the log is."""

CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
"""The request fields that the content must not see if a decision ``ignores_conditions``."""
BODY_FIELDS = ("content-length", "content-type", "content-encoding", "transfer-encoding", "expect")
"""The request fields that the content must not see if a decision is ``as_get``."""

_LARGEST = (1 << 63) - 1


@dataclass(frozen=True)
class File:
    """What is known of a file that is sent unchanged. Conditions and ranges of the request are
    then decided before a payment is recorded."""

    etag: Optional[str] = None
    """The entity tag as the response will contain it, with its quotes."""
    last_modified: Optional[int] = None
    """Seconds since 1970-01-01 00:00 UTC."""
    size: Optional[int] = None
    """In bytes, if ranges of the file are served."""


@dataclass(frozen=True)
class Terms:
    """What a page costs."""

    price: int = 0
    """In coins; 0 is free."""
    free_views: int = 0
    """How many pages a visitor sees per UTC day without paying."""
    receipt_path: Optional[str] = None
    """A receipt opens everything with the same receipt path; without it, this page alone."""
    is_dry_run: bool = False
    """Decide everything, record nothing, and serve the content free."""
    charges_redirects: bool = False
    """A redirect by the content is what is sold."""
    file: Optional[File] = None


class Request(Handle):
    """A request to a page, whose body was not read yet."""

    _kind = "request"

    def __init__(
        self,
        method: Text,
        target: Text,
        terms: Terms,
        headers: Fields = (),
        *,
        host: Optional[Text] = None,
        is_https: bool = True,
        port: int = 0,
        client: Optional[str] = None,
    ):
        """``target`` is path and query exactly as received, or with scheme and authority before
        them. ``host`` is the Host field. ``port`` is the port at which the connection was
        accepted, 0 if it is not known. ``client`` is the client's address; anything but an IP
        address, such as the name of a Unix socket, is unknown."""
        super().__init__(c_void_p(c.request_new()))
        self._use(lambda it: self._fill(it, method, target, terms, headers, host, is_https, port, client))

    @staticmethod
    def _fill(
        it: c_void_p, method: Text, target: Text, terms: Terms, headers: Fields, host: Optional[Text],
        is_https: bool, port: int, client: Optional[str],
    ) -> None:
        authority, local = split_target(sized(target)[0])
        c.request_set_method(it, *sized(method))
        c.request_set_target(it, *sized(local))
        if authority is not None or host is not None:
            c.request_set_host(it, *sized(authority if authority is not None else host or b""))
        for name, value in headers:
            c.request_add_header(it, *sized(name), *sized(value))
        c.request_set_https(it, flag("is_https", is_https))
        c.request_set_port(it, integer("port", port, 0, 65535))
        c.request_set_price(it, integer("price", terms.price))
        c.request_set_free_views(it, integer("free_views", terms.free_views))
        c.request_set_dry_run(it, flag("is_dry_run", terms.is_dry_run))
        c.request_set_charges_redirects(it, flag("charges_redirects", terms.charges_redirects))
        if terms.receipt_path is not None:
            c.request_set_receipt_path(it, *sized(terms.receipt_path))
        address = address_of(client)
        if address is not None:
            c.request_set_client(it, *sized(address))
        file = terms.file
        if file is not None:
            c.request_set_file(it, True)
            if file.etag is not None:
                c.request_set_etag(it, *sized(file.etag))
            if file.last_modified is not None:
                c.request_set_last_modified(
                    it, integer("last_modified", file.last_modified, -_LARGEST, _LARGEST)
                )
            if file.size is not None:
                c.request_set_size(it, integer("size", file.size, 0, _LARGEST))

    def set_body(self, body: bytes) -> None:
        """The whole body was read."""
        self._use(lambda it: c.request_set_body(it, *sized(body)))


class Decision(Handle):
    """What to do with a request. Immutable.

    If ``serves`` is true, remove the headers ``strip_headers`` from the request (with
    ``ignores_conditions`` also CONDITIONS, with ``as_get`` also BODY_FIELDS), make the content,
    pass the status of its response to :meth:`Paywall.finish`, and send what :meth:`head` returns.
    Otherwise respond with ``status``, ``head(status, False, ())`` and ``body``."""

    _kind = "decision"

    def __init__(self, pointer: c_void_p):
        super().__init__(pointer)
        self.serves: bool = self._use(c.decision_serves)
        self.status: int = self._use(c.decision_status)
        """The status of the answer; 0 if the content is served."""
        self.as_get: bool = self._use(c.decision_is_as_get)
        """Serve as a GET without a body: the request was a payment in a POST."""
        self.ignores_conditions: bool = self._use(c.decision_ignores_conditions)
        """Send the whole content even if the client has a fresh copy."""

    @property
    def outcome(self) -> str:
        """A word for logs: unpaid, paid, receipt, retry, spent and others."""
        return self._use(lambda it: lent("decision_outcome", it)).decode()

    @property
    def user(self) -> str:
        """The User-ID of the payer; empty if there is none."""
        return self._use(lambda it: lent("decision_user", it)).decode()

    @property
    def coins(self) -> int:
        """How many coins this request spent."""
        return int(self._use(c.decision_coins))

    @property
    def body(self) -> bytes:
        """The body of the answer."""
        return self._use(lambda it: lent("decision_body", it))

    @property
    def hidden_headers(self) -> frozenset[str]:
        """The names, in lower case, of all request fields that the content must not see."""

        def names(it: c_void_p) -> frozenset[str]:
            stripped = (lent("decision_strip_header", it, i) for i in range(c.decision_strip_header_count(it)))
            hidden = {name.decode("latin-1").lower() for name in stripped}
            hidden.update(CONDITIONS if self.ignores_conditions else ())
            hidden.update(BODY_FIELDS if self.as_get else ())
            return frozenset(hidden)

        return self._use(names)

    def head(self, status: int, is_reversed: bool, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """The header fields to send instead of ``headers``. ``is_reversed`` is the result of
        :meth:`Paywall.finish`."""
        given, pointer = list(headers), c_void_p()
        with Handle(c_void_p(c.fields_new()), kind="fields") as fields:
            for name, value in given:
                fields._use(lambda it: c.fields_add(it, *_latin(name), *_latin(value)))
            number = integer("status", status, 0, 999)
            fields._use(
                lambda those: self._use(
                    lambda it: call("decision_head", it, number, flag("is_reversed", is_reversed), those, byref(pointer))
                )
            )

        def merged(it: c_void_p) -> list[tuple[str, str]]:
            out = {lent("head_remove", it, i).decode("latin-1").lower() for i in range(c.head_remove_count(it))}
            added = [lent_pair("head_add", it, i) for i in range(c.head_add_count(it))]
            return [field for field in given if field[0].lower() not in out] + added

        with Handle(pointer, kind="head") as head:
            return head._use(merged)

    def event(self, status: int, is_reversed: bool = False, *, as_json: bool = False) -> str:
        """A log line about the request, such as ``micromint paid status=200 price=1 coins=1
        user=alice``."""
        number = integer("status", status, 0, 999)
        return self._use(lambda it: taken("decision_event", it, number, is_reversed, as_json)).decode()


@dataclass(frozen=True)
class Look:
    """What to do next, once a request's head is read."""

    decision: Optional[Decision]
    """It is decided."""
    body_max: Optional[int]
    """Read the body; if it has at most this many bytes, pass it to :meth:`Request.set_body`, else
    pass the request on without. Then call :meth:`Paywall.decide`. None if there is nothing to
    read."""


class Paywall(Handle):
    """Decides about requests for a vendor's pages. Threads can share it, and processes that are
    forked later open the till again."""

    _kind = "paywall"

    def __init__(
        self,
        config: Union[str, bytes, "os.PathLike[str]"],
        *,
        prepare: bool = True,
        clock: Optional[Callable[[], float]] = None,
        log: Optional[Callable[[int, str], None]] = None,
    ):
        """Opens the paywall of a configuration file (docs/reference/vendor.md). With ``prepare``
        it creates the till and the secret of receipts if they do not exist. ``log`` receives
        lines for the error log, each with its level (ERROR, WARNING, INFO)."""
        path, pointer = sized(os.fsencode(config)), c_void_p()
        with Host(clock, log) as host:

            def opened(it: c_void_p) -> None:
                if flag("prepare", prepare):
                    call("paywall_prepare", *path, it)
                call("paywall_open", *path, it, byref(pointer))

            host._use(opened)
            super().__init__(pointer, host.callbacks)

    def look(self, request: Request) -> Look:
        """Looks at a request whose head is read. Never waits for the disk. If nothing is decided,
        read the body if ``body_max`` is not None, and call :meth:`decide`."""
        what, body_max, pointer = c_int(), c_size_t(), c_void_p()
        self._use(
            lambda it: request._use(
                lambda that: call("paywall_look", it, that, byref(what), byref(body_max), byref(pointer))
            )
        )
        if pointer.value:
            return Look(Decision(pointer), None)
        return Look(None, body_max.value if what.value == 1 else None)

    def decide(self, request: Request) -> Decision:
        """Decides about a request. A payment that is accepted is recorded. May wait for the
        disk."""
        return self._decided("paywall_decide", request)

    def price_tag(self, request: Request) -> Decision:
        """The answer that a client without a payment gets, for a page that tells what another one
        costs. Nothing is recorded."""
        return self._decided("paywall_price_tag", request)

    def finish(self, decision: Decision, status: int) -> bool:
        """Reports the status of the content's response, before it is sent. If it is not a success,
        the payment is reversed: then this returns True. May wait for the disk."""
        return self._settled("paywall_finish", decision, status)

    def promise(self, decision: Decision, status: int) -> bool:
        """What :meth:`finish` will return, without waiting for the disk. Call it within thirty
        seconds."""
        return self._settled("paywall_promise", decision, status)

    def metrics(self) -> str:
        """The counters of this process in the text format of Prometheus."""
        return self._use(lambda it: taken("paywall_metrics", it)).decode()

    def _decided(self, name: str, request: Request) -> Decision:
        pointer = c_void_p()
        self._use(lambda it: request._use(lambda that: call(name, it, that, byref(pointer))))
        return Decision(pointer)

    def _settled(self, name: str, decision: Decision, status: int) -> bool:
        reversed_, number = c_bool(), integer("status", status, 100, 999)
        self._use(lambda it: decision._use(lambda that: call(name, it, that, number, byref(reversed_))))
        return bool(reversed_.value)


def split_target(target: bytes) -> tuple[Optional[bytes], bytes]:
    """The authority of a request target in absolute form, without user information, and path and
    query. None and the target itself for any other."""
    scheme, mark, rest = target.partition(b"://")
    if target.startswith(b"/") or not mark or not scheme.isalnum():
        return None, target
    end = min((at for at in map(rest.find, (b"/", b"?", b"#")) if at >= 0), default=len(rest))
    local = rest[end:]
    return rest[:end].rpartition(b"@")[2], local if local.startswith(b"/") else b"/" + local


def address_of(client: Optional[str]) -> Optional[str]:
    """The client's IP address without the zone; None for anything else."""
    try:
        return str(ipaddress.ip_address((client or "").partition("%")[0]))
    except ValueError:
        return None


def _latin(text: str) -> tuple[bytes, int]:
    # Header fields are bytes; in WSGI and ASGI each is a letter of Latin-1.
    return sized(text.encode("latin-1"))
