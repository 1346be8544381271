//! The client's wallet: receives coins, pays, and records what became of payments.

use micromint_core::host::Clock;
use micromint_core::protocol::{FundsWithdrawn, RequestPayment};
use micromint_core::wallet::{
    Fetch, NeededConsent, PaymentDecision, Received, Wallet, WalletError, outcome_of,
};

use crate::boundary::{
    file_at, free, given, guard, hand_out, lend, opened_mut, output, parsed, slice, text,
};
use crate::buffer::micromint_buffer;
use crate::error::{FfiResult, failed, micromint_error, micromint_status};
use crate::filled::filled;
use crate::host::{host_of, micromint_host};
use crate::policy::micromint_policy;
use crate::process::{Handle, OfProcess};
use micromint_status::{
    MICROMINT_ERROR_ABSENT, MICROMINT_ERROR_FILE, MICROMINT_ERROR_MESSAGE, MICROMINT_ERROR_STATE,
};

/// An open wallet file. Free it with `micromint_wallet_free()`. One thread at a time; other
/// processes may use the same file at the same time. Open it after `fork()`: in a process that was
/// forked later its functions return MICROMINT_ERROR_STATE.
///
/// Its holdings, the coins of one user at one broker for one period, are numbered from 0 and never
/// renumbered.
pub struct micromint_wallet {
    open: OfProcess<OpenWallet>,
}

/// A wallet of this process.
pub(crate) struct OpenWallet {
    pub(crate) wallet: Wallet,
    pub(crate) host: micromint_host,
    /// The consent that the last payment needs.
    pub(crate) needed: Option<NeededConsent>,
}

impl micromint_wallet {
    pub(crate) fn hand_out(
        wallet: Wallet,
        host: micromint_host,
    ) -> FfiResult<*mut micromint_wallet> {
        let open = OfProcess::new(OpenWallet { wallet, host, needed: None })?;
        Ok(hand_out(micromint_wallet { open }))
    }
}

impl Handle for micromint_wallet {
    type Open = OpenWallet;

    fn opened(&self) -> &OfProcess<OpenWallet> {
        &self.open
    }

    fn opened_mut(&mut self) -> &mut OfProcess<OpenWallet> {
        &mut self.open
    }
}

/// What became of received sets.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum micromint_received {
    /// They are in the wallet now.
    MICROMINT_RECEIVED_NEW = 0,
    /// They were already in the wallet, from this very message.
    MICROMINT_RECEIVED_ALREADY = 1,
    /// The message is not genuine; nothing was stored.
    MICROMINT_RECEIVED_REFUSED = 2,
    // Last added: 2.
}

/// What to do about a Request-Payment.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum micromint_pay {
    /// Send the message to exactly this URL, then call `micromint_wallet_record_outcome()` with the
    /// answer.
    MICROMINT_PAY_SEND = 0,
    /// The same, with a message that was already sent and costs no further coins.
    MICROMINT_PAY_SEND_AGAIN = 1,
    /// Ask the owner. If the answer is yes, call again with an `autopay` of the price.
    MICROMINT_PAY_ASK = 2,
    /// Do not pay; the text says why.
    MICROMINT_PAY_REFUSE = 3,
    /// The vendor is a parent of the page's host. Fetch the vendor's manifest, call
    /// `micromint_wallet_take_consent()`, then this function again.
    MICROMINT_PAY_NEEDS_CONSENT = 4,
    // Last added: 4.
}

/// Opens a wallet file, and creates it with mode 0600 if it does not exist.
///
/// path, path_len: its path.
/// host:           clock and randomness; NULL for the system's.
/// wallet_out:     the wallet.
///
/// Errors: MICROMINT_ERROR_FILE if it cannot be opened, is damaged, or is not a wallet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_open(
    path: *const u8,
    path_len: usize,
    host: *const micromint_host,
    wallet_out: *mut *mut micromint_wallet,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(host = host_of(host), place = output(wallet_out), file = file_at(path, path_len));
        let (directory, name) = file;
        let wallet = Wallet::open(&directory, &name, &host).map_err(refused)?;
        place.write(micromint_wallet::hand_out(wallet, host)?);
        Ok(())
    })
}

