//! Keys, and the authenticators made with them.

use micromint_core::authenticator::{AUTHENTICATOR_SIZE, Authenticator, KEY_SIZE, Key};
use micromint_core::identity::{UserId, VendorId};
use micromint_core::period::Period;

use crate::boundary::{guard, output, reference, slice, text};
use crate::error::{failed, micromint_error, micromint_status};
use micromint_status::MICROMINT_ERROR_ARGUMENT;

/// The size of keys and of the broker's secret, in bytes.
pub const MICROMINT_KEY_SIZE: usize = 32;
/// The size of an authenticator, in bytes.
pub const MICROMINT_AUTHENTICATOR_SIZE: usize = 16;

const _: () = assert!(MICROMINT_KEY_SIZE == KEY_SIZE && MICROMINT_AUTHENTICATOR_SIZE == AUTHENTICATOR_SIZE);

/// A key: the broker's secret, a user's key of one period, or a vendor's key. Whoever holds it can
/// write in its owner's name: wipe it when it is no longer needed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_key {
    /// The key.
    pub bytes: [u8; MICROMINT_KEY_SIZE],
}

/// What proves who sent a message.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_authenticator {
    /// The head of the HMAC-SHA256.
    pub bytes: [u8; MICROMINT_AUTHENTICATOR_SIZE],
}

impl From<&micromint_key> for Key {
    fn from(key: &micromint_key) -> Key {
        Key::from_bytes(key.bytes)
    }
}

impl From<Key> for micromint_key {
    fn from(key: Key) -> micromint_key {
        micromint_key { bytes: *key.as_bytes() }
    }
}

impl From<Authenticator> for micromint_authenticator {
    fn from(authenticator: Authenticator) -> micromint_authenticator {
        micromint_authenticator { bytes: *authenticator.as_bytes() }
    }
}

/// K_U, the key of a user in a period.
///
/// secret:             the broker's secret.
/// period, period_len: the period's name.
/// user, user_len:     the User-ID.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for what is no name of a period or no User-ID.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_user_key(
    secret: *const micromint_key,
    period: *const u8,
    period_len: usize,
    user: *const u8,
    user_len: usize,
    key_out: *mut micromint_key,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        // SAFETY: the pointers are as the conventions say.
        let (secret, place) = unsafe { (reference(secret, "secret")?, output(key_out, "key_out")?) };
        // SAFETY: as above.
        let (period, user) = unsafe { (text(period, period_len, "period")?, text(user, user_len, "user")?) };
        let period: Period = period.parse().map_err(failed(MICROMINT_ERROR_ARGUMENT))?;
        let user: UserId = user.parse().map_err(failed(MICROMINT_ERROR_ARGUMENT))?;
        place.write(Key::from(secret).user_key(&period, &user).into());
        Ok(())
    })
}

/// K_V, the key of a vendor.
///
/// secret:             the broker's secret.
/// vendor, vendor_len: the Vendor-ID.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for what is no Vendor-ID.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_vendor_key(
    secret: *const micromint_key,
    vendor: *const u8,
    vendor_len: usize,
    key_out: *mut micromint_key,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        // SAFETY: the pointers are as the conventions say.
        let (secret, place) = unsafe { (reference(secret, "secret")?, output(key_out, "key_out")?) };
        // SAFETY: as above.
        let vendor = unsafe { text(vendor, vendor_len, "vendor") }?;
        let vendor: VendorId = vendor.parse().map_err(failed(MICROMINT_ERROR_ARGUMENT))?;
        place.write(Key::from(secret).vendor_key(&vendor).into());
        Ok(())
    })
}

/// The authenticator of a Payment.
///
/// key:                K_U.
/// vendor, vendor_len: the Vendor-ID.
/// url, url_len:       the URL that is paid for.
/// data, data_len:     the decoded coins of the message.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for what is no Vendor-ID.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_authenticate_payment(
    key: *const micromint_key,
    vendor: *const u8,
    vendor_len: usize,
    url: *const u8,
    url_len: usize,
    data: *const u8,
    data_len: usize,
    authenticator_out: *mut micromint_authenticator,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        // SAFETY: the pointers are as the conventions say.
        let (key, place) =
            unsafe { (reference(key, "key")?, output(authenticator_out, "authenticator_out")?) };
        // SAFETY: as above.
        let (vendor, url) = unsafe { (text(vendor, vendor_len, "vendor")?, text(url, url_len, "url")?) };
        // SAFETY: as above.
        let data = unsafe { slice(data, data_len, "data") }?;
        let vendor: VendorId = vendor.parse().map_err(failed(MICROMINT_ERROR_ARGUMENT))?;
        place.write(Key::from(key).payment(&vendor, url, data).into());
        Ok(())
    })
}

/// The authenticator of a Request-Credit.
///
/// key:                        K_U.
/// request_id, request_id_len: the Request-ID.
/// data, data_len:             the decoded balls of the message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_authenticate_credit(
    key: *const micromint_key,
    request_id: *const u8,
    request_id_len: usize,
    data: *const u8,
    data_len: usize,
    authenticator_out: *mut micromint_authenticator,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        // SAFETY: the pointers are as the conventions say.
        let (key, place) =
            unsafe { (reference(key, "key")?, output(authenticator_out, "authenticator_out")?) };
        // SAFETY: as above.
        let (id, data) =
            unsafe { (text(request_id, request_id_len, "request_id")?, slice(data, data_len, "data")?) };
        place.write(Key::from(key).request_credit(id, data).into());
        Ok(())
    })
}

/// The authenticator of a Request-Redemption.
///
/// key:                    K_V.
/// batch_id, batch_id_len: the Batch-ID.
/// data, data_len:         the decoded records of the message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_authenticate_redemption(
    key: *const micromint_key,
    batch_id: *const u8,
    batch_id_len: usize,
    data: *const u8,
    data_len: usize,
    authenticator_out: *mut micromint_authenticator,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        // SAFETY: the pointers are as the conventions say.
        let (key, place) =
            unsafe { (reference(key, "key")?, output(authenticator_out, "authenticator_out")?) };
        // SAFETY: as above.
        let (id, data) =
            unsafe { (text(batch_id, batch_id_len, "batch_id")?, slice(data, data_len, "data")?) };
        place.write(Key::from(key).request_redemption(id, data).into());
        Ok(())
    })
}
