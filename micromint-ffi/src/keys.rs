//! Keys, and the authenticators made with them.

use std::sync::atomic::{Ordering, compiler_fence};

use micromint_core::authenticator::{
    AUTHENTICATOR_SIZE, Authenticator, KEY_SIZE, Key, OWNER_TOKEN_SIZE, OwnerToken, UrlDigest,
};
use micromint_core::protocol::OWNER_TOKENS_MAX;

use crate::boundary::{given, guard, output, parsed, reference, slice, text};
use crate::error::micromint_status::MICROMINT_ERROR_ARGUMENT;
use crate::error::{micromint_error, micromint_status};

/// The size of keys and of the broker's secret, in bytes.
pub const MICROMINT_KEY_SIZE: usize = 32;
/// The size of an authenticator, in bytes.
pub const MICROMINT_AUTHENTICATOR_SIZE: usize = 16;
/// The size of an owner token, in bytes.
pub const MICROMINT_OWNER_TOKEN_SIZE: usize = 8;

const _: () =
    assert!(MICROMINT_KEY_SIZE == KEY_SIZE && MICROMINT_AUTHENTICATOR_SIZE == AUTHENTICATOR_SIZE);
const _: () = assert!(MICROMINT_OWNER_TOKEN_SIZE == OWNER_TOKEN_SIZE);

/// A key: the broker's secret, a user's key of one period, or a vendor's key. Anyone who has it can
/// write messages in its owner's name: wipe it with `micromint_key_wipe()` when it is no longer
/// needed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_key {
    /// The key.
    pub bytes: [u8; MICROMINT_KEY_SIZE],
}

/// Proves who sent a message.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_authenticator {
    /// The first bytes of the HMAC-SHA256.
    pub bytes: [u8; MICROMINT_AUTHENTICATOR_SIZE],
}

/// Proves to one vendor that the payer owns a set: a secret of user, vendor and broker.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_owner_token {
    /// The first bytes of the HMAC-SHA256.
    pub bytes: [u8; MICROMINT_OWNER_TOKEN_SIZE],
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

/// Overwrites a key with zeros, which a compiler may not leave out as it may a `memset`. NULL is
/// allowed.
///
/// key: a key that is no longer needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_key_wipe(key: *mut micromint_key) {
    if !key.is_null() {
        // SAFETY: the caller passes NULL or a key that it owns.
        unsafe { key.write_volatile(micromint_key { bytes: [0; MICROMINT_KEY_SIZE] }) }
        compiler_fence(Ordering::SeqCst);
    }
}

/// K_U, the key of a user in a period.
///
/// secret:             the broker's secret.
/// period, period_len: the period's name.
/// user, user_len:     the User-ID.
/// key_out:            the key.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the name of the period or the User-ID is invalid.
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
        given!(
            secret = reference(secret),
            place = output(key_out),
            period = parsed(period, period_len),
            user = parsed(user, user_len)
        );
        place.write(Key::from(secret).user_key(&period, &user).into());
        Ok(())
    })
}

/// K_V, the key of a vendor.
///
/// secret:             the broker's secret.
/// vendor, vendor_len: the Vendor-ID.
/// key_out:            the key.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_vendor_key(
    secret: *const micromint_key,
    vendor: *const u8,
    vendor_len: usize,
    key_out: *mut micromint_key,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            secret = reference(secret),
            place = output(key_out),
            vendor = parsed(vendor, vendor_len)
        );
        place.write(Key::from(secret).vendor_key(&vendor).into());
        Ok(())
    })
}

/// The authenticator of a Payment.
///
/// key:                K_U.
/// vendor, vendor_len: the Vendor-ID.
/// url, url_len:       the URL that is paid for.
/// tokens, tokens_len: the owner tokens in the order of the message, and their number, at most
///                     256.
/// data, data_len:     the decoded coins of the message.
/// authenticator_out:  the authenticator.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid or there are too many tokens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_authenticate_payment(
    key: *const micromint_key,
    vendor: *const u8,
    vendor_len: usize,
    url: *const u8,
    url_len: usize,
    tokens: *const micromint_owner_token,
    tokens_len: usize,
    data: *const u8,
    data_len: usize,
    authenticator_out: *mut micromint_authenticator,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            key = reference(key),
            place = output(authenticator_out),
            url = text(url, url_len),
            tokens = slice(tokens, tokens_len),
            data = slice(data, data_len),
            vendor = parsed(vendor, vendor_len)
        );
        if tokens.len() > OWNER_TOKENS_MAX {
            let found = tokens.len();
            return Err(micromint_error::new(
                MICROMINT_ERROR_ARGUMENT,
                format!("{found} owner tokens, at most {OWNER_TOKENS_MAX} are allowed"),
            ));
        }
        let tokens: Vec<OwnerToken> =
            tokens.iter().map(|token| OwnerToken::from_bytes(token.bytes)).collect();
        let url = UrlDigest::of(url);
        place.write(Key::from(key).payment(&vendor, &url, &tokens, data).into());
        Ok(())
    })
}

/// The owner token of a set at a vendor.
///
/// key:                K_U.
/// vendor, vendor_len: the Vendor-ID.
/// first_superbin:     the first superbin of the set.
/// token_out:          the token.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_user_owner_token(
    key: *const micromint_key,
    vendor: *const u8,
    vendor_len: usize,
    first_superbin: u32,
    token_out: *mut micromint_owner_token,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            key = reference(key),
            place = output(token_out),
            vendor = parsed(vendor, vendor_len)
        );
        let token = Key::from(key).owner_token(&vendor, first_superbin);
        place.write(micromint_owner_token { bytes: *token.as_bytes() });
        Ok(())
    })
}

/// The authenticator of a Request-Credit.
///
/// key:                        K_U.
/// request_id, request_id_len: the Request-ID.
/// data, data_len:             the decoded balls of the message.
/// authenticator_out:          the authenticator.
///
/// Errors: MICROMINT_ERROR_TEXT.
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
        given!(
            key = reference(key),
            place = output(authenticator_out),
            id = text(request_id, request_id_len),
            data = slice(data, data_len)
        );
        place.write(Key::from(key).request_credit(id, data).into());
        Ok(())
    })
}

/// The authenticator of a Request-Redemption.
///
/// key:                    K_V.
/// vendor, vendor_len:     the Vendor-ID.
/// period, period_len:     the period of the batch.
/// batch_id, batch_id_len: the Batch-ID.
/// data, data_len:         the decoded records of the message.
/// authenticator_out:      the authenticator.
///
/// Errors: MICROMINT_ERROR_TEXT; MICROMINT_ERROR_ARGUMENT if the Vendor-ID or the period is
/// invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_authenticate_redemption(
    key: *const micromint_key,
    vendor: *const u8,
    vendor_len: usize,
    period: *const u8,
    period_len: usize,
    batch_id: *const u8,
    batch_id_len: usize,
    data: *const u8,
    data_len: usize,
    authenticator_out: *mut micromint_authenticator,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            key = reference(key),
            place = output(authenticator_out),
            vendor = parsed(vendor, vendor_len),
            period = parsed(period, period_len),
            id = text(batch_id, batch_id_len),
            data = slice(data, data_len)
        );
        place.write(Key::from(key).request_redemption(&vendor, &period, id, data).into());
        Ok(())
    })
}
