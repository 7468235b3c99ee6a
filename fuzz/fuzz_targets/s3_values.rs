//! See `ekvsnap::replay::s3_values`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::s3_values(data));
