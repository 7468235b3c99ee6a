//! The file system: names that are created and deleted, second names, names in something that is not a directory, moves, left-overs.

use ekvsnap::format::fs::key;
use ekvsnap::format::{Family, adapter};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::history::{Operation, Row, history};
use super::{ask, comes_back, compare, config, manner};
use crate::kit::fs::{inode, with};

#[derive(Debug, Clone)]
enum Op {
    Inode { number: u64, members: Value, home: Option<Value> },
    Name { parent: u64, name: Vec<u8>, number: u64, kind: &'static str },
    Chunk { home: u64, number: u64, index: u64, bytes: Vec<u8> },
    Other(Family, u64),
}

impl Operation for Op {
    fn rows(&self) -> Vec<Row> {
        match self {
            Op::Inode { number, members, home } => {
                let value = with(inode(*number, 0), members.clone());
                let home = home.iter().map(|home| {
                    let own = json!({"home_slot": value["home_slot"], "epoch": value["epoch"]});
                    (key::numbers(Family::FsHome, &[*number]), with(own, home.clone()).to_string().into())
                });
                let row = (key::numbers(Family::FsInode, &[*number]), value.to_string().into());
                home.chain([row]).collect()
            }
            Op::Name { parent, name, number, kind } => {
                vec![(key::entry(*parent, name), json!({"inode": number, "type": kind}).to_string().into())]
            }
            Op::Chunk { home, number, index, bytes } => {
                vec![(key::numbers(Family::FsChunk, &[*home, *number, *index]), bytes.clone())]
            }
            Op::Other(family, number) => vec![(key::numbers(*family, &[*number]), b"1".to_vec())],
        }
    }
}

/// Few numbers, so that names meet inodes; the root is one of them.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![9 => 1..9u64, 1 => Just(u64::MAX), 1 => Just(1 << 63)]
}

fn kind() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("file"), 6 => Just("directory"), 1 => Just("fifo")]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let names = ["a", "b", "ab", "a b", "%61", "A", "\u{fc}", "<&>\n\"", "\\"];
    let odd = [&b""[..], b".", b"..", b"a/b", b"nul\0", b"\xff", b"\0", &[b'n'; 241], b"b64.x"];
    prop_oneof![
        4 => select(names.map(|name| name.as_bytes().to_vec()).to_vec()),
        1 => select(odd.map(<[u8]>::to_vec).to_vec()),
    ]
}

fn an_inode() -> impl Strategy<Value = Op> {
    let size = prop_oneof![Just(0u64), 1..70u64, Just(1000)];
    let links = prop_oneof![1 => Just(0u32), 8 => 1..4u32];
    let slot = prop::option::weighted(0.2, 1..4u64);
    let chunk = prop_oneof![6 => Just(16u64), 1 => Just(0), 1 => Just(7)];
    let times = (any::<i64>(), select(vec![0o644u32, 0o7777, 0]), any::<u32>());
    let home = prop::option::weighted(
        0.9,
        select(vec![
            json!({"state": "active"}),
            json!({"state": "active"}),
            json!({"state": "migrating", "target_home_slot": 77}),
            json!({"state": "active", "epoch": 9}),
            json!({"state": "gone"}),
            json!({"state": "active", "home_slot": 99}),
        ]),
    );
    let odd = prop_oneof![
        12 => Just(json!({})),
        1 => Just(json!({"orphaned": true})),
        1 => Just(json!({"inode": 4242})),
    ];
    (number(), kind(), size, links, slot, (chunk, times, odd), home).prop_map(
        |(number, kind, size, nlink, slot, (chunk, (time, mode, uid), odd), home)| {
            let members = json!({"type": kind, "size": size, "nlink": nlink, "home_slot": slot.unwrap_or(number),
                "chunk_size": chunk, "mtime_nsec": time, "mode": mode, "uid": uid});
            Op::Inode { number, members: with(members, odd), home }
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let home = prop::option::weighted(0.2, 1..4u64);
    let bytes = prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 1..20)];
    let index = prop_oneof![6 => 0..5u64, 1 => Just(u64::MAX)];
    let other = select(vec![Family::FsDirVersion, Family::FsHandleFence]);
    prop_oneof![
        6 => an_inode(),
        6 => (prop_oneof![Just(1u64), number()], name(), number(), kind()).prop_map(|(parent, name, number, kind)| {
            Op::Name { parent, name, number, kind }
        }),
        6 => (home, number(), index, bytes).prop_map(|(home, number, index, bytes)| {
            Op::Chunk { home: home.unwrap_or(number), number, index, bytes }
        }),
        1 => (other, number()).prop_map(|(family, number)| Op::Other(family, number)),
    ]
}

proptest! {
    #![proptest_config(config(30))]
    #[test]
    fn both_decoders_agree(history in history(op(), 70), ask in ask(), manner in manner()) {
        compare(adapter::FS, &history, ask, &manner)?;
    }

    #[test]
    fn what_is_encoded_comes_back(history in history(op(), 70), manner in manner()) {
        comes_back(adapter::FS, &history, &manner)?;
    }
}
