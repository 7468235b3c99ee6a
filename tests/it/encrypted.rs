//! Encrypted snapshots: what they decode to with keys, and what is reported without.

use std::path::Path;
use std::sync::Arc;

use ekvsnap::decode::{Layout, Options, Silent, decode, fill_nowhere, on_threads};
use ekvsnap::error::ErrorKind;
use ekvsnap::format::keys::{Key, KeyRing};
use ekvsnap::format::sst::writer::Shape;
use ekvsnap::index::Granularity;
use ekvsnap::source::Source;
use ekvsnap::verify::{Depth, Snapshots, snapshots as verify};

use crate::kit::build::{NOW, Snapshot, with_footer};
use crate::kit::bundle;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::load;
use crate::kit::sealed::{KEK, in_clear, keys_of, ring, sidecar, sidecar_with, source_with, write_secret};
use crate::kit::{Tree, read_tree};

const TINY: Granularity = Granularity { checkpoint_interval: 64, read_size: 100, task_size: 200 };

fn output(source: Source, options: &Options) -> Result<Tree, ekvsnap::Error> {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out");
    let options = Options { fsync: Some(false), ..options.clone() };
    decode(&[source], &target, &options, &Silent)?;
    let mut tree = read_tree(&target);
    // Both contain size and checksum of the input.
    tree.retain(|path, _| path != b"MANIFEST.json" && path != b"CHECKSUMS");
    Ok(tree)
}

fn clear(bytes: Vec<u8>) -> Source {
    Source::from_bytes("input-0.fsm", bytes)
}

/// Keys of three ages, at the end and at three moments before: the bytes are those of the same rows in clear.
#[test]
fn a_real_snapshot_gives_the_bytes_of_its_rows_in_clear() {
    let files = load("enc-mixed");
    let (keys, snapshot) = (keys_of(&files), &files["snapshot.fsm"]);
    let twin = in_clear(snapshot, &keys);
    let moments = ["asof0/at.json", "asof1/at.json", "asof2/at.json"].map(|name| {
        let at: serde_json::Value = serde_json::from_slice(&files[name]).unwrap();
        at["ts"].as_u64()
    });
    for as_of in moments.into_iter().chain([None]) {
        for layout in [Layout::TREE, Layout::JSONL] {
            let options = Options { as_of, layout, include_orphans: true, ..Options::default() };
            let want = output(clear(twin.clone()), &options).unwrap();
            assert!(want.len() > 10);
            for (threads, granularity) in [(1, Granularity::default()), (3, TINY)] {
                let source = on_threads(threads, || source_with(snapshot.clone(), &keys, granularity)).unwrap();
                let got = output(source, &Options { threads, granularity, ..options.clone() }).unwrap();
                assert!(got == want, "{as_of:?} {layout:?} {threads}");
            }
        }
    }
}

/// The same rows as a bundle: they are unpacked, then decrypted.
#[test]
fn encrypted_rows_in_a_bundle() {
    let files = load("enc-mixed");
    let (keys, snapshot) = (keys_of(&files), &files["snapshot.fsm"]);
    let want = output(clear(in_clear(snapshot, &keys)), &Options::default()).unwrap();
    for shape in [Shape::default(), bundle::TINY] {
        let bundle = bundle::bundle_of(snapshot, shape);
        let got = output(source_with(bundle, &keys, Granularity::default()), &Options::default()).unwrap();
        assert!(got == want, "{shape:?}");
    }
    // A row that cannot be opened is reported with its block.
    let whole = bundle::bundle_of(&small().build(), bundle::TINY);
    let error = tried(whole, &ring(&[1])).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::MissingKeys { .. }) && error.place().is_some(), "{error}");
}

