//! The broker's accounts: what users bought and returned, what vendors were paid, and the lists for
//! vendors.

use micromint_core::broker::{Dispute, JudgedBatch, Offender};
use micromint_core::host::Clock;
use micromint_core::identity::{UserId, VendorId};

use crate::boundary::{given, guard, opened_mut, output, parsed};
use crate::broker::{failed_broker, micromint_broker};
use crate::buffer::{lines, micromint_buffer};
use crate::error::{micromint_error, micromint_status};
use micromint_status::MICROMINT_ERROR_ABSENT;

/// What a user bought and returned in one period.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_user_account {
    /// The number of sales.
    pub sales: u64,
    /// The coins in the sets that were sold.
    pub coins_sold: u64,
    /// The number of returns.
    pub returns: u64,
    /// Returned coins that wait until redeem-until.
    pub coins_waiting: u64,
    /// Returned coins that wait for the decision of a person.
    pub coins_disputed: u64,
    /// Returned coins that were credited.
    pub coins_credited: u64,
    /// Whether the user is revoked.
    pub is_revoked: bool,
}

/// What a vendor redeemed in one period.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_vendor_account {
    /// When it was registered, in seconds since 1970-01-01 00:00 UTC.
    pub registered_at: i64,
    /// The number of judged batches.
    pub batches: u64,
    /// Coins that wait until redeem-until.
    pub coins_waiting: u64,
    /// Coins that wait for the decision of a person.
    pub coins_disputed: u64,
    /// Coins that were paid.
    pub coins_paid: u64,
}

/// A period in numbers.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_broker_counts {
    /// Sales.
    pub sales: u64,
    /// Sets sold.
    pub sets_sold: u64,
    /// Sets that can still be sold.
    pub sets_left: u64,
    /// Registered vendors.
    pub vendors: u64,
    /// Batches judged.
    pub batches: u64,
    /// Watches judged.
    pub watches: u64,
    /// Returns judged.
    pub returns: u64,
    /// Coins sold. After the settlement, coins_paid + coins_credited + coins_disputed +
    /// coins_lapsed.
    pub coins_sold: u64,
    /// Coins paid to vendors.
    pub coins_paid: u64,
    /// Coins credited to users.
    pub coins_credited: u64,
    /// Coins that wait for the decision of a person.
    pub coins_disputed: u64,
    /// Coins neither paid for nor returned so far.
    pub coins_lapsed: u64,
    /// Claims that wait until redeem-until.
    pub claims_waiting: u64,
    /// Coins and returned balls of their owners, with balls that were not minted.
    pub forged: u64,
    /// Coins and returned balls that are not from their owners.
    pub not_from_owner: u64,
    /// Coins in the name of users to whom nothing was sold.
    pub invented: u64,
    /// Users revoked.
    pub revoked: u64,
    /// Whether the waiting claims have been decided.
    pub is_settled: bool,
}

/// What a user bought and returned.
///
/// user, user_len: the User-ID.
/// account_out:    the account.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the User-ID is invalid, MICROMINT_ERROR_ABSENT if nothing
/// was ever sold to this user, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_user_account(
    broker: *mut micromint_broker,
    user: *const u8,
    user_len: usize,
    account_out: *mut micromint_user_account,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(broker), place = output(account_out), user = parsed(user, user_len));
        let account = it.broker.user_account(&user).map_err(failed_broker)?;
        let account = account.ok_or_else(|| absent("sale", "to", &user))?;
        place.write(micromint_user_account {
            sales: account.sales.len() as u64,
            coins_sold: account.coins_sold,
            returns: account.returns.len() as u64,
            coins_waiting: account.coins_waiting,
            coins_disputed: account.coins_disputed,
            coins_credited: account.coins_credited,
            is_revoked: account.revoked.is_some(),
        });
        Ok(())
    })
}

