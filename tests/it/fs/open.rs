//! One file by its path.

use ekvsnap::adapters::fs::resolve;
use ekvsnap::dataset::DataSet;
use ekvsnap::format::fs::ROOT;
use ekvsnap::index::Granularity;
use ekvsnap::layouts::fs::copy;
use ekvsnap::source::Source;
use serde_json::json;

use crate::kit::fixtures::{load, snapshots};
use crate::kit::fs::{base, chunk, dir, file, inode, name, put, with};

/// Every file of the corpus, opened by its path, is what a decode writes.
#[test]
fn opening_is_decoding() {
    let snapshot = snapshots(&load("fs-small")).remove(0);
    let fs = crate::kit::fs::run(std::slice::from_ref(&snapshot)).unwrap();
    let sources = [Source::from_bytes("x.fsm", snapshot)];
    let set = DataSet::index(&sources, None, Granularity::default()).unwrap();
    let mut files = 0;
    for line in fs.lines().iter().filter(|line| line["type"] == "file") {
        let Some(body) = line["tree"].as_str().and_then(|tree| fs.tree.get(tree.as_bytes())) else { continue };
        let Some(path) = line["path"].as_str() else { continue };
        let node = resolve(&set, path.as_bytes()).unwrap().unwrap_or_else(|| panic!("no {path}"));
        let mut out = Vec::new();
        copy(&set, &node, &mut out).unwrap();
        assert!(out == *body, "{path}");
        files += 1;
    }
    assert_eq!(files, 87);
}

#[test]
fn paths() {
    let s = name(dir(base(1), 5, 1), ROOT, "d", 5, "directory");
    let s = name(
        put(s, 6, &with(inode(6, 0), json!({"type": "directory", "parent": 5, "nlink": 2}))),
        5,
        "e",
        6,
        "directory",
    );
    let s = file(name(s, 6, "f", 9, "file"), "top", 9, b"x");
    let s = name(chunk(s, 77, 0, "x"), ROOT, "dangling", 76, "file").build();
    let sources = [Source::from_bytes("x.fsm", s)];
    let set = DataSet::index(&sources, None, Granularity::default()).unwrap();
    for (path, want) in [
        ("", Some(ROOT)),
        ("/", Some(ROOT)),
        ("//d/./", Some(5)),
        ("d/e/f", Some(9)),
        ("/d/e/../../top", Some(9)),
        ("..", Some(ROOT)),
        ("D", None),
        ("top/x", None),
        ("dangling", None),
        ("d/e/g", None),
    ] {
        let node = resolve(&set, path.as_bytes()).unwrap();
        assert_eq!(node.map(|node| node.number), want, "{path}");
    }
}

/// A damaged row on the way is an error, not an absence.
#[test]
fn damage_on_the_way() {
    let s = name(base(0), ROOT, "f", 9, "file").put(ekvsnap::format::fs::key::entry(ROOT, b"g"), "{").build();
    let sources = [Source::from_bytes("x.fsm", s)];
    let set = DataSet::index(&sources, None, Granularity::default()).unwrap();
    assert!(resolve(&set, b"f").unwrap().is_none());
    assert!(resolve(&set, b"g").unwrap_err().is_damage());
}
