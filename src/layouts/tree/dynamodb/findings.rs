//! Notes and warnings about file names (`rules.md` §2).

use crate::report::kinds;

kinds! {
    Warning COLLISION "ddb_name_collision" "another item has the same file name; this file name has a hash, and KEYMAP.jsonl has the key";
}
