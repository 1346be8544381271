"""The client's wallet: stores coins, pays, and records the outcome of payments."""

from __future__ import annotations

import os
from ctypes import byref, c_bool, c_int, c_size_t, c_uint32, c_void_p, string_at
from dataclasses import dataclass
from typing import Callable, Optional, Union

from ._library import ABSENT, CBalance, Handle, MicroMintError, Policy, call, host_with, lent, sized, take, value


@dataclass(frozen=True)
class Balance:
    """The coins of one user in one period."""

    user: str
    period: str
    sets: int
    unspent: int
    in_doubt: int
    """Restored from a backup: they can only be returned to the broker."""
    paid: int
    bound: int
    """Sent to a vendor that refused them or did not answer: they can be spent only at this
    vendor, or returned."""
    returned: int


@dataclass(frozen=True)
class Payment:
    """A Payment message. Send it as the body of a POST of type application/x-micromint to the
    URL of the page."""

    number: int
    message: bytes
    is_again: bool
    """The same payment was sent before; it spends no new coins."""


@dataclass(frozen=True)
class Ask:
    """Ask the user; if the answer is yes, call ``pay`` again with this price as ``autopay``."""

    price: int


@dataclass(frozen=True)
class Refused:
    """The wallet does not pay, for this reason."""

    reason: str


class Wallet(Handle):
    """A wallet file. Use it from one thread at a time; other processes can use the same file at
    the same time."""

    def __init__(self, path: Union[str, "os.PathLike[str]"], *, clock: Optional[Callable[[], float]] = None):
        """Opens a wallet file, and creates it if it does not exist."""
        host, pointer = host_with(clock), c_void_p()
        call("wallet_open", *sized(os.fsencode(path)), byref(host), byref(pointer))
        super().__init__("wallet", pointer, host)

    def receive(self, message: bytes) -> int:
        """Adds the sets of a Funds-Withdrawn message to the wallet. Returns the number of new
        coins: 0 if the wallet has them already. Raises ValueError if a ball is not genuine; the
        wallet then does not change."""
        received, coins, reason = c_int(), c_uint32(), c_void_p()
        call("wallet_receive", self._pointer, *sized(message), byref(received), byref(coins), byref(reason))
        words = take(reason).decode()
        if words:
            raise ValueError(words)
        return coins.value

    def balances(self) -> list[Balance]:
        """The coins in the wallet, by user and period."""
        call("wallet_refresh", self._pointer)
        return [self._balance(index) for index in range(value("wallet_holding_count", self._pointer))]

    def _balance(self, index: int) -> Balance:
        lengths, pointers, it = [c_size_t(), c_size_t()], [c_void_p(), c_void_p()], CBalance()
        places = [byref(place) for pair in zip(pointers, lengths) for place in pair]
        call("wallet_holding", self._pointer, index, *places, byref(it))
        user, period = (string_at(data.value or 0, size.value).decode() for data, size in zip(pointers, lengths))
        return Balance(user, period, it.sets, it.unspent, it.in_doubt, it.paid, it.bound, it.returned)

    def pay(
        self,
        request: bytes,
        url: str,
        *,
        autopay: int = 0,
        method: str = "GET",
        body: bytes = b"",
        daily_limit: Optional[int] = None,
        allow_http: bool = False,
    ) -> Union[Payment, Ask, Refused]:
        """Decides about a Request-Payment that came as the response for ``url``. Up to
        ``autopay`` coins are paid without asking. When this returns, the coins of the payment
        are marked as sent on disk."""
        policy = Policy(autopay, daily_limit is not None, daily_limit or 0, allow_http)
        pay, number, message = c_int(), c_uint32(), c_void_p()
        call("wallet_pay", self._pointer, *sized(request), *sized(url), *sized(method), *sized(body), byref(policy),
             byref(pay), byref(number), byref(message))
        content = take(message)
        if pay.value in (0, 1):
            return Payment(number.value, content, pay.value == 1)
        return Ask(int(content)) if pay.value == 2 else Refused(content.decode())

    def record_outcome(self, payment: Payment, status: int, word: str = "") -> str:
        """Records the outcome of a payment: the status of the response and its MicroMint-Status.
        Returns ``paid``, ``refused``, ``not-kept``, ``not-seen`` or ``unknown``. If no complete
        response came, call ``pay`` again instead."""
        return lent("wallet_record_outcome", self._pointer, payment.number, status, *sized(word)).decode()

    def keep_receipt(self, payment: Payment, set_cookie: str) -> bool:
        """Stores a receipt: call it with each Set-Cookie of the response. Returns False for any
        other cookie."""
        is_receipt = c_bool()
        call("wallet_keep_receipt", self._pointer, payment.number, *sized(set_cookie), byref(is_receipt))
        return is_receipt.value

    def receipt(self, url: str) -> Optional[str]:
        """The Cookie value that shows exactly this page again without paying, if there is a
        receipt."""
        cookie = c_void_p()
        try:
            call("wallet_receipt", self._pointer, *sized(url), byref(cookie))
        except MicroMintError as error:
            if error.status == ABSENT:
                return None
            raise
        return take(cookie).decode()

    def begin_return(self, holding: int) -> bytes:
        """The Request-Credit message that returns the coins of a balance, given by its index, to
        the broker. Send it until an answer comes, then call ``credit``."""
        message = c_void_p()
        call("wallet_return", self._pointer, holding, byref(message))
        return take(message)

    def credit(self, message: bytes) -> None:
        """Records the broker's answer to a return, a Funds-Credited message. Raises an error if the
        message is not from the broker."""
        call("wallet_credit", self._pointer, *sized(message))
