//! See `ekvsnap::replay::survey`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::survey(data));
