//! See `ekvsnap::replay::sst_block`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::sst_block(data));
