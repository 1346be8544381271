"""The conformance application for ASGI."""

import asyncio

import cases
from micromint.asgi import Charge


async def site(scope, receive, send):
    size, is_more = 0, True
    while is_more:
        message = await receive()
        size += len(message.get("body", b""))
        is_more = message.get("more_body", False)
    names = [name.decode() for name, _ in scope["headers"]]
    what, status, fields = cases.content(field_of(scope), scope["method"], size, names)
    if what == "fail":
        raise RuntimeError("the page fails")
    fields = [(name.encode(), value.encode()) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    if what in ("fail-late", "slow"):
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        if what == "fail-late":
            raise RuntimeError("the page fails")
        await asyncio.sleep(1)
        await send({"type": "http.response.body", "body": b"second"})
        return
    has_body = scope["method"] != "HEAD" and status not in (204, 304)
    await send({"type": "http.response.body", "body": b"content" if has_body else b""})


def field_of(scope):
    fields = {name.lower(): value.decode() for name, value in scope["headers"]}
    return lambda name: fields.get(name.lower().encode())


def charged(paywall):
    return Charge(site, paywall, lambda scope: cases.terms(field_of(scope)), on_event=cases.event)


def outer(make):
    """Does what a server or a proxy in front would do, and chooses the vendor."""

    async def application(scope, receive, send):
        if scope["type"] == "lifespan":
            return
        field = field_of(scope)
        scope = {**scope, "scheme": "https" if field("X-Case-Https") == "1" else "http"}
        if field("X-Case-Client") is not None:
            scope["client"] = (field("X-Case-Client"), 0)
        await cases.vendor(field("X-Case-Vendor"), make)(scope, receive, send)

    return application


application = outer(charged)
