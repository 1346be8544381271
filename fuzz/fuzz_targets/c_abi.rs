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
const SECRET: micromint_key = micromint_key { bytes: [7; 32] };

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let world = world();
    let mut input = Input { data };
    for _ in 0..16 {
        let Some(which) = input.byte() else { return };
        match which % 6 {
            0 => params_and_coins(&mut input),
            1 => message(&mut input),
            2 => paywall(&mut input, world),
            3 => wallet(&mut input, world),
            4 => broker(&mut input, world),
            _ => till_and_price(&mut input, world),
        }
    }
});

/// Objects that live as long as the process, on a disk of their own.
struct World {
    paywall: *mut micromint_paywall,
    wallet: *mut micromint_wallet,
    broker: *mut micromint_broker,
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
        let own = "coinfile = \"2026-12.coins\"\ninput-key = \"000102030405060708090a0b0c0d0e0f\"\n";
        write("mint.toml", &format!("{own}weak = \"allowed\"\n{params}"));
        let origins = "origins = [\"https://news.example\"]\nperiods = \".\"\ntill = \"till\"\nsync = \"os\"\n";
        write("vendor.toml", &format!("vendor-id = \"news.example\"\n{origins}"));
        let host = micromint_host {
            userdata: null_mut(),
            now: Some(tell_time),
            random: None,
            log: None,
            reserved: null(),
        };
        let path = |name: &str| folder.path().join(name).into_os_string().into_encoded_bytes();
        let [mint, coins, vendor, wallet] = ["mint.toml", "2026-12.coins", "vendor.toml", "wallet"].map(path);
        let (mut made, mut balls) = (null_mut(), 0);
        let mut world = World {
            paywall: null_mut(),
            wallet: null_mut(),
            broker: null_mut(),
            till: null_mut(),
            folder,
        };
        unsafe {
            let ok = |status| assert_eq!(status, MICROMINT_OK);
            ok(micromint_mint_open(mint.as_ptr(), mint.len(), &mut made, null_mut()));
            ok(micromint_mint_run(made, 1, 0, None, null_mut(), &mut balls, null_mut()));
            let (at, len) = (coins.as_ptr(), coins.len());
            ok(micromint_broker_open(at, len, &SECRET, &host, &mut world.broker, null_mut()));
            let (at, len) = (vendor.as_ptr(), vendor.len());
            ok(micromint_paywall_prepare(at, len, &host, null_mut()));
            ok(micromint_paywall_open(at, len, &host, &mut world.paywall, null_mut()));
            ok(micromint_till_open(at, len, &host, &mut world.till, null_mut()));
            let (at, len) = (wallet.as_ptr(), wallet.len());
            ok(micromint_wallet_open(at, len, &host, &mut world.wallet, null_mut()));
            sell(world.broker, world.wallet);
            micromint_mint_free(made);
        }
        assert!(world.folder.path().exists());
        world
    })
}

