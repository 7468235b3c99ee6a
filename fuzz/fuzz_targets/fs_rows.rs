//! See `ekvsnap::replay::fs_rows`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::fs_rows(data));
