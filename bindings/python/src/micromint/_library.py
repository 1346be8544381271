"""The C library: its functions, errors as exceptions, and objects that free themselves.

Input and output: Python values. Every handle is owned by one :class:`Handle`, which cannot be
copied, and is freed when no call uses it.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import operator
import os
import subprocess
import sys
import threading
import time
from ctypes import c_bool, c_char_p, c_double, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any, Callable, NoReturn, Optional, SupportsIndex, TypeVar, Union

from ._functions import FUNCTIONS

ABSENT = 9
"""``MICROMINT_ERROR_ABSENT``: the requested item does not exist."""
STATE = 10
"""``MICROMINT_ERROR_STATE``: not possible in the present state of the object."""

Text = Union[str, bytes]
Result = TypeVar("Result")
Me = TypeVar("Me", bound="Handle")

_TYPES: dict[str, Any] = {
    "v": None, "b": c_bool, "i": c_int, "I": c_uint32, "l": c_int64, "L": c_uint64, "z": c_size_t, "d": c_double,
    "s": c_char_p, "p": c_void_p,
}
_MINOR = 1
"""The minor version of the library, whose functions these are."""

Now = ctypes.CFUNCTYPE(c_int64, c_void_p)
Random = ctypes.CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t)
Log = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_void_p, c_size_t)


class MicroMintError(Exception):
    """An error of the library. ``status`` is one of MICROMINT_ERROR_*; the text says what was
    expected, what was found and where."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return (MicroMintError, (self.status, str(self)))


def _path() -> str:
    """The library: the one that the environment names, the one in this package, or the installed
    one."""
    named = os.environ.get("MICROMINT_LIBRARY")
    if named:
        return named
    inside = Path(__file__).parent / "lib" / "libmicromint.so"
    if inside.is_file():
        return str(inside)
    found = ctypes.util.find_library("micromint")
    if found is None:
        try:
            asked = subprocess.run(["pkg-config", "--variable=libdir", "micromint"], capture_output=True, text=True)
            found = str(Path(asked.stdout.strip()) / "libmicromint.so") if asked.returncode == 0 else None
        except OSError:
            pass
    if found is None:
        raise ImportError("libmicromint was not found: install it (make install), or set MICROMINT_LIBRARY")
    return found


def _open() -> ctypes.CDLL:
    path = _path()
    library = ctypes.CDLL(path)
    number = library.micromint_version_number()
    if number // 100 != _MINOR:
        found = f"{number // 10000}.{number // 100 % 100}"
        raise ImportError(f"{path}: expected libmicromint 0.{_MINOR}, found {found}")
    return library


_LIBRARY = _open()


class _Functions:
    """The functions of the library without ``micromint_``, with their types."""

    def __getattr__(self, name: str) -> Any:
        word = FUNCTIONS[name]
        function = getattr(_LIBRARY, f"micromint_{name}")
        function.restype = _TYPES[word[0]]
        function.argtypes = [_TYPES[letter] for letter in word[1:]]
        setattr(self, name, function)
        return function


c: Any = _Functions()


def version() -> str:
    """The version of the library."""
    return str(c.version().decode())


def call(name: str, *arguments: Any) -> None:
    """Calls a function that returns a status, and raises its error."""
    error = c_void_p()
    status = getattr(c, name)(*arguments, ctypes.byref(error))
    if status != 0:
        text, size = c_void_p(), c_size_t()
        c.error_message(error, ctypes.byref(text), ctypes.byref(size))
        message = _copied(text, size).decode(errors="replace")
        c.error_free(error)
        raise MicroMintError(status, message)


def sized(data: Text) -> tuple[bytes, int]:
    """Text or bytes as C takes them: a pointer and a length."""
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    elif not isinstance(data, bytes):
        raise TypeError(f"expected str or bytes, found {type(data).__name__}")
    return data, len(data)


def integer(what: str, number: SupportsIndex, least: int = 0, most: int = (1 << 32) - 1) -> int:
    """Checks a number before ctypes would wrap it around."""
    if isinstance(number, bool) or not hasattr(number, "__index__"):
        raise TypeError(f"{what}: expected an integer, found {number!r}")
    value = operator.index(number)
    if not least <= value <= most:
        raise ValueError(f"{what}: expected {least} to {most}, found {value}")
    return value


def flag(what: str, value: bool) -> bool:
    """Checks a truth value: a text such as "no" must not count as true."""
    if not isinstance(value, bool):
        raise TypeError(f"{what}: expected True or False, found {value!r}")
    return value