/// Puts coins into the wallet.
unsafe fn sell(broker: *mut micromint_broker, wallet: *mut micromint_wallet) {
    let (mut sale, mut reason, mut coins) = (null_mut(), null_mut(), 0);
    let mut received = micromint_received::MICROMINT_RECEIVED_REFUSED;
    unsafe {
        micromint_broker_sell(
            broker,
            b"alice".as_ptr(),
            5,
            4,
            1,
            &mut sale,
            &mut reason,
            null_mut(),
        );
        let (data, len) = (micromint_buffer_data(sale), micromint_buffer_len(sale));
        micromint_wallet_receive(
            wallet,
            data,
            len,
            &mut received,
            &mut coins,
            &mut reason,
            null_mut(),
        );
        micromint_buffer_free(sale);
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
        let mut bins = vec![micromint_bin { superbin: 0, subbin: 0 }; inputs.len()];
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
    let mut request: micromint_request = unsafe { std::mem::zeroed() };
    let flags = input.byte().unwrap_or_default();
    let headers: Vec<micromint_header> = (0..flags % 8)
        .map(|_| {
            let ((name, name_len), (value, value_len)) = (input.bytes(), input.bytes());
            micromint_header { name, name_len, value, value_len }
        })
        .collect();
    (request.method, request.method_len) = input.bytes();
    (request.target, request.target_len) = input.bytes();
    (request.host, request.host_len) = input.bytes();
    (request.body, request.body_len) = input.bytes();
    (request.receipt_path, request.receipt_path_len) = input.bytes();
    (request.client, request.client_len) = input.bytes();
    (request.etag, request.etag_len) = input.bytes();
    (request.headers, request.headers_len) = (headers.as_ptr(), headers.len());
    request.price = u32::from(flags >> 3) % 4;
    request.port = u32::from(flags) * 443;
    (request.is_body_read, request.is_https) = ((flags & 32).into(), (flags & 64).into());
    (request.is_file, request.has_last_modified) = ((flags & 128).into(), (flags & 1).into());
    request.has_size = (flags & 16).into();
    (request.last_modified, request.size) = (input.number() as i64, input.number());
    (request.free_views, request.is_dry_run) = ((flags & 2).into(), (flags & 4).into());
    let (mut look, mut size, mut first) = (micromint_look::MICROMINT_LOOK_PENDING, 0, null_mut());
    unsafe {
        let looked = |error| {
            micromint_paywall_look(
                world.paywall,
                &request,
                &mut look,
                &mut size,
                &mut first,
                error,
            )
        };
        call(looked);
        micromint_decision_free(first);
        let decision =
            make(|made, error| micromint_paywall_decide(world.paywall, &request, made, error));
        let (status, mut reversed) = (input.number() as u32 % 700, false);
        call(|error| {
            micromint_paywall_finish(world.paywall, decision, status, &mut reversed, error)
        });
        let (fields, count) = (headers.as_ptr(), headers.len());
        let head = make(|made, error| {
            micromint_decision_head(decision, status, reversed, fields, count, made, error)
        });
        let line = make(|made, error| {
            micromint_decision_event(decision, status, reversed, true, made, error)
        });
        read_head(decision, head);
        micromint_buffer_free(line);
        micromint_head_free(head);
        micromint_decision_free(decision);
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
                let policy = micromint_policy {
                    autopay: number,
                    has_daily_limit: 0,
                    daily_limit: 0,
                    allow_http: 1,
                    reserved: null(),
                };
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
                        &policy,
                        what,
                        &mut payment,
                        made,
                        error,
                    )
                });
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
        let (mut sale, mut back, mut coins) = (std::mem::zeroed(), std::mem::zeroed(), 0);
        let mut payment: micromint_past_payment = std::mem::zeroed();
        let told = call(|error| micromint_wallet_past_sale(it, number, &mut sale, error));
        assert_eq!(told, number < micromint_wallet_past_sale_count(it));
        let told = call(|error| micromint_wallet_past_return(it, number, &mut back, error));
        assert_eq!(told, number < micromint_wallet_past_return_count(it));
        if call(|error| micromint_wallet_past_payment(it, number, &mut payment, error)) {
            let reason = std::slice::from_raw_parts(payment.reason, payment.reason_len);
            assert!(reason.iter().all(|byte| (b' '..=b'~').contains(byte)));
        }
        call(|error| micromint_wallet_coins_at(it, number, text, text_len, &mut coins, error));
    }
}

fn broker(input: &mut Input<'_>, world: &World) {
    let it = world.broker;
    let (place, mut balls, mut aside) = (input.number(), 0, null_mut());
    let (superbin, first, count) = (place as u32, (place >> 16) as u32, (place >> 24) as u32);
    let ((other, other_len), (url, url_len)) = (input.bytes(), input.bytes());
    let (which, (bytes, len), number) = (input.byte(), input.bytes(), input.number());
    let (mut message, mut reason) = (null_mut(), null_mut());
    unsafe {
        let (to, why) = (&mut message, &mut reason);
        let is_well = call(|error| match which.unwrap_or_default() % 4 {
            3 => micromint_broker_sell_again(it, bytes, len, number, to, why, error),
            0 => micromint_broker_redeem(it, bytes, len, to, why, error),
            1 => micromint_broker_take_back(it, bytes, len, number, to, why, error),
            _ => micromint_broker_sell(it, bytes, len, 0, number, to, why, error),
        });
        assert!(if is_well {
            message.is_null() != reason.is_null()
        } else {
            message.is_null() && reason.is_null()
        });
        micromint_buffer_free(message);
        micromint_buffer_free(reason);
        call(|error| micromint_broker_compromise(it, superbin, first, count, &mut balls, error));
        call(|error| {
            micromint_broker_rejected_coins(it, bytes, len, other, other_len, &mut aside, error)
        });
        micromint_buffer_free(aside);
        aside = make(|made, error| {
            micromint_broker_send_expired(it, bytes, len, url, url_len, made, error)
        });
        micromint_buffer_free(aside);
    }
}

fn till_and_price(input: &mut Input<'_>, world: &World) {
    let ((bytes, len), mut price, mut sums) = (input.bytes(), 0, [0; 3]);
    let mut batch: micromint_batch = unsafe { std::mem::zeroed() };
    unsafe {
        call(|error| micromint_price_parse(bytes, len, &mut price, error));
        assert!(price <= 500);
        let key = micromint_key { bytes: [5; 32] };
        call(|error| {
            micromint_till_read_result(world.till, &key, bytes, len, &mut batch, error)
        });
        let [payments, coins, young] = &mut sums;
        call(|error| {
            micromint_till_unbatched(world.till, bytes, len, payments, coins, young, error)
        });
    }
}
