//! Answers of a vendor before a payment is made or its outcome is recorded: its manifest, and a
//! refusal for now.

use micromint_core::host::Clock;
use micromint_core::reply::Reply;
use micromint_core::time::UnixTime;
use micromint_core::wallet::{outcome_of, resend_after};

use crate::boundary::{given, guard, opened, opened_mut, output, slice, text};
use crate::buffer::micromint_buffer;
use crate::error::{micromint_error, micromint_status};
use crate::wallet::{micromint_wallet, refused};
use micromint_status::MICROMINT_ERROR_STATE;

/// Checks the manifest of a vendor for which `micromint_wallet_pay()` answered
/// MICROMINT_PAY_NEEDS_CONSENT. If it consents, call that function again: it does not ask again for
/// coins of the same period.
///
/// manifest, manifest_len: the body of the answer, which came with status 200 and without a
///                         redirect.
/// is_given_out:           whether it names the origin of the page.
/// reason_out:             if not, a buffer with the reason; else NULL.
///
/// Errors: MICROMINT_ERROR_STATE if the last call of `micromint_wallet_pay()` did not ask for a
/// manifest; MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_take_consent(
    wallet: *mut micromint_wallet,
    manifest: *const u8,
    manifest_len: usize,
    is_given_out: *mut bool,
    reason_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened_mut(wallet),
            manifest = slice(manifest, manifest_len),
            place = output(is_given_out),
            reason_place = output(reason_out)
        );
        let needed = it.needed.as_ref().ok_or_else(|| {
            let found = "expected a payment that needs the vendor's consent, found none";
            micromint_error::new(MICROMINT_ERROR_STATE, found)
        })?;
        let taken = it.wallet.take_consent(needed, manifest, it.host.now()).map_err(refused)?;
        let reason = match taken {
            Reply::Granted(()) => {
                it.needed = None;
                std::ptr::null_mut()
            }
            Reply::Refused(why) => micromint_buffer::hand_out(why.to_string().into_bytes()),
        };
        place.write(reason.is_null());
        reason_place.write(reason);
        Ok(())
    })
}

/// In how many seconds to send the same payment again, if the vendor does not know its coins yet:
/// they were bought a moment ago. Do not call `micromint_wallet_record_outcome()` until this
/// function gives 0: then the answer is final.
///
/// status:                       the status of the vendor's answer.
/// word, word_len:               the value of its header MicroMint-Status; empty if there is none.
/// retry_after, retry_after_len: the value of its header Retry-After; empty if there is none.
/// first_sent:                   when the payment was sent first, in seconds since 1970-01-01 00:00
///                               UTC; it is sent again for two minutes.
/// seconds_out:                  the seconds, at most 30; 0 if the answer is final.
///
/// Errors: MICROMINT_ERROR_TEXT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_resend_after(
    wallet: *const micromint_wallet,
    status: u32,
    word: *const u8,
    word_len: usize,
    retry_after: *const u8,
    retry_after_len: usize,
    first_sent: i64,
    seconds_out: *mut u32,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened(wallet),
            word = text(word, word_len),
            retry_after = text(retry_after, retry_after_len),
            place = output(seconds_out)
        );
        let status = u16::try_from(status).unwrap_or(0);
        let outcome = outcome_of(status, Some(word).filter(|word| !word.is_empty()), None);
        let (first_sent, now) = (UnixTime(first_sent), it.host.now());
        let seconds = resend_after(&outcome, Some(retry_after), first_sent, now);
        place.write(seconds.unwrap_or(0));
        Ok(())
    })
}
