//! Small files through nginx's own cache of open files.

use std::mem::{ManuallyDrop, zeroed};
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use nginx_sys::{
    NGX_DISABLE_SYMLINKS_OFF, NGX_OK, ngx_http_core_loc_conf_t, ngx_http_map_uri_to_path,
    ngx_http_request_t, ngx_http_set_disable_symlinks, ngx_open_cached_file, ngx_open_file_cache_t,
    ngx_open_file_info_t, ngx_pool_t, ngx_str_t,
};

use super::OK;

/// A file that nginx has opened, or kept open, and will close.
pub(super) struct CachedFile {
    fd: i32,
    /// The modification time, in seconds since 1970.
    pub(super) modified: i64,
    /// Its size in bytes.
    pub(super) size: i64,
}

/// Opens the file that the request's URI names, without the `path_info` bytes behind the name of a
/// script and with `suffix` added to its path; with `name`, the file of that name in the same
/// folder (`name` is at most as long). `Ok(None)` if there is no such file. The location's
/// `open_file_cache` and `disable_symlinks` apply. If not `is_expected`, the function first asks
/// the system for the file by its name, which costs least where there is none. nginx's cache would
/// have to be asked besides: it does not tell a symbolic link that leads nowhere.
///
/// # Safety
/// `r` must be a live request and `location` its location's configuration; the file is valid as
/// long as the request.
pub(super) unsafe fn open_beside(
    r: *mut ngx_http_request_t,
    location: *mut ngx_http_core_loc_conf_t,
    path_info: usize,
    name: Option<&[u8]>,
    suffix: &str,
    is_expected: bool,
) -> Result<Option<CachedFile>, String> {
    let mut path = ngx_str_t { len: 0, data: std::ptr::null_mut() };
    let mut root_len = 0;
    // SAFETY: the request is live; `reserved` bytes are free after the path, including the final
    // zero byte.
    unsafe {
        let mut end =
            ngx_http_map_uri_to_path(r, &raw mut path, &raw mut root_len, suffix.len() + 1);
        if end.is_null() {
            return Err("out of memory".to_string());
        }
        end = end.sub(path_info.min(end.offset_from(path.data) as usize));
        if let Some(name) = name {
            let len = end.offset_from(path.data) as usize;
            let own = std::slice::from_raw_parts(path.data, len);
            let start = own.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
            // A variant's name is its file's with parts left out.
            let name = &name[..name.len().min(len - start)];
            std::ptr::copy_nonoverlapping(name.as_ptr(), path.data.add(start), name.len());
            end = path.data.add(start + name.len());
        }
        std::ptr::copy_nonoverlapping(suffix.as_ptr(), end, suffix.len());
        *end.add(suffix.len()) = 0;
        path.len = end.offset_from(path.data) as usize + suffix.len();
    }
    // SAFETY: the structure is plain C data for which all zero is the documented initial value.
    let mut info: ngx_open_file_info_t = unsafe { zeroed() };
    // SAFETY: the location's configuration outlives the request; the path was made above and ends
    // with zero. A returned file descriptor belongs to nginx's cache or pool, which closes it
    // later.
    unsafe {
        info.read_ahead = (*location).read_ahead;
        info.directio = libc_off_max();
        info.valid = (*location).open_file_cache_valid;
        info.min_uses = (*location).open_file_cache_min_uses;
        info.set_errors((*location).open_file_cache_errors as u32);
        info.set_events((*location).open_file_cache_events as u32);
        if ngx_http_set_disable_symlinks(r, location, &raw mut path, &raw mut info)
            != NGX_OK as isize
        {
            return Err("disable_symlinks failed".to_string());
        }
        let cache = (*location).open_file_cache;
        // Where nginx checks for links it opens each folder on the way.
        if !is_expected && info.disable_symlinks() == NGX_DISABLE_SYMLINKS_OFF && is_missing(&path)
        {
            return Ok(None);
        }
        if !find(cache, &mut path, &mut info, (*r).pool)? {
            return if is_expected { Ok(None) } else { absent(&path) };
        }
    }
    if info.is_file() == 0 {
        return Err("expected a regular file".to_string());
    }
    Ok(Some(CachedFile { fd: info.fd, modified: info.mtime, size: info.size }))
}

