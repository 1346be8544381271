"""The parameters of a period, which check coins."""

from __future__ import annotations

import enum
from ctypes import byref, c_int, c_uint64, c_void_p
from pathlib import Path
from typing import Sequence, Union

from ._library import Handle, c, call, integer, sized, taken

X_MAX = (1 << 64) - 1


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

    _kind = "params"

    def __init__(self, toml: str):
        """Reads the text of a PERIOD.params file."""
        pointer = c_void_p()
        call("params_from_toml", *sized(toml), byref(pointer))
        super().__init__(pointer)

    @classmethod
    def load(cls, path: Union[str, Path]) -> Params:
        """Reads a PERIOD.params file."""
        return cls(Path(path).read_text(encoding="utf-8"))

    def to_toml(self) -> str:
        """The text of a PERIOD.params file."""
        return self._use(lambda it: taken("params_to_toml", it)).decode()

    @property
    def coin_size(self) -> int:
        """k, the number of balls in a coin."""
        return int(self._use(c.params_coin_size))

    def hash(self, x: int) -> int:
        """The 64-bit hash of an input; its leading n bits are y."""
        output = c_uint64()
        self._use(lambda it: call("hash", it, integer("x", x, 0, X_MAX), byref(output)))
        return output.value

    def check(self, vendor: str, user: str, x: Sequence[int]) -> Fault:
        """Checks coins of ``user`` for ``vendor``: k inputs per coin, one coin after the other.
        It does not check whether they were spent before."""
        inputs = (c_uint64 * len(x))(*(integer("x", it, 0, X_MAX) for it in x))
        pointer, fault = c_void_p(), c_int()
        self._use(lambda it: call("checker_new", it, *sized(vendor), byref(pointer)))
        with Handle(pointer, kind="checker") as checker:
            checker._use(
                lambda it: call("checker_check", it, *sized(user), inputs, len(x), byref(fault), None)
            )
        return Fault(fault.value)
