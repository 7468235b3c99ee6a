//! Inodes that no name leads to (`fs.md` §4).

use ekvsnap::decode::Options;
use ekvsnap::format::fs::ROOT;
use serde_json::{Value, json};

use crate::kit::fs::{base, chunk, decoded, dir, file, inode, name, put, run_with, with};

#[test]
fn a_file_without_a_name() {
    let s = chunk(put(base(0), 7, &inode(7, 3)), 7, 0, "abc");
    let fs = decoded(&s);
    assert_eq!(fs.file("lost+found/7"), b"abc");
    assert_eq!(fs.warnings(), [("lost_inode", 1)]);
    let line = &fs.lines()[1];
    assert_eq!(
        (&line["path"], &line["tree"], &line["notes"]),
        (&Value::Null, &"fs/lost+found/7".into(), &json!(["lost_inode"]))
    );
}

/// A directory without a name keeps its content together.
#[test]
fn a_tree_without_a_name() {
    let s = name(dir(dir(base(0), 8, 1), 5, 0), 8, "sub", 5, "directory");
    let s = name(put(s, 7, &inode(7, 0)), 5, "f", 7, "file");
    let fs = decoded(&s);
    assert_eq!(fs.paths(), ["lost+found/8/sub/f"]);
    assert_eq!((fs.warnings(), fs.lines().len()), (vec![("lost_inode", 1)], 4));
}

/// Directories that only lead to each other: the walk starts at the lowest number.
#[test]
fn a_ring_of_directories() {
    let s = name(dir(dir(base(0), 8, 1), 5, 1), 8, "five", 5, "directory");
    let s = name(s, 5, "eight", 8, "directory");
    let fs = decoded(&name(put(s, 7, &inode(7, 0)), 8, "f", 7, "file"));
    assert_eq!(fs.paths(), ["lost+found/5/eight/f"]);
    assert_eq!(fs.warnings(), [("cycle", 1), ("lost_inode", 1)]);
}

/// Names in something that is not a directory: a file, and something that is in no input.
#[test]
fn names_that_stand_nowhere() {
    let s = file(base(0), "file", 7, b"x");
    let s = name(put(s, 8, &inode(8, 0)), 7, "below-a-file", 8, "file");
    let s = name(put(s, 9, &inode(9, 0)), 99, "below-nothing", 9, "file");
    let fs = decoded(&name(s, 99, "dangling", 100, "file"));
    assert_eq!(fs.paths(), ["lost+found/7.dir/below-a-file", "lost+found/99.dir/below-nothing", "tree/file"]);
    assert_eq!(fs.warnings(), [("dangling", 1), ("unreachable_entries", 2)]);
}

/// A lost name of a file that has another one, and two lost names of one file.
#[test]
fn further_names_among_the_lost() {
    let s = file(base(0), "f", 7, b"x");
    let s = name(dir(s, 5, 0), 5, "again", 7, "file");
    let s = put(s, 8, &with(inode(8, 0), json!({"nlink": 2})));
    let s = name(name(s, 5, "one", 8, "file"), 5, "two", 8, "file");
    let fs = decoded(&s);
    assert_eq!(fs.paths(), ["lost+found/5/one", "tree/f"]);
    let links: Vec<Value> =
        fs.lines().into_iter().map(|line| line["hardlink_to"].clone()).filter(|l| !l.is_null()).collect();
    assert_eq!(links, [json!("fs/tree/f"), json!("fs/lost+found/5/one")]);
}

#[test]
fn deleted_but_open() {
    for members in [json!({"nlink": 0, "orphaned": true}), json!({"nlink": 0}), json!({"orphaned": true})] {
        let s = chunk(put(base(0), 7, &with(inode(7, 3), members)), 7, 0, "abc");
        let fs = decoded(&s);
        assert_eq!((fs.paths(), fs.warnings(), fs.noted()), (vec![], vec![], vec![("orphan", 1)]));
        let options = Options { include_orphans: true, ..Options::default() };
        let fs = run_with(&[s.build()], &options).unwrap();
        assert_eq!((fs.file("orphans/7"), fs.noted()), (&b"abc"[..], vec![("orphan", 1)]));
    }
}

/// Many inodes, some of each kind, against a model.
#[test]
fn all_kinds_at_once() {
    let mut s = base(0);
    let (mut lost, mut reached) = (Vec::new(), Vec::new());
    for n in 10..300u64 {
        s = put(s, n, &inode(n, 0));
        match n % 3 {
            0 => lost.push(format!("lost+found/{n}")),
            1 => {
                s = name(s, ROOT, format!("n{n}"), n, "file");
                reached.push(format!("tree/n{n}"));
            }
            _ => {
                s = name(s, 4_000, format!("n{n}"), n, "file");
                lost.push(format!("lost+found/4000.dir/n{n}"));
            }
        }
    }
    let fs = decoded(&s);
    let mut want = [lost, reached].concat();
    want.sort();
    assert_eq!(fs.paths(), want);
}
