"""Charges for views of Django.

    # settings.py
    MICROMINT = {"CONFIG": "/etc/micromint/vendor.toml"}

    # wsgi.py, or the same in asgi.py
    from micromint.django import get_wsgi_application
    application = get_wsgi_application()

    # views.py
    from micromint.django import charge

    @charge(1)
    def story(request): ...

The paywall stands around the application, so that it sees requests as they were received and
responses as they are sent. A view with a price that is reached in another way, such as through
Django's own application, fails instead of being free.
"""

from __future__ import annotations

import functools
import inspect
import logging
from typing import Any, Callable, TypeVar

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import Resolver404, resolve
from django.utils.translation import get_language_from_path, override

from . import asgi, wsgi
from ._charging import Price
from .paywall import ERROR, WARNING, Paywall, Terms

View = TypeVar("View", bound=Callable[..., Any])

_LOGGER = logging.getLogger("micromint")
_LEVELS = {ERROR: logging.ERROR, WARNING: logging.WARNING}


def charge(price: Price) -> Callable[[View], View]:
    """A decorator: the view costs this many coins, or is sold on these Terms. For a view class,
    decorate the result of ``as_view()``."""
    terms = price if isinstance(price, Terms) else Terms(price=price)

    def decorate(view: View) -> View:
        def check(request: Any) -> None:
            known = {**getattr(request, "scope", {}), **getattr(request, "environ", {})}
            if known.get("micromint.terms") != terms:
                raise ImproperlyConfigured(
                    f"{request.path} has a price, but the request did not pass the paywall: serve the "
                    "application of micromint.django"
                )

        if inspect.iscoroutinefunction(view):

            @functools.wraps(view)
            async def guarded(request: Any, *arguments: Any, **named: Any) -> Any:
                check(request)
                return await view(request, *arguments, **named)

        else:

            @functools.wraps(view)
            def guarded(request: Any, *arguments: Any, **named: Any) -> Any:
                check(request)
                return view(request, *arguments, **named)

        guarded.micromint_terms = terms  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def get_wsgi_application() -> wsgi.Charge:
    """Django's WSGI application behind the paywall of ``settings.MICROMINT``."""
    from django.core.wsgi import get_wsgi_application as make

    return wsgi.Charge(make(), paywall(), lambda environ: _terms(_path_of(environ)), on_event=_event)


def get_asgi_application() -> asgi.Charge:
    """Django's ASGI application behind the paywall of ``settings.MICROMINT``."""
    from django.core.asgi import get_asgi_application as make

    return asgi.Charge(make(), paywall(), lambda scope: _terms(_path_within(scope)), on_event=_event)


def paywall() -> Paywall:
    """Opens the paywall of ``settings.MICROMINT``. Its log goes to the logger ``micromint``."""
    if not settings.configured:
        django.setup()
    known = getattr(settings, "MICROMINT", None)
    if not isinstance(known, dict) or "CONFIG" not in known:
        raise ImproperlyConfigured('settings.MICROMINT: expected {"CONFIG": "/path/to/vendor.toml"}')
    return Paywall(known["CONFIG"], log=lambda level, line: _LOGGER.log(_LEVELS.get(level, logging.INFO), line))


def _event(line: str) -> None:
    _LOGGER.info(line)


def _path_of(environ: Any) -> str:
    return str(environ.get("PATH_INFO") or "/").encode("latin-1").decode("utf-8", "replace")


def _path_within(scope: Any) -> str:
    path, root = str(scope["path"]), str(scope.get("root_path") or "")
    return path[len(root) :] if root and path.startswith(root) else path


def _terms(path: str) -> Terms:
    # Which paths i18n_patterns() knows depends on the language, which Django's middleware chooses
    # later, and the thread may still have that of another request.
    try:
        with override(get_language_from_path(path) or settings.LANGUAGE_CODE):
            view = resolve(path).func
    except Resolver404:
        return Terms()
    terms = getattr(view, "micromint_terms", None)
    return terms if isinstance(terms, Terms) else Terms()
