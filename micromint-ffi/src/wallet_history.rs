//! What a wallet records: the received sales, the payments, the returns; and details of its
//! holdings beyond the balance.

use micromint_core::protocol::Verdict;
use micromint_core::wallet::Holding;

use crate::boundary::{address, given, guard, hand_out, here, opened, output, parsed};
use crate::decision::at;
use crate::error::{Answer, micromint_error, micromint_status};
use crate::params::micromint_params;
use crate::wallet::{OpenWallet, micromint_wallet};

/// A received sale. Sales are numbered from 0 in their order and never renumbered, and so are
/// payments and returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_past_sale {
    /// When it was received, in seconds since 1970-01-01 00:00 UTC.
    pub at: i64,
    /// The holding that its sets belong to.
    pub holding: usize,
    /// The number of the sale at the broker.
    pub transaction: u64,
    /// Its sets.
    pub sets: u32,
}

/// A payment. The texts have no final NUL and are valid until the next call that changes or
/// refreshes the wallet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_past_payment {
    /// When it was sent, in seconds since 1970-01-01 00:00 UTC.
    pub at: i64,
    /// When the outcome was learned, likewise; 0 while it is unknown.
    pub outcome_at: i64,
    /// The holding that they were taken from.
    pub holding: usize,
    /// The Vendor-ID.
    pub vendor: *const u8,
    /// Its length.
    pub vendor_len: usize,
    /// The page.
    pub url: *const u8,
    /// Its length.
    pub url_len: usize,
    /// The method of the fetch.
    pub method: *const u8,
    /// Its length.
    pub method_len: usize,
    /// What was bought, in the vendor's words: printable ASCII.
    pub description: *const u8,
    /// Its length.
    pub description_len: usize,
    /// What became of it: unknown, paid, refused, not-kept or not-seen.
    pub outcome: *const u8,
    /// Its length.
    pub outcome_len: usize,
    /// The reason, in the vendor's words: printable ASCII; empty if there is none.
    pub reason: *const u8,
    /// Its length.
    pub reason_len: usize,
    /// The coins.
    pub coins: u32,
    /// The number of them that were sent for the first time.
    pub fresh: u32,
}

/// A return. The text is valid until the next call that changes or refreshes the wallet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_past_return {
    /// When it was sent, in seconds since 1970-01-01 00:00 UTC.
    pub at: i64,
    /// The holding that they were taken from.
    pub holding: usize,
    /// The Request-ID, which identifies the return at the broker; no final NUL.
    pub request: *const u8,
    /// Its length.
    pub request_len: usize,
    /// The broker's number for it, if `is_answered`.
    pub transaction: u64,
    /// The coins.
    pub coins: u32,
    /// The number of them that were credited.
    pub credited: u32,
    /// The number that wait for a verdict, or for an answer.
    pub waiting: u32,
    /// Whether an answer was recorded.
    pub is_answered: bool,
}

/// The number of received sales. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_past_sale_count(
    wallet: *const micromint_wallet,
) -> usize {
    // SAFETY: the caller passes NULL or a live wallet.
    unsafe { here(wallet) }.map_or(0, |it| it.wallet.state().withdrawals().len())
}

/// A received sale.
///
/// index:    its number, from 0.
/// sale_out: the sale.
///
/// Errors: MICROMINT_ERROR_ABSENT if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_past_sale(
    wallet: *const micromint_wallet,
    index: usize,
    sale_out: *mut micromint_past_sale,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened(wallet), place = output(sale_out));
        let sale = at(it.wallet.state().withdrawals(), index, "sale")?;
        place.write(micromint_past_sale {
            at: sale.at.0,
            holding: sale.holding,
            transaction: sale.transaction,
            sets: sale.sets,
        });
        Ok(())
    })
}

/// The number of payments. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_past_payment_count(
    wallet: *const micromint_wallet,
) -> usize {
    // SAFETY: the caller passes NULL or a live wallet.
    unsafe { here(wallet) }.map_or(0, |it| it.wallet.state().payments().len())
}

