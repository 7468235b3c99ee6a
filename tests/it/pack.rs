//! `pack` and `unpack`: an output has the same content in a directory and in an archive.

use std::path::Path;

use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{fs, read_members};

#[track_caller]
fn run(dir: &Path, want: i32, args: &[&str]) -> String {
    let out = ekvsnap(dir, args);
    assert_eq!(code(&out), want, "{args:?}: {}", stderr(&out));
    stderr(&out)
}

/// A directory is packed into each kind of archive and unpacked again, with any content; the archive is like those of a decode.
#[test]
fn there_and_back() {
    for corpus in ["redis-nasty", "s3-nasty", "dynamodb-nasty", "fs-small", "empty"] {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path();
        std::fs::write(dir.join("x.fsm"), &snapshots(&load(corpus))[0]).unwrap();
        run(dir, 0, &["decode", "x.fsm", "-o", "out"]);
        run(dir, 0, &["decode", "x.fsm", "-o", "decoded.tar"]);
        for archive in ["a.tar", "a.tar.zst", "a.tar.gz"] {
            let back = format!("{archive}.d");
            run(dir, 0, &["pack", "out", "-o", archive]);
            run(dir, 0, &["verify", archive, "--against", "x.fsm"]);
            run(dir, 0, &["unpack", archive, "-o", &back]);
            assert!(fs::read_files(&dir.join("out")) == fs::read_files(&dir.join(&back)), "{corpus} {archive}");
            run(dir, 0, &["verify", &back, "--against", "x.fsm"]);
        }
        // The same input gives the same bytes.
        run(dir, 0, &["pack", "a.tar.d", "-o", "again.tar", "--threads", "1"]);
        assert!(std::fs::read(dir.join("a.tar")).unwrap() == std::fs::read(dir.join("again.tar")).unwrap());
        // Members are those of a decode, except for names of the file system, which are raw there.
        let (packed, decoded) = (read_members(&dir.join("a.tar")), read_members(&dir.join("decoded.tar")));
        let same = packed.iter().filter(|(path, bytes)| decoded.get(*path) == Some(bytes)).count();
        // But for MANIFEST and CHECKSUMS.
        let all = packed.len() == decoded.len() && same >= packed.len() - 2;
        assert!(all || corpus == "fs-small", "{corpus}: {same} of {} and {}", packed.len(), decoded.len());
        // Archives of a decode are unpacked too, with raw names and links.
        run(dir, 0, &["unpack", "decoded.tar", "-o", "raw"]);
        run(dir, 0, &["verify", "raw"]);
        run(dir, 0, &["pack", "raw", "-o", "raw.tar"]);
        let same = std::fs::read(dir.join("raw.tar")).unwrap() == std::fs::read(dir.join("decoded.tar")).unwrap();
        // Which blocks of a file are holes the target decides.
        assert!(same || corpus == "fs-small", "{corpus}: an archive of a decode does not come back");
        run(dir, 0, &["verify", "raw.tar"]);
        run(dir, 0, &["unpack", "raw.tar", "-o", "raw2"]);
        assert!(fs::read_files(&dir.join("raw")) == fs::read_files(&dir.join("raw2")), "{corpus}");
    }
}

/// Holes stay holes, in the archive and on disk.
#[test]
fn holes_take_no_space() {
    use std::os::unix::fs::MetadataExt as _;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    std::fs::write(dir.join("x.fsm"), &snapshots(&load("fs-small"))[0]).unwrap();
    run(dir, 0, &["decode", "x.fsm", "-o", "out"]);
    run(dir, 0, &["pack", "out", "-o", "a.tar"]);
    assert!(dir.join("a.tar").metadata().unwrap().len() < 20 << 20);
    run(dir, 0, &["unpack", "a.tar", "-o", "back"]);
    let huge = dir.join("back/fs/tree/sparse/huge-empty").metadata().unwrap();
    assert!(huge.len() > 1 << 36 && huge.blocks() < 1 << 12, "{} {}", huge.len(), huge.blocks());
}