/// What a vendor redeemed.
///
/// vendor, vendor_len: the Vendor-ID.
/// account_out:        the account.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid, MICROMINT_ERROR_ABSENT if this
/// vendor is not registered, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_vendor_account(
    broker: *mut micromint_broker,
    vendor: *const u8,
    vendor_len: usize,
    account_out: *mut micromint_vendor_account,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened_mut(broker),
            place = output(account_out),
            vendor = parsed(vendor, vendor_len)
        );
        let account = it.broker.vendor_account(&vendor).map_err(failed_broker)?;
        let account = account.ok_or_else(|| absent("registration", "of", &vendor))?;
        place.write(micromint_vendor_account {
            registered_at: account.registered.0,
            batches: account.batches.len() as u64,
            coins_waiting: account.coins_waiting,
            coins_disputed: account.coins_disputed,
            coins_paid: account.coins_paid,
        });
        Ok(())
    })
}

/// A user's sales and returns, one by one.
///
/// user, user_len: the User-ID.
/// records_out:    a buffer with one line for each, oldest first, words separated by spaces:
///                 `sale`, the time (RFC 3339), the number of the sale, the sets; then `return`,
///                 the time, the Request-ID, the coins.
///
/// Errors: as for `micromint_broker_user_account()`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_user_records(
    broker: *mut micromint_broker,
    user: *const u8,
    user_len: usize,
    records_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(broker), place = output(records_out), user = parsed(user, user_len));
        let account = it.broker.user_account(&user).map_err(failed_broker)?;
        let account = account.ok_or_else(|| absent("sale", "to", &user))?;
        let sales = account
            .sales
            .iter()
            .map(|it| format!("sale {} {} {}", it.when, it.transaction, it.sets));
        let returns = account.returns.iter();
        let returns =
            returns.map(|it| format!("return {} {} {}", it.when, it.request, it.claims.count));
        place.write(lines(sales.chain(returns)));
        Ok(())
    })
}

/// A vendor's batches, one by one.
///
/// vendor, vendor_len: the Vendor-ID.
/// records_out:        a buffer with one line for each, oldest first, words separated by spaces:
///                     `batch`, the time of judgement (RFC 3339), the Batch-ID, its coins, and of
///                     these the coins that were paid immediately, that waited, and that were
///                     forged.
///
/// Errors: as for `micromint_broker_vendor_account()`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_vendor_records(
    broker: *mut micromint_broker,
    vendor: *const u8,
    vendor_len: usize,
    records_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened_mut(broker),
            place = output(records_out),
            vendor = parsed(vendor, vendor_len)
        );
        let account = it.broker.vendor_account(&vendor).map_err(failed_broker)?;
        let account = account.ok_or_else(|| absent("registration", "of", &vendor))?;
        let batch = |it: &JudgedBatch| {
            let JudgedBatch { when, batch, claims, accepted, waiting, forged, .. } = it;
            format!("batch {when} {batch} {} {accepted} {waiting} {forged}", claims.count)
        };
        place.write(lines(account.batches.iter().map(batch)));
        Ok(())
    })
}

/// The period in numbers.
///
/// counts_out: the numbers.
///
/// Errors: MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_count(
    broker: *mut micromint_broker,
    counts_out: *mut micromint_broker_counts,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(broker), place = output(counts_out));
        let status = it.broker.status().map_err(failed_broker)?;
        place.write(micromint_broker_counts {
            sales: status.sales,
            sets_sold: status.sets_sold,
            sets_left: status.sets_left,
            vendors: status.vendors,
            batches: status.batches,
            watches: status.watches,
            returns: status.returns,
            coins_sold: status.coins.sold,
            coins_paid: status.coins.paid,
            coins_credited: status.coins.credited,
            coins_disputed: status.coins.disputed,
            coins_lapsed: status.coins.lapsed,
            claims_waiting: status.claims_waiting,
            forged: status.alarm.forged,
            not_from_owner: status.alarm.not_from_owner,
            invented: status.alarm.invented,
            revoked: status.revoked,
            is_settled: status.is_settled,
        });
        Ok(())
    })
}

/// The registered vendors, in the order of their registration.
///
/// vendors_out: a buffer with one Vendor-ID per line.
///
/// Errors: MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_vendors(
    broker: *mut micromint_broker,
    vendors_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(broker), place = output(vendors_out));
        let vendors = it.broker.vendors().map_err(failed_broker)?;
        place.write(lines(vendors.iter()));
        Ok(())
    })
}

