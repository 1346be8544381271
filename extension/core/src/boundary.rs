//! The functions that JavaScript calls, and the one that it provides.
//!
//! The extension copies what it passes in to memory from [`mm_alloc`], calls [`mm_call`], and
//! copies the answer out before the next call. The invariant: memory from `mm_alloc` belongs to
//! JavaScript until it passes it to `mm_call`, which frees it.

use std::cell::RefCell;
use std::io;

use micromint::host::Entropy;
use serde_json::{Value, json};

use crate::session::{Output, Session};

// From Rust 1.96 on, the linker refuses functions that no module is said to provide.
#[link(wasm_import_module = "env")]
// SAFETY: the extension provides `random`, which fills the bytes and keeps no pointer.
unsafe extern "C" {
    /// Fills `len` bytes at `at` with unpredictable ones.
    fn random(at: *mut u8, len: usize);
}

/// `crypto.getRandomValues`.
struct BrowserEntropy;

impl Entropy for BrowserEntropy {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        // SAFETY: the pointer and the length are those of `bytes`, which nothing else refers to.
        unsafe { random(bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }
}

thread_local! {
    // wasm has one thread. The answer stays here until the next call.
    static STATE: RefCell<(Option<Session>, Vec<u8>)> = const { RefCell::new((None, Vec::new())) };
}

/// Memory of `len` bytes for an argument of [`mm_call`].
// SAFETY: no other function of this library has that name.
#[unsafe(no_mangle)]
pub extern "C" fn mm_alloc(len: usize) -> *mut u8 {
    Box::into_raw(vec![0_u8; len].into_boxed_slice()).cast()
}

/// Carries out a command. The arguments are memory from [`mm_alloc`], which is freed. Returns the
/// address of the answer: four lengths and the offset of the unsaved bytes, 4 bytes each,
/// little-endian (JSON, unsaved bytes, other bytes, offset), then the JSON and the bytes.
///
/// # Safety
/// Both pointers are from `mm_alloc`, with the lengths that it was called with, and were not passed
/// to a call before.
// SAFETY: no other function of this library has that name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mm_call(
    command: *mut u8,
    command_len: usize,
    bytes: *mut u8,
    bytes_len: usize,
) -> *const u8 {
    // SAFETY: as this function requires, both are boxes of these lengths, and ours now.
    let (command, bytes) = unsafe { (owned(command, command_len), owned(bytes, bytes_len)) };
    STATE.with_borrow_mut(|(session, answer)| {
        *answer = carry_out(session, &command, bytes);
        answer.as_ptr()
    })
}

/// # Safety
/// `at` is from `mm_alloc(len)` and owned by the caller.
unsafe fn owned(at: *mut u8, len: usize) -> Vec<u8> {
    // SAFETY: `mm_alloc` made a boxed slice of this length.
    unsafe { Vec::from_raw_parts(at, len, len) }
}

fn carry_out(session: &mut Option<Session>, command: &[u8], bytes: Vec<u8>) -> Vec<u8> {
    let result = match serde_json::from_slice::<Value>(command) {
        Ok(open) if open["do"] == "open" => {
            let settings = open["settings"].as_str().unwrap_or_default();
            Session::open(bytes, settings, Box::new(BrowserEntropy)).map(|opened| {
                *session = Some(opened);
                (json!({}), Vec::new())
            })
        }
        Ok(command) => match session {
            Some(session) => session.call(command, &bytes),
            None => Err("expected the command open first".to_string()),
        },
        Err(error) => Err(format!("command: {error}")),
    };
    pack(session.as_ref(), result)
}

fn pack(session: Option<&Session>, result: Result<Output, String>) -> Vec<u8> {
    let (value, bytes) = match result {
        Ok((value, bytes)) => (json!({ "ok": value }), bytes),
        Err(text) => (json!({ "error": text }), Vec::new()),
    };
    let unsaved = session.and_then(Session::unsaved);
    let (offset, unsaved) = unsaved.map_or((0, Vec::new()), |it| (it.offset, it.bytes));
    let json = value.to_string();
    let mut packed = Vec::new();
    for number in [json.len(), unsaved.len(), bytes.len(), offset] {
        // wasm32 addresses are 32 bits.
        packed.extend((number as u32).to_le_bytes());
    }
    packed.extend(json.as_bytes());
    packed.extend(unsaved);
    packed.extend(bytes);
    packed
}
