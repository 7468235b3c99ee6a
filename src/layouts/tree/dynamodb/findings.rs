//! Notes and warnings about file names (`rules.md` §2).

use crate::report::kinds;

kinds! {
    Warning COLLISION "ddb_name_collision" "another item has the plain file name; this one has a hash in its name, see KEYMAP.jsonl";
}