fn small() -> Snapshot {
    let long = "long ".repeat(100);
    Snapshot::new()
        .put("!redis|str|a", b"\xff\x01\x00clear")
        .sealed(NOW - 5, "!redis|str|b", b"\xff\x01\x00old", 1, 1)
        .sealed(NOW, "!redis|str|b", b"\xff\x01\x00new", 3, 1)
        .sealed(NOW, "!redis|str|c", [b"\xff\x01\x00", long.as_bytes()].concat(), 3, 2)
        .sealed(NOW, "!st|meta|\0\0\0\x01s", [0, 0, 0, 0, 0, 0, 0, 1], 1, 1)
        .sealed(NOW, "!st|mem|\0\0\0\x01sm", b"", 3, 1)
}

fn tried(bytes: Vec<u8>, keys: &Arc<KeyRing>) -> Result<Tree, ekvsnap::Error> {
    output(source_with(bytes, keys, Granularity::default()), &Options::default())
}

/// A compressed body needs more room than its row has; a body can be empty.
#[test]
fn bodies_of_any_length() {
    let tree = tried(small().build(), &ring(&[1, 3])).unwrap();
    let text = |path: &str| String::from_utf8(tree[path.as_bytes()].clone()).unwrap();
    assert_eq!(text("redis/db_0/strings/b.bin"), "new");
    assert_eq!(text("redis/db_0/strings/c.bin"), "long ".repeat(100));
    assert!(text("redis/db_0/sets/s.json").contains("\"m\""));
    let other_granularity = source_with(small().build(), &ring(&[1, 3]), TINY);
    assert_eq!(output(other_granularity, &Options::default()).unwrap(), tree);
}

#[test]
fn keys_that_are_missing() {
    let error = tried(small().build(), &ring(&[1])).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error.kind(), ErrorKind::MissingKeys { there, .. } if there == &[1]), "{text}");
    assert!(text.contains("key id 1 (1 row, given), key id 3 (3 rows, missing)"), "{text}");
    assert!(error.offset().is_some() && error.key() == Some(b"!redis|str|b"), "{text}");
    // Nobody asks for the key of a version that no longer counts.
    let old = Snapshot::new().sealed(NOW - 5, "!redis|str|b", b"x", 7, 1).put("!redis|str|b", b"\xff\x01\x00v");
    assert_eq!(tried(old.build(), &ring(&[1])).unwrap()[&b"redis/db_0/strings/b.bin"[..]], b"v");
    // What can be read without them is saved if that is asked for; each of the others is a loss.
    let options = Options { skip_damage: true, ..Options::default() };
    let tree = output(source_with(small().build(), &ring(&[1]), Granularity::default()), &options).unwrap();
    assert!(tree.contains_key(&b"redis/db_0/strings/a.bin"[..]));
    let losses = String::from_utf8(tree[&b"ERRORS.jsonl"[..]].clone()).unwrap();
    assert_eq!((losses.lines().count(), losses.matches("key id 3").count()), (3, 3), "{losses}");
}