/// The users who are proved to have cheated: right Authenticators on one first bin at two vendors,
/// or a right Authenticator over a ball that was not minted or over a set of another user.
///
/// offenders_out: a buffer with one line for each, words separated by spaces: the User-ID, the
///                number of first bins, the number of these that were spent at several vendors, the
///                number of these that were forged or of another user, the time of the first and of
///                the last coin (RFC 3339), and the Vendor-IDs that received them.
///
/// Errors: MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_offenders(
    broker: *mut micromint_broker,
    offenders_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(broker), place = output(offenders_out));
        let offenders = it.broker.offenders().map_err(failed_broker)?;
        let offender = |it: &Offender<UserId, VendorId>| {
            let vendors = it.vendors.iter().map(|vendor| format!(" {vendor}"));
            let vendors: String = vendors.collect();
            let Offender { user, balls, spent_twice, forged, first, last, .. } = it;
            format!("{user} {balls} {spent_twice} {forged} {first} {last}{vendors}")
        };
        place.write(lines(offenders.iter().map(offender)));
        Ok(())
    })
}

/// What else a person should look at. It proves nothing, since vendors could have made it.
///
/// suspects_out: a buffer with one line for each, words separated by spaces: `user`, the User-ID,
///               the number of coins with right owner tokens at several vendors, and the
///               Vendor-IDs that are not paid for payments with right tokens; then `vendor`, the
///               Vendor-ID, and the number of coins that it sent in several payments.
///
/// Errors: MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_suspects(
    broker: *mut micromint_broker,
    suspects_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(broker), place = output(suspects_out));
        let found = it.broker.suspicions().map_err(failed_broker)?;
        let users = found.users.iter().map(|suspect| {
            let unpaid = suspect.unpaid_at.iter().map(|vendor| format!(" {vendor}"));
            format!("user {} {}{}", suspect.user, suspect.balls, unpaid.collect::<String>())
        });
        let vendors =
            found.vendors.iter().map(|(vendor, balls)| format!("vendor {vendor} {balls}"));
        place.write(lines(users.chain(vendors)));
        Ok(())
    })
}

/// The coins that nobody gets before a person has decided. There are none before the settlement.
///
/// disputes_out: a buffer with one line for each vendor and user, words separated by spaces: the
///               Vendor-ID, the User-ID, the number of coins, and how many of them the user has
///               returned.
///
/// Errors: MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_disputes(
    broker: *mut micromint_broker,
    disputes_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(broker), place = output(disputes_out));
        let disputes = it.broker.disputes().map_err(failed_broker)?;
        let dispute =
            |it: &Dispute| format!("{} {} {} {}", it.vendor, it.user, it.coins, it.returned);
        place.write(lines(disputes.iter().map(dispute)));
        Ok(())
    })
}

/// Revokes a user: nothing more is sold to the user, and vendors that have the list accept no more
/// of the user's coins. Earlier payments are still redeemed. Revoking a user again changes nothing.
///
/// user, user_len: the User-ID.
/// revoked_out:    a buffer with all revoked users, one User-ID per line: the content of
///                 PERIOD.revoked.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the User-ID is invalid, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_revoke(
    broker: *mut micromint_broker,
    user: *const u8,
    user_len: usize,
    revoked_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(broker), place = output(revoked_out), user = parsed(user, user_len));
        let revoked = it.broker.revoke(&user, it.host.now()).map_err(failed_broker)?;
        place.write(lines(revoked.iter()));
        Ok(())
    })
}

/// Who bought which set, as one vendor can check it.
///
/// vendor, vendor_len: the Vendor-ID.
/// owners_out:         a buffer with the content of PERIOD.owners for this vendor.
///
/// Errors: MICROMINT_ERROR_FILE; MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_owners(
    broker: *mut micromint_broker,
    vendor: *const u8,
    vendor_len: usize,
    owners_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened_mut(broker),
            place = output(owners_out),
            vendor = parsed(vendor, vendor_len)
        );
        let owners = it.broker.owners(&vendor).map_err(failed_broker)?;
        place.write(micromint_buffer::hand_out(owners.to_bytes()));
        Ok(())
    })
}

fn absent(what: &str, whose: &str, id: &dyn std::fmt::Display) -> micromint_error {
    micromint_error::new(MICROMINT_ERROR_ABSENT, format!("there is no {what} {whose} {id}"))
}
