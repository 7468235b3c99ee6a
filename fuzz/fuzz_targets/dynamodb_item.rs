//! See `ekvsnap::replay::dynamodb_item`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::dynamodb_item(data));
