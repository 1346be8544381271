//! Calls the C library as C does: the bytes select the functions and arguments, including NULL.
//!
//! Whatever the input, no call may panic, hang or touch memory that is not its own; an output is
//! written only with MICROMINT_OK; and an error has a text.
#![no_main]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use micromint_ffi::exported::*;
use micromint_status::{MICROMINT_ERROR_PANIC, MICROMINT_OK};

/// 2026-12-10 12:00 UTC, within the period of the vectors.
const NOW: i64 = 1_796_904_000;
const KEY: [u8; 32] = [7; 32];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let world = world();
    let mut input = Input { data };
    for _ in 0..16 {
        let Some(which) = input.byte() else { return };
        match which % 5 {
            0 => params_and_coins(&mut input),
            1 => message(&mut input),
            2 => paywall(&mut input, world),
            3 => wallet(&mut input, world),
            _ => till_price_and_keys(&mut input, world),
        }
    }
});

/// Objects that live as long as the process, on a disk of their own.
struct World {
    paywall: *mut micromint_paywall,
    wallet: *mut micromint_wallet,
    till: *mut micromint_till,
    folder: tempfile::TempDir,
}

// One thread fuzzes.
unsafe impl Send for World {}
unsafe impl Sync for World {}

extern "C" fn tell_time(_: *mut std::ffi::c_void) -> i64 {
    NOW
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("a file");
            // mint.toml holds a secret: the library refuses it if others can read it.
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
        };
        let params = include_str!("../../testdata/periods/2026-12.params");
        write("2026-12.params", params);
        let origins = "origins = [\"https://news.example\"]\nperiods = \".\"\ntill = \"till\"\nsync = \"os\"\n";
        write("vendor.toml", &format!("vendor-id = \"news.example\"\n{origins}"));
        let path = |name: &str| folder.path().join(name).into_os_string().into_encoded_bytes();
        let [vendor, wallet] = ["vendor.toml", "wallet"].map(path);
        let mut world = World {
            paywall: null_mut(),
            wallet: null_mut(),
            till: null_mut(),
            folder,
        };
        unsafe {
            let ok = |status| assert_eq!(status, MICROMINT_OK);
            let host = micromint_host_new();
            micromint_host_set_now(host, Some(tell_time), null_mut());
            let (at, len) = (vendor.as_ptr(), vendor.len());
            ok(micromint_paywall_prepare(at, len, host, null_mut()));
            ok(micromint_paywall_open(at, len, host, &mut world.paywall, null_mut()));
            ok(micromint_till_open(at, len, host, &mut world.till, null_mut()));
            let (at, len) = (wallet.as_ptr(), wallet.len());
            ok(micromint_wallet_open(at, len, host, &mut world.wallet, null_mut()));
            receive(world.wallet);
            micromint_host_free(host);
        }
        assert!(world.folder.path().exists());
        world
    })
}

/// Puts coins into the wallet.
unsafe fn receive(wallet: *mut micromint_wallet) {
    let sale = include_bytes!("../../testdata/messages/funds-withdrawn.txt");
    let (mut reason, mut coins) = (null_mut(), 0);
    let mut received = micromint_received::MICROMINT_RECEIVED_REFUSED;
    unsafe {
        micromint_wallet_receive(
            wallet,
            sale.as_ptr(),
            sale.len(),
            &mut received,
            &mut coins,
            &mut reason,
            null_mut(),
        );
    }
    assert!(coins > 0);
}

/// Arguments made from the bytes.
struct Input<'a> {
    data: &'a [u8],
}

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.data.split_first()?;
        self.data = rest;
        Some(*first)
    }

    fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte().unwrap_or_default()))
    }

    /// A text or bytes: after two bytes of length, or NULL with a length that may be wrong.
    fn bytes(&mut self) -> (*const u8, usize) {
        let length =
            usize::from(u16::from_le_bytes([0; 2].map(|_| self.byte().unwrap_or_default())));
        if length == usize::from(u16::MAX) {
            return (null(), usize::from(self.byte().unwrap_or_default()));
        }
        let (bytes, rest) = self.data.split_at(length.min(self.data.len()));
        self.data = rest;
        (bytes.as_ptr(), bytes.len())
    }
}

