//! Rows that cannot be read: which of them fail a run, and which are only reported.

use ekvsnap::decode::Options;
use ekvsnap::format::Family;
use ekvsnap::format::fs::{ROOT, key};

use crate::kit::build::Snapshot;
use crate::kit::fs::{base, chunk, decoded, file, inode, name, put, run, run_with};

/// An intact file system with a file `f`.
fn sound() -> Snapshot {
    file(base(0), "f", 7, b"abc")
}

fn skipping() -> Options {
    Options { skip_damage: true, ..Options::default() }
}

/// An inode or a name that is needed: an error with its family, key, offset and reason, or a loss.
#[test]
fn what_a_file_needs_must_be_readable() {
    for (row, family, lost) in [
        (key::entry(ROOT, b"bad"), "!fs|dir|", 1),
        (key::numbers(Family::FsInode, &[9]), "!fs|ino|", 1),
        (key::numbers(Family::FsInode, &[ROOT]), "!fs|ino|", 1),
    ] {
        for value in ["{", "", "[]", r#"{"inode":"9"}"#, r#"{"inode":18446744073709551616}"#] {
            let s = name(sound(), ROOT, "b", 9, "file");
            let s = put(s, 9, &inode(9, 0)).put_at(crate::kit::build::NOW + 1, &row, value);
            let error = run(&[s.build()]).err().unwrap();
            assert!(error.is_damage() && error.offset().is_some(), "{error}");
            assert!(error.to_string().contains(family), "{error}");
            let fs = run_with(&[s.build()], &skipping()).unwrap();
            assert_eq!(fs.outcome.manifest.skipped, lost, "{value} in {family}");
            let paths = fs.paths();
            assert!(paths.iter().any(|path| path == "tree/f" || path == "lost+found/1.dir/f"), "{paths:?}");
        }
    }
}

/// The server ignores malformed keys; so do we, aloud.
#[test]
fn bad_key() {
    let n = 7u64.to_be_bytes();
    for (family, suffix) in [
        (Family::FsInode, &n[..7]),
        (Family::FsInode, &[&n[..], b"x"].concat()),
        (Family::FsEntry, &n[..]),
        (Family::FsEntry, &[&n[..], b"name"].concat()),
        (Family::FsEntry, &[&1u64.to_be_bytes()[..], b"a\0\x01"].concat()),
        (Family::FsEntry, &[&1u64.to_be_bytes()[..], b"a\0\0more"].concat()),
        (Family::FsDirVersion, b""),
        (Family::FsHome, &n[1..]),
        (Family::FsChunk, &[n, n].concat()),
        (Family::FsChunk, &[&[n, n, n].concat()[..], b"x"].concat()),
        (Family::FsHandle, &[&n[..], b"client"].concat()),
        (Family::FsHandleFence, &n[2..]),
        (Family::FsIntent, b"create"),
        (Family::FsMoveJob, b"\0\x02"),
        (Family::FsUsage, b"|"),
    ] {
        let row = [family.prefix().as_bytes(), suffix].concat();
        let fs = decoded(&sound().put(&row, "1"));
        assert_eq!((fs.warnings(), fs.noted()), (vec![("bad_key", 1)], vec![]), "{}", row.escape_ascii());
        assert_eq!(fs.file("tree/f"), b"abc");
    }
}

#[test]
fn bad_json() {
    for row in [
        key::numbers(Family::FsInode, &[99]),
        key::numbers(Family::FsDirVersion, &[1]),
        key::numbers(Family::FsHome, &[99]),
        key::handle(7, b"client", 1),
        key::numbers(Family::FsHandleFence, &[7]),
        key::by_id(Family::FsIntent, b"create"),
        key::by_id(Family::FsMoveJob, b"12345678"),
        b"!fs|usage".to_vec(),
        key::counter(b"x"),
    ] {
        let fs = decoded(&sound().put(&row, "{"));
        assert_eq!((fs.warnings(), fs.noted()), (vec![("bad_json", 1)], vec![]), "{}", row.escape_ascii());
        assert_eq!(fs.file("tree/f"), b"abc");
    }
}

/// Rows without a family, and routing keys, which are never stored.
#[test]
fn rows_of_no_family() {
    for row in ["!fs|route|chk|0123456789abcdef", "!fs|job|copy|x", "!fs|", "!fs|new|x"] {
        assert_eq!(decoded(&sound().put(row, "x")).warnings(), [("unknown_rows", 1)], "{row}");
    }
}

/// Handles, fences and directory versions are silent.
#[test]
fn what_is_always_there() {
    let handle = r#"{"inode":7,"client_id":"Yw==","fh":1,"created_nsec":1,"expires_nsec":2}"#;
    let s = sound().put(key::handle(7, b"c", 1), handle).put(key::numbers(Family::FsHandleFence, &[7]), "5");
    let fs = decoded(&s.put(key::numbers(Family::FsDirVersion, &[ROOT]), "18446744073709551615"));
    assert_eq!((fs.warnings(), fs.noted()), (vec![], vec![]));
}

/// Without rows there is no folder, and no file.
#[test]
fn no_file_system() {
    let fs = decoded(&Snapshot::new().put("!redis|str|k", "v"));
    assert!(fs.sizes.keys().all(|path| !path.starts_with(b"fs/")) && fs.dirs.iter().all(|dir| dir != "fs"));
}

/// A row of a prepared transaction that was committed counts.
#[test]
fn committed_intents_are_applied() {
    let s = sound();
    let s = crate::kit::s3::committed_intent(
        s,
        &key::numbers(Family::FsChunk, &[7, 7, 0]),
        5,
        crate::kit::build::NOW + 2,
        Some(b"new"),
    );
    assert_eq!(decoded(&chunk(s, 7, 9, "x")).file("tree/f"), b"new");
}
