//! See `ekvsnap::replay::redis_values`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::redis_values(data));
