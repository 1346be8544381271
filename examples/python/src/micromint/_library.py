"""Bindings to the C library: types of its functions, errors as exceptions, handles that free
themselves.

Input and output: Python values. ``include/micromint.h`` documents the functions.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import subprocess
import weakref
from ctypes import POINTER, c_bool, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any, Callable, Optional, Union

ABSENT = 9
"""``MICROMINT_ERROR_ABSENT``: the requested item does not exist."""


class MicroMintError(Exception):
    """An error of the library. ``status`` is one of MICROMINT_ERROR_*; the text says what was
    expected, what was found and where."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Host(ctypes.Structure):
    """``micromint_host``: replacements for the system's clock, randomness and log."""

    NOW = ctypes.CFUNCTYPE(c_int64, c_void_p)
    RANDOM = ctypes.CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t)
    LOG = ctypes.CFUNCTYPE(None, c_void_p, ctypes.c_int, c_void_p, c_size_t)
    _fields_ = [("userdata", c_void_p), ("now", NOW), ("random", RANDOM), ("log", LOG), ("reserved", c_void_p)]


class Header(ctypes.Structure):
    """``micromint_header``."""

    _fields_ = [("name", c_char_p), ("name_len", c_size_t), ("value", c_char_p), ("value_len", c_size_t)]


class Request(ctypes.Structure):
    """``micromint_request``."""

    _fields_ = [
        ("method", c_char_p), ("method_len", c_size_t), ("target", c_char_p), ("target_len", c_size_t),
        ("host", c_char_p), ("host_len", c_size_t), ("headers", POINTER(Header)), ("headers_len", c_size_t),
        ("body", c_char_p), ("body_len", c_size_t), ("is_body_read", c_uint32), ("is_https", c_uint32),
        ("port", c_uint32), ("price", c_uint32), ("free_views", c_uint32), ("is_dry_run", c_uint32),
        ("charges_redirects", c_uint32),
        ("receipt_path", c_char_p), ("receipt_path_len", c_size_t), ("client", c_char_p), ("client_len", c_size_t),
        ("is_file", c_uint32), ("has_last_modified", c_uint32), ("last_modified", c_int64),
        ("etag", c_char_p), ("etag_len", c_size_t), ("has_size", c_uint32), ("size", c_uint64), ("reserved", c_void_p),
    ]


class Policy(ctypes.Structure):
    """``micromint_policy``."""

    _fields_ = [
        ("autopay", c_uint32), ("has_daily_limit", c_uint32), ("daily_limit", c_uint32), ("allow_http", c_uint32),
        ("reserved", c_void_p),
    ]


class CBalance(ctypes.Structure):
    """``micromint_balance``."""

    _fields_ = [(name, c_uint32) for name in ("sets", "unspent", "in_doubt", "paid", "bound", "returned")]


def _open() -> ctypes.CDLL:
    named = os.environ.get("MICROMINT_LIBRARY") or ctypes.util.find_library("micromint")
    if named is None:
        try:
            asked = subprocess.run(["pkg-config", "--variable=libdir", "micromint"], capture_output=True, text=True)
            named = str(Path(asked.stdout.strip()) / "libmicromint.so") if asked.returncode == 0 else None
        except OSError:
            pass
    if named is None:
        raise ImportError("libmicromint was not found: install it (make install), or set MICROMINT_LIBRARY")
    return ctypes.CDLL(named)


library = _open()

_BYTES = [c_char_p, c_size_t]
_LENT = [POINTER(c_void_p), POINTER(c_size_t)]
_OBJECT = POINTER(c_void_p)
_INDEX = [c_void_p, c_size_t]

