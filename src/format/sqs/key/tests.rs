//! Keys of every family: which are accepted, which are rejected, and that built keys can be parsed.

use super::*;
use proptest::prelude::*;

const GEN: &[u8] = b"\0\0\0\0\0\0\0\x07";
const MS: &[u8] = b"\0\0\0\0\0\0\x01\0";
const PART: &[u8] = b"\0\0\0\x02";

fn classic() -> Place<'static> {
    Place { queue: b"cQ", partition: None, generation: 7 }
}

fn partitioned() -> Place<'static> {
    Place { queue: b"cQ", partition: Some(2), generation: 7 }
}

/// `Err` has a word of the reason.
fn check<T: std::fmt::Debug + PartialEq>(parts: &[&[u8]], got: Result<T>, want: std::result::Result<T, &str>) {
    let shown = parts.concat().escape_ascii().to_string();
    match (got, want) {
        (Err(Fault::Key(reason)), Err(word)) => assert!(reason.contains(word), "{shown}: {reason}"),
        (Ok(got), Ok(want)) => assert_eq!(got, want, "{shown}"),
        (got, want) => panic!("{shown}: {got:?}, not {want:?}"),
    }
}

#[test]
fn data_keys() {
    let ok = |place| Ok(DataKey { place, id: b"aWQ" });
    let high = Place { generation: 0x0100_0000_0000_0000, ..classic() };
    for (parts, want) in [
        (&[&b"cQ"[..], GEN, b"aWQ"][..], ok(classic())),
        (&[b"p|cQ|", PART, GEN, b"aWQ"], ok(partitioned())),
        (&[b"cQ", b"\x01\0\0\0\0\0\0\0", b"aWQ"], ok(high)),
        (&[b""], Err("name is empty")),
        (&[GEN, b"aWQ"], Err("name is empty")),
        (&[b"cR", GEN, b"aWQ"], Err("name is not base64url")),
        (&[b"c", GEN, b"aWQ"], Err("name is not base64url")),
        (&[b"cQ"], Err("generation")),
        (&[b"cQ", b"\0\0\0\0\0\0\0"], Err("generation")),
        (&[b"cQ", GEN], Err("no message ID")),
        (&[b"cQ", GEN, b"a"], Err("an ID")),
        (&[b"cQ", GEN, b"aW="], Err("an ID")),
        (&[b"cQ", GEN, b"aW+"], Err("an ID")),
        (&[b"cQ", GEN, b"aWR"], Err("an ID")),
        (&[b"p|"], Err("no |")),
        (&[b"p|cQ"], Err("no |")),
        (&[b"p||", PART, GEN, b"aWQ"], Err("name is empty")),
        (&[b"p|c!|", PART, GEN, b"aWQ"], Err("name is not base64url")),
        (&[b"p|cQ|", b"\0\0\0"], Err("partition")),
        (&[b"p|cQ|", PART, b"\0\0\0\0\0\0\0"], Err("generation")),
        (&[b"p|cQ|", PART, GEN], Err("no message ID")),
        (&[b"p|cQ|", PART, GEN, b"a"], Err("an ID")),
    ] {
        check(parts, DataKey::parse(&parts.concat()), want);
    }
}

#[test]
fn index_keys() {
    let ok = |place| Ok(TimedKey { place, ms: 256, id: b"aWQ" });
    for (parts, want) in [
        (&[&b"cQ"[..], GEN, MS, b"aWQ"][..], ok(classic())),
        (&[b"p|cQ|", PART, GEN, MS, b"aWQ"], ok(partitioned())),
        (&[b"cQ", GEN, b"\0\0\0\0\0\0\0"], Err("time")),
        (&[b"cQ", GEN, MS], Err("no message ID")),
        (&[b"cQ", GEN, MS, b"\0"], Err("an ID")),
        (&[b"p|cQ|", PART, GEN, MS], Err("no message ID")),
    ] {
        check(parts, TimedKey::parse(&parts.concat()), want);
    }
}