def lent(name: str, *arguments: Any) -> bytes:
    """A copy of bytes that a function lends."""
    data, size = c_void_p(), c_size_t()
    call(name, *arguments, ctypes.byref(data), ctypes.byref(size))
    return _copied(data, size)


def lent_pair(name: str, *arguments: Any) -> tuple[str, str]:
    """Copies of a name and a value that a function lends."""
    places = [c_void_p(), c_size_t(), c_void_p(), c_size_t()]
    call(name, *arguments, *map(ctypes.byref, places))
    return _copied(places[0], places[1]).decode("latin-1"), _copied(places[2], places[3]).decode("latin-1")


def taken(name: str, *arguments: Any) -> bytes:
    """The bytes of the buffer that a function makes; empty for none."""
    buffer = c_void_p()
    call(name, *arguments, ctypes.byref(buffer))
    return take(buffer)


def take(buffer: c_void_p) -> bytes:
    """The bytes of a buffer, which this frees; empty for NULL."""
    size = c.buffer_len(buffer)
    data = ctypes.string_at(c.buffer_data(buffer), size) if size else b""
    c.buffer_free(buffer)
    return data


def _copied(data: Any, size: Any) -> bytes:
    return ctypes.string_at(data.value, size.value) if size.value else b""


# Guards the counts of uses. It is held for a few instructions, and never over a fork, so that a
# child does not find it locked.
_GUARD = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_GUARD.acquire, after_in_parent=_GUARD.release, after_in_child=_GUARD.release
    )


class Handle:
    """An object of the library. It is freed by ``close()``, at the end of a ``with`` block or when
    it is garbage-collected, but never while another thread uses it."""

    _kind = ""

    def __init__(self, pointer: c_void_p, *kept: Any, kind: str = ""):
        self._pointer = pointer
        self._uses = 0
        self._free: Optional[Callable[[c_void_p], None]] = getattr(c, f"{kind or self._kind}_free")
        self._kept = kept

    def _use(self, work: Callable[[c_void_p], Result]) -> Result:
        """Calls ``work`` with the pointer, which stays valid until it returns."""
        with _GUARD:
            if getattr(self, "_free", None) is None:
                raise MicroMintError(STATE, f"the {type(self).__name__} is closed")
            self._uses += 1
        try:
            return work(self._pointer)
        finally:
            with _GUARD:
                self._uses -= 1
                is_last = self._uses == 0 and self._free is None
            if is_last:
                self._release()

    def close(self) -> None:
        """Frees the object, as soon as no call uses it. Later calls of its methods raise an
        error."""
        with _GUARD:
            if getattr(self, "_free", None) is None:
                return
            self._closer, self._free = self._free, None
            is_idle = self._uses == 0
        if is_idle:
            self._release()

    def _release(self) -> None:
        closer: Any = self._closer
        closer(self._pointer)
        self._kept = ()

    def __del__(self) -> None:
        # The lock might be held by this very thread, which the collector interrupted; but nothing
        # else uses an object that is collected.
        free = getattr(self, "_free", None)
        if free is not None and not sys.is_finalizing():
            self._free = None
            free(self._pointer)

    def __enter__(self: Me) -> Me:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _uncopied(self, *_: Any) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled")

    __copy__ = __deepcopy__ = __reduce__ = __reduce_ex__ = _uncopied


class Host(Handle):
    """Replacements for the system's clock and the log."""

    _kind = "host"

    def __init__(
        self, clock: Optional[Callable[[], float]] = None, log: Optional[Callable[[int, str], None]] = None
    ):
        kept: list[Any] = []
        super().__init__(c_void_p(c.host_new()))
        if clock is not None:
            kept.append(Now(lambda _: _time_of(clock)))
            self._use(lambda it: c.host_set_now(it, ctypes.cast(kept[-1], c_void_p), None))
        if log is not None:
            write = log

            def line(_: Any, level: int, text: int, size: int) -> None:
                write(level, ctypes.string_at(text, size).decode(errors="replace") if size else "")

            kept.append(Log(line))
            self._use(lambda it: c.host_set_log(it, ctypes.cast(kept[-1], c_void_p), None))
        self.callbacks = kept
        """What the callbacks need; keep it as long as the object that was made with this host."""


def _time_of(clock: Callable[[], float]) -> int:
    # An exception cannot pass through C. A clock that fails is the system's.
    try:
        return integer("the time", int(clock()), -(1 << 62), 1 << 62)
    except Exception:
        sys.excepthook(*sys.exc_info())
        return int(time.time())
