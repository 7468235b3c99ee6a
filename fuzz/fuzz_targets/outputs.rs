//! See `ekvsnap::replay::outputs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::outputs(data));
