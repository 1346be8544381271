"""Tests of the decorator for Django, if Django is installed."""

import asyncio
import importlib.util
import io
import unittest

from test_micromint import vendor

HAS_DJANGO = importlib.util.find_spec("django") is not None


@unittest.skipUnless(HAS_DJANGO, "Django is not installed")
class Languages(unittest.TestCase):
    def test_a_page_under_i18n_patterns_has_its_price_in_every_language(self):
        import django
        from django.conf import settings
        from django.utils.translation import activate

        settings.configure(
            ALLOWED_HOSTS=["*"], ROOT_URLCONF="django_urls", USE_I18N=True, LANGUAGE_CODE="en",
            LANGUAGES=[("en", "English"), ("de", "German")], MICROMINT={"CONFIG": str(vendor(self))},
            MIDDLEWARE=["django.middleware.locale.LocaleMiddleware"],
        )
        django.setup()
        from micromint.django import get_asgi_application, get_wsgi_application

        application, asgi = get_wsgi_application(), get_asgi_application()
        for left_over in ("en", "de"):
            for path, expected in (("/en/story", 402), ("/de/story", 402), ("/de/free", 200)):
                activate(left_over)
                self.assertEqual(wsgi_status(application, path), expected, path)
                activate(left_over)
                self.assertEqual(asyncio.run(asgi_status(asgi, path)), expected, path)


def wsgi_status(application, path):
    answers = []
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "news.example", "SERVER_PORT": "80",
        "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(),
        "HTTP_HOST": "news.example",
    }

    def start_response(status, *_):
        answers.append(int(status.split()[0]))
        return lambda data: None

    list(application(environ, start_response))
    return answers[0]


async def asgi_status(application, path):
    answers, bodies = [], [{"type": "http.request", "body": b""}]
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": path, "scheme": "http",
        "headers": [(b"host", b"news.example")],
    }

    async def receive():
        if not bodies:
            await asyncio.Event().wait()
        return bodies.pop()

    async def send(message):
        answers.append(message.get("status"))

    await application(scope, receive, send)
    return answers[0]
