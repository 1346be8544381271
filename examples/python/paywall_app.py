"""A paywall for any WSGI application: ``application = PaidPages(your_app, paywall, {"/story":
1})``."""

from __future__ import annotations

import io
import urllib.parse
from typing import Any, Callable, Iterable

from micromint import Paywall

BODY_SIZE_MAX = 1 << 20


class PaidPages:
    """Asks for coins for the pages in ``prices``, which maps paths to prices in coins."""

    def __init__(self, application: Callable[..., Iterable[bytes]], paywall: Paywall, prices: dict[str, int]):
        self.application, self.paywall, self.prices = application, paywall, prices

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        price = self.prices.get(environ["PATH_INFO"], 0)
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size) if price and size <= BODY_SIZE_MAX else None
        names = {name: name[5:].replace("_", "-") for name in environ if name.startswith("HTTP_")}
        headers = [(header, environ[name]) for name, header in names.items()]
        decision = self.paywall.decide(
            environ["REQUEST_METHOD"], target_of(environ), price=price, body=body, host=environ.get("HTTP_HOST"),
            headers=[*headers, ("Content-Type", environ.get("CONTENT_TYPE", ""))],
            is_https=environ["wsgi.url_scheme"] == "https", client=environ.get("REMOTE_ADDR"),
        )
        if not decision.serves:
            length = ("Content-Length", str(len(decision.body)))
            start_response(f"{decision.status} MicroMint", [*decision.headers, length])
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [decision.body]
        if body is not None:
            environ["wsgi.input"] = io.BytesIO(b"" if decision.as_get else body)
        if decision.as_get:
            environ.update(REQUEST_METHOD="GET", CONTENT_LENGTH="0", CONTENT_TYPE="")
        for name in decision.strip_headers:
            environ.pop("HTTP_" + name.upper().replace("-", "_"), None)

        def start(status: str, fields: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, self.paywall.finish(decision, int(status.split()[0]), fields), *rest)

        return self.application(environ, start)


def target_of(environ: dict[str, Any]) -> str:
    """Path and query as received. If the server does not provide them, the decoded path is
    encoded again."""
    path = urllib.parse.quote(environ["PATH_INFO"], encoding="latin-1")
    query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
    return str(environ.get("REQUEST_URI") or environ.get("RAW_URI") or path + query)