#[test]
fn fifo_keys() {
    let ok = |place, group| Ok(DedupKey { place, group, dedup: b"ZA" });
    for (parts, want) in [
        (&[&b"cQ"[..], GEN, b"ZA"][..], ok(classic(), None)),
        (&[b"p|cQ|", PART, GEN, b"Zw|ZA"], ok(partitioned(), Some(b"Zw"))),
        (&[b"cQ", GEN, b"Zw|ZA"], Err("an ID")),
        (&[b"p|cQ|", PART, GEN, b"ZA"], Err("message group")),
        (&[b"p|cQ|", PART, GEN, b"Z|ZA"], Err("an ID")),
        (&[b"p|cQ|", PART, GEN, b"Zw|Z"], Err("an ID")),
    ] {
        check(parts, DedupKey::parse(&parts.concat()), want);
    }
    for (parts, want) in [
        (&[&b"cQ"[..], GEN, b"Zw"][..], Ok(GroupKey { place: classic(), group: b"Zw" })),
        (&[b"p|cQ|", PART, GEN, b"Zw"], Ok(GroupKey { place: partitioned(), group: b"Zw" })),
        (&[b"cQ", GEN, b"Z"], Err("an ID")),
    ] {
        check(parts, GroupKey::parse(&parts.concat()), want);
    }
}

#[test]
fn queue_keys() {
    for (suffix, want) in [
        (&b"cQ"[..], Ok(&b"cQ"[..])),
        (b"", Ok(b"")),
        (b"c", Err("base64url")),
        (b"cR", Err("base64url")),
        (b"cQ==", Err("base64url")),
        (b"c\0", Err("base64url")),
    ] {
        check(&[suffix], queue_row(suffix), want);
        assert_eq!(queue_name(suffix).is_ok(), want.is_ok(), "{}", suffix.escape_ascii());
    }
    for (parts, want) in [
        (&[&b"cQ"[..], GEN][..], Ok(TombstoneKey { queue: b"cQ", generation: 7 })),
        (&[b"cQ", &[b'A'; 8]], Ok(TombstoneKey { queue: b"cQ", generation: 0x4141_4141_4141_4141 })),
        (&[GEN], Err("empty")),
        (&[b"cQ"], Err("8 bytes")),
        (&[b"cQ", GEN, b"\0"], Err("base64url")),
    ] {
        check(parts, TombstoneKey::parse(&parts.concat()), want);
    }
}

#[test]
fn side_rows() {
    for (parts, want) in [
        (&[&b"cQ"[..], b"\0"][..], Ok((&b"cQ"[..], None))),
        (&[b"p|cQ|", PART, GEN], Ok((b"cQ", Some(2)))),
        (&[b"cQ"], Err("nothing follows")),
        (&[b"", b"\0"], Err("empty")),
        (&[b""], Err("empty")),
        (&[b"p|cQ", PART, GEN], Err("no |")),
        (&[b"p|cR|", PART, GEN], Err("base64url")),
        (&[b"p||", PART, GEN], Err("empty")),
        (&[b"p|cQ|", GEN], Err("ends inside")),
    ] {
        check(parts, side_row(&parts.concat()).map(|(q, p)| (q.to_vec(), p)), want.map(|(q, p)| (q.to_vec(), p)));
    }
}

#[test]
fn look_ups() {
    for (got, want) in [
        (queue_key(Family::SqsQueue, b"cQ"), &b"!sqs|queue|meta|cQ"[..]),
        (queue_key(Family::SqsGen, b"cQ"), b"!sqs|queue|gen|cQ"),
        (queue_key(Family::SqsSeq, b"cQ"), b"!sqs|queue|seq|cQ"),
        (queue_key(Family::SqsTombstone, b"cQ"), b"!sqs|queue|tombstone|cQ"),
        (tombstone_key(b"cQ", 7), b"!sqs|queue|tombstone|cQ\0\0\0\0\0\0\0\x07"),
        (classic_prefix(Family::SqsData, b"cQ", 7), b"!sqs|msg|data|cQ\0\0\0\0\0\0\0\x07"),
        (classic_prefix_any(Family::SqsData, b"cQ"), b"!sqs|msg|data|cQ\0"),
        (partitioned_prefix(Family::SqsVis, b"cQ"), b"!sqs|msg|vis|p|cQ|"),
    ] {
        assert_eq!(got, want, "{}", want.escape_ascii());
    }
}

