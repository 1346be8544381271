"""The client's wallet: stores coins, pays, and records the outcome of payments."""

from __future__ import annotations

import os
import threading
import weakref
from ctypes import byref, c_bool, c_int, c_uint32, c_void_p
from dataclasses import dataclass
from typing import Callable, Optional, TypeVar, Union

from ._library import ABSENT, Handle, Host, MicroMintError, c, call, flag, integer, lent, sized, take, taken
from .messages import Message

Result = TypeVar("Result")


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


@dataclass(frozen=True)
class NeedsConsent:
    """The vendor is a parent of the page's host: ``mmwallet`` can ask for its manifest."""

    vendor: str


class Wallet(Handle):
    """A wallet file. Threads can share it: one waits for the other. Other processes can use the
    same file at the same time. Open it after ``fork()``."""

    _kind = "wallet"

    def __init__(self, path: Union[str, bytes, "os.PathLike[str]"], *, clock: Optional[Callable[[], float]] = None):
        """Opens a wallet file, and creates it if it does not exist."""
        pointer = c_void_p()
        self._alone = threading.RLock()
        with Host(clock) as host:
            host._use(lambda it: call("wallet_open", *sized(os.fsencode(path)), it, byref(pointer)))
            super().__init__(pointer, host.callbacks)
        _wallets.add(self)

    def _use(self, work: Callable[[c_void_p], Result]) -> Result:
        with self._alone:
            return super()._use(work)

    def close(self) -> None:
        """Closes the file, once no other thread uses it."""
        with self._alone:
            super().close()

    def receive(self, message: bytes) -> int:
        """Adds the sets of a Funds-Withdrawn message to the wallet. Returns the number of new
        coins: 0 if the wallet has them already. Raises ValueError if a ball is not genuine; the
        wallet then does not change."""
        received, coins, reason = c_int(), c_uint32(), c_void_p()
        self._use(
            lambda it: call("wallet_receive", it, *sized(message), byref(received), byref(coins), byref(reason))
        )
        words = take(reason).decode()
        if words:
            raise ValueError(words)
        return coins.value

    def balances(self) -> list[Balance]:
        """The coins in the wallet, by user and period."""

        def read(it: c_void_p) -> list[Balance]:
            call("wallet_refresh", it)
            return [_balance(it, index) for index in range(c.wallet_holding_count(it))]

        return self._use(read)

    def pay(
        self,
        request: Union[bytes, Message],
        url: str,
        *,
        autopay: int = 0,
        method: str = "GET",
        body: bytes = b"",
        daily_limit: Optional[int] = None,
        allow_http: bool = False,
    ) -> Union[Payment, Ask, Refused, NeedsConsent]:
        """Decides about a Request-Payment that came as the response for ``url``. Up to
        ``autopay`` coins are paid without asking. When this returns, the coins of the payment
        are marked as sent on disk."""
        pay, number, message = c_int(), c_uint32(), c_void_p()
        policy = Handle(c_void_p(c.policy_new()), kind="policy")
        coins = integer("autopay", autopay)
        policy._use(lambda it: c.policy_set_autopay(it, coins))
        if daily_limit is not None:
            limit = integer("daily_limit", daily_limit)
            policy._use(lambda it: c.policy_set_daily_limit(it, limit))
        policy._use(lambda it: c.policy_set_http(it, flag("allow_http", allow_http)))
        wanted = (*sized(bytes(request)), *sized(url), *sized(method), *sized(body))
        with policy:
            self._use(
                lambda it: policy._use(
                    lambda that: call("wallet_pay", it, *wanted, that, byref(pay), byref(number), byref(message))
                )
            )
        content = take(message)
        if pay.value in (0, 1):
            return Payment(number.value, content, pay.value == 1)
        if pay.value == 2:
            return Ask(int(content))
        return NeedsConsent(content.decode()) if pay.value == 4 else Refused(content.decode())

    def record_outcome(self, payment: Payment, status: int, word: str = "") -> str:
        """Records the outcome of a payment: the status of the response and its MicroMint-Status.
        Returns ``paid``, ``refused``, ``not-kept``, ``not-seen`` or ``unknown``. If no complete
        response came, call ``pay`` again instead."""
        number, answered = integer("number", payment.number), integer("status", status, 0, 999)
        return self._use(lambda it: lent("wallet_record_outcome", it, number, answered, *sized(word))).decode()

    def keep_receipt(self, payment: Payment, set_cookie: str) -> bool:
        """Stores a receipt: call it with each Set-Cookie of the response. Returns False for any
        other cookie."""
        is_receipt, number = c_bool(), integer("number", payment.number)
        self._use(lambda it: call("wallet_keep_receipt", it, number, *sized(set_cookie), byref(is_receipt)))
        return bool(is_receipt.value)

    def receipt(self, url: str) -> Optional[str]:
        """The Cookie value that shows exactly this page again without paying, if there is a
        receipt."""
        try:
            return self._use(lambda it: taken("wallet_receipt", it, *sized(url))).decode()
        except MicroMintError as error:
            if error.status == ABSENT:
                return None
            raise

    def begin_return(self, holding: int) -> bytes:
        """The Request-Credit message that returns the coins of a balance, given by its index, to
        the broker. Send it until an answer comes, then call ``credit``."""
        index = integer("holding", holding)
        return self._use(lambda it: taken("wallet_return", it, index))

    def credit(self, message: bytes) -> None:
        """Records the broker's answer to a return, a Funds-Credited message. Raises an error if the
        message is not from the broker."""
        self._use(lambda it: call("wallet_credit", it, *sized(message)))


def _balance(wallet: c_void_p, index: int) -> Balance:
    pointer = c_void_p()
    call("wallet_holding", wallet, index, byref(pointer))

    def read(it: c_void_p) -> Balance:
        user, period = (lent(f"holding_{name}", it).decode() for name in ("user", "period"))
        numbers = (getattr(c, f"holding_{name}")(it) for name in ("sets", "unspent", "in_doubt", "paid", "bound", "returned"))
        return Balance(user, period, *numbers)

    with Handle(pointer, kind="holding") as holding:
        return holding._use(read)


# A child of a fork must not find the lock of a thread that it does not have. The library itself
# refuses the wallets of the parent.
_wallets: "weakref.WeakSet[Wallet]" = weakref.WeakSet()


def _renew_locks() -> None:
    for wallet in list(_wallets):
        wallet._alone = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
