//! See `ekvsnap::replay::whole`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::whole(data));
