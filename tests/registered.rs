//! An adapter and a layout that the crate does not know, made with public calls only: an example of what a new one needs.
//!
//! The adapter is `kv`: rows `!kv|NAME` with plain values. The layout is `keys`: a file of names for each adapter.

use ekvsnap::adapters::rows::RowVisitor;
use ekvsnap::dataset::{KeyRange, RowsOf};
use ekvsnap::decode::{Options, Silent};
use ekvsnap::diff::{Side, diff};
use ekvsnap::encode::{self, encode};
use ekvsnap::format::adapter::{self, Adapter, Naming, Spec};
use ekvsnap::format::container::Encoder;
use ekvsnap::format::header::FsmHeader;
use ekvsnap::format::mvcc::ValueHeader;
use ekvsnap::format::redis::stream::{StreamEntry, StreamId};
use ekvsnap::format::{Family, Full};
use ekvsnap::get::get_from_output;
use ekvsnap::layouts::counted::{Counts, FileCount, in_file, in_folder};
use ekvsnap::layouts::place::Place;
use ekvsnap::layouts::reading::{Part, Reader};
use ekvsnap::layouts::redis::{self as redis_layouts, Writer as RedisWriter};
use ekvsnap::model::redis::{Key, StreamEnd, Type, Visitor};
use ekvsnap::options::{Layout, LayoutSpec, ObjectName};
use ekvsnap::output::manifest_read::ReadManifest;
use ekvsnap::output::names::{raw_of_segment, segment};
use ekvsnap::output::observer::Object;
use ekvsnap::output::reading::opened;
use ekvsnap::output::split::SplitOutput;
use ekvsnap::registry::{Front, Writer, add_front, add_writer};
use ekvsnap::run::Job;
use ekvsnap::source::Source;
use ekvsnap::verify::output::check;
use ekvsnap::{Result, Snapshot};
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

const PREFIX: &str = "!kv|";

static KV: Spec = Spec {
    name: "kv",
    prefixes: &[PREFIX],
    naming: Naming::Key,
    object: "pair",
    scopes: None,
    beside: "metadata",
    separators: b"/",
};
static KEYS: LayoutSpec = LayoutSpec { name: "keys", is_packed: true };

fn kv() -> Adapter {
    adapter::named(b"kv").unwrap()
}

/// The names and values in a range of keys.
fn pairs(job: &Job<'_, '_, '_>, range: KeyRange, mut each: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
    let mut rows = job.set.range(Family::Unknown, range.lo, range.hi);
    while let Some(row) = rows.next()? {
        let name = row.user_key.strip_prefix(PREFIX.as_bytes());
        if let Some(name) = name.filter(|name| job.options.filter.meets(kv(), name, &[])) {
            each(name, row.body)?;
        }
    }
    Ok(())
}

fn whole() -> KeyRange {
    KeyRange::below(PREFIX.as_bytes())
}

fn only(name: &ObjectName) -> KeyRange {
    KeyRange::one(&[PREFIX.as_bytes(), &name.name].concat())
}

/// A file for each pair.
fn files(job: &mut Job<'_, '_, '_>, range: KeyRange) -> Result<()> {
    let mut out = SplitOutput::new(job.tree);
    pairs(job, range, |name, value| {
        let dir = out.dir("kv/pairs")?;
        out.tally.add(kv(), "pairs", "pairs", 1, value.len() as u64);
        out.put(&dir, segment(name).as_bytes(), value)
    })?;
    job.collector.take(out)
}

/// A line for each pair.
fn lines(job: &mut Job<'_, '_, '_>, range: KeyRange) -> Result<()> {
    let mut out = SplitOutput::new(job.tree);
    pairs(job, range, |name, value| {
        let (size, line) = (value.len() as u64, format!("{}={}\n", segment(name), segment(value)));
        if let Some(objects) = out.objects() {
            let value = objects.secret().map(|secret| secret.fingerprint(value));
            let (adapter, scope, kind, key) = (kv(), "pairs", "pairs", name);
            objects.add(&Object {
                adapter,
                scope,
                kind,
                key,
                range: None,
                size,
                expire_at_ms: None,
                value,
                rest: None,
            });
        } else {
            out.lines("kv/pairs.jsonl").extend_from_slice(line.as_bytes());
        }
        out.tally.add(kv(), "pairs", "pairs", 1, line.len() as u64);
        Ok(())
    })?;
    job.collector.take(out)
}

