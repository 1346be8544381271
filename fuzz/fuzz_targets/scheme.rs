#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| micromint_fuzz::targets::scheme(data));