# The functions that return a status. Their last parameter, the place for the error, is omitted.
_STATUS: dict[str, list[Any]] = {
    "params_from_toml": [*_BYTES, _OBJECT],
    "params_to_toml": [c_void_p, _OBJECT],
    "hash": [c_void_p, c_uint64, POINTER(c_uint64)],
    "checker_new": [c_void_p, *_BYTES, _OBJECT],
    "checker_check": [c_void_p, *_BYTES, POINTER(c_uint64), c_size_t, POINTER(c_int), c_void_p],
    "paywall_prepare": [*_BYTES, POINTER(Host)],
    "paywall_open": [*_BYTES, POINTER(Host), _OBJECT],
    "paywall_decide": [c_void_p, POINTER(Request), _OBJECT],
    "paywall_finish": [c_void_p, c_void_p, c_uint32, POINTER(c_bool)],
    "decision_header": [*_INDEX, *_LENT, *_LENT],
    "decision_head": [c_void_p, c_uint32, c_bool, POINTER(Header), c_size_t, _OBJECT],
    "decision_event": [c_void_p, c_uint32, c_bool, c_bool, _OBJECT],
    "head_remove": [*_INDEX, *_LENT],
    "head_add": [*_INDEX, *_LENT, *_LENT],
    "decision_strip_header": [*_INDEX, *_LENT],
    "decision_body": [c_void_p, *_LENT],
    "decision_outcome": [c_void_p, *_LENT],
    "decision_user": [c_void_p, *_LENT],
    "wallet_open": [*_BYTES, POINTER(Host), _OBJECT],
    "wallet_receive": [c_void_p, *_BYTES, POINTER(c_int), POINTER(c_uint32), _OBJECT],
    "wallet_holding": [*_INDEX, *_LENT, *_LENT, POINTER(CBalance)],
    "wallet_refresh": [c_void_p],
    "wallet_pay": [c_void_p, *_BYTES, *_BYTES, *_BYTES, *_BYTES, POINTER(Policy), POINTER(c_int), POINTER(c_uint32),
                   _OBJECT],
    "wallet_record_outcome": [c_void_p, c_uint32, c_uint32, *_BYTES, *_LENT],
    "wallet_keep_receipt": [c_void_p, c_uint32, *_BYTES, POINTER(c_bool)],
    "wallet_receipt": [c_void_p, *_BYTES, _OBJECT],
    "wallet_return": [*_INDEX, _OBJECT],
    "wallet_credit": [c_void_p, *_BYTES],
}
# The functions that return a value.
_VALUE: dict[str, tuple[Any, list[Any]]] = {
    "version": (c_char_p, []),
    "error_message": (None, [c_void_p, *_LENT]),
    "buffer_data": (c_void_p, [c_void_p]),
    "buffer_len": (c_size_t, [c_void_p]),
    "params_coin_size": (c_size_t, [c_void_p]),
    "wallet_holding_count": (c_size_t, [c_void_p]),
    "decision_status": (c_uint32, [c_void_p]),
    "decision_coins": (c_uint32, [c_void_p]),
    "decision_header_count": (c_size_t, [c_void_p]),
    "decision_strip_header_count": (c_size_t, [c_void_p]),
    "head_remove_count": (c_size_t, [c_void_p]),
    "head_add_count": (c_size_t, [c_void_p]),
    **{f"decision_{name}": (c_bool, [c_void_p])
       for name in ("serves", "is_as_get", "ignores_conditions", "is_private")},
    **{f"{name}_free": (None, [c_void_p])
       for name in ("params", "checker", "error", "buffer", "paywall", "decision", "head", "wallet")},
}

for _name, _types in _STATUS.items():
    _function = getattr(library, f"micromint_{_name}")
    _function.argtypes, _function.restype = [*_types, _OBJECT], c_int
for _name, (_result, _types) in _VALUE.items():
    _function = getattr(library, f"micromint_{_name}")
    _function.argtypes, _function.restype = _types, _result


def version() -> str:
    """The version of the loaded library."""
    return str(value("version").decode())


def value(name: str, *arguments: Any) -> Any:
    """Calls a function that returns a value."""
    return getattr(library, f"micromint_{name}")(*arguments)


def call(name: str, *arguments: Any) -> None:
    """Calls a function that returns a status, and raises its error."""
    error = c_void_p()
    status = getattr(library, f"micromint_{name}")(*arguments, ctypes.byref(error))
    if status != 0:
        message = lent("error_message", error, is_status=False)
        value("error_free", error)
        raise MicroMintError(status, message.decode())


def sized(data: Union[bytes, str]) -> tuple[bytes, int]:
    """Bytes or a text as two arguments, pointer and length."""
    data = data.encode() if isinstance(data, str) else data
    return data, len(data)


def lent(name: str, *arguments: Any, is_status: bool = True) -> bytes:
    """Calls a function that lends bytes, and returns a copy of them."""
    data, length = c_void_p(), c_size_t()
    (call if is_status else value)(name, *arguments, ctypes.byref(data), ctypes.byref(length))
    return ctypes.string_at(data.value, length.value) if data.value and length.value else b""


def lent_pair(name: str, *arguments: Any) -> tuple[str, str]:
    """Calls a function that lends a name and a value, and returns copies of them."""
    first, first_len, second, second_len = c_void_p(), c_size_t(), c_void_p(), c_size_t()
    call(name, *arguments, *map(ctypes.byref, (first, first_len, second, second_len)))
    texts = ((first, first_len), (second, second_len))
    one, two = (ctypes.string_at(data.value or 0, length.value).decode("latin-1") for data, length in texts)
    return one, two


def take(buffer: c_void_p) -> bytes:
    """Returns the content of a buffer and frees it; empty for NULL."""
    data = ctypes.string_at(value("buffer_data", buffer), value("buffer_len", buffer)) if buffer.value else b""
    value("buffer_free", buffer)
    return data


def host_with(clock: Optional[Callable[[], float]], log: Optional[Callable[[str], None]] = None) -> Host:
    """A host with these callbacks. Keep it as long as the object that was created with it."""
    host = Host()
    if clock is not None:
        tell = clock
        host.now = Host.NOW(lambda _: int(tell()))
    if log is not None:
        write = log
        host.log = Host.LOG(lambda _, level, text, length: write(ctypes.string_at(text, length).decode()))
    return host


class Handle:
    """An object of the library. It is freed once: by ``close()``, or when it is
    garbage-collected."""

    def __init__(self, kind: str, pointer: c_void_p, *kept: Any):
        self._pointer = pointer
        self._kept = kept
        self._free = weakref.finalize(self, getattr(library, f"micromint_{kind}_free"), pointer)

    def close(self) -> None:
        """Frees the object. Later calls of its methods raise an error."""
        self._free()
        self._pointer = c_void_p()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
