//! `fs.md` §3: which bytes of which chunks a reader gets.

use ekvsnap::decode::Options;
use ekvsnap::format::Family;
use ekvsnap::format::fs::{ROOT, key};
use serde_json::{Value, json};

use crate::kit::build::{NOW, Snapshot};
use crate::kit::fs::{base, chunk, decoded, dir, file, inode, name, put, put_alone, run, run_with, with};

type Chunks<'c> = &'c [(u64, &'c [u8])];

/// A file `f` with chunks of 16 bytes: its content, and its holes.
#[track_caller]
fn check(size: u64, chunks: Chunks<'_>, want: &[u8], holes: Value, noted: &[(&str, u64)], warned: &[(&str, u64)]) {
    let mut s = name(put(base(0), 7, &inode(7, size)), ROOT, "f", 7, "file");
    for (index, bytes) in chunks {
        s = chunk(s, 7, *index, bytes);
    }
    let fs = decoded(&s);
    assert_eq!(fs.file("tree/f"), want, "{}", want.escape_ascii());
    let line = fs.line("f");
    assert_eq!(line.get("holes").cloned().unwrap_or_default(), holes, "{line}");
    let hole: u64 = holes.as_array().into_iter().flatten().map(|hole| hole[1].as_u64().unwrap()).sum();
    assert_eq!(line["stored_bytes"], size - hole);
    assert_eq!((fs.noted().as_slice(), fs.warnings().as_slice()), (noted, warned));
}

#[test]
fn chunks_make_a_file() {
    let (a, b) = ([b'a'; 16], [b'b'; 16]);
    let both = [a, b].concat();
    check(0, &[], b"", Value::Null, &[], &[]);
    check(3, &[(0, b"abc")], b"abc", Value::Null, &[], &[]);
    check(32, &[(0, &a), (1, &b)], &both, Value::Null, &[], &[]);
    check(17, &[(0, &a), (1, b"x")], &[&a[..], b"x"].concat(), Value::Null, &[], &[]);
}

#[test]
fn what_is_not_stored_is_zeros() {
    let a = [b'a'; 16];
    check(10, &[(0, b"abc")], b"abc\0\0\0\0\0\0\0", json!([[3, 7]]), &[], &[]);
    check(5, &[], &[0; 5], json!([[0, 5]]), &[], &[]);
    check(20, &[(1, b"wxyz")], &[&[0; 16][..], b"wxyz"].concat(), json!([[0, 16]]), &[], &[]);
    let middle = [b"s", &[0; 15][..], &a].concat();
    check(32, &[(0, b"s"), (1, &a)], &middle, json!([[1, 15]]), &[], &[]);
    // A short chunk and a missing one are one hole; an empty chunk is none.
    let want = [b"s", &[0; 47][..], b"e", &[0; 3][..]].concat();
    check(52, &[(0, b"s"), (1, b""), (3, b"e")], &want, json!([[1, 47], [49, 3]]), &[], &[]);
}

#[test]
fn nothing_behind_the_end_is_read() {
    let behind = &[("beyond_eof", 1)];
    check(3, &[(0, b"abcdef")], b"abc", Value::Null, behind, &[]);
    check(3, &[(0, b"abc"), (1, b"x"), (9, b"y")], b"abc", Value::Null, behind, &[]);
    check(0, &[(0, b"abc")], b"", Value::Null, behind, &[]);
    check(16, &[(0, &[b'a'; 16]), (u64::MAX, b"x")], &[b'a'; 16], Value::Null, behind, &[]);
}

#[test]
fn a_chunk_ends_at_the_chunk_size() {
    let long = [b'l'; 20];
    let want = [&[b'l'; 16][..], b"next"].concat();
    check(20, &[(0, &long), (1, b"next")], &want, Value::Null, &[], &[("chunk_over_size", 1)]);
}

#[test]
fn an_inode_without_chunk_size_has_chunks_of_4_mib() {
    let value = with(inode(7, (4 << 20) + 2), json!({"chunk_size": 0}));
    let s = name(put(base(0), 7, &value), ROOT, "f", 7, "file");
    let fs = decoded(&chunk(chunk(s, 7, 0, vec![b'a'; 4 << 20]), 7, 1, "bc"));
    assert!(fs.file("tree/f") == [&vec![b'a'; 4 << 20][..], b"bc"].concat());
    assert_eq!((&fs.line("f")["chunk_size"], fs.noted(), fs.warnings()), (&"0".into(), vec![], vec![]));
}

/// The inode determines where its chunks are, whatever its home says; every other home is left out.
#[test]
fn chunks_are_read_at_the_home_of_the_inode() {
    let value = with(inode(7, 3), json!({"home_slot": 99, "epoch": 4}));
    let s = name(put(base(0), 7, &value), ROOT, "f", 7, "file");
    let s = chunk(s, 7, 0, "old").put(key::numbers(Family::FsChunk, &[99, 7, 0]), "new");
    let fs = decoded(&s);
    assert_eq!(fs.file("tree/f"), b"new");
    assert_eq!(fs.warnings(), [("foreign_home_chunk", 1)]);
}

/// While a file moves, and after: always the inode's home, and the other one is explained.
#[test]
fn files_that_are_being_moved() {
    let job = |phase: &str| json!({"id": "AQ==", "inode": 7, "source_home": 7, "target_home": 99, "phase": phase});
    let jobs = |s: Snapshot, phase| s.put(key::by_id(Family::FsMoveJob, &[1]), job(phase).to_string());
    let intent = json!({"id": "bW92ZS8B", "kind": "move", "phase": "copy", "job_id": "AQ=="}).to_string();
    let target = |s: Snapshot, body| s.put(key::numbers(Family::FsChunk, &[99, 7, 0]), body);

    let before = name(put_alone(base(0), 7, &with(inode(7, 3), json!({"epoch": 2}))), ROOT, "f", 7, "file");
    let home = json!({"home_slot": 7, "target_home_slot": 99, "state": "migrating", "epoch": 2});
    let before = before.put(key::numbers(Family::FsHome, &[7]), home.to_string());
    let before = jobs(chunk(before, 7, 0, "abc"), "copy").put(key::by_id(Family::FsIntent, b"move/\x01"), &intent);
    for s in [before.clone(), target(before, "abc")] {
        let fs = decoded(&s);
        assert_eq!(
            (fs.file("tree/f"), fs.warnings(), fs.notes("f")),
            (&b"abc"[..], vec![], vec!["move_pending".into()])
        );
    }

    let value = with(inode(7, 3), json!({"home_slot": 99, "epoch": 3}));
    let after =
        jobs(chunk(target(name(put(base(0), 7, &value), ROOT, "f", 7, "file"), "new"), 7, 0, "old"), "source_cleanup");
    let fs = decoded(&after);
    assert_eq!((fs.file("tree/f"), fs.warnings()), (&b"new"[..], vec![]));
    assert_eq!(fs.noted(), [("move_pending", 1), ("moved_chunk", 1)]);
}

#[test]
fn versions_and_tombstones() {
    let s = file(base(0), "f", 7, b"0123456789abcdefXYZ");
    let f = key::numbers(Family::FsChunk, &[7, 7, 1]);
    let s = s.delete_at(NOW + 1, &f).put_at(NOW - 1, &f, "old");
    let fs = decoded(&s);
    assert_eq!(fs.file("tree/f"), b"0123456789abcdef\0\0\0");
    let gone =
        s.clone().delete_at(NOW + 1, key::entry(ROOT, b"f")).delete_at(NOW + 1, key::numbers(Family::FsInode, &[7]));
    let fs = decoded(&gone);
    assert_eq!((fs.paths(), fs.warnings()), (vec![], vec![("orphan_chunk", 1)]));
    let before = Options { as_of: Some(NOW), ..Options::default() };
    assert_eq!(run_with(&[s.build()], &before).unwrap().file("tree/f"), b"0123456789abcdefXYZ");
}

/// Rows of one file in two groups; a stale copy of a chunk in the former group is older.
#[test]
fn several_groups_are_one_file_system() {
    let one = dir(base(1), 5, 0);
    let one = name(one, ROOT, "d", 5, "directory").put_at(NOW - 5, key::numbers(Family::FsChunk, &[7, 7, 0]), "stale");
    let two = name(put(Snapshot::new(), 7, &inode(7, 5)), 5, "f", 7, "file");
    let two = chunk(two, 7, 0, "fresh");
    let fs = run(&[one.build(), two.build()]).unwrap();
    assert_eq!(fs.file("tree/d/f"), b"fresh");
    assert_eq!(fs.warnings(), [("key_in_several_groups", 1)]);
    // The second one alone has no root: its inodes are lost, not deleted.
    let fs = run(&[two.build()]).unwrap();
    assert_eq!(fs.file("lost+found/5.dir/f"), b"fresh");
    assert_eq!(fs.warnings(), [("no_root", 1), ("unreachable_entries", 1)]);
}

#[test]
fn a_tebibyte_with_one_chunk() {
    let value = with(inode(7, 1 << 40), json!({"chunk_size": 4 << 20}));
    let s = name(put(base(0), 7, &value), ROOT, "big", 7, "file");
    let started = std::time::Instant::now();
    let fs = decoded(&chunk(s, 7, 100_000, "here"));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    let (size, space) = fs.sizes[&b"fs/tree/big"[..]];
    assert!(size == 1 << 40 && space <= 16 << 10, "{space}");
    let at = 100_000u64 << 22;
    assert_eq!(fs.line("big")["holes"], json!([[0, at], [at + 4, (1u64 << 40) - at - 4]]));
    assert_eq!(fs.notes("big"), ["sha256_of_extents"]);
}

/// Some file systems hold this, others do not: then it is an error of that file.
#[test]
fn sizes_that_not_every_target_holds() {
    for chunk_at in [None, Some((1 << 58) - 1)] {
        let mut s = name(put(base(0), 7, &inode(7, 1 << 62)), ROOT, "big", 7, "file");
        if let Some(index) = chunk_at {
            s = chunk(s, 7, index, "x");
        }
        let s = file(s, "small", 8, b"ok");
        let fs = run_with(&[s.build()], &Options { skip_damage: true, ..Options::default() }).unwrap();
        let written = fs.sizes.get(&b"fs/tree/big"[..]).map(|(size, _)| *size);
        assert_eq!(written, (fs.outcome.manifest.skipped == 0).then_some(1 << 62));
        assert_eq!((fs.file("tree/small"), fs.line("big").get("sha256")), (&b"ok"[..], None));
        let refused = run(&[s.build()]).err().map(|error| error.to_string());
        assert_eq!(refused.is_some_and(|text| text.contains("file system can hold")), written.is_none());
    }
}

/// Larger than any file can be: an error of that file only, if losses are accepted.
#[test]
fn sizes_that_no_file_can_have() {
    for size in [1u64 << 63, u64::MAX] {
        let s = name(put(base(0), 7, &inode(7, size)), ROOT, "big", 7, "file");
        let s = file(chunk(s, 7, 0, "x"), "small", 8, b"ok");
        let error = run(&[s.build()]).err().unwrap();
        assert!(error.is_damage());
        let text = error.to_string();
        for part in [&size.to_string(), "more than 2^63-1", "!fs|ino|", "inode 7"] {
            assert!(text.contains(part), "{text}");
        }
        let fs = run_with(&[s.build()], &Options { skip_damage: true, ..Options::default() }).unwrap();
        assert_eq!((fs.file("tree/small"), fs.outcome.manifest.skipped), (&b"ok"[..], 1));
        assert!(fs.paths().iter().all(|path| path != "tree/big"));
        let line = fs.line("big");
        assert_eq!((&line["size"], line.get("sha256")), (&size.to_string().into(), None));
    }
}

/// More nested directories than are kept open: entries after the way down are found on the way back.
#[test]
fn names_on_the_way_back() {
    const DEPTH: u64 = 60;
    let mut s = base(1);
    for n in 1..=DEPTH {
        s = if n > 1 { dir(s, n, u64::from(n < DEPTH)) } else { s };
        for (at, before) in [(1, "a"), (2, "z"), (3, "m\u{0}"), (4, "mm")] {
            let file = n * 100 + at;
            s = chunk(put(name(s, n, before, file, "file"), file, &inode(file, 1)), file, 0, "x");
        }
        s = if n < DEPTH { name(s, n, "m", n + 1, "directory") } else { s };
    }
    let fs = decoded(&s);
    assert_eq!(fs.warnings().into_iter().filter(|(code, _)| *code != "bad_name").collect::<Vec<_>>(), []);
    assert_eq!(fs.lines().len() as u64, DEPTH * 5);
    for n in 0..DEPTH as usize {
        for name in ["a", "z", "m%00", "mm"] {
            assert_eq!(fs.file(&format!("tree/{}{name}", "m/".repeat(n))), b"x");
        }
    }
}
