"""The vendor's paywall, for any web server or framework."""

from __future__ import annotations

import os
from ctypes import byref, c_bool, c_size_t, c_void_p, string_at
from dataclasses import dataclass
from typing import Callable, Iterable, Optional, Union

from ._library import Handle, Header, Request, call, host_with, lent, sized, value

_Bytes = Union[bytes, str]


@dataclass(frozen=True)
class Decision:
    """What to do with a request.

    Where ``serves``, make the content without the request header fields of ``strip_headers``, give the status
    of its answer to :meth:`Paywall.settle`, and add ``headers`` if that status is 2xx or 304. Else answer with
    ``status``, ``headers`` and ``body``.
    """

    serves: bool
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    outcome: str
    """A word for logs: unpaid, paid, receipt, retry, spent and others."""
    user: str
    coins: int
    """The coins that this request recorded."""
    as_get: bool
    """Serve as a GET without a body: the request was a payment in a POST."""
    ignores_conditions: bool
    is_private: bool
    """Keep the answer out of shared caches."""
    strip_headers: list[str]
    _handle: Handle


class Paywall(Handle):
    """The gate before a vendor's pages. Any number of threads may use one at once; open it after ``fork()``."""

    def __init__(
        self,
        config: Union[str, "os.PathLike[str]"],
        *,
        prepare: bool = True,
        clock: Optional[Callable[[], float]] = None,
        log: Optional[Callable[[str], None]] = None,
    ):
        """Opens the paywall of a configuration file (docs/vendor.md), making the till and the secret of receipts
        if they are missing and ``prepare`` says so. ``log`` takes lines for the error log."""
        host, path, pointer = host_with(clock, log), sized(os.fsencode(config)), c_void_p()
        if prepare:
            call("paywall_prepare", *path, byref(host))
        call("paywall_open", *path, byref(host), byref(pointer))
        super().__init__("paywall", pointer, host)

    def decide(
        self,
        method: _Bytes,
        target: _Bytes,
        *,
        price: int,
        headers: Iterable[tuple[_Bytes, _Bytes]] = (),
        body: Optional[bytes] = None,
        host: Optional[_Bytes] = None,
        is_https: bool = True,
    ) -> Decision:
        """Decides about a request. ``target`` is path and query exactly as received, ``body`` None if it was not
        read, ``price`` the price of the page in coins, 0 for free. A payment that is accepted is recorded."""
        fields = [Header(*sized(name), *sized(content)) for name, content in headers]
        request = Request(
            *sized(method), *sized(target), *((None, 0) if host is None else sized(host)),
            (Header * len(fields))(*fields), len(fields), *((None, 0) if body is None else sized(body)),
            body is not None, is_https, price,
        )
        pointer = c_void_p()
        call("paywall_decide", self._pointer, byref(request), byref(pointer))
        return _read(Handle("decision", pointer))

    def settle(self, decision: Decision, status: int) -> bool:
        """Tells the status of the content's answer, before its head is sent. True if the payment was taken back,
        since that is no success: answer with ``MicroMint-Status: reversed`` in place of the decision's headers."""
        reversed_ = c_bool()
        call("paywall_settle", self._pointer, decision._handle._pointer, status, byref(reversed_))
        return reversed_.value


def _read(handle: Handle) -> Decision:
    it = handle._pointer
    headers = []
    for index in range(value("decision_header_count", it)):
        name, name_len, content, content_len = c_void_p(), c_size_t(), c_void_p(), c_size_t()
        call("decision_header", it, index, byref(name), byref(name_len), byref(content), byref(content_len))
        headers.append((_text(name, name_len), _text(content, content_len)))
    stripped = range(value("decision_strip_header_count", it))
    return Decision(
        serves=value("decision_serves", it),
        status=value("decision_status", it),
        headers=headers,
        body=lent("decision_body", it),
        outcome=lent("decision_outcome", it).decode(),
        user=lent("decision_user", it).decode(),
        coins=value("decision_coins", it),
        as_get=value("decision_is_as_get", it),
        ignores_conditions=value("decision_ignores_conditions", it),
        is_private=value("decision_is_private", it),
        strip_headers=[lent("decision_strip_header", it, index).decode() for index in stripped],
        _handle=handle,
    )


def _text(data: c_void_p, length: c_size_t) -> str:
    return string_at(data.value, length.value).decode("latin-1") if data.value else ""
