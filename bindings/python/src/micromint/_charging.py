"""What the middlewares share: the terms of a page, and the end of a request.

Every request that is served is settled exactly once: with the status of the content's response, or
with 500 if there is none.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Callable, Optional, Union

from .paywall import Decision, Paywall, Terms

Price = Union[int, Terms]
Prices = Union[Mapping[str, Price], Callable[[Any], Price]]
"""Prices by path, or a function of the request."""
OnEvent = Optional[Callable[[str], None]]

FAILED = b"Internal Server Error\n"

_LOGGER = logging.getLogger("micromint")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


def terms_of(prices: Prices, request: Any, path: str) -> Terms:
    """What a page costs. A path without a price is free."""
    found = prices.get(path, 0) if isinstance(prices, Mapping) else prices(request)
    return found if isinstance(found, Terms) else Terms(price=found)


def status_line(status: int) -> str:
    """A status with its phrase."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Status"


def check_head(status: Any, fields: list[tuple[str, str]]) -> None:
    """Raises ValueError or TypeError for a head that no server can send. Call it before the payment
    is settled: such a page fails, so it is not charged."""
    if not isinstance(status, int) or not 100 <= status <= 999:
        raise ValueError(f"status: expected a number from 100 to 999, found {status!r}")
    for name, value in fields:
        if not _NAME.fullmatch(name):
            raise ValueError(f"expected the name of a header field, found {name!r}")
        if _NOT_IN_VALUE.search(value):
            raise ValueError(f"{name}: expected a value without control characters in Latin-1, found {value!r}")


class Visit:
    """A request that is decided."""

    def __init__(self, paywall: Paywall, decision: Decision, on_event: OnEvent):
        self.paywall, self.decision, self.on_event = paywall, decision, on_event
        self.is_settled = False

    def answer(self, method: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, fields and body of an answer of the paywall."""
        status, body = self.decision.status, self.decision.body
        fields = self.decision.head(status, False, ())
        if status not in (204, 304):
            fields.append(("Content-Length", str(len(body))))
        self._end(status, False)
        return status, fields, b"" if method == "HEAD" else body

    def settle(self, status: int, fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Reports the status of the content's response; returns the fields to send. May wait for
        the disk. If the response cannot be sent, raises an error and settles nothing: call
        :meth:`fail`."""
        check_head(status, fields)
        self.is_settled = True
        try:
            is_reversed = self.paywall.finish(self.decision, status)
            fields = self.decision.head(status, is_reversed, fields)
        except BaseException:
            self.decision.close()
            raise
        self._end(status, is_reversed)
        return fields

    def fail(self) -> Optional[list[tuple[str, str]]]:
        """The content failed before it had sent anything. The fields of a response 500 if a
        payment was reversed, which the client must be told; None if there was none, and whoever
        handles errors may answer. May wait for the disk."""
        self.is_settled = True
        try:
            if not self.paywall.finish(self.decision, 500):
                self._end(500, False)
                return None
            fields = [("Content-Type", "text/plain"), ("Content-Length", str(len(FAILED)))]
            fields = self.decision.head(500, True, fields)
            self._end(500, True)
            return fields
        finally:
            self.decision.close()

    def _end(self, status: int, is_reversed: bool) -> None:
        if self.on_event is not None:
            # What is decided and settled must be sent, whatever becomes of the log line.
            try:
                self.on_event(self.decision.event(status, is_reversed))
            except Exception:
                _LOGGER.exception("on_event failed")
        self.decision.close()
