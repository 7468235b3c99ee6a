//! A part of the tree: `--scope`, `--exclude`, sizes; and the layouts, which are the same for files.

use ekvsnap::decode::filter::Filter;
use ekvsnap::decode::{Layout, Options};
use ekvsnap::format::fs::ROOT;
use serde_json::{Value, json};

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fs::{Fs, base, chunk, dir, inode, name, put, run_with, with};

/// `a.md`, `docs/b.md`, `docs/deep/c.txt`, `tmp/d`, `tmp/again` (the same file as `a.md`), and a lost file.
fn tree() -> Snapshot {
    let two_names = with(inode(100, 10), json!({"nlink": 2}));
    let mut s = chunk(put(name(base(2), ROOT, "a.md", 100, "file"), 100, &two_names), 100, 0, "0123456789");
    for (number, parent, path, children) in [(10, ROOT, "docs", 1), (11, 10, "deep", 0), (12, ROOT, "tmp", 0)] {
        s = name(dir(s, number, children), parent, path, number, "directory");
    }
    for (number, parent, path) in [(101, 10, "b.md"), (102, 11, "c.txt"), (103, 12, "d")] {
        s = name(put(s, number, &inode(number, 0)), parent, path, number, "file");
    }
    put(name(s, 12, "again", 100, "file"), 200, &inode(200, 0))
}

fn chosen(include: &[&str], exclude: &[&str]) -> Filter {
    let all = |list: &[&str]| list.iter().map(|pattern| pattern.parse().unwrap()).collect();
    Filter { include: all(include), exclude: all(exclude), ..Filter::default() }
}

fn decode(filter: Filter) -> Fs {
    run_with(&[tree().build()], &Options { filter, ..Options::default() }).unwrap()
}

/// Paths of the lines.
fn paths(fs: &Fs) -> Vec<String> {
    fs.lines().iter().map(|line| line["path"].as_str().unwrap_or("(none)").to_owned()).collect()
}

#[test]
fn scopes() {
    let everything = ["", "a.md", "docs", "docs/b.md", "docs/deep", "docs/deep/c.txt", "tmp", "tmp/again", "tmp/d"];
    for (include, exclude, want) in [
        (&["fs:/"][..], &[][..], &everything[..]),
        (&["fs:/docs"], &[], &everything[2..6]),
        (&["fs:docs/"], &["fs:/docs/deep"], &everything[2..4]),
        (&["fs:*.md"], &[], &["a.md", "docs/b.md"]),
        (&["fs:/docs/deep/c.txt", "fs:/tmp"], &[], &["docs/deep/c.txt", "tmp", "tmp/again", "tmp/d"]),
        (&[], &["fs:/docs", "fs:*/d"], &["", "a.md", "tmp", "tmp/again"]),
    ] {
        let fs = decode(chosen(include, exclude));
        assert_eq!(paths(&fs), want, "{include:?} {exclude:?}");
        // What was not asked for is not missed.
        assert_eq!(fs.warnings(), [], "{include:?} {exclude:?}");
        let files = fs.lines().iter().filter(|line| line["type"] == "file" && line.get("tree").is_some()).count();
        assert_eq!(fs.paths().len(), files);
    }
    for (include, exclude) in [(&["fs:/nothing"][..], &[][..]), (&[], &["fs:/"])] {
        let filter = chosen(include, exclude);
        assert!(run_with(&[tree().build()], &Options { filter, ..Options::default() }).is_err());
    }
    // The data is at the first name that was asked for.
    let fs = decode(chosen(&["fs:/tmp"], &[]));
    assert_eq!(fs.file("tree/tmp/again"), b"0123456789");
}

#[test]
fn other_adapters_do_not_take_it() {
    let redis = vec![ekvsnap::format::adapter::REDIS];
    for options in [
        Options { filter: chosen(&["redis:*"], &[]), ..Options::default() },
        Options { adapters: redis, ..Options::default() },
    ] {
        let fs = run_with(&[tree().put("!redis|str|k", "v").build()], &options).unwrap();
        assert!(fs.paths().is_empty() && fs.lines().is_empty());
    }
}

#[test]
fn sizes() {
    let fs = decode(Filter { min_size: 1, ..Filter::default() });
    assert_eq!(fs.paths(), ["tree/a.md"]);
    let fs = decode(Filter { max_size: 9, ..Filter::default() });
    assert_eq!(fs.paths(), ["tree/docs/b.md", "tree/docs/deep/c.txt", "tree/tmp/d"]);
}

/// Packed lines are for keys and items; files stay files.
#[test]
fn both_layouts_are_one() {
    let tree = |layout| run_with(&[tree().build()], &Options { layout, ..Options::default() }).unwrap().tree;
    let only_fs =
        |tree: crate::kit::Tree| tree.into_iter().filter(|(path, _)| path.starts_with(b"fs/")).collect::<Vec<_>>();
    assert_eq!(only_fs(tree(Layout::TREE)), only_fs(tree(Layout::JSONL)));
}

#[test]
fn the_command() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.fsm"), tree().build()).unwrap();
    let out = ekvsnap(dir.path(), &["decode", "in.fsm", "-o", "o", "--adapter", "fs", "--scope", "fs:/docs,fs:/tmp"]);
    assert_eq!(code(&out), 0, "{}", stderr(&out));
    assert!(dir.path().join("o/fs/tree/docs/deep/c.txt").is_file());
    let manifest: Value = serde_json::from_slice(&std::fs::read(dir.path().join("o/MANIFEST.json")).unwrap()).unwrap();
    let scope = &manifest["adapters"]["fs"]["scopes"][0];
    assert_eq!((&scope["name"], &scope["objects"], &scope["bytes"]), (&"tree".into(), &7.into(), &10.into()));
    // A lost inode is a warning.
    let out = ekvsnap(dir.path(), &["decode", "in.fsm", "-o", "p", "--strict"]);
    assert_eq!(code(&out), 4, "{}", stderr(&out));
    assert!(stderr(&out).contains("fs_lost_inode"));
}
