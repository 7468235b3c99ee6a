//! Golden trees: the public decoder's output for the newest live rows, which is the only form that it decodes correctly.

use crate::kit::fixtures::{load, snapshots};
use crate::kit::golden::differences;
use crate::kit::run;

/// Decodes a corpus and compares it; `extra` are the files that only ekvsnap writes, for a reason.
#[track_caller]
fn check(corpus: &str, golden_of: &str, folder: &str, adapter: &str, extra: &[&str]) {
    let files = load(corpus);
    let golden = if golden_of == corpus { files.clone() } else { load(golden_of) };
    let decoded = run(&snapshots(&files)).unwrap();
    assert_eq!(differences(&golden, folder, adapter, &decoded.tree), extra, "{corpus}");
}

#[test]
fn redis_trees_are_byte_identical() {
    check("redis-small", "redis-small", "golden", "redis", &[]);
    check("mvcc-interleave", "mvcc-interleave", "golden", "redis", &[]);
    check("two-groups", "two-groups", "golden", "redis", &[]);
    check("two-groups-pending", "two-groups", "golden", "redis", &[]);
    // The public decoder fails at a NaN score.
    check("redis-nasty", "redis-nasty", "golden-reduced", "redis", &["only ours redis/db_0/zsets/z%3Anan.json"]);
}
