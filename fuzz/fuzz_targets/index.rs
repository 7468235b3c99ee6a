//! See `ekvsnap::replay::index`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::index(data));
