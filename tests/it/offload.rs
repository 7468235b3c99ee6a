//! Copies of the object store to which a server's tool publishes snapshots (`container.md` §11).

use std::fs;
use std::path::{Path, PathBuf};

use ekvsnap::format::offload::Manifest;
use ekvsnap::source::crc::crc32c;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};

const PREFIX: &str = "backups/eu/";

/// Publishes a snapshot like the tool: without its footer. Returns the manifest and the payload.
fn publish(root: &Path, group: u64, index: u64, value: &str) -> (PathBuf, PathBuf) {
    let file = Snapshot::new().put(format!("!redis|str|group-{group}"), value).build();
    let bytes = &file[..file.len() - 4];
    let manifest = Manifest::new(PREFIX, "2026-11-29T01:02:03.5Z", group, (index, 2), bytes, crc32c(bytes));
    let put = |key: &str, bytes: &[u8]| {
        let path = root.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    };
    (put(&manifest.manifest_key, manifest.encode().as_bytes()), put(&manifest.payload.key, bytes))
}

fn ground() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (group, index, value) in [(1, 9, "old"), (1, 10, "new"), (2, 7, "other")] {
        publish(dir.path(), group, index, value);
    }
    dir
}

/// The result of decoding an input: the strings of both groups, and its messages.
fn decoded(dir: &Path, input: &str) -> (Vec<Option<String>>, String) {
    let out = ekvsnap(dir, &["decode", input, "-o", "out"]);
    assert_eq!(code(&out), 0, "{input}: {}", stderr(&out));
    let value = |group| fs::read_to_string(dir.join(format!("out/redis/db_0/strings/group-{group}.bin"))).ok();
    let values = [1, 2].map(value).into();
    fs::remove_dir_all(dir.join("out")).unwrap();
    (values, stderr(&out))
}

#[test]
fn the_newest_of_each_group_is_taken() {
    let dir = ground();
    let both = vec![Some("new".to_owned()), Some("other".to_owned())];
    for input in ["backups/eu", "backups/eu/v1", "backups/eu/"] {
        assert_eq!(decoded(dir.path(), input).0, both, "{input}");
    }
    // A copy of everything below the prefix, under another name.
    fs::rename(dir.path().join("backups/eu"), dir.path().join("copy")).unwrap();
    assert_eq!(decoded(dir.path(), "copy").0, both);
    let one = "copy/v1/groups/1/snapshots/00000000000000000009-00000000000000000002.json";
    assert_eq!(decoded(dir.path(), one).0, [Some("old".to_owned()), None]);
    for args in [&["verify", "copy"][..], &["inspect", "copy"], &["get", "copy", "redis:group-2"], &["ls", "copy"]] {
        let out = ekvsnap(dir.path(), args);
        assert_eq!(code(&out), 0, "{args:?}: {}", stderr(&out));
    }
}

/// A damaged snapshot is replaced by an older one, with a warning; if no snapshot is intact, the run fails.
#[test]
fn damaged_snapshots() {
    type Harm = fn(&Path, &Path);
    let harms: [(Harm, &str); 6] = [
        (|_, payload| edit(payload, |bytes| bytes[40] ^= 1), "SHA-256 or CRC32C differ"),
        (|_, payload| edit(payload, |bytes| bytes.truncate(50)), "bytes, but its manifest says"),
        (|_, payload| fs::remove_file(payload).unwrap(), "the file with its payload is missing"),
        (|manifest, _| edit(manifest, |bytes| bytes.truncate(100)), "EOF"),
        (|manifest, _| edit(manifest, |bytes| replace(bytes, "voters", "votes!")), "it was changed"),
        (|manifest, _| fs::rename(manifest, moved(manifest)).unwrap(), "it was moved or renamed"),
    ];
    for (harm, words) in harms {
        let dir = tempfile::tempdir().unwrap();
        publish(dir.path(), 1, 9, "old");
        let (manifest, payload) = publish(dir.path(), 1, 10, "new");
        harm(&manifest, &payload);
        let (values, said) = decoded(dir.path(), "backups/eu");
        assert_eq!(values[0].as_deref(), Some("old"), "{words}");
        assert!(said.contains("warning: newer_file_passed_over (1)"), "{said}");
        assert!(said.contains(words), "{words:?} is not in {said}");
        let older = dir.path().join("backups/eu/v1/groups/1/snapshots/00000000000000000009-00000000000000000002.json");
        fs::remove_file(older).unwrap();
        let out = ekvsnap(dir.path(), &["decode", "backups/eu", "-o", "out"]);
        assert_eq!(code(&out), 2, "{}", stderr(&out));
        assert!(stderr(&out).contains("none of its snapshot files is intact"), "{}", stderr(&out));
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn replace(bytes: &mut Vec<u8>, from: &str, to: &str) {
    *bytes = String::from_utf8(std::mem::take(bytes)).unwrap().replace(from, to).into_bytes();
}

/// Behind the older one by its name.
fn moved(manifest: &Path) -> PathBuf {
    manifest.with_file_name("00000000000000000011-00000000000000000002.json")
}
