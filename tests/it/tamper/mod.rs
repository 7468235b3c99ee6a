//! Changed outputs: a table for directories, one for archives, one for compressed archives, and one check.

mod archive;
mod folder;
mod parts;

use std::path::Path;

use ekvsnap::format::fs::{ROOT, key};
use serde_json::json;

use crate::kit::build::{NOW, Snapshot, sized};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::ddb::{V, table};
use crate::kit::fs::{chunk, dir, inode, name, put, with};
use crate::kit::s3;

/// What verify must report about a change; `None`: the output is unchanged.
type Verdict = Option<&'static str>;

/// Writes a snapshot with something of each adapter: `s.fsm`.
fn snapshot(dir_of: &Path) {
    let users = table(b"users");
    let mut s = s3::base().table(&users).item(&users, &[V::S("1")], "x").item(&users, &[V::S("2")], "x");
    for n in 0..4 {
        s = s.put(format!("!redis|str|s{n}"), format!("\u{0}value{n}"));
    }
    s = s.put(sized("!hs|meta|", "h", ""), 1u64.to_be_bytes()).put(sized("!hs|fld|", "h", "f"), "v");
    for key in ["obj/a", "obj/b", "same"] {
        s = s3::put(s, key, "hello");
    }
    std::fs::write(dir_of.join("s.fsm"), file_system(s).build()).unwrap();
}

/// A file with two names, one with a mode, a sparse one and an empty directory.
fn file_system(s: Snapshot) -> Snapshot {
    let s = dir(s, ROOT, 1);
    let s = name(dir(s, 9, 0), ROOT, "empty", 9, "directory");
    let s = put(s, 10, &with(inode(10, 4), json!({"nlink": 2})));
    let s = name(name(s, ROOT, "first", 10, "file"), ROOT, "second", 10, "file");
    let s = name(put(s, 11, &inode(11, 4)), ROOT, "plain", 11, "file");
    let sparse = with(inode(12, 1 << 30), json!({"chunk_size": 4 << 20}));
    let s = name(put(s, 12, &sparse), ROOT, "sparse", 12, "file");
    let s = chunk(chunk(s, 10, 0, b"data"), 11, 0, b"more");
    s.put_at(NOW, key::numbers(ekvsnap::format::Family::FsChunk, &[12, 12, 0]), "abc")
}

/// Verifies alone and against the snapshot. The results agree, unless `against` says otherwise.
fn failures(dir: &Path, what: &str, output: &str, alone: Verdict, against: Verdict) -> Vec<String> {
    let mut wrong = Vec::new();
    for (args, want) in [(vec!["verify", output], alone), (vec!["verify", output, "--against", "s.fsm"], against)] {
        let out = ekvsnap(dir, &args);
        let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), stderr(&out));
        let fine = code(&out) == if want.is_some() { 2 } else { 0 } && text.contains(want.unwrap_or_default());
        if !fine {
            wrong.push(format!("{what}: {args:?}: code {}, wanted {want:?}: {text}", code(&out)));
        }
    }
    wrong
}
