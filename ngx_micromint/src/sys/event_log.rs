//! A log file of this module, kept by nginx: opened with the configuration and reopened when nginx
//! receives `USR1`, like access logs.

use nginx_sys::{ngx_cached_http_log_iso8601, ngx_open_file_t};

use super::bytes;

/// A file for lines. It lives as long as its configuration.
#[derive(Clone, Copy)]
pub(crate) struct LogFile(pub(super) *mut ngx_open_file_t);

impl LogFile {
    /// Appends a complete line in one write. A line that cannot be written is lost, as in access
    /// logs.
    pub(crate) fn write(&self, line: &[u8]) {
        // SAFETY: nginx keeps the descriptor open for appending as long as the configuration lives.
        let _ = unsafe { nginx_sys::write((*self.0).fd, line.as_ptr().cast(), line.len()) };
    }
}

/// The time that nginx cached last, such as `2026-12-10T12:00:00+00:00`.
pub(crate) fn iso_8601_now() -> String {
    // SAFETY: nginx keeps the text of the last ticks, and replaces the pointer between events only.
    unsafe { String::from_utf8_lossy(bytes(ngx_cached_http_log_iso8601)).into_owned() }
}
