//! Rows are sent to the groups that own them.

use std::fs;

use ekvsnap::format::route::route;

use super::Ground;
use crate::kit::build::Snapshot;
use crate::kit::bundle::rows_of;
use crate::kit::fixtures::{load, snapshots};

/// Groups are merged, split and merged again: every row stays, in order, and none is in two groups.
#[test]
fn rows_go_to_their_groups_and_back() {
    let ground = Ground::new();
    let groups = snapshots(&load("two-groups"));
    ground.write("g1.fsm", &groups[0]);
    ground.write("g2.fsm", &groups[1]);
    ground.restored(&["g1.fsm", "g2.fsm", "--node", "n1=h:1"]);
    fs::rename(ground.path("data"), ground.path("one")).unwrap();
    let split = ["one", "--node", "n1=h:1", "--groups", "1=h:1,2=h:2,3=h:3", "--shard-ranges", ":a=1,a:z=2,z:=3"];
    let words = ground.restored(&split);
    assert!(words.contains("--raftGroups 1=h:1,2=h:2,3=h:3 --shardRanges :a=1,a:z=2,z:=3\n"), "{words}");
    assert!(
        ["group-1", "group-2", "group-3"].iter().all(|group| !words.contains(&format!("{group}: 0 rows"))),
        "{words}"
    );
    assert_eq!(ground.run(&["verify", "data"]).0, 0);
    let (code, words) = ground.run(&["restore", "data/n1", "-d", "again", "--node", "n1=h:1"]);
    assert_eq!(code, 0, "{words}");
    let file = &b"n1/fsm-snap/0000000000000001.fsm"[..];
    assert!(ground.tree("one")[file] == ground.tree("again")[file], "rows were lost or changed");
    let data = |inputs: &[&str]| {
        let (code, words) = ground.run(&[&["decode"], inputs, &["-o", "out"]].concat());
        assert_eq!(code, 0, "{words}");
        let mut tree = ground.tree("out");
        fs::remove_dir_all(ground.path("out")).unwrap();
        tree.retain(|name, _| ![&b"MANIFEST.json"[..], b"CHECKSUMS"].contains(&&name[..]));
        tree
    };
    assert!(data(&["g1.fsm", "g2.fsm"]) == data(&["one"]), "a decode of it is not the same");
    assert!(data(&["one"]) == data(&["data/n1"]), "a decode of the groups is not the same");
    // The same groups as before: the files are taken unchanged.
    let same = ["restore", "g2.fsm", "g1.fsm", "-d", "same", "--node", "n1=h:1", "--groups", "1=h:1,2=h:2"];
    let (code, words) = ground.run(&[&same[..], &["--shard-ranges", ":m=1,m:=2"]].concat());
    assert!(code == 0 && words.contains("same: byte for byte as given"), "{words}");
    let same = ground.tree("same");
    let bytes_of = |group: &str| {
        let prefix = format!("n1/{group}/fsm-snap/").into_bytes();
        same.iter().find(|(name, _)| name.starts_with(&prefix)).map(|(_, bytes)| bytes.clone())
    };
    assert!([bytes_of("group-1"), bytes_of("group-2")] == [Some(groups[0].clone()), Some(groups[1].clone())]);
}

/// Random rows into random groups: each row is in the group whose range has it, in none else, and nothing is added or lost.
#[test]
fn random_rows_go_to_random_groups() {
    const PREFIXES: [&str; 10] = [
        "",
        "!redis|str|",
        "!redis|ttl|",
        "!lst|meta|",
        "!lst|itm|",
        "!hs|fld|\0\0\0\x01",
        "!ddb|item|dA|1|",
        "!sqs|queue|meta|",
        "!txn|lock|!redis|str|",
        "!s3|bucket|meta|",
    ];
    let mut seed = 7_u64;
    let mut below = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    for _ in 0..12 {
        let mut snapshot = Snapshot::new();
        let mut keys = std::collections::BTreeSet::new();
        for n in 0..below(200) {
            let prefix = PREFIXES[below(PREFIXES.len() as u64) as usize];
            let tail: String = (0..8 + below(3)).map(|_| char::from(b'a' + below(26) as u8)).collect();
            let key = format!("{prefix}{tail}");
            if keys.insert(key.clone()) {
                snapshot = snapshot.put_at((2 + n) << 16, &key, n.to_string());
                snapshot = snapshot.put_at((1 + n) << 16, &key, "old");
            }
        }
        let ground = Ground::new();
        let whole = snapshot.build();
        ground.write("in.fsm", &whole);
        let mut cuts: Vec<char> = (0..1 + below(4)).map(|_| char::from(b'a' + below(26) as u8)).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let bounds: Vec<String> =
            [String::new()].into_iter().chain(cuts.iter().map(char::to_string)).chain([String::new()]).collect();
        let ranges: Vec<String> =
            bounds.windows(2).zip(1..).map(|(pair, group)| format!("{}:{}={group}", pair[0], pair[1])).collect();
        let groups: Vec<String> = (1..=ranges.len()).map(|group| format!("{group}=h:{group}")).collect();
        ground.restored(&[
            "in.fsm",
            "--node",
            "n=h:1",
            "--groups",
            &groups.join(","),
            "--shard-ranges",
            &ranges.join(","),
        ]);
        let own = |key: &[u8]| key.starts_with(b"_meta_");
        let mut want: Vec<_> = rows_of(&whole)
            .into_iter()
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .filter(|(key, _)| !own(key))
            .collect();
        let mut got = Vec::new();
        for (name, file) in ground.tree("data").iter().filter(|(name, _)| name.ends_with(b".fsm")) {
            let group: usize = String::from_utf8_lossy(name).split(['-', '/']).nth(2).unwrap().parse().unwrap();
            for (key, value) in rows_of(file).into_iter().filter(|(key, _)| !own(key)) {
                let mut scratch = Vec::new();
                let route = route(&key[..key.len() - 8], &mut scratch);
                let (start, end) = (bounds[group - 1].as_bytes(), bounds[group].as_bytes());
                assert!(route >= start && (end.is_empty() || route < end), "{} in group {group}", key.escape_ascii());
                got.push((key.to_vec(), value.to_vec()));
            }
        }
        want.sort();
        got.sort();
        assert!(want == got, "{} rows of {}", got.len(), want.len());
    }
}

/// A row that two groups have, such as the record of a transaction, is restored once; two that contradict each other are damage.
#[test]
fn rows_of_several_inputs() {
    let group = |own: &str, shared: &str| Snapshot::new().put(own, "x").put("!txn|cmt|k12345678", shared).build();
    for (second, want, words) in [("x", 0, "3 rows"), ("y", 2, "a different value for the same version")] {
        let ground = Ground::new();
        ground.write("g1.fsm", &group("a", "x"));
        ground.write("g2.fsm", &group("b", second));
        let (code, said) = ground.run(&["restore", "g1.fsm", "g2.fsm", "-d", "data", "--node", "n1=h:1"]);
        assert!(code == want && said.contains(words), "{code} {said}");
        assert_eq!(ground.path("data").exists(), want == 0);
    }
}
