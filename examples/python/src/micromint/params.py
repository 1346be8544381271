"""The parameters of a period, which check coins."""

from __future__ import annotations

import enum
from ctypes import byref, c_int, c_uint64, c_void_p
from pathlib import Path
from typing import Sequence, Union

from ._library import Handle, call, sized, take, value


class Fault(enum.IntEnum):
    """What is wrong with coins. If there are several faults, the first one in this list is
    reported."""

    GOOD = 0
    OUT_OF_RANGE = 1
    REPEATED_BALL = 2
    FIXED_BITS = 3
    USER_DIFFERENCES = 4
    VENDOR_DIFFERENCES = 5
    REPEATED_COIN = 6


class Params(Handle):
    """The public parameters of a period. Immutable, so threads can share it."""

    def __init__(self, toml: str):
        """Reads the text of a PERIOD.params file."""
        pointer = c_void_p()
        call("params_from_toml", *sized(toml), byref(pointer))
        super().__init__("params", pointer)

    @classmethod
    def load(cls, path: Union[str, Path]) -> Params:
        """Reads a PERIOD.params file."""
        return cls(Path(path).read_text(encoding="utf-8"))

    def to_toml(self) -> str:
        """The text of a PERIOD.params file."""
        text = c_void_p()
        call("params_to_toml", self._pointer, byref(text))
        return take(text).decode()

    @property
    def coin_size(self) -> int:
        """k, the number of balls in a coin."""
        return int(value("params_coin_size", self._pointer))

    def hash(self, x: int) -> int:
        """The 64-bit hash of an input; its leading n bits are y."""
        output = c_uint64()
        call("hash", self._pointer, x, byref(output))
        return output.value

    def check(self, vendor: str, user: str, x: Sequence[int]) -> Fault:
        """Checks coins of ``user`` for ``vendor``: k inputs per coin, one coin after the other.
        It does not check whether they were spent before."""
        checker, fault = c_void_p(), c_int()
        call("checker_new", self._pointer, *sized(vendor), byref(checker))
        try:
            call("checker_check", checker, *sized(user), (c_uint64 * len(x))(*x), len(x), byref(fault), None)
        finally:
            value("checker_free", checker)
        return Fault(fault.value)
