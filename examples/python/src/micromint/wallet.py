"""The client's wallet: takes coins in, pays, and remembers what became of payments."""

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
    """From a backup: for a return only."""
    paid: int
    bound: int
    """Sent to a vendor without an answer, or refused there: they can only go there again, or back."""
    returned: int


@dataclass(frozen=True)
class Payment:
    """A Payment message to send, as the body of a POST with the type application/x-micromint to the page's URL."""

    number: int
    message: bytes
    is_again: bool
    """Sent before; no further coins."""


@dataclass(frozen=True)
class Ask:
    """The owner must be asked: call ``pay`` again with ``autopay`` of this price on a yes."""

    price: int


@dataclass(frozen=True)
class Refused:
    """Not to be paid."""

    reason: str


class Wallet(Handle):
    """A wallet file. One thread at a time; other processes may use the same file at once."""

    def __init__(self, path: Union[str, "os.PathLike[str]"], *, clock: Optional[Callable[[], float]] = None):
        """Opens a wallet file, making it if it is absent."""
        host, pointer = host_with(clock), c_void_p()
        call("wallet_open", *sized(os.fsencode(path)), byref(host), byref(pointer))
        super().__init__("wallet", pointer, host)

    def receive(self, message: bytes) -> int:
        """Takes the sets of a Funds-Withdrawn message in and gives how many coins came: 0 if they did before.
        A message of which one ball is not genuine raises ValueError."""
        received, coins, reason = c_int(), c_uint32(), c_void_p()
        call("wallet_receive", self._pointer, *sized(message), byref(received), byref(coins), byref(reason))
        words = take(reason).decode()
        if words:
            raise ValueError(words)
        return coins.value

    def balances(self) -> list[Balance]:
        """What is in it, by user and period."""
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
        """Decides about a Request-Payment that answered a fetch of ``url``. Up to ``autopay`` coins are paid without
        asking. Coins that are to be sent are marked as gone, on disk, when this returns."""
        policy = Policy(autopay, daily_limit is not None, daily_limit or 0, allow_http)
        pay, number, message = c_int(), c_uint32(), c_void_p()
        call("wallet_pay", self._pointer, *sized(request), *sized(url), *sized(method), *sized(body), byref(policy),
             byref(pay), byref(number), byref(message))
        content = take(message)
        if pay.value in (0, 1):
            return Payment(number.value, content, pay.value == 1)
        return Ask(int(content)) if pay.value == 2 else Refused(content.decode())

    def settle(self, payment: Payment, status: int, word: str = "") -> str:
        """Writes down what became of a payment: the answer's status and its MicroMint-Status. Gives ``paid``,
        ``refused``, ``not-kept`` or ``unknown``. Where no whole answer came, do not call it, but ``pay`` again."""
        return lent("wallet_settle", self._pointer, payment.number, status, *sized(word)).decode()

    def keep_receipt(self, payment: Payment, set_cookie: str) -> bool:
        """Keeps a receipt: call it with each Set-Cookie of the answer. False if it is another cookie."""
        is_receipt = c_bool()
        call("wallet_keep_receipt", self._pointer, payment.number, *sized(set_cookie), byref(is_receipt))
        return is_receipt.value

    def receipt(self, url: str) -> Optional[str]:
        """The value of Cookie that shows this very page again free of charge, if there is one."""
        cookie = c_void_p()
        try:
            call("wallet_receipt", self._pointer, *sized(url), byref(cookie))
        except MicroMintError as error:
            if error.status == ABSENT:
                return None
            raise
        return take(cookie).decode()

    def begin_return(self, holding: int) -> bytes:
        """The Request-Credit message that gives the coins of a balance, by its number, back to the broker. Send it
        until an answer comes, then call ``credit``."""
        message = c_void_p()
        call("wallet_return", self._pointer, holding, byref(message))
        return take(message)

    def credit(self, message: bytes, request: str = "") -> None:
        """Writes down the broker's answer to a return, a Funds-Credited message. ``request`` is the Request-ID of what
        was sent; without it the answer must fit one return only."""
        call("wallet_credit", self._pointer, *sized(message), *sized(request))
