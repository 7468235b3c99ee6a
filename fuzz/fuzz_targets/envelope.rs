//! See `ekvsnap::replay::envelope`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::envelope(data));