/// A file of the names.
fn names(job: &mut Job<'_, '_, '_>, range: KeyRange) -> Result<()> {
    let mut out = SplitOutput::new(job.tree);
    pairs(job, range, |name, _| {
        out.tally.add(kv(), "pairs", "pairs", 1, 0);
        out.lines("kv/keys.csv").extend_from_slice(format!("pair,{}\n", segment(name)).as_bytes());
        Ok(())
    })?;
    job.collector.take(out)
}

/// Writes the names of Redis keys, with their types.
struct Names<'t>(SplitOutput<'t>);

impl<'o, 't> RedisWriter<'o, 't> for Names<'t> {
    fn new(out: SplitOutput<'t>, _: &'o Options) -> Self {
        Names(out)
    }

    fn prepare(mut out: SplitOutput<'t>, _: &Options) -> Result<SplitOutput<'t>> {
        out.lines("redis/keys.csv").extend_from_slice(b"type,key\n");
        Ok(out)
    }

    fn finish(self) -> Result<SplitOutput<'t>> {
        Ok(self.0)
    }
}

impl Names<'_> {
    fn key(&mut self, key: &Key<'_>) -> Result<()> {
        let kind: Type = key.kind;
        self.0.tally.add(adapter::REDIS, "db_0", kind.plural(), 1, 0);
        let line = format!("{},{}\n", kind.plural(), segment(key.name));
        self.0.lines("redis/keys.csv").extend_from_slice(line.as_bytes());
        Ok(())
    }
}

