//! What a wallet stores besides coins: receipts, and copies of itself.

use micromint_core::host::Clock;
use micromint_core::wallet::{Wallet, receipt_in};

use crate::boundary::{file_at, given, guard, opened, opened_mut, output, parsed, text};
use crate::buffer::micromint_buffer;
use crate::error::{micromint_error, micromint_status};
use crate::host::{host_of, micromint_host};
use crate::wallet::{absent, micromint_wallet, refused};
use micromint_status::MICROMINT_ERROR_ABSENT;

/// Stores the receipt from the answer to a payment, so that the page can be fetched again free of
/// charge.
///
/// payment:                its number.
/// cookie, cookie_len:     the value of a header Set-Cookie of the answer; call this function with
///                         each.
/// is_receipt_out:         whether it is a receipt and was stored; other cookies are ignored.
///
/// Errors: MICROMINT_ERROR_ABSENT if there is no such payment; MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_keep_receipt(
    wallet: *mut micromint_wallet,
    payment: u32,
    cookie: *const u8,
    cookie_len: usize,
    is_receipt_out: *mut bool,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened_mut(wallet),
            cookie = text(cookie, cookie_len),
            place = output(is_receipt_out)
        );
        if it.wallet.state().payments().len() <= payment as usize {
            return Err(absent("payment", payment as usize));
        }
        let receipt = receipt_in(cookie, it.host.now());
        place.write(receipt.is_some());
        match receipt {
            Some(receipt) => it.wallet.keep_receipt(payment, receipt).map_err(refused),
            None => Ok(()),
        }
    })
}

/// The receipts that may open a page, if the wallet has valid ones.
///
/// url, url_len: the page. Send the receipts only with requests for this very URL.
/// cookie_out:   a buffer with the value for a header Cookie.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the URL is invalid, MICROMINT_ERROR_ABSENT if there is no
/// receipt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_receipt(
    wallet: *const micromint_wallet,
    url: *const u8,
    url_len: usize,
    cookie_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened(wallet), place = output(cookie_out), url = parsed(url, url_len));
        let cookie = it.wallet.state().receipts(&url, it.host.now()).ok_or_else(|| {
            micromint_error::new(MICROMINT_ERROR_ABSENT, format!("there is no receipt for {url}"))
        })?;
        place.write(micromint_buffer::hand_out(cookie.into_bytes()));
        Ok(())
    })
}

/// Copies the wallet into a new file of mode 0600 that is marked as a backup, so that it cannot be
/// spent from by mistake: coins that are spent later are still in it.
///
/// path, path_len: the new file.
///
/// Errors: MICROMINT_ERROR_FILE if it exists or cannot be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_backup(
    wallet: *mut micromint_wallet,
    path: *const u8,
    path_len: usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(wallet), file = file_at(path, path_len));
        let (directory, name) = file;
        it.wallet.backup(&directory, &name, it.host.now()).map_err(refused)
    })
}

/// Makes a wallet from a backup and opens it.
///
/// backup, backup_len: the backup.
/// path, path_len:     the new wallet file.
/// is_spendable:       whether the owner says that no coin was spent since the backup was made;
///                     otherwise its coins can only be returned.
/// host:               clock and randomness; NULL for the system's.
/// wallet_out:         the wallet.
///
/// Errors: MICROMINT_ERROR_STATE if the file is not a backup or the new file exists;
/// MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_restore(
    backup: *const u8,
    backup_len: usize,
    path: *const u8,
    path_len: usize,
    is_spendable: bool,
    host: *const micromint_host,
    wallet_out: *mut *mut micromint_wallet,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            host = host_of(host),
            place = output(wallet_out),
            from = file_at(backup, backup_len),
            file = file_at(path, path_len),
        );
        let (now, (from, from_name), (directory, name)) = (host.now(), from, file);
        let wallet = Wallet::restore(&from, &from_name, &directory, &name, is_spendable, now);
        let wallet = wallet.map_err(refused)?;
        place.write(micromint_wallet::hand_out(wallet, host)?);
        Ok(())
    })
}
