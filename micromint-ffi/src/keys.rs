//! Keys, and the authenticators made with them.

use std::sync::atomic::{Ordering, compiler_fence};

use micromint_core::authenticator::{
    AUTHENTICATOR_SIZE, KEY_SIZE, Key, OWNER_TOKEN_SIZE, OwnerToken, UrlDigest,
};
use micromint_core::protocol::OWNER_TOKENS_MAX;

use crate::boundary::{given, guard, output_bytes, parsed, slice, text};
use crate::error::micromint_status::MICROMINT_ERROR_ARGUMENT;
use crate::error::{FfiResult, micromint_error, micromint_status};

/// The size of keys and of the broker's secret, in bytes.
pub const MICROMINT_KEY_SIZE: usize = 32;
/// The size of an authenticator, in bytes.
pub const MICROMINT_AUTHENTICATOR_SIZE: usize = 16;
/// The size of an owner token, in bytes.
pub const MICROMINT_OWNER_TOKEN_SIZE: usize = 8;

const _: () =
    assert!(MICROMINT_KEY_SIZE == KEY_SIZE && MICROMINT_AUTHENTICATOR_SIZE == AUTHENTICATOR_SIZE);
const _: () = assert!(MICROMINT_OWNER_TOKEN_SIZE == OWNER_TOKEN_SIZE);

/// Overwrites a key with zeros, which a compiler may not leave out as it may a `memset`. NULL is
/// allowed. Anyone who has a key can write messages in its owner's name: wipe it when it is no
/// longer needed.
///
/// key, key_len: a key that is no longer needed, and its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_key_wipe(key: *mut u8, key_len: usize) {
    if !key.is_null() {
        for at in 0..key_len {
            // SAFETY: Keys: that many bytes of the caller, which nothing else uses.
            unsafe { key.add(at).write_volatile(0) }
        }
        compiler_fence(Ordering::SeqCst);
    }
}

/// K_U, the key of a user in a period.
///
/// secret, secret_len: the broker's secret, MICROMINT_KEY_SIZE bytes.
/// period, period_len: the period's name.
/// user, user_len:     the User-ID.
/// key_out:            room for MICROMINT_KEY_SIZE bytes; the key.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the name of the period, the User-ID or the size of the
/// secret is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_user_key(
    secret: *const u8,
    secret_len: usize,
    period: *const u8,
    period_len: usize,
    user: *const u8,
    user_len: usize,
    key_out: *mut u8,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            secret = slice(secret, secret_len),
            place = output_bytes(key_out),
            period = parsed(period, period_len),
            user = parsed(user, user_len)
        );
        place.write(*key_of(secret, "secret")?.user_key(&period, &user).as_bytes());
        Ok(())
    })
}

/// K_V, the key of a vendor, as long as the broker has not replaced it.
///
/// secret, secret_len: the broker's secret, MICROMINT_KEY_SIZE bytes.
/// vendor, vendor_len: the Vendor-ID.
/// key_out:            room for MICROMINT_KEY_SIZE bytes; the key.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID or the size of the secret is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_vendor_key(
    secret: *const u8,
    secret_len: usize,
    vendor: *const u8,
    vendor_len: usize,
    key_out: *mut u8,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            secret = slice(secret, secret_len),
            place = output_bytes(key_out),
            vendor = parsed(vendor, vendor_len)
        );
        place.write(*key_of(secret, "secret")?.vendor_key(&vendor).as_bytes());
        Ok(())
    })
}

/// The authenticator of a Payment.
///
/// key, key_len:       K_U, MICROMINT_KEY_SIZE bytes.
/// vendor, vendor_len: the Vendor-ID.
/// url, url_len:       the URL that is paid for.
/// tokens, tokens_len: the owner tokens in the order of the message, at most 256 of
///                     MICROMINT_OWNER_TOKEN_SIZE bytes each, one after the other.
/// data, data_len:     the decoded coins of the message.
/// authenticator_out:  room for MICROMINT_AUTHENTICATOR_SIZE bytes; the authenticator.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID or a size is invalid, or there are too many
/// tokens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_authenticate_payment(
    key: *const u8,
    key_len: usize,
    vendor: *const u8,
    vendor_len: usize,
    url: *const u8,
    url_len: usize,
    tokens: *const u8,
    tokens_len: usize,
    data: *const u8,
    data_len: usize,
    authenticator_out: *mut u8,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            key = slice(key, key_len),
            place = output_bytes(authenticator_out),
            url = text(url, url_len),
            tokens = slice(tokens, tokens_len),
            data = slice(data, data_len),
            vendor = parsed(vendor, vendor_len)
        );
        let tokens = owner_tokens(tokens)?;
        let url = UrlDigest::of(url);
        place.write(*key_of(key, "key")?.payment(&vendor, &url, &tokens, data).as_bytes());
        Ok(())
    })
}

