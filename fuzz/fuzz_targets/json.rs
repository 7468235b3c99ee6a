//! See `ekvsnap::replay::json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::json(data));
