//! The broker's books: what users bought and returned, what vendors were paid, and the lists for vendors.

use micromint_core::identity::{UserId, VendorId};

use micromint_core::host::Clock;

use crate::boundary::{given, guard, output, parse, reference_mut, text};
use crate::broker::{failed_broker, micromint_broker};
use crate::buffer::micromint_buffer;
use crate::error::{micromint_error, micromint_status};
use micromint_status::MICROMINT_ERROR_ABSENT;

/// What a user bought and returned, in one period.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_user_account {
    /// How many sales there were.
    pub sales: u64,
    /// The coins in the sets that were sold.
    pub coins_sold: u64,
    /// How many returns there were.
    pub returns: u64,
    /// Returned coins on which nothing is decided yet.
    pub coins_waiting: u64,
    /// Returned coins that were credited.
    pub coins_credited: u64,
    /// Whether the user was revoked.
    pub is_revoked: bool,
}

/// What a vendor redeemed, in one period.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_vendor_account {
    /// When it was registered, in seconds since 1970-01-01 00:00 UTC.
    pub registered_at: i64,
    /// How many batches were judged.
    pub batches: u64,
    /// Coins on which nothing is decided yet.
    pub coins_waiting: u64,
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
    /// Returns judged.
    pub returns: u64,
    /// Coins paid to vendors.
    pub coins_paid: u64,
    /// Coins credited to users.
    pub coins_credited: u64,
    /// Claims that wait until redeem-until.
    pub claims_waiting: u64,
    /// Balls that nobody minted: proofs of forgery.
    pub forged: u64,
    /// Users revoked.
    pub revoked: u64,
    /// Whether the claims that waited are decided.
    pub is_settled: bool,
}

/// What a user bought and returned.
///
/// user, user_len: the User-ID.
/// account_out:    the account.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for what is no User-ID, MICROMINT_ERROR_ABSENT where nothing was ever sold to
/// this user, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_user_account(
    broker: *mut micromint_broker,
    user: *const u8,
    user_len: usize,
    account_out: *mut micromint_user_account,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference_mut(broker), user = text(user, user_len), place = output(account_out));
        let user: UserId = parse(user)?;
        let account = it.broker.user_account(&user, it.host.now()).map_err(failed_broker)?;
        let account = account.ok_or_else(|| absent("sale", "to", &user))?;
        place.write(micromint_user_account {
            sales: account.sales.len() as u64,
            coins_sold: account.coins_sold,
            returns: account.returns.len() as u64,
            coins_waiting: account.coins_waiting,
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
/// Errors: MICROMINT_ERROR_ARGUMENT for what is no Vendor-ID, MICROMINT_ERROR_ABSENT where this vendor is not
/// registered, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_vendor_account(
    broker: *mut micromint_broker,
    vendor: *const u8,
    vendor_len: usize,
    account_out: *mut micromint_vendor_account,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference_mut(broker), vendor = text(vendor, vendor_len), place = output(account_out));
        let vendor: VendorId = parse(vendor)?;
        let account = it.broker.vendor_account(&vendor, it.host.now()).map_err(failed_broker)?;
        let account = account.ok_or_else(|| absent("registration", "of", &vendor))?;
        place.write(micromint_vendor_account {
            registered_at: account.registered.0,
            batches: account.batches.len() as u64,
            coins_waiting: account.coins_waiting,
            coins_paid: account.coins_paid,
        });
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
        given!(it = reference_mut(broker), place = output(counts_out));
        let status = it.broker.status(it.host.now()).map_err(failed_broker)?;
        place.write(micromint_broker_counts {
            sales: status.sales,
            sets_sold: status.sets_sold,
            sets_left: status.sets_left,
            vendors: status.vendors,
            batches: status.batches,
            returns: status.returns,
            coins_paid: status.coins_paid,
            coins_credited: status.coins_credited,
            claims_waiting: status.claims_waiting,
            forged: status.forged,
            revoked: status.revoked,
            is_settled: status.is_settled,
        });
        Ok(())
    })
}

/// The registered vendors.
///
/// vendors_out: a buffer with a Vendor-ID a line.
///
/// Errors: MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_vendors(
    broker: *mut micromint_broker,
    vendors_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference_mut(broker), place = output(vendors_out));
        let vendors = it.broker.vendors(it.host.now()).map_err(failed_broker)?;
        place.write(lines(vendors.iter()));
        Ok(())
    })
}

/// The users who spent a first ball in more than one payment.
///
/// offenders_out: a buffer with a line for each: the User-ID, a space, the number of balls.
///
/// Errors: MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_offenders(
    broker: *mut micromint_broker,
    offenders_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference_mut(broker), place = output(offenders_out));
        let offenders = it.broker.offenders(it.host.now()).map_err(failed_broker)?;
        place.write(lines(offenders.iter().map(|it| format!("{} {}", it.user, it.balls))));
        Ok(())
    })
}

/// Revokes a user: nothing more is sold, and vendors that get the list take nothing more. Payments made
/// before are redeemed all the same. Harmless for one who is revoked.
///
/// user, user_len: the User-ID.
/// revoked_out:    a buffer with all revoked users, a User-ID a line: the content of PERIOD.revoked.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for what is no User-ID, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_revoke(
    broker: *mut micromint_broker,
    user: *const u8,
    user_len: usize,
    revoked_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference_mut(broker), user = text(user, user_len), place = output(revoked_out));
        let user: UserId = parse(user)?;
        let revoked = it.broker.revoke(&user, it.host.now()).map_err(failed_broker)?;
        place.write(lines(revoked.iter()));
        Ok(())
    })
}

/// Who bought which superbin, for vendors.
///
/// owners_out: a buffer with the content of PERIOD.owners.
///
/// Errors: MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_owners(
    broker: *mut micromint_broker,
    owners_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference_mut(broker), place = output(owners_out));
        let owners = it.broker.owners(it.host.now()).map_err(failed_broker)?;
        place.write(micromint_buffer::hand_out(owners.to_bytes()));
        Ok(())
    })
}

fn absent(what: &str, whose: &str, id: &dyn std::fmt::Display) -> micromint_error {
    micromint_error::new(MICROMINT_ERROR_ABSENT, format!("no {what} {whose} {id}"))
}

/// A buffer with an item a line.
fn lines(items: impl Iterator<Item: std::fmt::Display>) -> *mut micromint_buffer {
    let text: String = items.map(|item| format!("{item}\n")).collect();
    micromint_buffer::hand_out(text.into_bytes())
}
