//! See `ekvsnap::replay::lines`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::lines(data));
