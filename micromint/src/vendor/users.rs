//! Lists of users in files, as a broker or a person writes them.

use crate::identity::UserId;
use crate::text_file::decode;

/// Reads one User-ID per line; blank lines are ignored.
pub(super) fn users_in(bytes: &[u8]) -> Result<Vec<UserId>, String> {
    let text = decode(bytes).map_err(|error| error.to_string())?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| line.trim().parse().map_err(|error| format!("line {}: {error}", i + 1)))
        .collect()
}
