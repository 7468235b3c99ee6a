//! See `ekvsnap::replay::archive`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::archive(data));
