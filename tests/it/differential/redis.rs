//! Redis: rows of every family under keys that conflict.

use ekvsnap::format::adapter;
use proptest::prelude::*;

use super::history::{NOW, Operation, Row, history};
use super::{ask, changes, comes_back, compare, config, manner};
use crate::kit::build::{be, delta, entry, item, message, plain, sized};

/// Hash, set or sorted set.
#[derive(Debug, Clone, Copy)]
enum Wide {
    Hash,
    Set,
    Zset,
}

impl Wide {
    const fn short(self) -> &'static str {
        match self {
            Wide::Hash => "hs",
            Wide::Set => "st",
            Wide::Zset => "zs",
        }
    }
}

/// A row of one key.
#[derive(Debug, Clone)]
enum Op {
    Str(Vec<u8>, Envelope, Vec<u8>),
    Hll(Vec<u8>, Envelope, Vec<u8>),
    Bare(Vec<u8>, Vec<u8>),
    Ttl(Vec<u8>, u64),
    Meta(Wide, Vec<u8>, u64, Option<u64>),
    Delta(Wide, Vec<u8>, u64, i64),
    Element(Wide, Vec<u8>, Vec<u8>, Vec<u8>, f64),
    Blob(Wide, Vec<u8>, Vec<(Vec<u8>, f64)>),
    EmptyBlob(Wide, Vec<u8>),
    ListMeta(Vec<u8>, i64, i64, u64, Option<u64>),
    /// Below the prefix of newer servers or that of older ones.
    ListDelta(bool, Vec<u8>, u64, i64, i64),
    Item(Vec<u8>, i64, Vec<u8>),
    Claim(Vec<u8>, u64),
    StreamMeta(Vec<u8>, Vec<u64>),
    Entry(Vec<u8>, u64, u64, Vec<Vec<u8>>),
    StreamBlob(Vec<u8>, Vec<u64>),
    /// Any bytes below the prefix of an auxiliary family: after a sized user key, or right after the prefix.
    Planted(&'static str, Option<Vec<u8>>, Vec<u8>, Vec<u8>),
    /// Rows of another adapter, or of none.
    Other(&'static str, Vec<u8>),
}

/// The envelope of a string value.
#[derive(Debug, Clone, Copy)]
enum Envelope {
    Legacy,
    Never,
    At(u64),
}

fn enveloped(kind: u8, envelope: Envelope, value: &[u8]) -> Vec<u8> {
    match envelope {
        Envelope::Legacy => value.to_vec(),
        Envelope::Never => [&[0xff, kind, 0], value].concat(),
        Envelope::At(ms) => [&[0xff, kind, 1], &be(&[ms])[..], value].concat(),
    }
}

fn signed(numbers: &[i64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

fn tail(expiry: Option<u64>) -> Vec<u8> {
    expiry.map_or(Vec::new(), |ms| be(&[ms]))
}

fn element(kind: Wide, key: &[u8], name: &[u8], value: &[u8], score: f64) -> Vec<Row> {
    let bits = score.to_bits();
    match kind {
        Wide::Hash => vec![(sized("!hs|fld|", key, name), value.to_vec())],
        Wide::Set => vec![(sized("!st|mem|", key, name), value.to_vec())],
        Wide::Zset => {
            let index = [&be(&[bits ^ 1 << 63]), name].concat();
            vec![(sized("!zs|mem|", key, name), be(&[bits])), (sized("!zs|scr|", key, index), Vec::new())]
        }
    }
}

fn blob(kind: Wide, key: &[u8], elements: &[(Vec<u8>, f64)]) -> Row {
    let double = |x: f64| [&[0x11][..], &x.to_bits().to_le_bytes()].concat();
    let one = |(name, score): &(Vec<u8>, f64)| match kind {
        Wide::Hash => message(1, &[message(1, name), message(2, format!("{score:e}").as_bytes())].concat()),
        Wide::Set => message(1, name),
        Wide::Zset => message(1, &[message(1, name), double(*score)].concat()),
    };
    let (prefix, magic) = match kind {
        Wide::Hash => ("!redis|hash|", b"\0RH\x01"),
        Wide::Set => ("!redis|set|", b"\0RS\x01"),
        Wide::Zset => ("!redis|zset|", b"\0RZ\x01"),
    };
    (plain(prefix, key), [&magic[..], &elements.iter().flat_map(one).collect::<Vec<u8>>()].concat())
}

impl Operation for Op {
    fn rows(&self) -> Vec<Row> {
        let row = match self {
            Op::Str(key, envelope, value) => (plain("!redis|str|", key), enveloped(1, *envelope, value)),
            Op::Hll(key, envelope, value) => (plain("!redis|hll|", key), enveloped(2, *envelope, value)),
            Op::Bare(key, value) => (key.clone(), value.clone()),
            Op::Ttl(key, ms) => (plain("!redis|ttl|", key), be(&[*ms])),
            Op::Meta(kind, key, len, expiry) => {
                (sized(&format!("!{}|meta|", kind.short()), key, ""), [be(&[*len]), tail(*expiry)].concat())
            }
            Op::Delta(kind, key, ts, len) => {
                (delta(&format!("!{}|meta|d|", kind.short()), key, NOW + ts, 7), signed(&[*len]))
            }
            Op::Element(kind, key, name, value, score) => return element(*kind, key, name, value, *score),
            Op::Blob(kind, key, elements) => blob(*kind, key, elements),
            Op::EmptyBlob(kind, key) => (blob(*kind, key, &[]).0, Vec::new()),
            Op::ListMeta(key, head, skew, len, expiry) => {
                let bounds = signed(&[*head, head.wrapping_add(*len as i64 + skew), *len as i64]);
                (plain("!lst|meta|", key), [bounds, tail(*expiry)].concat())
            }
            Op::ListDelta(newer, key, ts, head, len) => {
                let prefix = if *newer { "!lst|delta|" } else { "!lst|meta|d|" };
                (delta(prefix, key, NOW + ts, 0), signed(&[*head, *len]))
            }
            Op::Item(key, seq, value) => (item(key, *seq), value.clone()),
            Op::Claim(key, seq) => (sized("!lst|claim|", key, be(&[*seq])), Vec::new()),
            Op::StreamMeta(key, numbers) => (sized("!stream|meta|", key, ""), be(numbers)),
            Op::Entry(key, ms, seq, fields) => {
                let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
                (sized("!stream|entry|", key, be(&[*ms, *seq])), entry(&format!("{ms}-{seq}"), &fields))
            }
            Op::StreamBlob(key, ids) => {
                let one = |ms: &u64| message(1, &entry(&format!("{ms}-0"), &[b"f", b"v"])[5..]);
                let body: Vec<u8> = ids.iter().flat_map(one).collect();
                (plain("!redis|stream|", key), [&b"\0RX\x01"[..], &body].concat())
            }
            Op::Planted(prefix, Some(key), rest, value) => (sized(prefix, key, rest), value.clone()),
            Op::Planted(prefix, None, rest, value) => (plain(prefix, rest), value.clone()),
            Op::Other(prefix, key) => (plain(prefix, key), b"x".to_vec()),
        };
        vec![row]
    }
}

/// Keys that are prefixes of each other, with bytes of timestamps and sequence numbers between, and awkward names.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let trap = (0..3u64, 1..9usize).prop_map(|(n, len)| [&b"a"[..], &(!(NOW + n)).to_be_bytes()[..len]].concat());
    let number = (0..3u64).prop_map(|n| [&b"a"[..], &(n ^ 1 << 63).to_be_bytes()].concat());
    prop_oneof![
        8 => prop::sample::select(vec![b"a".to_vec(), b"ab".to_vec(), b"b".to_vec()]),
        2 => trap,
        1 => number,
        2 => prop::sample::select(vec![
            Vec::new(), b"d|x".to_vec(), b"d|\0\0\0\x01a".to_vec(), vec![0xff, 0xfe], b"b64.x".to_vec(),
            b"0123456789abcdef0123456789ABCDEF__x".to_vec(), vec![b'k'; 241], vec![0xff; 81], b"\xc3\xbc/..".to_vec(),
            b"<&>\xe2\x80\xa8\"\\\n\x01\x7f".to_vec(),
        ]),
    ]
}

/// Keys without a prefix: they do not look like a row of a family.
fn bare_key() -> impl Strategy<Value = Vec<u8>> {
    let odd = ["!", "!|x", "!hello", "!two words|x", "!stream|other", "_meta_mine", "~", "!stream|metal"];
    prop_oneof![key(), prop::sample::select(odd.map(|k| k.as_bytes().to_vec()).to_vec())]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => prop::sample::select(vec![b"".to_vec(), b"v".to_vec(), b"w<\xe2\x80\xa9&".to_vec(), b"\xff\0".to_vec()]),
        1 => prop::collection::vec(any::<u8>(), 0..12).prop_filter("an envelope", |v| v.first() != Some(&0xff)),
        1 => (0..120usize).prop_map(|n| vec![b'l'; n]),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    let odd = vec![0.0, -0.0, 1.0, -1.5, 1e-7, 1e21, 1e20, 123456.789, 5e-324, f64::MAX, f64::INFINITY, -f64::INFINITY];
    prop_oneof![prop::sample::select(odd), any::<u64>().prop_map(f64::from_bits)]
}

fn millis() -> impl Strategy<Value = u64> {
    prop_oneof![0..5000u64, Just(0), Just(u64::MAX), Just(i64::MAX as u64), Just(1_767_225_600_000)]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![b"".to_vec(), b"f".to_vec(), b"g<".to_vec(), "\u{fc}\n".into()])
}

fn wide() -> impl Strategy<Value = Wide> {
    prop::sample::select(vec![Wide::Hash, Wide::Set, Wide::Zset])
}

fn seq() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -3..4i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
}

fn wide_op() -> impl Strategy<Value = Op> {
    let expiry = || prop::option::of(millis());
    let elements = prop::collection::vec((text(), score()), 0..4);
    prop_oneof![
        2 => (wide(), key(), 0..4u64, expiry()).prop_map(|(w, k, n, e)| Op::Meta(w, k, n, e)),
        1 => (wide(), key(), 0..20u64, -2..3i64).prop_map(|(w, k, ts, n)| Op::Delta(w, k, ts, n)),
        6 => (wide(), key(), value(), value(), score()).prop_map(|(w, k, n, v, s)| Op::Element(w, k, n, v, s)),
        1 => (wide(), key(), elements).prop_map(|(w, k, e)| Op::Blob(w, k, e)),
        1 => (wide(), key()).prop_map(|(w, k)| Op::EmptyBlob(w, k)),
    ]
}

fn list_op() -> impl Strategy<Value = Op> {
    let meta = (key(), seq(), -1..2i64, 0..6u64, prop::option::of(millis()));
    prop_oneof![
        2 => meta.prop_map(|(k, head, skew, len, e)| Op::ListMeta(k, head, skew, len, e)),
        2 => (any::<bool>(), key(), 0..20u64, seq(), -3..4i64)
            .prop_map(|(newer, k, ts, h, n)| Op::ListDelta(newer, k, ts, h, n)),
        6 => (key(), seq(), value()).prop_map(|(k, n, v)| Op::Item(k, n, v)),
        1 => (key(), 0..4u64).prop_map(|(k, n)| Op::Claim(k, n)),
    ]
}

fn stream_op() -> impl Strategy<Value = Op> {
    let pairs = prop::collection::vec((text(), text()), 0..3);
    let fields = pairs.prop_map(|pairs| pairs.into_iter().flat_map(|(n, v)| [n, v]).collect());
    let meta = (0..4u64, 0..4u64, 0..4u64, millis(), 0..3u64, 0..3u64, 0..3usize);
    prop_oneof![
        2 => (key(), meta).prop_map(|(k, (len, ms, seq, e, tms, tseq, form))| {
            Op::StreamMeta(k, [len, ms, seq, e, tms, tseq][..[3, 4, 6][form]].to_vec())
        }),
        6 => (key(), 0..4u64, 0..3u64, fields).prop_map(|(k, ms, seq, fields)| Op::Entry(k, ms, seq, fields)),
        1 => (key(), prop::collection::vec(0..5u64, 0..3)).prop_map(|(k, ids)| Op::StreamBlob(k, ids)),
    ]
}

/// Rows that a client wrote below an internal name, except those with lengths that make a list's meta of a delta.
fn planted() -> impl Strategy<Value = Op> {
    let deltas = ["!hs|meta|d|", "!st|meta|d|", "!zs|meta|d|", "!lst|meta|d|", "!lst|delta|"];
    let prefix = prop::sample::select([&deltas[..], &["!lst|claim|", "!zs|scr|"]].concat());
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    let lengths = prop_oneof![3 => bytes(14), 1 => Just(vec![0; 12]), 1 => Just(vec![1; 8])];
    let row = (prefix, prop::option::weighted(0.8, key()), lengths, bytes(18));
    prop_oneof![
        2 => row.prop_map(|(prefix, key, rest, value)| Op::Planted(prefix, key, rest, value)),
        1 => (key(), bytes(12)).prop_map(|(key, value)| Op::Planted("!redis|ttl|", None, key, value)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let envelope = || prop_oneof![Just(Envelope::Legacy), Just(Envelope::Never), millis().prop_map(Envelope::At)];
    let other = ["!redis|txn-wide-hash|", "!redis|nobody|", "!admin|", "!dist|", "!dist|new|", "!fs|ino|", "!s3route|"]
        .to_vec();
    prop_oneof![
        3 => (key(), envelope(), value()).prop_map(|(k, e, v)| Op::Str(k, e, v)),
        1 => (key(), envelope(), value()).prop_map(|(k, e, v)| Op::Hll(k, e, v)),
        2 => (bare_key(), value()).prop_map(|(k, v)| Op::Bare(k, v)),
        3 => (key(), millis()).prop_map(|(k, ms)| Op::Ttl(k, ms)),
        2 => planted(),
        8 => wide_op(),
        6 => list_op(),
        5 => stream_op(),
        1 => (prop::sample::select(other), key()).prop_map(|(prefix, k)| Op::Other(prefix, k)),
    ]
}

proptest! {
    #![proptest_config(config(80))]
    #[test]
    fn both_decoders_agree(history in history(op(), 60), ask in ask(), manner in manner()) {
        compare(adapter::REDIS, &history, ask, &manner)?;
    }
}

proptest! {
    #![proptest_config(config(60))]
    #[test]
    fn what_is_encoded_is_decoded_alike(history in history(op(), 60), manner in manner()) {
        comes_back(adapter::REDIS, &history, &manner)?;
    }
}

proptest! {
    #![proptest_config(config(20))]
    #[test]
    fn lines_of_changes_lead_from_one_state_to_another(
        history in history(op(), 60), span in changes::span(), shown: bool, manner in manner(),
    ) {
        changes::lead_on(adapter::REDIS, &history, span, shown, &manner)?;
    }
}
