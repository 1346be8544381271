"""Messages of the protocol, and challenges of the scheme "Payment"."""

from __future__ import annotations

import time
from ctypes import byref, c_size_t, c_void_p, string_at
from typing import Optional

from ._library import ABSENT, Handle, MicroMintError, Text, c, call, integer, lent, sized, take, taken


class Message(Handle):
    """A message of one of the types of docs/reference/protocol.md, with every field well formed.
    Immutable, so threads can share it."""

    _kind = "message"

    def __init__(self, data: bytes):
        """Parses a message."""
        pointer = c_void_p()
        call("message_parse", *sized(data), byref(pointer))
        super().__init__(pointer)

    @classmethod
    def from_header(cls, value: Text) -> Message:
        """The Request-Payment in the value of a header field MicroMint-Request."""
        pointer = c_void_p()
        call("message_from_header", *sized(value), byref(pointer))
        return cls._of(pointer)

    @classmethod
    def _of(cls, pointer: c_void_p) -> Message:
        message = cls.__new__(cls)
        Handle.__init__(message, pointer)
        return message

    @property
    def type(self) -> str:
        """The type, such as "Payment"."""
        return self._use(lambda it: lent("message_type", it)).decode()

    def header(self, name: str) -> Optional[str]:
        """The value of a header such as "User-ID"; None if this type has no such header."""
        try:
            return self._use(lambda it: lent("message_header", it, *sized(name))).decode()
        except MicroMintError as error:
            if error.status == ABSENT:
                return None
            raise

    @property
    def data(self) -> bytes:
        """The decoded data; empty for a type without."""
        return self._use(lambda it: lent("message_data", it))

    def __bytes__(self) -> bytes:
        return self._use(lambda it: taken("message_print", it))

    def to_header(self) -> str:
        """The value of a header field: for a Payment that of MicroMint-Payment."""
        return self._use(lambda it: taken("message_to_header", it)).decode()


class Challenge(Handle):
    """A challenge of the scheme "Payment" that coins can answer. Immutable."""

    _kind = "challenge"

    def __init__(self, value: Text):
        """Parses the first such challenge in the value of a header field WWW-Authenticate. Raises
        a MicroMintError with the status ABSENT if there is none."""
        pointer = c_void_p()
        call("challenge_parse", *sized(value), byref(pointer))
        super().__init__(pointer)

    @property
    def request(self) -> Message:
        """The Request-Payment that it contains, for :meth:`Wallet.pay`."""
        pointer = c_void_p()
        self._use(lambda it: call("challenge_request", it, byref(pointer)))
        return Message._of(pointer)

    def has_ended(self, now: Optional[int] = None) -> bool:
        """Whether it has expired at a time, now by default."""
        at = int(time.time()) if now is None else now
        return bool(self._use(lambda it: c.challenge_has_ended(it, integer("now", at, -(1 << 63), (1 << 63) - 1))))

    def answer(self, payment: bytes) -> tuple[str, str]:
        """The header field, name and value, that answers it with a Payment message."""
        name, size, value = c_void_p(), c_size_t(), c_void_p()
        self._use(lambda it: call("challenge_answer", it, *sized(payment), byref(name), byref(size), byref(value)))
        return string_at(name.value or 0, size.value).decode(), take(value).decode()
