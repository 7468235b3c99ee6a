//! Encrypted stores: the keys with which a server starts, and the rows that they open.

use std::fs;

use ekvsnap::format::keys::{Key, KeyRing, writer_row};
use ekvsnap::format::raft::node_id;
use ekvsnap::format::sidecar::{Purpose, Sidecar};

use super::Ground;
use crate::kit::build::NOW;
use crate::kit::build::Snapshot;
use crate::kit::fixtures::load;
use crate::kit::sealed::{KEK, in_clear, sidecar, sidecar_with, write_secret};

impl Ground {
    fn sidecar(&self, name: &str) -> Sidecar {
        Sidecar::parse(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// Every file of the store, with decrypted rows.
    fn clear(&self, dir: &str, keys: &Sidecar) -> Vec<Vec<u8>> {
        let mut ring = KeyRing::default();
        for (id, key) in keys.unwrap(&self.kek()).unwrap() {
            ring.add(id, key);
        }
        let files = self.tree(dir).into_iter().filter(|(name, _)| name.ends_with(b".fsm"));
        files.map(|(_, bytes)| in_clear(&bytes, &ring)).collect()
    }

    fn kek(&self) -> Key {
        Key::new(fs::read(self.path("kek")).unwrap().as_slice().try_into().unwrap())
    }
}

fn enc_mixed() -> Ground {
    let (ground, files) = (Ground::new(), load("enc-mixed"));
    ground.write("0000000000000385.fsm", &files["snapshot.fsm"]);
    ground.write("keys.json", &files["keys.json"]);
    write_secret(&ground.path("kek"), &files["kek.bin"]);
    ground
}

/// A side-car of a server is written as the server wrote it.
#[test]
fn side_cars_as_a_server_writes_them() {
    let files = load("enc-mixed");
    let written = Sidecar::parse(&files["keys.json"]).unwrap().encode();
    assert_eq!(String::from_utf8(written).unwrap().as_bytes(), files["keys.json"]);
}

/// An output, to one node and to three, in one group and in several: new keys, rows that are encrypted with one of them, and nodes that are
/// registered as writers.
#[test]
fn outputs() {
    let ground = enc_mixed();
    let open = ["--kek", "kek", "--keys-json", "keys.json"];
    let (code, words) =
        ground.run(&[&["decode", "0000000000000385.fsm", "-o", "out", "--for-restore"], &open[..]].concat());
    assert_eq!(code, 0, "{words}");
    assert_eq!(ground.run(&["restore", "out", "-d", "clear", "--node", "n1=a:1,n2=b:1"]).0, 0);
    let words = ground.restored(&["out", "--node", "n1=a:1,n2=b:1", "--kek", "kek"]);
    let keys = ground.sidecar("data/n1/encryption/keys.json");
    assert_eq!((keys.active_storage, keys.active_raft, keys.applied_index), (1, 2, 1));
    // A server that has no store yet refuses a side-car that says otherwise.
    assert!(!keys.storage_active && keys.raft_cutover == 0 && keys.keys.values().all(|key| key.local_epoch == 0));
    assert_eq!(keys, ground.sidecar("data/n2/encryption/keys.json"));
    for part in [
        "--kekFile kek --encryptionSidecarPath data/n2/encryption/keys.json --encryption-enabled\n",
        "stored in clear until key id 1 is switched on",
        &format!(
            "enable-storage-envelope --endpoint b:1 --proposer-node-id {} --proposer-local-epoch 1\n",
            node_id("n2")
        ),
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    // But for the writers, the rows are those of a store in clear.
    let (clear, sealed) = (ground.clear("clear", &keys), ground.clear("data", &keys));
    let stored = &ground.tree("data")[&b"n1/fsm-snap/0000000000000001.fsm"[..]];
    for node in ["n1", "n2"] {
        for id in [1, 2] {
            let (key, value) = writer_row(id, node_id(node), [0, 0]);
            assert!(
                memchr::memmem::find(stored, &[key, (value.len() as u64).to_le_bytes().to_vec(), value].concat())
                    .is_some()
            );
        }
    }
    // Four writers: 8 and 8 bytes of lengths, 27 of key and 12 of value each.
    assert!(sealed.len() == 2 && sealed[0].len() == clear[0].len() + 4 * (16 + 27 + 12), "{words}");
    let (code, words) = ground.run(&["get", "data/n1/fsm-snap/0000000000000001.fsm", "redis:zz:force"]);
    assert!(code == 1 && words.contains("missing"), "{words}");
    assert_eq!(ground.run(&["verify", "data", "--kek", "kek", "--strict"]).0, 0);
    // Two restores have nothing in common.
    fs::rename(ground.path("data"), ground.path("first")).unwrap();
    ground.restored(&["out", "--node", "n1=a:1,n2=b:1", "--kek", "kek"]);
    let again = ground.sidecar("data/n1/encryption/keys.json");
    assert!(again.unwrap(&ground.kek()).unwrap() != keys.unwrap(&ground.kek()).unwrap());
    // Groups of a node have one side-car.
    let (code, words) = ground.run(&[
        "restore",
        "out",
        "-d",
        "groups",
        "--node",
        "n1=h:1",
        "--groups",
        "1=h:1,2=h:2",
        "--shard-ranges",
        ":m=1,m:=2",
        "--kek",
        "kek",
    ]);
    assert_eq!(code, 0, "{words}");
    let decode = ["decode", "groups/n1", "-o", "again", "--for-restore", "--kek", "kek"];
    assert_eq!(ground.run(&decode).0, 0);
    let data = |name: &str| {
        let mut tree = ground.tree(name);
        tree.retain(|path, _| path != b"MANIFEST.json" && path != b"CHECKSUMS");
        tree
    };
    assert!(data("again") == data("out"));
}

/// A snapshot as it is keeps its rows and their keys; new rows have a key of their own.
#[test]
fn snapshots_as_they_are() {
    let ground = enc_mixed();
    let flags = ["--kek", "kek", "--keys-json", "keys.json"];
    let words = ground.restored(&[&["0000000000000385.fsm", "--node", "other=a:1"], &flags[..]].concat());
    assert!(words.contains("byte for byte as given") && !words.contains("warning"), "{words}");
    let (old, new) = (ground.sidecar("keys.json"), ground.sidecar("data/other/encryption/keys.json"));
    assert!(old.keys.iter().all(|(id, record)| new.keys.get(id) == Some(record)));
    assert_eq!((new.active_storage, new.active_raft, new.applied_index), (4, 5, 0x385));
    assert!(new.keys[&4].purpose == Purpose::Storage && new.keys[&5].purpose == Purpose::Raft && !new.storage_active);
    // The header says from where the log is encrypted, and a server compares both.
    assert_eq!(new.raft_cutover, old.raft_cutover);
    assert_eq!(ground.run(&["verify", "data", "--kek", "kek"]).0, 0);
    // Sent to groups, rows stay encrypted with their keys; the log of the new groups is in clear.
    let (code, words) = ground.run(
        &[
            &["restore", "0000000000000385.fsm", "-d", "groups", "--node", "n1=h:1", "--groups", "1=h:1,2=h:2"][..],
            &["--shard-ranges", ":m=1,m:=2"],
            &flags,
        ]
        .concat(),
    );
    assert_eq!(code, 0, "{words}");
    let new = ground.sidecar("groups/n1/encryption/keys.json");
    assert_eq!(new.raft_cutover, 0);
    let data = |input: &str, keys: &[&str]| {
        let (code, words) = ground.run(&[&["decode", input, "-o", "out"], keys].concat());
        assert_eq!(code, 0, "{words}");
        let mut tree = ground.tree("out");
        fs::remove_dir_all(ground.path("out")).unwrap();
        tree.retain(|path, _| path != b"MANIFEST.json" && path != b"CHECKSUMS");
        tree
    };
    assert!(data("groups/n1", &["--kek", "kek"]) == data("0000000000000385.fsm", &flags));
}

/// Two Raft ids whose hashes end in the same 16 bits.
fn colliding() -> [String; 2] {
    let mut seen = std::collections::BTreeMap::new();
    for n in 0.. {
        let id = format!("n{n}");
        if let Some(other) = seen.insert(node_id(&id) as u16, id.clone()) {
            return [other, id];
        }
    }
    unreachable!()
}

#[test]
fn what_is_refused() {
    let ground = enc_mixed();
    write_secret(&ground.path("wrong"), &[8; 32]);
    ground.write("other.json", sidecar(&[1]).as_bytes());
    let without = {
        let mut keys = ground.sidecar("keys.json");
        keys.keys.remove(&1);
        keys.encode()
    };
    ground.write("without.json", &without);
    let last = sidecar_with(&[u32::MAX], |_| Key::new([1; 32]));
    ground.write("last.json", last.as_bytes());
    write_secret(&ground.path("other-kek"), &KEK);
    // If there is no side-car next to it.
    std::fs::create_dir(ground.path("apart")).unwrap();
    std::fs::copy(ground.path("0000000000000385.fsm"), ground.path("apart/0000000000000385.fsm")).unwrap();
    let [a, b] = colliding();
    let (two, snapshot) = (format!("{a}=h:1,{b}=h:2"), "0000000000000385.fsm");
    let cases: &[(&[&str], i32, &str)] = &[
        (&[snapshot, "--node", "n=h:1", "--keys-json", "keys.json"], 64, "--keys-json needs --kek"),
        (
            &["apart/0000000000000385.fsm", "--node", "n=h:1", "--kek", "kek"],
            1,
            "key id 1 (220 rows, missing), key id 3",
        ),
        (
            &[snapshot, "--node", "n=h:1", "--kek", "wrong", "--keys-json", "keys.json"],
            1,
            "this key file does not open key",
        ),
        (&[snapshot, "--node", "n=h:1", "--kek", "kek", "--keys-json", "without.json"], 1, "key id 1 ("),
        (
            &[snapshot, "--node", "n=h:1", "--kek", "other-kek", "--keys-json", "last.json"],
            1,
            "the largest possible id",
        ),
        (&[snapshot, "--node", &two, "--kek", "kek", "--keys-json", "keys.json"], 64, "the same nonces"),
    ];
    for (args, want, words) in cases {
        let (code, text) = ground.run(&[&["restore", "-d", "data"], *args].concat());
        assert_eq!(code, *want, "{args:?}: {text}");
        assert!(text.contains(words), "{args:?}: {text}");
        assert!(!ground.path("data").exists(), "{args:?}");
    }
    // Without a key file the snapshot is restored, and the missing parts are reported.
    let words = ground.restored(&[snapshot, "--node", "n=h:1"]);
    assert!(words.contains("restore_encrypted") && !ground.path("data/n/encryption").exists(), "{words}");
    // Rows that their key does not open are damage.
    let broken = Snapshot::new().sealed_with(&Key::new([7; 32]), NOW, "!redis|str|k", b"\xff\x01\0v", (1, 1)).build();
    ground.write("broken.fsm", &broken);
    let keys = ["--kek", "other-kek", "--keys-json", "other.json"];
    let (code, text) = ground.run(&[&["restore", "broken.fsm", "-d", "broken", "--node", "n=h:1"], &keys[..]].concat());
    assert!(code == 2 && text.contains("does not match its tag"), "{code} {text}");
}

/// A key of an old version that is missing: no visible row needs it, but a server would fail at a read of that time.
#[test]
fn keys_of_old_versions() {
    let ground = Ground::new();
    write_secret(&ground.path("kek"), &KEK);
    ground.write("keys.json", sidecar(&[1]).as_bytes());
    let old = Snapshot::new().sealed(NOW - 5, "!redis|str|b", b"x", 7, 1).put("!redis|str|b", b"\xff\x01\x00v");
    ground.write("x.fsm", &old.build());
    let (code, text) =
        ground.run(&["restore", "x.fsm", "-d", "data", "--node", "n=h:1", "--kek", "kek", "--keys-json", "keys.json"]);
    assert!(
        code == 1 && text.contains("keys.json lacks keys of old versions of rows: key id 7 (1 row, missing)"),
        "{code} {text}"
    );
}