/// Rows that cannot be opened are reported as damage, in every version; nothing of them is used as a value.
#[test]
fn rows_that_do_not_open() {
    let keys = ring(&[1, 3]);
    let whole = small().build();
    let at = |needle: &[u8]| memchr::memmem::find(&whole, needle).unwrap();
    // After key (12) and timestamp (8) come the value's length (8) and header (9), then version, flag, key id, nonce, text.
    let value = at(b"!redis|str|b") + 12 + 8 + 8;
    for (what, offset, mask) in [
        ("expiry", value + 8, 1),
        ("key id", value + 9 + 5, 2),
        ("nonce", value + 9 + 6, 1),
        ("text", value + 9 + 18, 1),
        ("tag", value + 9 + 18 + 6, 1),
        ("key", value - 8 - 8 - 1, 0x10),
    ] {
        let mut bytes = whole[..whole.len() - 4].to_vec();
        bytes[offset] ^= mask;
        let error = tried(with_footer(bytes), &keys).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error.kind(), ErrorKind::Sealed { .. }) && error.is_damage(), "{what}: {text}");
        assert!(text.contains("does not match its tag") && error.offset().is_some(), "{what}: {text}");
    }
    for (what, offset, byte, words) in [
        ("tombstone", value, 3, "tombstone bit"),
        ("state", value, 4, "reserved"),
        ("version", value + 9, 9, "envelope version 9"),
        ("flag", value + 10, 1, "flag 0x01"),
        ("reserved id", value + 9 + 5, 0, "reserved key id 0"),
        // What a copy calls a decrypted row is none in a file.
        ("mark of a copy", value, 8, "reserved"),
        ("other mark of a copy", value, 0x18, "reserved"),
    ] {
        let mut bytes = whole[..whole.len() - 4].to_vec();
        bytes[offset] = byte;
        let error = tried(with_footer(bytes), &keys).unwrap_err();
        assert!(error.to_string().contains(words) && error.is_damage(), "{what}: {error}");
        // The byte in the message is that of the file.
        assert!(words != "reserved" || error.to_string().contains(&format!("{byte:08b}")), "{what}: {error}");
    }
    // A file whose checksum fails is not believed, with or without keys.
    let mut bytes = whole.clone();
    bytes[value + 9 + 18] ^= 1;
    assert!(matches!(tried(bytes, &ring(&[1])).unwrap_err().kind(), ErrorKind::FooterCrc { .. }));
}

/// Every bit of a small file: the same output, or an error; without a footer too, nothing is silently another value.
#[test]
fn flipped_bits() {
    let (keys, whole) = (ring(&[1, 3]), small().build());
    let want = tried(whole.clone(), &keys).unwrap();
    let clear_row = memchr::memmem::find(&whole, b"!redis|str|a").unwrap();
    let first_sealed = memchr::memmem::find(&whole, b"!redis|str|b").unwrap() - 8;
    let decoded = |bytes: Vec<u8>| {
        let source = source_with(bytes, &keys, Granularity::default());
        fill_nowhere(&[source], &Options::default(), &Silent).map(drop)
    };
    on_threads(1, || {
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                assert!(decoded(bytes.clone()).is_err(), "byte {at} bit {bit}");
                let body = whole.len() - 4;
                // Without a checksum the values of encrypted rows are proven by their tags, but for the bit that calls a row
                // encrypted: see `verdicts`.
                let is_state = bit == 1 && whole[at..].starts_with(&[2, 0, 0, 0, 0, 0, 0, 0, 0]);
                if (first_sealed..body).contains(&at) && at > clear_row && !is_state {
                    bytes.truncate(body);
                    if let Ok(got) = tried(bytes, &keys) {
                        let same = got.iter().filter(|(path, _)| path.ends_with(b".bin"));
                        same.for_each(|(path, value)| assert_eq!(Some(value), want.get(path), "byte {at} bit {bit}"));
                    }
                }
            }
        }
    })
    .unwrap();
}

/// Behind a broken frame rows are decrypted too.
#[test]
fn what_is_saved_of_a_damaged_file() {
    let mut snapshot = small();
    for n in 0..200 {
        snapshot = snapshot.sealed(NOW, format!("!redis|str|n{n:03}"), b"\xff\x01\x00n", 3, 1);
    }
    for n in 0..200 {
        snapshot =
            snapshot.sealed(NOW, format!("!redis|str|z{n:03}"), [&b"\xff\x01\x00"[..], &[b'z'; 20]].concat(), 3, 1);
    }
    let mut bytes = snapshot.build();
    let broken = memchr::memmem::find(&bytes, b"!redis|str|z003").unwrap() - 8;
    bytes[broken + 3] = 0xff;
    let options = Options { skip_damage: true, ..Options::default() };
    let tree = output(source_with(bytes, &ring(&[1, 3]), TINY), &options).unwrap();
    for n in [0, 1, 2, 10, 199] {
        assert_eq!(tree[format!("redis/db_0/strings/z{n:03}.bin").as_bytes()], [b'z'; 20], "{n}");
    }
    assert!(!tree.contains_key(&b"redis/db_0/strings/z003.bin"[..]));
}