#[rustfmt::skip]
impl Visitor for Names<'_> {
    fn string(&mut self, key: &Key<'_>, _: &[u8]) -> Result<()> { self.key(key) }
    fn begin(&mut self, key: &Key<'_>) -> Result<()> { self.key(key) }
    fn field(&mut self, _: &Key<'_>, _: &[u8], _: &[u8]) -> Result<()> { Ok(()) }
    fn item(&mut self, _: &Key<'_>, _: &[u8]) -> Result<()> { Ok(()) }
    fn member(&mut self, _: &Key<'_>, _: &[u8]) -> Result<()> { Ok(()) }
    fn scored(&mut self, _: &Key<'_>, _: &[u8], _: f64) -> Result<()> { Ok(()) }
    fn entry(&mut self, _: &Key<'_>, _: StreamId, _: &StreamEntry<'_>) -> Result<()> { Ok(()) }
    fn end(&mut self, _: &Key<'_>, _: StreamEnd) -> Result<()> { Ok(()) }
    fn abandon(&mut self, _: &Key<'_>) -> Result<()> { Ok(()) }
    fn stray_items(&mut self, _: &[u8], _: &[&[u8]]) -> Result<()> { Ok(()) }
    fn stray_expiry(&mut self, _: &[u8], _: u64) -> Result<()> { Ok(()) }
}

/// Counts pairs: each has a file, or a line.
#[derive(Debug)]
struct Pairs;

impl Counts for Pairs {
    fn kinds(&self) -> &'static [&'static str] {
        &["pairs"]
    }

    fn file<'p>(&self, below: &'p [u8]) -> Option<FileCount<'p>> {
        match in_folder(below) {
            Some((scope, _)) => Some(FileCount::file(scope, "pairs")),
            None => in_file(below).map(|scope| FileCount::lines(scope, "pairs")),
        }
    }
}

/// Reads pairs back: for a tree from their files, otherwise from the lines.
struct PairReader;

impl<V: RowVisitor + ?Sized> Reader<V> for PairReader {
    fn part(&self, _: &[u8]) -> Option<Part> {
        Some(Part::Objects)
    }

    fn sidecar(&mut self, _: &[u8], _: &mut dyn Read, _: &mut V) -> Result<()> {
        Ok(())
    }

    fn objects(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()> {
        let (mut text, path) = (String::new(), std::str::from_utf8(path).unwrap());
        bytes.read_to_string(&mut text).unwrap();
        let pairs: Vec<(&str, Vec<u8>)> = match path.strip_prefix("kv/pairs/") {
            Some(name) => vec![(name, text.into_bytes())],
            None => text
                .lines()
                .filter_map(|line| line.split_once('='))
                .map(|(name, value)| (name, raw_of_segment(value)))
                .collect(),
        };
        for (name, value) in pairs {
            visitor.stored_row(kv(), &[PREFIX.as_bytes(), &raw_of_segment(name)].concat(), &value)?;
            visitor.stored_object(kv(), "pairs")?;
        }
        Ok(())
    }
}

/// Registers both, once for the process: a line for each combination.
fn register() -> Layout {
    static DONE: OnceLock<Layout> = OnceLock::new();
    *DONE.get_or_init(|| {
        let kv = adapter::register(&KV).unwrap();
        let keys = Layout::register(&KEYS).unwrap();
        let front = Front {
            adapter: kv,
            rows_of: |_, at| Ok(RowsOf::exactly(vec![[PREFIX.as_bytes(), &at.name].concat()])),
            place: |_, below| {
                let name = below.strip_prefix(b"pairs/")?;
                Some(Place::whole(
                    adapter::named(b"kv")?,
                    "pairs",
                    "pairs",
                    &raw_of_segment(std::str::from_utf8(name).ok()?),
                ))
            },
            lookup: Some(|at| {
                let path = format!("kv/pairs/{}", segment(&at.one.name)).into_bytes();
                let files = at.files([path.clone()])?;
                at.copy(&files, &path)
            }),
            counts: Some(&Pairs),
            reader: Some(|_, _| Box::new(PairReader)),
            has_changes: false,
        };
        add_front(Box::leak(Box::new(front))).unwrap();
        let writers = [
            Writer {
                adapter: kv,
                layout: Layout::TREE,
                all: |job| files(job, whole()),
                one: |job, name| files(job, only(name)),
                is_split: false,
            },
            Writer {
                adapter: kv,
                layout: Layout::JSONL,
                all: |job| lines(job, whole()),
                one: |job, name| lines(job, only(name)),
                is_split: false,
            },
            Writer {
                adapter: kv,
                layout: keys,
                all: |job| names(job, whole()),
                one: |job, name| names(job, only(name)),
                is_split: false,
            },
            Writer {
                adapter: adapter::REDIS,
                layout: keys,
                all: |job| redis_layouts::write_all::<Names<'_>>(job),
                one: |job, name| redis_layouts::write_one::<Names<'_>>(job, name),
                is_split: false,
            },
        ];
        for writer in Box::leak(Box::new(writers)) {
            add_writer(writer).unwrap();
        }
        assert_eq!(adapter::register(&KV), Err(Full), "a name is there once");
        assert_eq!(
            add_writer(&*Box::leak(Box::new(Writer {
                adapter: kv,
                layout: keys,
                all: |_| Ok(()),
                one: |_, _| Ok(()),
                is_split: false,
            }))),
            Err(Full)
        );
        keys
    })
}

/// A snapshot with pairs, including an old version, and a Redis string.
fn snapshot(value: &str) -> Snapshot {
    Snapshot::from_bytes("x.fsm", snapshot_bytes(value))
}

fn snapshot_bytes(value: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::begin(&FsmHeader { version: 1, ..FsmHeader::default() }, 9 << 16, &mut bytes);
    let mut put = |key: &str, ts: u64, body: &[u8]| {
        let value = ValueHeader { tombstone: body.is_empty(), expire_at: 0, body };
        encoder.row(key.as_bytes(), ts << 16, &value, &mut bytes).unwrap();
    };
    put("!kv|a/b", 5, value.as_bytes());
    put("!kv|a/b", 2, b"old");
    put("!kv|c", 3, b"3");
    put("!kv|gone", 4, b"");
    put("!kv|gone", 3, b"x");
    put("!redis|str|k", 6, b"\xff\x01\0v");
    encoder.finish(&mut bytes);
    bytes
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn an_added_adapter_is_decoded_in_every_layout() {
    let keys = register();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for (name, layout) in [("tree", Layout::TREE), ("lines", Layout::JSONL), ("keys", keys)] {
        let options = Options { layout, ..Options::default() };
        let outcome = snapshot("5").decode(&at(name), &options, &Silent).unwrap();
        let warnings: Vec<_> = outcome.findings.iter().map(|(kind, _)| kind.event).collect();
        assert_eq!(warnings, [""; 0], "its rows are not unknown");
        let (_, kinds) = outcome.manifest.adapters.tally.of(kv()).next().unwrap();
        assert_eq!(kinds[0].1, 2);
        assert!(read(&at(name), "MANIFEST.json").contains("\"kv\": {"));
    }
    assert_eq!((read(&at("tree"), "kv/pairs/a%2Fb"), read(&at("tree"), "kv/pairs/c")), ("5".into(), "3".into()));
    assert!(!at("tree").join("kv/pairs/gone").exists());
    assert_eq!(read(&at("lines"), "kv/pairs.jsonl"), "a%2Fb=5\nc=3\n");
    assert_eq!(read(&at("keys"), "kv/keys.csv"), "pair,a%2Fb\npair,c\n");
    assert_eq!(read(&at("keys"), "redis/keys.csv"), "type,key\nstrings,k\n");
}

#[test]
fn filters_and_single_objects_know_it() {
    register();
    let options = Options {
        filter: ekvsnap::options::filter::Filter { include: vec!["kv:a*".parse().unwrap()], ..Default::default() },
        layout: Layout::JSONL,
        ..Options::default()
    };
    let dir = tempfile::tempdir().unwrap();
    snapshot("5").decode(&dir.path().join("x"), &options, &Silent).unwrap();
    assert_eq!(read(&dir.path().join("x"), "kv/pairs.jsonl"), "a%2Fb=5\n");
    let get = |name: &[u8]| {
        let (mut out, name) = (Vec::new(), ObjectName::parse(name).unwrap());
        let found = ekvsnap::get::get(snapshot("5").sources(), &name, &Options::default(), &Silent, &mut out).unwrap();
        (found, out)
    };
    assert_eq!(get(b"kv:a/b"), (true, b"5".to_vec()));
    assert_eq!(get(b"kv:gone"), (false, Vec::new()));
    let tree = dir.path().join("tree");
    snapshot("5").decode(&tree, &Options::default(), &Silent).unwrap();
    let of_output = |name: &[u8]| {
        let (mut out, name) = (Vec::new(), ObjectName::parse(name).unwrap());
        let manifest = ReadManifest::of(&mut opened(&tree)?)?;
        get_from_output(&tree, &manifest, &name, false, &mut out).map(|found| (found, out))
    };
    assert_eq!(of_output(b"kv:a/b").unwrap(), (true, b"5".to_vec()));
    assert_eq!(of_output(b"kv:gone").unwrap(), (false, Vec::new()));
    std::fs::write(tree.join("kv/pairs/c"), "4").unwrap();
    assert!(of_output(b"kv:c").unwrap_err().to_string().contains("differs from its digest"));
    assert_eq!(ObjectName::parse(b"kv:a/b").unwrap().words(), "kv pair \"a/b\"");
}

#[test]
fn it_is_listed_and_compared() {
    register();
    let seen = std::cell::RefCell::new(Vec::new());
    snapshot("5")
        .objects(&Options::default(), &mut |object| {
            seen.borrow_mut().push((object.adapter.name(), object.key.to_vec()));
            Ok(())
        })
        .unwrap();
    assert_eq!(seen.into_inner(), [("redis", b"k".to_vec()), ("kv", b"a/b".to_vec()), ("kv", b"c".to_vec())]);
    let side = |value| Side::Snapshots(vec![Source::from_bytes("x.fsm", snapshot_bytes(value))]);
    let (options, mut differences) = (Options::default(), Vec::new());
    diff([&mut side("5"), &mut side("6")], [&options, &options], &Silent, &mut |difference| {
        differences.push((difference.adapter.name(), difference.key.to_vec(), difference.parts.to_vec()));
        Ok(())
    })
    .unwrap();
    assert_eq!(differences, [("kv", b"a/b".to_vec(), vec!["value"])]);
}

/// What is wrong with an output.
fn problems(output: &Path) -> Vec<String> {
    let checked = check(&mut opened(output).unwrap(), 1, 9, &Silent, None).unwrap();
    checked.problems.shown.iter().map(|problem| problem.reason.clone()).collect()
}

#[test]
fn its_outputs_are_verified() {
    register();
    let dir = tempfile::tempdir().unwrap();
    for (name, layout) in [("tree", Layout::TREE), ("lines", Layout::JSONL)] {
        let output = dir.path().join(name);
        snapshot("5").decode(&output, &Options { layout, ..Options::default() }, &Silent).unwrap();
        assert_eq!(problems(&output), [""; 0], "{name}");
        let manifest = output.join("MANIFEST.json");
        let text = read(&output, "MANIFEST.json");
        let pairs = text.find("\"kind\": \"pairs\"").unwrap();
        let (before, kind) = text.split_at(pairs);
        std::fs::write(&manifest, [before, &kind.replacen("\"objects\": 2", "\"objects\": 3", 1)].concat()).unwrap();
        let found = problems(&output).join("; ");
        assert!(found.contains("kv/pairs has 2 pairs") && found.contains("but the manifest says 3"), "{name}: {found}");
    }
}

#[test]
fn its_outputs_are_encoded() {
    register();
    let dir = tempfile::tempdir().unwrap();
    for (name, layout) in [("tree", Layout::TREE), ("lines", Layout::JSONL)] {
        let (output, again) = (dir.path().join(name), dir.path().join(format!("{name}.fsm")));
        snapshot("5").decode(&output, &Options { layout, ..Options::default() }, &Silent).unwrap();
        let done = encode(std::slice::from_ref(&output), &again, &encode::Options::default(), &Silent).unwrap();
        let mut objects: Vec<_> =
            done.objects.iter().map(|(adapter, kind, count)| (adapter.name(), *kind, *count)).collect();
        objects.sort_unstable();
        assert_eq!(objects, [("kv", "pairs", 2), ("redis", "strings", 1)], "{name}");
        let decoded = dir.path().join(format!("{name}-again"));
        Snapshot::open(&[&again]).unwrap().decode(&decoded, &Options::default(), &Silent).unwrap();
        assert_eq!((read(&decoded, "kv/pairs/a%2Fb"), read(&decoded, "kv/pairs/c")), ("5".into(), "3".into()));
    }
}

/// A manifest that counts more than was read back.
#[test]
fn an_encode_misses_what_is_gone() {
    register();
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("lines");
    snapshot("5").decode(&output, &Options { layout: Layout::JSONL, ..Options::default() }, &Silent).unwrap();
    std::fs::remove_file(output.join("kv/pairs.jsonl")).unwrap();
    let sums: Vec<String> = read(&output, "CHECKSUMS")
        .lines()
        .filter(|line| !line.contains("kv/"))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(output.join("CHECKSUMS"), sums.concat()).unwrap();
    let error = encode(&[output], &dir.path().join("x.fsm"), &encode::Options::default(), &Silent).unwrap_err();
    assert!(error.to_string().contains("kv: MANIFEST.json counts 2 pairs, but the output has 0"), "{error}");
}

/// A layout that does not support an adapter reports it, if there are any rows of it.
#[test]
fn a_layout_without_a_place_for_an_adapter() {
    let keys = register();
    let dir = tempfile::tempdir().unwrap();
    let options = Options { layout: keys, ..Options::default() };
    let sqs = std::fs::read("testdata/redis-small.fsm").unwrap();
    Snapshot::from_bytes("r.fsm", sqs).decode(&dir.path().join("r"), &options, &Silent).unwrap();
    let mut bytes = Vec::new();
    let mut encoder = Encoder::begin(&FsmHeader { version: 1, ..FsmHeader::default() }, 9 << 16, &mut bytes);
    let value = ValueHeader { tombstone: false, expire_at: 0, body: b"x" };
    encoder.row(b"!sqs|queue|meta|cQ", 1 << 16, &value, &mut bytes).unwrap();
    encoder.finish(&mut bytes);
    let error = Snapshot::from_bytes("q.fsm", bytes).decode(&dir.path().join("q"), &options, &Silent).unwrap_err();
    assert!(error.to_string().contains("the layout keys cannot store objects of sqs"), "{error}");
}
