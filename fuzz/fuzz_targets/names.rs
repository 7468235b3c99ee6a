//! See `ekvsnap::replay::names`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::names(data));