/// Whether nothing has this name, not even a symbolic link that leads nowhere.
///
/// # Safety
/// `path` must be a live string.
unsafe fn is_missing(path: &ngx_str_t) -> bool {
    // SAFETY: the caller guarantees it.
    let found = unsafe { metadata(path) };
    found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// The answer for a file beside another one that was not found. A symbolic link that leads nowhere
/// is a mistake, and not an absent file.
///
/// # Safety
/// `path` must be a live string.
unsafe fn absent(path: &ngx_str_t) -> Result<Option<CachedFile>, String> {
    // SAFETY: the caller guarantees it.
    match unsafe { metadata(path) } {
        Ok(found) if found.is_symlink() => Err("the symbolic link leads to no file".to_string()),
        _ => Ok(None),
    }
}

/// What the system knows of a file, or of a symbolic link itself.
///
/// # Safety
/// `path` must be a live string.
unsafe fn metadata(path: &ngx_str_t) -> std::io::Result<std::fs::Metadata> {
    // SAFETY: the caller guarantees it.
    let path = unsafe { std::slice::from_raw_parts(path.data, path.len) };
    std::fs::symlink_metadata(std::ffi::OsStr::from_bytes(path))
}

/// Whether the request's URI names a directory.
///
/// # Safety
/// As for [`open_beside`].
pub(super) unsafe fn is_directory(
    r: *mut ngx_http_request_t,
    location: *mut ngx_http_core_loc_conf_t,
) -> bool {
    let mut path = ngx_str_t { len: 0, data: std::ptr::null_mut() };
    let mut root_len = 0;
    // SAFETY: the request is live; one byte is free after the path, for the final zero byte. The
    // structure is plain C data for which all zero is the documented initial value.
    unsafe {
        let end = ngx_http_map_uri_to_path(r, &raw mut path, &raw mut root_len, 1);
        if end.is_null() {
            return false;
        }
        *end = 0;
        path.len = end.offset_from(path.data) as usize;
        let mut info: ngx_open_file_info_t = zeroed();
        info.set_test_only(1);
        info.valid = (*location).open_file_cache_valid;
        info.min_uses = (*location).open_file_cache_min_uses;
        info.set_events((*location).open_file_cache_events as u32);
        let cache = (*location).open_file_cache;
        find(cache, &mut path, &mut info, (*r).pool).unwrap_or(false) && info.is_dir() != 0
    }
}

/// How many bytes at the end of the request's path stand behind the name of a file, such as 2 of
/// `/page.php/x`: a script gets them as PATH_INFO.
///
/// # Safety
/// As for [`open_beside`].
pub(super) unsafe fn path_info_len(r: *mut ngx_http_request_t) -> usize {
    let mut path = ngx_str_t { len: 0, data: std::ptr::null_mut() };
    let mut root_len = 0;
    // SAFETY: the request is live; one byte is free after the path.
    let len = unsafe {
        let end = ngx_http_map_uri_to_path(r, &raw mut path, &raw mut root_len, 1);
        if end.is_null() {
            return 0;
        }
        end.offset_from(path.data) as usize
    };
    path.len = len;
    // SAFETY: the path was made above, and only becomes shorter.
    while unsafe { metadata(&path) }
        .is_err_and(|error| error.kind() == std::io::ErrorKind::NotADirectory)
    {
        // SAFETY: as above.
        let own = unsafe { std::slice::from_raw_parts(path.data, path.len) };
        let Some(slash) = own.iter().rposition(|byte| *byte == b'/') else { return 0 };
        path.len = slash;
    }
    len - path.len
}

/// Opens a file, or only checks for it if `info` says so. Returns whether it exists.
///
/// # Safety
/// `cache` must be null or live, `path` must end with zero, `pool` must be a live pool, which
/// closes what is opened.
unsafe fn find(
    cache: *mut ngx_open_file_cache_t,
    path: &mut ngx_str_t,
    info: &mut ngx_open_file_info_t,
    pool: *mut ngx_pool_t,
) -> Result<bool, String> {
    // SAFETY: the caller guarantees all of them.
    match unsafe { ngx_open_cached_file(cache, path, info, pool) } {
        OK => Ok(true),
        _ => match info.err {
            // ENOENT, ENOTDIR, ENAMETOOLONG: there is no such file.
            2 | 20 | 36 => Ok(false),
            code => Err(std::io::Error::from_raw_os_error(code).to_string()),
        },
    }
}

/// Reads the file beside the one that the request's URI names: see [`open_beside`]. At most
/// `size_max` + 1 bytes are read.
///
/// # Safety
/// As for [`open_beside`].
pub(super) unsafe fn read_beside(
    r: *mut ngx_http_request_t,
    location: *mut ngx_http_core_loc_conf_t,
    path_info: usize,
    name: Option<&[u8]>,
    suffix: &str,
    size_max: usize,
) -> Result<Option<Vec<u8>>, String> {
    // SAFETY: the caller guarantees both.
    let file = unsafe { open_beside(r, location, path_info, name, suffix, false)? };
    let Some(file) = file else {
        return Ok(None);
    };
    // SAFETY: the descriptor is open; ManuallyDrop leaves closing it to nginx.
    let file = ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(file.fd) });
    let mut content = vec![0; size_max + 1];
    let mut len = 0;
    while len < content.len() {
        match file.read_at(&mut content[len..], len as u64) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    content.truncate(len);
    Ok(Some(content))
}

/// No file is large enough for direct I/O.
fn libc_off_max() -> nginx_sys::off_t {
    nginx_sys::off_t::MAX
}