/// The owner token of a set at a vendor.
///
/// key, key_len:       K_U, MICROMINT_KEY_SIZE bytes.
/// vendor, vendor_len: the Vendor-ID.
/// first_superbin:     the first superbin of the set.
/// token_out:          room for MICROMINT_OWNER_TOKEN_SIZE bytes; the token.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID or the size of the key is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_user_owner_token(
    key: *const u8,
    key_len: usize,
    vendor: *const u8,
    vendor_len: usize,
    first_superbin: u32,
    token_out: *mut u8,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            key = slice(key, key_len),
            place = output_bytes(token_out),
            vendor = parsed(vendor, vendor_len)
        );
        place.write(*key_of(key, "key")?.owner_token(&vendor, first_superbin).as_bytes());
        Ok(())
    })
}

/// The authenticator of a Request-Credit.
///
/// key, key_len:               K_U, MICROMINT_KEY_SIZE bytes.
/// request_id, request_id_len: the Request-ID.
/// data, data_len:             the decoded balls of the message.
/// authenticator_out:          room for MICROMINT_AUTHENTICATOR_SIZE bytes; the authenticator.
///
/// Errors: MICROMINT_ERROR_TEXT; MICROMINT_ERROR_ARGUMENT if the size of the key is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_authenticate_credit(
    key: *const u8,
    key_len: usize,
    request_id: *const u8,
    request_id_len: usize,
    data: *const u8,
    data_len: usize,
    authenticator_out: *mut u8,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            key = slice(key, key_len),
            place = output_bytes(authenticator_out),
            id = text(request_id, request_id_len),
            data = slice(data, data_len)
        );
        place.write(*key_of(key, "key")?.request_credit(id, data).as_bytes());
        Ok(())
    })
}

/// The authenticator of a Request-Redemption.
///
/// key, key_len:           K_V, MICROMINT_KEY_SIZE bytes.
/// vendor, vendor_len:     the Vendor-ID.
/// period, period_len:     the period of the batch.
/// batch_id, batch_id_len: the Batch-ID.
/// data, data_len:         the decoded records of the message.
/// authenticator_out:      room for MICROMINT_AUTHENTICATOR_SIZE bytes; the authenticator.
///
/// Errors: MICROMINT_ERROR_TEXT; MICROMINT_ERROR_ARGUMENT if the Vendor-ID, the period or the size
/// of the key is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_authenticate_redemption(
    key: *const u8,
    key_len: usize,
    vendor: *const u8,
    vendor_len: usize,
    period: *const u8,
    period_len: usize,
    batch_id: *const u8,
    batch_id_len: usize,
    data: *const u8,
    data_len: usize,
    authenticator_out: *mut u8,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            key = slice(key, key_len),
            place = output_bytes(authenticator_out),
            vendor = parsed(vendor, vendor_len),
            period = parsed(period, period_len),
            id = text(batch_id, batch_id_len),
            data = slice(data, data_len)
        );
        place.write(*key_of(key, "key")?.request_redemption(&vendor, &period, id, data).as_bytes());
        Ok(())
    })
}

/// A key or secret, if it has the right size.
pub(crate) fn key_of(bytes: &[u8], name: &str) -> FfiResult<Key> {
    let bytes: [u8; KEY_SIZE] = bytes.try_into().map_err(|_| {
        let text = format!("{name}: expected {KEY_SIZE} bytes, found {}", bytes.len());
        micromint_error::new(MICROMINT_ERROR_ARGUMENT, text)
    })?;
    Ok(Key::from_bytes(bytes))
}

fn owner_tokens(bytes: &[u8]) -> FfiResult<Vec<OwnerToken>> {
    let (tokens, rest) = bytes.as_chunks::<OWNER_TOKEN_SIZE>();
    if tokens.len() > OWNER_TOKENS_MAX || !rest.is_empty() {
        let found = bytes.len();
        return Err(micromint_error::new(
            MICROMINT_ERROR_ARGUMENT,
            format!(
                "tokens: expected at most {OWNER_TOKENS_MAX} of {OWNER_TOKEN_SIZE} bytes each, \
                 found {found} bytes"
            ),
        ));
    }
    Ok(tokens.iter().map(|token| OwnerToken::from_bytes(*token)).collect())
}