/// A payment.
///
/// index:       its number, from 0, as returned by `micromint_wallet_pay()`.
/// payment_out: the payment.
///
/// Errors: MICROMINT_ERROR_ABSENT if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_past_payment(
    wallet: *const micromint_wallet,
    index: usize,
    payment_out: *mut micromint_past_payment,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened(wallet), place = output(payment_out));
        let payment = at(it.wallet.state().payments(), index, "payment")?;
        let (vendor, url) = (payment.vendor.as_str(), payment.url.as_str());
        let (outcome, reason) =
            (payment.outcome.word(), payment.outcome.reason().unwrap_or_default());
        place.write(micromint_past_payment {
            at: payment.at.0,
            outcome_at: payment.outcome_at.map_or(0, |at| at.0),
            holding: payment.holding,
            vendor: lent(vendor),
            vendor_len: vendor.len(),
            url: lent(url),
            url_len: url.len(),
            method: lent(&payment.method),
            method_len: payment.method.len(),
            description: lent(&payment.description),
            description_len: payment.description.len(),
            outcome: lent(outcome),
            outcome_len: outcome.len(),
            reason: lent(reason),
            reason_len: reason.len(),
            coins: payment.coins,
            fresh: payment.fresh,
        });
        Ok(())
    })
}

/// The number of returns. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_past_return_count(
    wallet: *const micromint_wallet,
) -> usize {
    // SAFETY: the caller passes NULL or a live wallet.
    unsafe { here(wallet) }.map_or(0, |it| it.wallet.state().returns().len())
}

/// A return.
///
/// index:      its number, from 0.
/// return_out: the return.
///
/// Errors: MICROMINT_ERROR_ABSENT if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_past_return(
    wallet: *const micromint_wallet,
    index: usize,
    return_out: *mut micromint_past_return,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened(wallet), place = output(return_out));
        let back = at(it.wallet.state().returns(), index, "return")?;
        let request = back.request.as_str();
        let count = |verdict| back.count(verdict) as u32;
        place.write(micromint_past_return {
            at: back.at.0,
            holding: back.holding,
            request: lent(request),
            request_len: request.len(),
            transaction: back.transaction.unwrap_or(0),
            coins: back.verdicts.len() as u32,
            credited: count(Some(Verdict::Accepted)),
            waiting: count(None) + count(Some(Verdict::Waiting)),
            is_answered: back.transaction.is_some(),
        });
        Ok(())
    })
}

/// The parameters of a holding's period: when its coins expire, what they are worth, who its broker
/// is.
///
/// holding:    its number, from 0.
/// params_out: a copy.
///
/// Errors: MICROMINT_ERROR_ABSENT if there is no such holding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_holding_params(
    wallet: *const micromint_wallet,
    holding: usize,
    params_out: *mut *mut micromint_params,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened(wallet), place = output(params_out));
        let params = holding_of(it, holding)?.params.clone();
        place.write(hand_out(micromint_params { params }));
        Ok(())
    })
}

/// The number of coins of a holding that are usable at a vendor now: those that have all their
/// balls there, and are in the wallet or were given back by this vendor.
///
/// holding:            its number, from 0.
/// vendor, vendor_len: the Vendor-ID.
/// coins_out:          the coins.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid, MICROMINT_ERROR_ABSENT if there is
/// no such holding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_coins_at(
    wallet: *const micromint_wallet,
    holding: usize,
    vendor: *const u8,
    vendor_len: usize,
    coins_out: *mut u32,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened(wallet), place = output(coins_out), vendor = parsed(vendor, vendor_len));
        holding_of(it, holding)?;
        place.write(it.wallet.state().spendable_at(holding, &vendor));
        Ok(())
    })
}

/// Whether nothing can be spent from the file: it is a backup, or the wallet was moved to another
/// file. NULL gives false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_is_backup(wallet: *const micromint_wallet) -> bool {
    // SAFETY: the caller passes NULL or a live wallet.
    unsafe { here(wallet) }.is_some_and(|it| it.wallet.state().frozen().is_some())
}

/// The address of a text that is lent.
fn lent(text: &str) -> *const u8 {
    address(text.as_bytes())
}

fn holding_of(it: &OpenWallet, holding: usize) -> Answer<&Holding> {
    at(it.wallet.state().holdings(), holding, "holding")
}
