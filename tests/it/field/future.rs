//! What newer servers write.

use super::{CASE, Case, Run};

/// A decode under `--strict` into a directory.
const STRICT: &[&str] = &["decode", "--strict", "{}", "-o", "out"];

fn is_base(run: &Run) {
    assert_eq!(run.read("out/redis/db_0/strings/a.bin"), b"1");
}

fn is_moved(run: &Run) {
    is_base(run);
    assert_eq!(run.read("out/redis/db_0/strings/moved.bin"), b"zz");
}

fn is_list(run: &Run) {
    let list = String::from_utf8(run.read("out/redis/db_0/lists/L.json")).unwrap();
    let [v0, v1, v2] = ["v0", "v1", "v2"].map(|item| list.find(item).unwrap_or_else(|| panic!("{list}")));
    assert!(v0 < v1 && v1 < v2, "{list}");
}

fn nothing_left(run: &Run) {
    assert!(!run.has("out"));
}

/// Nothing is said, under `--strict`, and the one string is there.
const SILENT: Case = Case { args: STRICT, never: &["warning", "note"], check: is_base, ..CASE };

const ALONE: &[&str] = &["decode", "{}", "-o", "out"];
const TSO: &str = "state of the timestamp group and no user data";

pub const CASES: &[Case] = &[
    // F1, F2, F5, and two forms that today's servers write already.
    Case { file: "future/base.fsm", ..SILENT },
    Case { file: "future/hlc2ext.fsm", ..SILENT },
    Case { file: "future/migack.fsm", ..SILENT },
    Case { file: "future/mighlc.fsm", ..SILENT },
    Case { file: "future/migready.fsm", ..SILENT },
    Case { file: "future/txnok.fsm", ..SILENT },
    Case { file: "future/writers.fsm", ..SILENT },
    // F3
    Case { file: "future/listold.fsm", args: STRICT, never: &["warning"], check: is_list, ..CASE },
    Case { file: "future/listnew.fsm", args: STRICT, never: &["warning"], check: is_list, ..CASE },
    Case { file: "future/listnew.fsm", args: &["get", "{}", "redis:L"], says: &["v0", "v1", "v2"], ..CASE },
    Case {
        file: "future/listnew.fsm",
        args: &["get", "{}", "redis:L", "--versions"],
        says: &["!lst|delta|", "!lst|meta|"],
        ..CASE
    },
    // F7
    Case { file: "future/tso8.fsm", args: ALONE, code: 2, says: &[TSO], check: nothing_left, ..CASE },
    Case { file: "future/tso17.fsm", args: ALONE, code: 2, says: &[TSO], check: nothing_left, ..CASE },
    Case { file: "future/tso8.fsm", args: &["verify", "{}"], code: 2, says: &[TSO], ..CASE },
    Case { file: "future/tso8.fsm", args: &["inspect", "{}"], code: 2, says: &[TSO], ..CASE },
    Case {
        file: "future/tso17.fsm",
        args: &["decode", "--strict", "--json", "{}", "{F:future/base.fsm}", "-o", "out"],
        says: &["timestamp_group"],
        never: &["warning"],
        check: |run| {
            is_base(run);
            assert!(run.output.stderr.is_empty());
        },
        ..CASE
    },
    Case { file: "future/tso17.fsm", args: &["verify", "{}", "{F:future/base.fsm}"], ..CASE },
    // F9
    Case { file: "future/mvcc2v2.fsm", args: &["decode", "--strict", "{}", "-o", "out"], never: &["warning"], ..CASE },
    Case { file: "future/mvcc2v2.fsm", args: &["verify", "{}"], ..CASE },
    // F4
    Case { file: "future/staged.fsm", args: ALONE, says: &["staged_rows_alone"], check: is_moved, ..CASE },
    Case { file: "future/staged.fsm", args: STRICT, code: 4, says: &["staged_rows_alone"], ..CASE },
    Case {
        file: "future/src.fsm",
        args: &["decode", "--strict", "{}", "{F:future/tgt.fsm}", "-o", "out"],
        never: &["warning"],
        check: is_moved,
        ..CASE
    },
    Case { file: "future/tgt.fsm", args: STRICT, code: 4, says: &["staged_rows_alone"], ..CASE },
];