proptest! {
    #[test]
    fn queue_names_come_back(name: Vec<u8>) {
        let queue = encode_queue(&name);
        prop_assert_eq!(queue_row(&queue), Ok(&queue[..]));
        prop_assert_eq!(queue_name(&queue), Ok(name));
    }

    #[test]
    fn base64url_is_what_the_decoder_takes(text in "[A-Za-f0-2_+/=.-]{0,6}") {
        prop_assert_eq!(is_base64url(text.as_bytes()), URL_SAFE_NO_PAD.decode(&text).is_ok());
    }

    #[test]
    fn data_keys_come_back(
        name in prop::collection::vec(any::<u8>(), 1..81), id in prop::collection::vec(any::<u8>(), 1..40),
        generation in 0..1_u64 << 56, partition: Option<u32>,
    ) {
        let (queue, id) = (encode_queue(&name), encode_queue(&id));
        let key = match partition {
            None => [&classic_prefix(Family::SqsData, &queue, generation)[..], &id].concat(),
            Some(p) => {
                let prefix = partitioned_prefix(Family::SqsData, &queue);
                [&prefix[..], &p.to_be_bytes(), &generation.to_be_bytes(), &id].concat()
            }
        };
        let suffix = Family::SqsData.suffix(&key);
        let place = Place { queue: &queue, partition, generation };
        prop_assert_eq!(DataKey::parse(suffix), Ok(DataKey { place, id: &id }));
        prop_assert!(partition.is_some() || key.starts_with(&classic_prefix_any(Family::SqsData, &queue)));
        prop_assert_eq!(side_row(suffix), Ok((&queue[..], partition)));
    }

    /// Keys that are parsed one after the other, in any order, give the same as each by itself.
    #[test]
    fn keys_in_a_row(parts in prop::collection::vec(
        (prop::sample::select(vec!["cQ", "cR", "p|cQ|", "p|cQ|\0\0\0\u{1}", "c", "cQAA"]), 0..3u64, "[ABcQ_|]{0,5}"), 0..12,
    )) {
        let suffixes: Vec<Vec<u8>> = parts
            .iter()
            .map(|(queue, generation, id)| [queue.as_bytes(), &(generation << 62).to_be_bytes(), id.as_bytes()].concat())
            .collect();
        let mut keys = DataKeys::default();
        for suffix in &suffixes {
            prop_assert_eq!(keys.parse(suffix), DataKey::parse(suffix));
        }
    }

    #[test]
    fn never_panics(bytes: Vec<u8>, partitioned: bool) {
        let suffix = if partitioned { [&b"p|cQ|"[..], &bytes].concat() } else { bytes };
        let _ = (DataKey::parse(&suffix), TimedKey::parse(&suffix), DedupKey::parse(&suffix));
        let _ = (GroupKey::parse(&suffix), TombstoneKey::parse(&suffix), side_row(&suffix), queue_row(&suffix));
    }

    #[test]
    fn encoded_keys_are_parsed(
        name: String, partition: Option<u32>, generation in 0..1u64 << 56, ms: u64, ids: [Vec<u8>; 2],
    ) {
        let queue = encode_queue(format!("q{name}").as_bytes());
        let place = Place { queue: &queue, partition, generation };
        let [id, group] = ids.map(|id| encode_queue(&[&b"x"[..], &id].concat()));
        let data = DataKey { place, id: &id };
        let key = data.encode();
        prop_assert_eq!(DataKey::parse(Family::SqsData.suffix(&key)), Ok(data));
        for family in [Family::SqsVis, Family::SqsByAge] {
            let timed = TimedKey { place, ms, id: &id };
            let key = timed.encode(family);
            prop_assert_eq!(TimedKey::parse(family.suffix(&key)), Ok(timed));
        }
        let dedup = DedupKey { place, group: partition.map(|_| &group[..]), dedup: &id };
        let key = dedup.encode();
        prop_assert_eq!(DedupKey::parse(Family::SqsDedup.suffix(&key)), Ok(dedup));
        let group = GroupKey { place, group: &group };
        let key = group.encode();
        prop_assert_eq!(GroupKey::parse(Family::SqsGroup.suffix(&key)), Ok(group));
    }
}