/// What is no intact output becomes none, and targets are as careful as those of a decode.
#[test]
fn what_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    std::fs::write(dir.join("x.fsm"), &snapshots(&load("redis-small"))[0]).unwrap();
    run(dir, 0, &["decode", "x.fsm", "-o", "out"]);
    run(dir, 0, &["pack", "out", "-o", "a.tar"]);
    run(dir, 0, &["unpack", "a.tar", "-o", "back"]);
    let says = |want: i32, args: &[&str], words: &str| {
        let said = run(dir, want, args);
        assert!(said.contains(words), "{args:?}: {said}");
    };
    says(1, &["pack", "out", "-o", "a.tar"], "exists");
    says(1, &["unpack", "a.tar", "-o", "back"], "not empty");
    says(64, &["pack", "out", "-o", "a.zip"], "must end in .tar");
    says(64, &["pack", "out", "-o", "-"], "name a file");
    says(1, &["pack", "out", "-o", "out/a.tar"], "inside the output");
    says(1, &["pack", "a.tar", "-o", "b.tar"], "an archive already");
    says(1, &["unpack", "out", "-o", "b"], "a directory already");
    says(2, &["pack", "x.fsm", "-o", "b.tar"], "not an output of a decode");
    run(dir, 0, &["pack", "out", "-o", "a.tar", "--force"]);
    run(dir, 0, &["unpack", "a.tar", "-o", "back", "--force", "--fsync"]);
    // A file that was changed, one too many, one that is missing; and an archive that was cut.
    let file = dir.join("back/redis/db_0/strings/new.bin");
    std::fs::write(&file, "x").unwrap();
    says(2, &["pack", "back", "-o", "b.tar"], "new.bin");
    std::fs::remove_file(&file).unwrap();
    let some = std::fs::read_dir(dir.join("back/redis/db_0/strings")).unwrap().next().unwrap().unwrap().path();
    let was = std::fs::read(&some).unwrap();
    std::fs::write(&some, [&was[..], b"!"].concat()).unwrap();
    says(2, &["pack", "back", "-o", "b.tar"], some.file_name().unwrap().to_str().unwrap());
    std::fs::remove_file(&some).unwrap();
    says(2, &["pack", "back", "-o", "b.tar"], "it is missing");
    let archive = std::fs::read(dir.join("a.tar")).unwrap();
    std::fs::write(dir.join("cut.tar"), &archive[..archive.len() / 2]).unwrap();
    says(2, &["unpack", "cut.tar", "-o", "c"], "cut.tar");
    let changed: Vec<u8> = archive.iter().rev().skip_while(|byte| **byte == 0).copied().collect();
    let at = changed.len() - 1;
    let mut changed = archive.clone();
    changed[at] ^= 1;
    std::fs::write(dir.join("changed.tar"), changed).unwrap();
    says(2, &["unpack", "changed.tar", "-o", "c"], "changed.tar");
    std::os::unix::fs::symlink("/etc/hostname", dir.join("out/link")).unwrap();
    says(2, &["pack", "out", "-o", "b.tar"], "a symbolic link");
    let mut left: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["a.tar", "back", "changed.tar", "cut.tar", "out", "x.fsm"]);
}

/// Members that no decode writes: what they would make does not come about.
#[test]
fn hostile_archives() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    std::fs::write(dir.join("x.fsm"), &snapshots(&load("redis-small"))[0]).unwrap();
    run(dir, 0, &["decode", "x.fsm", "-o", "a.tar"]);
    let whole = std::fs::read(dir.join("a.tar")).unwrap();
    let end = whole.len() - 1024;
    let member = |name: &str, kind: u8, link: &str| {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_mode(0o600);
        header.set_size(0);
        header.set_mtime(0);
        header.set_cksum();
        [&whole[..end], header.as_bytes(), &[0; 1024]].concat()
    };
    for (name, kind, link) in [
        ("../evil", b'0', ""),
        ("/tmp/ekvsnap-evil", b'0', ""),
        ("redis/../../evil", b'0', ""),
        ("redis/evil", b'2', "/etc"),
        ("redis/evil", b'1', "../x.fsm"),
        ("redis/evil", b'1', "MANIFEST.json"),
        ("redis/evil", b'3', ""),
        ("redis/evil", b'0', ""),
        ("MANIFEST.json", b'0', ""),
    ] {
        std::fs::write(dir.join("evil.tar"), member(name, kind, link)).unwrap();
        let out = ekvsnap(dir, &["unpack", "evil.tar", "-o", "out"]);
        assert!(code(&out) == 2 || code(&out) == 1, "{name} {link}: {}", stderr(&out));
        assert!(!dir.join("out").exists() && !dir.join("evil").exists() && !Path::new("/tmp/ekvsnap-evil").exists());
    }
    let left = std::fs::read_dir(dir).unwrap().count();
    assert_eq!(left, 3);
}
