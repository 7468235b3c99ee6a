//! See `ekvsnap::replay::rows`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::rows(data));
