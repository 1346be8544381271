"""MicroMint: check coins, be paid for pages, pay for pages.

    params = Params.load("2026-12.params")       # a period, as a broker publishes it
    paywall = Paywall("/etc/micromint/vendor.toml")
    wallet = Wallet("/home/alice/wallet.mmw")

An object closes with ``close()``, at the end of a ``with`` block, or when nobody holds it any more. What the
library cannot do raises :class:`MicroMintError`; a refusal, such as of a spent coin, is an answer and raises
nothing. Texts are ``str``, bytes are ``bytes``, times are seconds since 1970-01-01 00:00 UTC.
"""

from ._library import MicroMintError, version
from .params import Fault, Params
from .paywall import Decision, Paywall
from .wallet import Ask, Balance, Payment, Refused, Wallet

__all__ = [
    "Ask", "Balance", "Decision", "Fault", "MicroMintError", "Params", "Payment", "Paywall", "Refused", "Wallet",
    "version",
]
