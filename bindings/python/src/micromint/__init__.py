"""MicroMint: check coins, sell pages for coins, and pay for pages.

    params = Params.load("2026-12.params")       # a period, as a broker publishes it
    paywall = Paywall("/etc/micromint/vendor.toml")
    wallet = Wallet("/home/alice/wallet.mmw")

``micromint.wsgi``, ``micromint.asgi`` and ``micromint.django`` charge for the pages of an
application.

An object is closed by ``close()``, at the end of a ``with`` block, or when it is
garbage-collected, and it cannot be copied. Errors raise :class:`MicroMintError`; a number that is
out of range raises ValueError, and anything but an integer TypeError. A refusal, for example of a
spent coin, is a result and raises nothing. Texts are ``str``, bytes are ``bytes``, times are
seconds since 1970-01-01 00:00 UTC.
"""

from ._library import MicroMintError, version
from .messages import Challenge, Message
from .params import Fault, Params
from .paywall import Decision, File, Look, Paywall, Request, Terms
from .wallet import Ask, Balance, NeedsConsent, Payment, Refused, Wallet

__all__ = [
    "Ask", "Balance", "Challenge", "Decision", "Fault", "File", "Look", "Message", "MicroMintError", "NeedsConsent",
    "Params", "Payment", "Paywall", "Refused", "Request", "Terms", "Wallet", "version",
]