fn verified(bytes: Vec<u8>, keys: &Arc<KeyRing>, try_clear: bool) -> Snapshots {
    let source = source_with(bytes, keys, Granularity::default());
    verify(&[source], Vec::new(), Depth { limit: 10, try_clear }, &Silent).unwrap()
}

#[test]
fn verdicts() {
    let all = ring(&[1, 3]);
    let found = verified(small().build(), &all, true);
    assert_eq!((found.damaged, found.unread(), found.unopened(), found.walked[0].rows), (0, 0, 0, 6));
    assert!(found.decoded.is_some() && found.walked[0].crc32c.is_some());
    // Without keys frames, order and checksum are proven, and that is said.
    let found = verified(small().build(), &ring(&[]), false);
    assert_eq!((found.damaged, found.unopened(), found.walked[0].rows), (0, 5, 6));
    assert!(found.decoded.is_none() && found.walked[0].crc32c.is_some());
    // A verification opens old versions too.
    let mut bytes = small().build();
    bytes.truncate(bytes.len() - 4);
    let old = memchr::memmem::rfind(&bytes, b"!redis|str|b").unwrap() + 12 + 8 + 8 + 9 + 18;
    bytes[old] ^= 1;
    assert_eq!(verified(with_footer(bytes), &all, false).damaged, 1);
    // The state of a row is not authenticated: an envelope that poses as a clear body is found if that is asked for.
    let mut bytes = small().build();
    bytes.truncate(bytes.len() - 4);
    let flags = memchr::memmem::find(&bytes, b"!redis|str|b").unwrap() + 12 + 8 + 8;
    bytes[flags] = 0;
    let bytes = with_footer(bytes);
    let posing = |found: Snapshots| (found.damaged, found.walked[0].state_changed);
    assert_eq!(posing(verified(bytes.clone(), &all, true)), (1, 1));
    assert_eq!(posing(verified(bytes, &all, false)).1, 0);
}

fn data_dir(dir: &Path) {
    std::fs::create_dir_all(dir.join("node/fsm-snap")).unwrap();
    std::fs::create_dir_all(dir.join("node/encryption")).unwrap();
    std::fs::write(dir.join("node/fsm-snap/0000000000000010.fsm"), small().build()).unwrap();
    std::fs::write(dir.join("node/encryption/keys.json"), sidecar(&[1, 3])).unwrap();
    write_secret(&dir.join("kek"), &KEK);
}

/// The commands with keys: a side-car in a data directory is found.
#[test]
fn commands_with_keys() {
    let dir = tempfile::tempdir().unwrap();
    data_dir(dir.path());
    write_secret(&dir.path().join("dek1"), &[1; 32]);
    write_secret(&dir.path().join("dek3"), &[3; 32]);
    let file = "node/fsm-snap/0000000000000010.fsm";
    let by_dek = ["--dek", "1=dek1", "--dek", "3=dek3"];
    let by_sidecar = ["--kek", "kek", "--keys-json", "node/encryption/keys.json"];
    for (n, (input, keys)) in
        [("node", &["--kek", "kek"][..]), (file, &["--kek", "kek"]), (file, &by_sidecar), (file, &by_dek)]
            .iter()
            .enumerate()
    {
        let run = |args: &[&str]| {
            let output = ekvsnap(dir.path(), &[args, keys].concat());
            assert_eq!(code(&output), 0, "{args:?} {keys:?}: {}", stderr(&output));
            String::from_utf8(output.stdout).unwrap()
        };
        let out = format!("out{n}");
        run(&["decode", input, "-o", &out]);
        assert_eq!(std::fs::read(dir.path().join(out).join("redis/db_0/strings/b.bin")).unwrap(), b"new");
        assert!(run(&["verify", input, "--check-clear-rows"]).contains("intact"));
        assert_eq!(run(&["get", input, "redis:b"]), "new");
        assert!(run(&["inspect", input]).contains("encrypted with key id 3: 3 rows, 3 of them live; decrypted"));
        assert!(run(&["diff", input, input, "--summary"]).contains("4 the same"));
    }
}

