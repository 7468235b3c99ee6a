//! Every key and value parser of the file system on the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| ekvsnap::replay::fs_rows(data));