/// Calls a function with a place for its error and checks what it left; returns whether it
/// succeeded.
fn call(function: impl FnOnce(*mut *mut micromint_error) -> micromint_status) -> bool {
    let mut error = null_mut();
    let status = function(&mut error);
    assert_ne!(status, MICROMINT_ERROR_PANIC);
    assert_eq!(error.is_null(), status == MICROMINT_OK);
    let (mut text, mut len) = (null(), 0);
    unsafe {
        assert_eq!(micromint_error_status(error), status);
        micromint_error_message(error, &mut text, &mut len);
        let text = if len == 0 { &[] } else { std::slice::from_raw_parts(text, len) };
        assert!(
            std::str::from_utf8(text).is_ok_and(|text| text.is_empty() == (status == MICROMINT_OK))
        );
        micromint_error_free(error);
    }
    status == MICROMINT_OK
}

/// Calls a function that returns an object, and checks that it did so exactly if it succeeded.
fn make<T>(
    function: impl FnOnce(*mut *mut T, *mut *mut micromint_error) -> micromint_status,
) -> *mut T {
    let mut made = null_mut();
    let is_well = call(|error| function(&mut made, error));
    assert!(is_well || made.is_null());
    made
}

fn params_and_coins(input: &mut Input<'_>) {
    let ((toml, toml_len), (name, name_len), x) = (input.bytes(), input.bytes(), input.number());
    let (mut hash, mut count, mut differences) = (0, 0, [0; MICROMINT_COIN_SIZE_MAX]);
    unsafe {
        let params = make(|made, error| micromint_params_from_toml(toml, toml_len, made, error));
        call(|error| micromint_hash(params, x, &mut hash, error));
        let place = differences.as_mut_ptr();
        call(|error| micromint_user_vector(params, name, name_len, place, &mut count, error));
        call(|error| micromint_vendor_vector(params, name, name_len, place, &mut count, error));
        assert!(count < MICROMINT_COIN_SIZE_MAX);
        let checker =
            make(|made, error| micromint_checker_new(params, name, name_len, made, error));
        let inputs: Vec<u64> =
            (0..input.byte().unwrap_or_default()).map(|_| input.number() >> 4).collect();
        let mut bins = vec![0; inputs.len()];
        let mut fault = micromint_coin_fault::MICROMINT_COIN_GOOD;
        let (x, x_len, bins) = (inputs.as_ptr(), inputs.len(), bins.as_mut_ptr());
        call(|error| {
            micromint_checker_check(checker, name, name_len, x, x_len, &mut fault, bins, error)
        });
        let text = make(|made, error| micromint_params_to_toml(params, made, error));
        let (data, len) = (micromint_buffer_data(text), micromint_buffer_len(text));
        let again = make(|made, error| micromint_params_from_toml(data, len, made, error));
        assert_eq!(again.is_null(), params.is_null());
        micromint_buffer_free(text);
        micromint_params_free(again);
        micromint_checker_free(checker);
        micromint_params_free(params);
    }
}

fn message(input: &mut Input<'_>) {
    let ((bytes, len), (name, name_len)) = (input.bytes(), input.bytes());
    let (mut text, mut text_len) = (null(), 0);
    unsafe {
        let challenge = make(|made, error| micromint_challenge_parse(bytes, len, made, error));
        let request = make(|made, error| micromint_challenge_request(challenge, made, error));
        assert_eq!(request.is_null(), challenge.is_null());
        micromint_message_free(request);
        micromint_challenge_free(challenge);
        let mut is_ours = false;
        call(|error| {
            micromint_payment_receipt_check(name, name_len, bytes, len, &mut is_ours, error)
        });
        let plain = make(|made, error| micromint_message_from_header(bytes, len, made, error));
        micromint_message_free(plain);
        let message = make(|made, error| micromint_message_parse(bytes, len, made, error));
        call(|error| micromint_message_type(message, &mut text, &mut text_len, error));
        call(|error| {
            micromint_message_header(message, name, name_len, &mut text, &mut text_len, error)
        });
        call(|error| micromint_message_data(message, &mut text, &mut text_len, error));
        let printed = make(|made, error| micromint_message_print(message, made, error));
        let (data, len) = (micromint_buffer_data(printed), micromint_buffer_len(printed));
        let again = make(|made, error| micromint_message_parse(data, len, made, error));
        assert_eq!(again.is_null(), message.is_null());
        micromint_message_free(again);
        let value = make(|made, error| micromint_message_to_header(message, made, error));
        let (data, len) = (micromint_buffer_data(value), micromint_buffer_len(value));
        let again = make(|made, error| micromint_message_from_header(data, len, made, error));
        micromint_message_free(again);
        micromint_buffer_free(value);
        micromint_buffer_free(printed);
        micromint_message_free(message);
    }
}

