//! See `ekvsnap::replay::container`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::container(data));