#[test]
fn commands_without_keys() {
    let dir = tempfile::tempdir().unwrap();
    data_dir(dir.path());
    let run = |args: &[&str]| {
        let output = ekvsnap(dir.path(), args);
        (code(&output), String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap())
    };
    let (status, text) = run(&["decode", "node", "-o", "out"]);
    assert!(status == 1 && text.contains("key id 1 (1 row, missing), key id 3 (3 rows, missing)"), "{text}");
    assert!(!dir.path().join("out").exists());
    let (status, text) = run(&["verify", "node"]);
    assert!(status == 0 && text.contains("5 encrypted rows were not opened") && text.contains("matches"), "{text}");
    assert!(text.contains("bodies not verified") && !text.contains(": intact"), "{text}");
    assert!(run(&["verify", "node", "--json"]).1.contains("\"intact\":null"));
    assert_eq!(run(&["verify", "node", "--strict"]).0, 4);
    let (status, text) = run(&["inspect", "node", "--quick"]);
    assert!(status == 0 && text.contains("key id 1: 2 rows, 1 of them live; its key is missing"), "{text}");
    let (status, text) = run(&["get", "node", "redis:b", "--versions"]);
    assert!(status == 0 && text.matches("encrypted with key id").count() == 2, "{text}");
    let (status, text) = run(&["get", "node", "redis:b"]);
    assert!(status == 1 && text.contains("missing"), "{text}");
}

/// A plan of an encrypted snapshot has no keys in it: each of its runs asks for them.
#[test]
fn a_plan_asks_for_keys() {
    let dir = tempfile::tempdir().unwrap();
    data_dir(dir.path());
    let run = |args: &[&str]| {
        let output = ekvsnap(dir.path(), args);
        (code(&output), stderr(&output))
    };
    let shard = ["decode", "--plan", "PLAN", "--shard", "0/1", "-o", "shards"];
    let merge = ["merge", "--plan", "PLAN", "shards", "-o", "out"];
    let resume = ["decode", "node", "-o", "resumed", "--resume"];
    let keys = ["--kek", "kek"];
    let asks = |args: &[&str]| {
        let (status, text) = run(args);
        let is_asked = text.contains("encrypted rows whose keys are missing") && text.contains("--kek FILE");
        assert!(status == 1 && is_asked, "{args:?}: {status} {text}");
    };
    let plan = ["plan", "node", "-o", "PLAN"];
    asks(&plan);
    assert_eq!(run(&[&plan[..], &keys].concat()).0, 0);
    asks(&shard);
    assert_eq!(run(&[&shard[..], &keys].concat()).0, 0);
    asks(&merge);
    asks(&resume);
    for with_keys in [&merge[..], &resume] {
        let (status, text) = run(&[with_keys, &keys].concat());
        assert_eq!(status, 0, "{with_keys:?}: {text}");
    }
    // Another file of the same name is still refused.
    let file = dir.path().join("node/fsm-snap/0000000000000010.fsm");
    std::fs::write(&file, Snapshot::new().put("!redis|str|k", "v").build()).unwrap();
    std::fs::remove_dir_all(dir.path().join("shards")).unwrap();
    let (status, text) = run(&shard);
    assert!(status == 1 && text.contains("is not the file that the plan was made of"), "{text}");
}

