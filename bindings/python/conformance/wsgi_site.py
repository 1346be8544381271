"""The conformance application for WSGI."""

import os
import time
from http import HTTPStatus

import cases
from micromint.wsgi import Charge


def site(environ, start_response):
    size = 0
    while piece := environ["wsgi.input"].read(1 << 16):
        size += len(piece)
    names = [name[5:] for name in environ if name.startswith("HTTP_")]
    names += [name for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)]
    names = [name.replace("_", "-") for name in names]
    what, status, fields = cases.content(field_of(environ), environ["REQUEST_METHOD"], size, names)
    if what == "fail":
        raise RuntimeError("the page fails")
    line = f"{status} {HTTPStatus(status).phrase if status in list(HTTPStatus) else 'Status'}"
    if what in ("fail-late", "slow"):
        return late(what, line, fields, start_response)
    start_response(line, fields)
    return [b"content"] if environ["REQUEST_METHOD"] != "HEAD" and status not in (204, 304) else []


def late(what, line, fields, start_response):
    start_response(line, fields)
    yield b"first"
    if what == "fail-late":
        raise RuntimeError("the page fails")
    time.sleep(1)
    yield b"second"


def field_of(environ):
    return lambda name: environ.get("HTTP_" + name.upper().replace("-", "_"))


def charged(paywall, inner=site):
    return Charge(inner, paywall, lambda environ: cases.terms(field_of(environ)), on_event=cases.event)


def outer(make):
    """Does what a server or a proxy in front would do, and chooses the vendor."""

    def application(environ, start_response):
        field = field_of(environ)
        environ["wsgi.url_scheme"] = "https" if field("X-Case-Https") == "1" else "http"
        if field("X-Case-Client") is not None:
            environ["REMOTE_ADDR"] = field("X-Case-Client")
        return cases.vendor(field("X-Case-Vendor"), make)(environ, start_response)

    return application


application = outer(charged)
for name in os.environ.get("MICROMINT_CASE_OPENED", "").split():
    cases.vendor(name, charged)
