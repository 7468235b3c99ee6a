//! See `ekvsnap::replay::sst_bundle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::sst_bundle(data));
