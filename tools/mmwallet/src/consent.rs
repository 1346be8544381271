//! Asking a vendor whether a page of another host may collect its coins.
//!
//! Input: the consent that the wallet needs. Output: whether the vendor gives it. The invariant:
//! the vendor's host gets nothing that the user gave for the page, and no redirect is followed, so
//! the answer is that of the host itself.

use std::time::Duration;

use micromint::error::chain;
use micromint::host::{Clock, SystemClock};
use micromint::reply::Reply;
use micromint::wallet::{MANIFEST_SIZE_MAX, NeededConsent, Wallet};
use micromint_console::ToolError;

use crate::net::Client;

/// The time limit for the manifest of a vendor.
const MANIFEST_TIME_MAX: Duration = Duration::from_secs(30);

/// Fetches the vendor's manifest and gives it to the wallet.
pub(crate) fn ask_vendor(
    wallet: &mut Wallet,
    client: &Client,
    needed: &NeededConsent,
) -> Result<Reply<(), String>, ToolError> {
    let why = match client.document(needed.url(), MANIFEST_SIZE_MAX, MANIFEST_TIME_MAX) {
        Err(error) => chain(error.as_ref()).to_string(),
        Ok(manifest) => match wallet.take_consent(needed, &manifest, SystemClock.now())? {
            Reply::Granted(()) => return Ok(Reply::Granted(())),
            Reply::Refused(why) => why.to_string(),
        },
    };
    Ok(Reply::Refused(format!(
        "{} does not say at {} that {} may collect its coins: {why}",
        needed.vendor(),
        needed.url(),
        needed.origin()
    )))
}
