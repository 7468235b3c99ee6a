//! Every Redis key and value parser on the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| ekvsnap::replay::redis_values(data));