fn paywall(input: &mut Input<'_>, world: &World) {
    let (request, fields) = (micromint_request_new(), micromint_fields_new());
    let flags = input.byte().unwrap_or_default();
    unsafe {
        for _ in 0..flags % 8 {
            let ((name, name_len), (value, value_len)) = (input.bytes(), input.bytes());
            micromint_request_add_header(request, name, name_len, value, value_len);
            micromint_fields_add(fields, name, name_len, value, value_len);
        }
        type Setter = unsafe extern "C" fn(*mut micromint_request, *const u8, usize);
        let setters: [Setter; 7] = [
            micromint_request_set_method,
            micromint_request_set_target,
            micromint_request_set_host,
            micromint_request_set_body,
            micromint_request_set_receipt_path,
            micromint_request_set_client,
            micromint_request_set_etag,
        ];
        // Bit by bit, so that an invalid value does not hide all others.
        let which = input.byte().unwrap_or_default();
        let chosen = setters.into_iter().enumerate().filter(|(bit, _)| which >> bit & 1 != 0);
        for (_, set) in chosen {
            let (bytes, len) = input.bytes();
            set(request, bytes, len);
        }
        micromint_request_set_price(request, i64::from(flags >> 3) % 4);
        micromint_request_set_port(request, i64::from(flags) * 257);
        micromint_request_set_https(request, flags & 64 != 0);
        micromint_request_set_file(request, flags & 128 != 0);
        if flags & 1 != 0 {
            micromint_request_set_last_modified(request, input.number() as i64);
        }
        if flags & 16 != 0 {
            micromint_request_set_size(request, input.number() as i64);
        }
        micromint_request_set_free_views(request, (flags & 2).into());
        micromint_request_set_dry_run(request, flags & 4 != 0);
        micromint_request_set_charges_redirects(request, flags & 32 != 0);
    }
    let (mut look, mut size, mut first) = (micromint_look::MICROMINT_LOOK_PENDING, 0, null_mut());
    unsafe {
        let looked = |error| {
            micromint_paywall_look(world.paywall, request, &mut look, &mut size, &mut first, error)
        };
        call(looked);
        micromint_decision_free(first);
        let decision =
            make(|made, error| micromint_paywall_decide(world.paywall, request, made, error));
        let (status, mut reversed) = (input.number() as u32 % 700, false);
        call(|error| {
            micromint_paywall_finish(world.paywall, decision, status, &mut reversed, error)
        });
        let head = make(|made, error| {
            micromint_decision_head(decision, status, reversed, fields, made, error)
        });
        let line = make(|made, error| {
            micromint_decision_event(decision, status, reversed, true, made, error)
        });
        read_head(decision, head);
        micromint_buffer_free(line);
        micromint_head_free(head);
        micromint_decision_free(decision);
        micromint_fields_free(fields);
        micromint_request_free(request);
    }
}

/// No field of a head can end its line.
unsafe fn read_head(decision: *const micromint_decision, head: *const micromint_head) {
    let (mut name, mut name_len, mut value, mut value_len) = (null(), 0, null(), 0);
    unsafe {
        for i in 0..=micromint_head_add_count(head) {
            let added = |error| {
                micromint_head_add(
                    head,
                    i,
                    &mut name,
                    &mut name_len,
                    &mut value,
                    &mut value_len,
                    error,
                )
            };
            if call(added) {
                let value = std::slice::from_raw_parts(value, value_len);
                assert!(!value.contains(&b'\n') && !value.contains(&b'\r'));
            }
        }
        call(|error| micromint_decision_body(decision, &mut name, &mut name_len, error));
        call(|error| micromint_decision_user(decision, &mut name, &mut name_len, error));
        call(|error| micromint_decision_outcome(decision, &mut name, &mut name_len, error));
    }
}