/// Stores sets if every ball is genuine. They are on disk when this returns.
///
/// message, message_len: a Funds-Withdrawn message.
/// received_out:         what became of it; a message that is not genuine is not an error.
/// coins_out:            the new coins; 0 unless the sets are new.
/// reason_out:           with MICROMINT_RECEIVED_REFUSED a buffer with the reason; else NULL.
///
/// Errors: MICROMINT_ERROR_MESSAGE if the message is not a Funds-Withdrawn; MICROMINT_ERROR_FILE:
/// receive it again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_receive(
    wallet: *mut micromint_wallet,
    message: *const u8,
    message_len: usize,
    received_out: *mut micromint_received,
    coins_out: *mut u32,
    reason_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened_mut(wallet),
            bytes = slice(message, message_len),
            place = output(received_out),
            coins_place = output(coins_out),
            reason_place = output(reason_out)
        );
        let funds = FundsWithdrawn::parse(bytes).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        let received = it.wallet.receive(&funds, it.host.now()).map_err(refused)?;
        let (received, coins, reason) = told(received);
        place.write(received);
        coins_place.write(coins);
        reason_place.write(reason);
        Ok(())
    })
}

/// Stores sets that this program fetched from a broker's own web page, if the page is one of the
/// broker that the message names and every ball is genuine. If the page was fetched over https or
/// from this machine, the coins are spent before those of unknown origin. Otherwise like
/// `micromint_wallet_receive()`.
///
/// page, page_len:       the URL of the page, after all redirects.
/// message, message_len: a Funds-Withdrawn message, the body of the page's answer.
/// received_out:         what became of it; a message that is not genuine is not an error.
/// coins_out:            the new coins; 0 unless the sets are new.
/// reason_out:           with MICROMINT_RECEIVED_REFUSED a buffer with the reason; else NULL.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the URL is invalid, MICROMINT_ERROR_MESSAGE if the message
/// is not a Funds-Withdrawn; MICROMINT_ERROR_FILE: receive it again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_receive_from(
    wallet: *mut micromint_wallet,
    page: *const u8,
    page_len: usize,
    message: *const u8,
    message_len: usize,
    received_out: *mut micromint_received,
    coins_out: *mut u32,
    reason_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened_mut(wallet),
            bytes = slice(message, message_len),
            place = output(received_out),
            coins_place = output(coins_out),
            reason_place = output(reason_out),
            page = parsed(page, page_len)
        );
        let funds = FundsWithdrawn::parse(bytes).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        let received = it.wallet.receive_from(&page, &funds, it.host.now()).map_err(refused)?;
        let (received, coins, reason) = told(received);
        place.write(received);
        coins_place.write(coins);
        reason_place.write(reason);
        Ok(())
    })
}

/// The three outputs that tell what became of a Funds-Withdrawn message.
fn told(received: Received) -> (micromint_received, u32, *mut micromint_buffer) {
    match received {
        Received::New { coins, .. } => {
            (micromint_received::MICROMINT_RECEIVED_NEW, coins, std::ptr::null_mut())
        }
        Received::Already => {
            (micromint_received::MICROMINT_RECEIVED_ALREADY, 0, std::ptr::null_mut())
        }
        Received::Refused(why) => {
            let reason = micromint_buffer::hand_out(why.to_string().into_bytes());
            (micromint_received::MICROMINT_RECEIVED_REFUSED, 0, reason)
        }
    }
}

/// Reads what other processes wrote meanwhile. Every function that writes does this by itself.
///
/// Errors: MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_refresh(
    wallet: *mut micromint_wallet,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(wallet));
        it.wallet.refresh().map_err(refused)?;
        Ok(())
    })
}

