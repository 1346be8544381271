"""A vendor's paywall, for any web server or framework."""

from __future__ import annotations

import os
from ctypes import byref, c_bool, c_void_p
from dataclasses import dataclass
from typing import Callable, Iterable, Optional, Union

from ._library import Handle, Header, Request, call, host_with, lent, lent_pair, sized, take, value

_Bytes = Union[bytes, str]


@dataclass(frozen=True)
class Decision:
    """What to do with a request.

    If ``serves`` is true, remove the headers ``strip_headers`` from the request, make the
    content, and pass the status and headers of its response to :meth:`Paywall.finish`. Otherwise
    respond with ``status``, ``headers`` and ``body``.
    """

    serves: bool
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    outcome: str
    """A word for logs: unpaid, paid, receipt, retry, spent and others."""
    user: str
    coins: int
    """How many coins this request spent."""
    as_get: bool
    """Serve as a GET without a body: the request was a payment in a POST."""
    ignores_conditions: bool
    """Send the whole content even if the client has a fresh copy."""
    strip_headers: list[str]
    _handle: Handle


class Paywall(Handle):
    """Decides about requests for a vendor's pages. Threads can share it; open it after
    ``fork()``."""

    def __init__(
        self,
        config: Union[str, "os.PathLike[str]"],
        *,
        prepare: bool = True,
        clock: Optional[Callable[[], float]] = None,
        log: Optional[Callable[[str], None]] = None,
    ):
        """Opens the paywall of a configuration file (docs/reference/vendor.md). With ``prepare``
        it creates the till and the secret of receipts if they do not exist. ``log`` receives
        lines for the error log."""
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
        port: int = 0,
        client: Optional[_Bytes] = None,
        free_views: int = 0,
        receipt_path: Optional[_Bytes] = None,
        is_dry_run: bool = False,
        charges_redirects: bool = False,
    ) -> Decision:
        """Decides about a request. ``target`` is path and query exactly as received, ``body`` is
        None if it was not read, ``price`` is the price of the page in coins, 0 for free. A payment
        that is accepted is recorded.

        ``host`` is the authority of a target in absolute form, otherwise the Host field; ``port``
        is the port at which the connection was accepted, 0 if it is not known. A receipt or a
        recorded payment counts only for the host that it was made for.

        ``client`` is the address of the client, which can see ``free_views`` pages per day
        without paying. A receipt is valid for all pages with the same ``receipt_path``; without
        it, for this page only. With ``is_dry_run`` nothing is recorded and the content is free. With
        ``charges_redirects`` a redirect by the content is charged."""
        fields = [Header(*sized(name), *sized(content)) for name, content in headers]
        request = Request(
            *sized(method), *sized(target), *_optional(host), (Header * len(fields))(*fields), len(fields),
            *_optional(body), body is not None, is_https, port, price, free_views, is_dry_run, charges_redirects,
            *_optional(receipt_path), *_optional(client),
        )
        pointer = c_void_p()
        call("paywall_decide", self._pointer, byref(request), byref(pointer))
        return _read(Handle("decision", pointer))

    def finish(self, decision: Decision, status: int, headers: Iterable[tuple[str, str]] = ()) -> list[tuple[str, str]]:
        """Reports the status of the response with the content, before it is sent, and returns
        the headers to send instead of ``headers``. If the status is not a success, the payment
        is reversed."""
        reversed_, head = c_bool(), c_void_p()
        it = decision._handle._pointer
        call("paywall_finish", self._pointer, it, status, byref(reversed_))
        given = list(headers)
        fields = [Header(*sized(name), *sized(content)) for name, content in given]
        call("decision_head", it, status, reversed_, (Header * len(fields))(*fields), len(fields), byref(head))
        with Handle("head", head):
            removed = {lent("head_remove", head, i).decode().lower() for i in range(value("head_remove_count", head))}
            added = [lent_pair("head_add", head, i) for i in range(value("head_add_count", head))]
        return [field for field in given if field[0].lower() not in removed] + added

    def event(self, decision: Decision, status: int) -> str:
        """A log line about the request, such as ``micromint paid status=200 price=1 coins=1
        user=alice``."""
        line = c_void_p()
        call("decision_event", decision._handle._pointer, status, False, False, byref(line))
        return take(line).decode()


def _optional(data: Optional[_Bytes]) -> tuple[Optional[bytes], int]:
    return (None, 0) if data is None else sized(data)


def _read(handle: Handle) -> Decision:
    it = handle._pointer
    headers = [lent_pair("decision_header", it, index) for index in range(value("decision_header_count", it))]
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
        strip_headers=[lent("decision_strip_header", it, index).decode() for index in stripped],
        _handle=handle,
    )