/// Files of keys that cannot be used: the error says what is wrong, and shows no part of a key.
#[test]
fn key_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    data_dir(dir.path());
    let path = |name: &str| dir.path().join(name);
    write_secret(&path("short"), &KEK[1..]);
    write_secret(&path("other"), &[8; 32]);
    std::fs::write(path("open"), KEK).unwrap();
    std::fs::set_permissions(path("open"), std::fs::Permissions::from_mode(0o640)).unwrap();
    std::fs::write(path("bad.json"), "{\"version\": 3}").unwrap();
    std::fs::write(path("one.json"), sidecar(&[1])).unwrap();
    write_secret(&path("wrong"), &[4; 32]);
    let file = "node/fsm-snap/0000000000000010.fsm";
    std::fs::copy(path(file), path("alone.fsm")).unwrap();
    let cases: &[(&str, &[&str], i32, &str)] = &[
        (file, &["--kek", "none"], 1, "cannot open none"),
        (file, &["--kek", "short"], 1, "it has 31 bytes"),
        (file, &["--kek", "open"], 1, "mode 640"),
        (file, &["--kek", "node"], 1, "not a regular file"),
        (file, &["--kek", "other"], 1, "this key file does not open key 1"),
        (file, &["--kek", "kek", "--keys-json", "bad.json"], 1, "its version is 3"),
        (file, &["--kek", "kek", "--keys-json", "one.json"], 1, "key id 3 (3 rows, missing)"),
        (file, &["--keys-json", "one.json"], 64, "needs the key file"),
        ("alone.fsm", &["--kek", "kek"], 1, "not next to this input"),
        (file, &["--kek", "kek", "--dek", "1=wrong"], 1, "a different key with id 1"),
        (file, &["--dek", "1=wrong", "--dek", "3=wrong"], 2, "does not match its tag"),
        (file, &["--dek", "0=wrong"], 64, "not a key id"),
        (file, &["--dek", "wrong"], 64, "ID=FILE"),
    ];
    for (input, keys, want, words) in cases {
        let output = ekvsnap(dir.path(), &[&["decode", input, "-o", "out"], *keys].concat());
        let text = stderr(&output);
        assert_eq!(code(&output), *want, "{keys:?}: {text}");
        assert!(text.contains(words), "{keys:?}: {text}");
        assert!(!path("out").exists());
        // What a decode refuses is not verified either.
        assert_eq!(code(&ekvsnap(dir.path(), &[&["verify", input], *keys].concat())), *want, "{keys:?}");
    }
}

/// Every group has its own side-car, and key ids of two groups have nothing to do with each other.
#[test]
fn groups_have_keys_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    write_secret(&dir.path().join("kek"), &KEK);
    for (n, group) in ["group-1", "group-2"].into_iter().enumerate() {
        let key = || Key::new([n as u8 + 50; 32]);
        let at = dir.path().join(group);
        std::fs::create_dir_all(at.join("fsm-snap")).unwrap();
        std::fs::create_dir_all(at.join("encryption")).unwrap();
        std::fs::write(at.join("encryption/keys.json"), sidecar_with(&[1], |_| key())).unwrap();
        let (name, value) = (format!("!redis|str|{group}"), format!("\u{ff}\x01\0{n}"));
        let value: Vec<u8> = value.chars().map(|c| c as u8).collect();
        let snapshot = Snapshot::new().sealed_with(&key(), NOW, name, value, (1, 1)).build();
        std::fs::write(at.join("fsm-snap/0000000000000001.fsm"), snapshot).unwrap();
    }
    for inputs in [&["."][..], &["group-1", "group-2/fsm-snap"]] {
        let args = [inputs, &["redis:group-2", "--kek", "kek"]].concat();
        let output = ekvsnap(dir.path(), &[&["get"], &args[..]].concat());
        assert_eq!((code(&output), &output.stdout[..]), (0, &b"1"[..]), "{}", stderr(&output));
    }
    // A side-car that is named is for all of them, and one key cannot open both.
    let args = ["decode", ".", "--kek", "kek", "--keys-json", "group-1/encryption/keys.json", "-o", "out"];
    let output = ekvsnap(dir.path(), &args);
    assert_eq!(code(&output), 2, "{}", stderr(&output));
}
