//! See `ekvsnap::replay::sqs_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ekvsnap::replay::sqs_message(data));
