"""A WSGI application of pages that cost one coin, which answers with the outcome of the request. The
paywall is opened while the module is loaded: before the server forks its workers."""

import ctypes
import os
from ctypes import byref, c_bool, c_char_p, c_int64, c_size_t, c_uint32, c_void_p

library = ctypes.CDLL(os.environ["MICROMINT_LIBRARY"])
library.micromint_request_new.restype = c_void_p


def call(name, *arguments):
    status = getattr(library, "micromint_" + name)(*arguments, None)
    assert status == 0, (name, status)


def text(value):
    """Bytes and their length, as two arguments."""
    return c_char_p(value), c_size_t(len(value))


config = text(os.environ["VENDOR_CONFIG"].encode())
paywall = c_void_p()
call("paywall_prepare", *config, None)
call("paywall_open", *config, None, byref(paywall))


def application(environ, start_response):
    payment = environ.get("HTTP_MICROMINT_PAYMENT", "").encode()
    request = c_void_p(library.micromint_request_new())
    library.micromint_request_set_method(request, *text(b"GET"))
    library.micromint_request_set_target(request, *text(environ["PATH_INFO"].encode()))
    library.micromint_request_set_host(request, *text(b"news.example"))
    library.micromint_request_add_header(request, *text(b"MicroMint-Payment"), *text(payment))
    library.micromint_request_set_https(request, c_bool(True))
    library.micromint_request_set_price(request, c_int64(1))
    decision, word, length, reversed_ = c_void_p(), c_void_p(), c_size_t(), c_bool()
    call("paywall_decide", paywall, request, byref(decision))
    library.micromint_request_free(request)
    call("decision_outcome", decision, byref(word), byref(length))
    outcome = ctypes.string_at(word.value, length.value)
    call("paywall_finish", paywall, decision, c_uint32(200), byref(reversed_))
    library.micromint_decision_free(decision)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(outcome)))])
    return [outcome]
