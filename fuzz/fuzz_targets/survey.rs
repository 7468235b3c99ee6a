//! Whole files: header, framing, order, counts, and a walk over every live row. A stream header goes in front, so that
//! the fuzzer is among the rows at once.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| ekvsnap::replay::survey(data));