fn wallet(input: &mut Input<'_>, world: &World) {
    let it = world.wallet;
    let (which, (bytes, len), (text, text_len)) = (input.byte(), input.bytes(), input.bytes());
    let number = input.number() as u32 % 8;
    unsafe {
        match which.unwrap_or_default() % 6 {
            0 => {
                let (mut received, mut coins) = (micromint_received::MICROMINT_RECEIVED_NEW, 0);
                let reason = make(|made, error| {
                    micromint_wallet_receive(it, bytes, len, &mut received, &mut coins, made, error)
                });
                micromint_buffer_free(reason);
                let reason = make(|made, error| {
                    let (received, coins) = (&mut received, &mut coins);
                    micromint_wallet_receive_from(
                        it, text, text_len, bytes, len, received, coins, made, error,
                    )
                });
                micromint_buffer_free(reason);
            }
            1 => {
                let policy = micromint_policy_new();
                micromint_policy_set_autopay(policy, number.into());
                micromint_policy_set_http(policy, true);
                let (mut pay, mut payment) = (micromint_pay::MICROMINT_PAY_REFUSE, 0);
                let (method, method_len) = (b"GET".as_ptr(), 3);
                let message = make(|made, error| {
                    let (what, body) = (&mut pay, null());
                    micromint_wallet_pay(
                        it,
                        bytes,
                        len,
                        text,
                        text_len,
                        method,
                        method_len,
                        body,
                        0,
                        policy,
                        what,
                        &mut payment,
                        made,
                        error,
                    )
                });
                micromint_policy_free(policy);
                micromint_buffer_free(message);
            }
            2 => {
                let (mut word, mut word_len) = (null(), 0);
                call(|error| {
                    micromint_wallet_record_outcome(
                        it,
                        number,
                        402,
                        text,
                        text_len,
                        &mut word,
                        &mut word_len,
                        error,
                    )
                });
            }
            3 => {
                let mut is_receipt = false;
                call(|error| {
                    micromint_wallet_keep_receipt(
                        it,
                        number,
                        text,
                        text_len,
                        &mut is_receipt,
                        error,
                    )
                });
                let cookie =
                    make(|made, error| micromint_wallet_receipt(it, text, text_len, made, error));
                micromint_buffer_free(cookie);
            }
            4 => {
                let mut holding = 0;
                call(|error| micromint_wallet_credit(it, bytes, len, error));
                call(|error| micromint_wallet_invited(it, bytes, len, &mut holding, error));
            }
            _ => past(it, number as usize, text, text_len),
        }
    }
}

/// The texts of the history are valid UTF-8 and have the stated length.
unsafe fn past(it: *const micromint_wallet, number: usize, text: *const u8, text_len: usize) {
    unsafe {
        let mut coins = 0;
        let sale = make(|made, error| micromint_wallet_past_sale(it, number, made, error));
        assert_eq!(!sale.is_null(), number < micromint_wallet_past_sale_count(it));
        micromint_past_sale_free(sale);
        let back = make(|made, error| micromint_wallet_past_return(it, number, made, error));
        assert_eq!(!back.is_null(), number < micromint_wallet_past_return_count(it));
        micromint_past_return_free(back);
        let payment = make(|made, error| micromint_wallet_past_payment(it, number, made, error));
        let (mut reason, mut len) = (null(), 0);
        if call(|error| micromint_past_payment_reason(payment, &mut reason, &mut len, error)) {
            let reason = std::slice::from_raw_parts(reason, len);
            assert!(reason.iter().all(|byte| (b' '..=b'~').contains(byte)));
        }
        micromint_past_payment_free(payment);
        call(|error| micromint_wallet_coins_at(it, number, text, text_len, &mut coins, error));
    }
}

fn till_price_and_keys(input: &mut Input<'_>, world: &World) {
    let ((bytes, len), mut price, mut sums) = (input.bytes(), 0, [0; 3]);
    let mut made = [0; 32];
    unsafe {
        call(|error| micromint_price_parse(bytes, len, &mut price, error));
        assert!(price <= 500);
        let (key, key_len, place) = (KEY.as_ptr(), KEY.len(), made.as_mut_ptr());
        let batch = make(|made, error| {
            micromint_till_read_result(world.till, key, key_len, bytes, len, made, error)
        });
        micromint_batch_free(batch);
        // A key of any size, and tokens in pieces.
        call(|error| micromint_vendor_key(bytes, len, b"a".as_ptr(), 1, place, error));
        call(|error| {
            let (name, none) = (b"a".as_ptr(), null());
            micromint_authenticate_payment(
                key, key_len, name, 1, name, 1, bytes, len, none, 0, place, error,
            )
        });
        let [payments, coins, young] = &mut sums;
        call(|error| {
            micromint_till_unbatched(world.till, bytes, len, payments, coins, young, error)
        });
    }
}
