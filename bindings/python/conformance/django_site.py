"""The conformance application for Django, over WSGI and ASGI."""

import asyncio
import time

import django
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import re_path

import asgi_site
import cases
import wsgi_site
from micromint.asgi import Charge as AsgiCharge
from micromint.wsgi import Charge


def site(request):
    size = 0
    while piece := request.read(1 << 16):
        size += len(piece)
    what, status, fields = cases.content(request.headers.get, request.method, size, list(request.headers))
    if what == "fail":
        raise RuntimeError("the page fails")
    if what in ("fail-late", "slow"):
        # Under ASGI Django would exhaust a synchronous generator first.
        pieces = late_async(what) if hasattr(request, "scope") else late(what)
        response = StreamingHttpResponse(pieces, status=status)
    else:
        has_body = request.method != "HEAD" and status not in (204, 304)
        response = HttpResponse(b"content" if has_body else b"", status=status)
    del response.headers["Content-Type"]
    for name, value in fields:
        if name.lower() == "set-cookie":
            response.cookies.load(value)
        else:
            response.headers[name] = value
    return response


def late(what):
    yield b"first"
    if what == "fail-late":
        raise RuntimeError("the page fails")
    time.sleep(1)
    yield b"second"


async def late_async(what):
    yield b"first"
    if what == "fail-late":
        raise RuntimeError("the page fails")
    await asyncio.sleep(1)
    yield b"second"


urlpatterns = [re_path("", site)]
settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, APPEND_SLASH=False,
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
)
django.setup()


def wsgi_charged(paywall):
    from django.core.wsgi import get_wsgi_application

    terms = lambda environ: cases.terms(wsgi_site.field_of(environ))
    return Charge(get_wsgi_application(), paywall, terms, on_event=cases.event)


def asgi_charged(paywall):
    from django.core.asgi import get_asgi_application

    terms = lambda scope: cases.terms(asgi_site.field_of(scope))
    return AsgiCharge(get_asgi_application(), paywall, terms, on_event=cases.event)


application = wsgi_site.outer(wsgi_charged)
asgi_application = asgi_site.outer(asgi_charged)
