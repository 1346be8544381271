"""MicroMint: check coins, sell pages for coins, and pay for pages.

    params = Params.load("2026-12.params")       # a period, as a broker publishes it
    paywall = Paywall("/etc/micromint/vendor.toml")
    wallet = Wallet("/home/alice/wallet.mmw")

An object is closed by ``close()``, at the end of a ``with`` block, or when it is
garbage-collected. Errors raise :class:`MicroMintError`. A refusal, for example of a spent coin,
is a result and raises nothing. Texts are ``str``, bytes are ``bytes``, times are seconds since
1970-01-01 00:00 UTC.
"""

from ._library import MicroMintError, version
from .params import Fault, Params
from .paywall import Decision, Paywall
from .wallet import Ask, Balance, Payment, Refused, Wallet

__all__ = [
    "Ask", "Balance", "Decision", "Fault", "MicroMintError", "Params", "Payment", "Paywall", "Refused", "Wallet",
    "version",
]
