"""A WSGI application of pages that cost one coin, which answers with the outcome of the request. The
paywall is opened while the module is loaded: before the server forks its workers."""

import ctypes
import os
from ctypes import POINTER, byref, c_bool, c_char_p, c_int64, c_size_t, c_uint32, c_uint64, c_void_p


class Header(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("name_len", c_size_t), ("value", c_char_p), ("value_len", c_size_t)]


class Request(ctypes.Structure):
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


library = ctypes.CDLL(os.environ["MICROMINT_LIBRARY"])


def call(name, *arguments):
    status = getattr(library, "micromint_" + name)(*arguments, None)
    assert status == 0, (name, status)


config = os.environ["VENDOR_CONFIG"].encode()
paywall = c_void_p()
call("paywall_prepare", config, c_size_t(len(config)), None)
call("paywall_open", config, c_size_t(len(config)), None, byref(paywall))


def application(environ, start_response):
    target = environ["PATH_INFO"].encode()
    payment = environ.get("HTTP_MICROMINT_PAYMENT", "").encode()
    name = b"MicroMint-Payment"
    header = Header(name, len(name), payment, len(payment))
    request = Request(
        method=b"GET", method_len=3, target=target, target_len=len(target), host=b"news.example", host_len=12,
        headers=ctypes.pointer(header), headers_len=1, is_https=1, price=1,
    )
    decision, word, length, reversed_ = c_void_p(), c_void_p(), c_size_t(), c_bool()
    call("paywall_decide", paywall, byref(request), byref(decision))
    call("decision_outcome", decision, byref(word), byref(length))
    outcome = ctypes.string_at(word.value, length.value)
    call("paywall_finish", paywall, decision, c_uint32(200), byref(reversed_))
    library.micromint_decision_free(decision)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(outcome)))])
    return [outcome]