/// Decides about a Request-Payment that answered a fetch. Coins that will be sent are recorded as
/// spent, on disk, when this returns.
///
/// request, request_len: the Request-Payment message.
/// url, url_len:         the requested URL, after the redirects of the unpaid request.
/// method, method_len:   the method of the fetch, such as GET.
/// body, body_len:       the body of the fetch.
/// policy:               what the owner allows.
/// pay_out:              what to do.
/// payment_out:          its number, for `micromint_wallet_record_outcome()`; 0 if there is none.
/// message_out:          a buffer: the Payment message to send; the price to ask for, with
///                       MICROMINT_PAY_ASK; the reason, with MICROMINT_PAY_REFUSE; the URL of the
///                       manifest, with MICROMINT_PAY_NEEDS_CONSENT.
///
/// Errors: MICROMINT_ERROR_MESSAGE if the message is not a Request-Payment,
/// MICROMINT_ERROR_ARGUMENT if the URL or a number of the policy is invalid, MICROMINT_ERROR_FILE:
/// then nothing may be sent; MICROMINT_ERROR_STATE if the file is a backup.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_pay(
    wallet: *mut micromint_wallet,
    request: *const u8,
    request_len: usize,
    url: *const u8,
    url_len: usize,
    method: *const u8,
    method_len: usize,
    body: *const u8,
    body_len: usize,
    policy: *const micromint_policy,
    pay_out: *mut micromint_pay,
    payment_out: *mut u32,
    message_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened_mut(wallet),
            request = slice(request, request_len),
            method = text(method, method_len),
            body = slice(body, body_len),
            policy = filled(policy),
            pay_place = output(pay_out),
            payment_place = output(payment_out),
            message_place = output(message_out),
            url = parsed(url, url_len)
        );
        let policy = policy.to_core();
        let request = RequestPayment::parse(request).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        let fetch = Fetch::new(&url).with_method(method).with_body(body);
        let decision = it.wallet.pay(&request, &fetch, &policy, it.host.now()).map_err(refused)?;
        it.needed = None;
        let (pay, payment, message) = match decision {
            PaymentDecision::Send(sending) if sending.again => {
                (micromint_pay::MICROMINT_PAY_SEND_AGAIN, sending.payment, sending.message)
            }
            PaymentDecision::Send(sending) => {
                (micromint_pay::MICROMINT_PAY_SEND, sending.payment, sending.message)
            }
            PaymentDecision::Ask(choice) => {
                (micromint_pay::MICROMINT_PAY_ASK, 0, choice.coins().to_string().into_bytes())
            }
            PaymentDecision::NeedsConsent(needed) => {
                let url = needed.url().as_bytes().to_vec();
                it.needed = Some(needed);
                (micromint_pay::MICROMINT_PAY_NEEDS_CONSENT, 0, url)
            }
            PaymentDecision::Refuse(why) => {
                (micromint_pay::MICROMINT_PAY_REFUSE, 0, why.to_string().into_bytes())
            }
        };
        pay_place.write(pay);
        payment_place.write(payment);
        message_place.write(micromint_buffer::hand_out(message));
        Ok(())
    })
}

/// Records what became of a payment. Do not call it if no complete answer came: the payment stays
/// unknown, and `micromint_wallet_pay()` sends it again without further coins. Call
/// `micromint_wallet_resend_after()` first.
///
/// payment:                      its number.
/// status:                       the status of the vendor's answer.
/// word, word_len:               the value of its header MicroMint-Status; empty if there is none.
/// outcome_out, outcome_len_out: `paid`, `refused`, `not-kept`; `not-seen` if the server itself
///                               refused the request, which `micromint_wallet_pay()` then pays
///                               with the same message, to send in the other form; or `unknown` if
///                               the answer does not decide it; static, no final NUL.
///
/// Errors: MICROMINT_ERROR_ABSENT if there is no such payment; MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_record_outcome(
    wallet: *mut micromint_wallet,
    payment: u32,
    status: u32,
    word: *const u8,
    word_len: usize,
    outcome_out: *mut *const u8,
    outcome_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened_mut(wallet),
            word = text(word, word_len),
            place = lend(outcome_out, outcome_len_out)
        );
        if it.wallet.state().payments().len() <= payment as usize {
            return Err(absent("payment", payment as usize));
        }
        // An impossible status leaves it open, like every doubt.
        let status = u16::try_from(status).unwrap_or(0);
        let outcome = outcome_of(status, Some(word).filter(|word| !word.is_empty()), None);
        let name = outcome.word();
        it.wallet.record_outcome(payment, outcome, it.host.now()).map_err(refused)?;
        place.write(name.as_bytes());
        Ok(())
    })
}

/// Frees a wallet. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_free(wallet: *mut micromint_wallet) {
    // SAFETY: a wallet reaches the caller only from hand_out, and is freed once.
    unsafe { free(wallet) }
}

pub(crate) fn absent(what: &str, number: usize) -> micromint_error {
    micromint_error::new(MICROMINT_ERROR_ABSENT, format!("there is no {what} {number}"))
}

pub(crate) fn refused(error: WalletError) -> micromint_error {
    let status = match &error {
        WalletError::Frozen { .. }
        | WalletError::NoBackup { .. }
        | WalletError::CarriesNoWallet { .. }
        | WalletError::Exists { .. }
        | WalletError::NotCredited(_) => MICROMINT_ERROR_STATE,
        WalletError::File(_) | WalletError::Journal(_) | WalletError::Entropy(_) => {
            MICROMINT_ERROR_FILE
        }
    };
    micromint_error::of(status, &error)
}
