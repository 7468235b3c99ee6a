//! Outputs that are read back: the objects are those that were written, in every layout and form.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use ekvsnap::decode::{Layout, Options, Silent};
use ekvsnap::format::adapter::{self, Adapter};
use ekvsnap::format::redis::stream::{StreamEntry, StreamId};
use ekvsnap::layouts::reading::output::read;
use ekvsnap::layouts::sqs::render;
use ekvsnap::model::fs::Node;
use ekvsnap::model::redis::{Key, StreamEnd};
use ekvsnap::model::{dynamodb, redis, s3, sqs};
use ekvsnap::output::archive::Packing;
use ekvsnap::output::reading::{Named, look};
use ekvsnap::{Error, Result, Snapshot};

use crate::kit::build;
use crate::kit::fixtures::{load, snapshots};
use crate::kit::read_tree;

/// Texts of objects, by their names.
#[derive(Default)]
struct Recorder {
    redis: BTreeMap<String, String>,
    open: String,
    /// Documents and lines by queue, in the form of the writer.
    queues: RefCell<BTreeMap<String, Vec<u8>>>,
    of: String,
    preserve_visibility: bool,
}

impl Recorder {
    fn key(&mut self, key: &Key<'_>, value: String) -> Result<()> {
        let text = format!("{:?} {:?} bare {} {value}", key.standing, key.expire_at_ms, key.bare);
        let old = self.redis.insert(format!("{:?} {}", key.kind, key.name.escape_ascii()), text);
        assert!(old.is_none(), "{key:?} came twice");
        Ok(())
    }

    fn element(&mut self, text: impl std::fmt::Display) -> Result<()> {
        self.open += &format!("{text}; ");
        Ok(())
    }

    fn append(&self, suffix: &str, render: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let mut queues = self.queues.borrow_mut();
        render(queues.entry(format!("{}{suffix}", self.of)).or_default());
        Ok(())
    }
}

impl redis::Visitor for Recorder {
    fn string(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        self.key(key, value.escape_ascii().to_string())
    }
    fn begin(&mut self, _: &Key<'_>) -> Result<()> {
        assert!(self.open.is_empty());
        self.element("begin")
    }
    fn field(&mut self, _: &Key<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        self.element(format_args!("{}={}", name.escape_ascii(), value.escape_ascii()))
    }
    fn item(&mut self, _: &Key<'_>, value: &[u8]) -> Result<()> {
        self.element(value.escape_ascii())
    }
    fn member(&mut self, _: &Key<'_>, member: &[u8]) -> Result<()> {
        self.element(member.escape_ascii())
    }
    fn scored(&mut self, _: &Key<'_>, member: &[u8], score: f64) -> Result<()> {
        let bits = if score.is_nan() { 0 } else { score.to_bits() };
        self.element(format_args!("{}={score} {bits:x}", member.escape_ascii()))
    }
    fn entry(&mut self, _: &Key<'_>, id: StreamId, entry: &StreamEntry<'_>) -> Result<()> {
        let fields: Vec<_> = entry.fields().map(|(n, v)| (n.escape_ascii().to_string(), v.to_vec())).collect();
        self.element(format_args!("{id} {fields:?}"))
    }
    fn end(&mut self, key: &Key<'_>, stream: StreamEnd) -> Result<()> {
        let elements = std::mem::take(&mut self.open);
        self.key(key, format!("{elements} {stream:?}"))
    }
    fn abandon(&mut self, key: &Key<'_>) -> Result<()> {
        panic!("{key:?}")
    }
    fn stray_items(&mut self, _: &[u8], _: &[&[u8]]) -> Result<()> {
        Ok(())
    }
    fn stray_expiry(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}

impl sqs::Visitor for Recorder {
    fn message(&mut self, message: &sqs::Message<'_>) -> Result<()> {
        let shown = render::Shown { preserve_visibility: self.preserve_visibility, partition: message.partition };
        self.append("/messages.jsonl", |out| render::message_line(message.value, shown, out))
    }
    fn side_record(&mut self, record: &sqs::SideRecord<'_>) -> Result<()> {
        self.append("/_internals/side_records.jsonl", |out| {
            render::side_record_line(record.family, record.key, record.value, out);
        })
    }
}

impl sqs::QueueVisitor for Recorder {
    fn queue(&mut self, queue: &sqs::Queue<'_>) -> Result<()> {
        self.of = ekvsnap::layouts::sqs::names::queue_directory(queue.name);
        self.append("/_queue.json", |out| render::queue_document(queue, out))
    }
    fn records(&mut self, of: &sqs::Records<'_>) -> Result<()> {
        let name = ekvsnap::adapters::sqs::name_of(of.queue);
        self.of = ekvsnap::layouts::sqs::names::queue_directory(&name);
        Ok(())
    }
    fn generation(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}

/// The adapters for which the test has objects; for others see `encoded.rs`.
const READABLE: [Adapter; 2] = [adapter::REDIS, adapter::SQS];

impl<'a> dynamodb::Visitor<'a> for Recorder {
    fn item(&mut self, _: &dynamodb::Table, _: &dynamodb::Item<'a>) -> Result<()> {
        unreachable!()
    }
    fn stale(&mut self, _: &dynamodb::StaleItem<'a>) -> Result<()> {
        unreachable!()
    }
}

impl dynamodb::TableVisitor for Recorder {
    fn table(&mut self, _: &dynamodb::Table) -> Result<()> {
        unreachable!()
    }
    fn generation(&mut self, _: &[u8], _: u64) -> Result<()> {
        unreachable!()
    }
}

impl s3::Visitor for Recorder {
    fn begin(&mut self, _: &s3::Object<'_>) -> Result<()> {
        unreachable!()
    }
    fn body(&mut self, _: &[u8]) -> Result<()> {
        unreachable!()
    }
    fn end(&mut self, _: &s3::Object<'_>) -> Result<()> {
        unreachable!()
    }
    fn abandon(&mut self, _: &s3::Object<'_>) -> Result<()> {
        unreachable!()
    }
    fn orphan_manifest(&mut self, _: &s3::OrphanManifest<'_>) -> Result<()> {
        unreachable!()
    }
    fn orphan_chunk(&mut self, _: &s3::OrphanChunk<'_>) -> Result<()> {
        unreachable!()
    }
}

impl s3::BucketVisitor for Recorder {
    fn bucket(&mut self, _: &s3::Bucket<'_>) -> Result<()> {
        unreachable!()
    }
    fn upload_row(&mut self, _: &s3::UploadRow<'_>) -> Result<()> {
        unreachable!()
    }
    fn generation(&mut self, _: &[u8], _: u64) -> Result<()> {
        unreachable!()
    }
}

impl ekvsnap::adapters::rows::RowVisitor for Recorder {
    fn stored_row(&mut self, _: Adapter, _: &[u8], _: &[u8]) -> Result<()> {
        unreachable!()
    }
    fn stored_object(&mut self, _: Adapter, _: &'static str) -> Result<()> {
        unreachable!()
    }
}

impl ekvsnap::model::fs::InodeVisitor for Recorder {
    fn inode(&mut self, _: &Node) -> Result<()> {
        unreachable!()
    }
    fn name(&mut self, _: u64, _: &[u8], _: &Node) -> Result<()> {
        unreachable!()
    }
    fn content(&mut self, _: &Node, _: u64, _: &[u8]) -> Result<()> {
        unreachable!()
    }
    fn end_content(&mut self, _: &Node) -> Result<()> {
        unreachable!()
    }
}

fn recorded(path: &Path, layout: Layout, options: &Options) -> Result<Recorder> {
    let mut recorder = Recorder { preserve_visibility: options.preserve_sqs_visibility, ..Recorder::default() };
    let mut open = || match look(path)? {
        Named::Output(output) => Ok(output),
        _ => Err(Error::usage("not an output")),
    };
    read(
        &mut open,
        ekvsnap::registry::readers(layout, &std::env::temp_dir()),
        &READABLE,
        &std::env::temp_dir(),
        &mut recorder,
    )?;
    Ok(recorder)
}

const CORPORA: [&str; 13] = [
    "empty",
    "expired-retype",
    "incr-poison",
    "mvcc-interleave",
    "prefix-lock",
    "redis-nasty",
    "redis-small",
    "sqs-nasty",
    "sqs-small",
    "stale-ttl",
    "two-groups",
    "two-groups-pending",
    "field",
];

fn forms() -> [(&'static str, Layout, Option<Packing>); 4] {
    [
        ("tree", Layout::TREE, None),
        ("lines", Layout::JSONL, None),
        ("tree.tar.gz", Layout::TREE, Some(Packing::Gzip)),
        ("lines.tar", Layout::JSONL, Some(Packing::Tar)),
    ]
}

/// Flags that change the content of an output.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flags {
    None,
    All,
    ForRestore,
}

fn flags(layout: Layout, archive: Option<Packing>, flags: Flags) -> Options {
    let all = flags == Flags::All;
    let options = Options {
        adapters: READABLE.to_vec(),
        include_orphans: all,
        preserve_sqs_visibility: all,
        include_sqs_side_records: all,
        layout,
        archive,
        ..Options::default()
    };
    if flags == Flags::ForRestore { options.for_restore() } else { options }
}

#[test]
fn what_is_read_is_what_was_written() {
    let (mut keys, mut queues, mut bare) = (0, 0, 0);
    for corpus in CORPORA {
        for snapshot in snapshots(&load(corpus)) {
            let snapshot = Snapshot::from_bytes("input.fsm", snapshot);
            let dir = tempfile::tempdir().unwrap();
            let mut want = Recorder::default();
            let Ok(_) = snapshot.redis(&Options::default(), &mut want) else { continue };
            for set in [Flags::ForRestore, Flags::None, Flags::All] {
                if set == Flags::None {
                    // Only an output for a restore has it.
                    let marks = want.redis.values_mut().filter(|value| value.contains("bare true"));
                    bare += marks.map(|value| *value = value.replacen("bare true", "bare false", 1)).count();
                }
                let mut documents: Option<BTreeMap<String, Vec<u8>>> = None;
                for (name, layout, archive) in forms() {
                    let path = dir.path().join(format!("{set:?}-{name}"));
                    let options = flags(layout, archive, set);
                    match snapshot.decode(&path, &options, &Silent) {
                        Err(error) if error.to_string().contains("nothing matches") => continue,
                        decoded => drop(decoded.unwrap()),
                    }
                    let got = recorded(&path, layout, &options).unwrap();
                    for (key, value) in &want.redis {
                        assert_eq!(got.redis.get(key), Some(value), "{corpus} {name} {key}");
                    }
                    assert_eq!(got.redis.len(), want.redis.len(), "{corpus} {name}");
                    let got = got.queues.into_inner();
                    if name == "tree" {
                        let files = read_tree(&path).into_iter().filter_map(|(path, bytes)| {
                            let path = String::from_utf8(path).unwrap();
                            let path = path
                                .strip_prefix("sqs/")
                                .filter(|path| path.contains('/') && !path.contains(".orphan/"))?;
                            Some((path.to_owned(), bytes))
                        });
                        documents = Some(files.collect());
                    }
                    assert!(documents.as_ref() == Some(&got), "{corpus} {name}: {:?}", got.keys());
                    queues += got.len();
                }
            }
            keys += want.redis.len();
        }
    }
    assert!(keys > 300 && queues > 300 && bare > 2, "{keys} keys, {queues} files of queues, {bare} bare strings");
}

/// Long values and many elements come as a stream.
#[test]
fn long_texts() {
    let long = |n: u8| [&b"\xff\\\"\n"[..], &vec![n; 3 << 20]].concat();
    let rows = build::Snapshot::new()
        .put(b"!redis|str|s", [b"\xff\x01\0", &long(0)[..]].concat())
        .put(b"!hs|fld|\0\0\0\x01hfield", long(b'<'))
        .put(b"!hs|fld|\0\0\0\x01hother", "é\u{2028}\u{1}".repeat(1 << 18));
    let snapshot = Snapshot::from_bytes("input.fsm", rows.build());
    let mut want = Recorder::default();
    snapshot.redis(&Options::default(), &mut want).unwrap();
    assert_eq!(want.redis.len(), 2);
    let dir = tempfile::tempdir().unwrap();
    for (name, layout, archive) in forms() {
        let (path, options) = (dir.path().join(name), flags(layout, archive, Flags::None));
        snapshot.decode(&path, &options, &Silent).unwrap();
        assert!(recorded(&path, layout, &options).unwrap().redis == want.redis, "{name}");
    }
}

/// Faults of an output, and their messages.
#[test]
fn what_no_decode_writes() {
    type Change = fn(&Path);
    let cases: [(&str, Change, &str); 7] = [
        ("changed", |dir| std::fs::write(dir.join("redis/db_0/strings/a.bin"), "x").unwrap(), "differs"),
        (
            "missing",
            |dir| std::fs::remove_file(dir.join("redis/db_0/strings/a.bin")).unwrap(),
            "\"a\", which is missing",
        ),
        ("gone", |dir| std::fs::remove_file(dir.join("redis/db_0/hashes/h.json")).unwrap(), "it is missing"),
        ("more", |dir| std::fs::write(dir.join("redis/db_0/strings/b.bin"), "x").unwrap(), "does not list it"),
        ("odd", |dir| std::fs::write(dir.join("redis/db_0/strings/b.json"), "x").unwrap(), "no decode writes"),
        (
            "broken",
            |dir| std::fs::write(dir.join("redis/db_0/hashes/h.json"), "{\"format_version\": 2}").unwrap(),
            "newer",
        ),
        ("unlisted", |dir| std::fs::remove_file(dir.join("CHECKSUMS")).unwrap(), "no CHECKSUMS"),
    ];
    for (name, change, words) in cases {
        let rows = build::Snapshot::new()
            .put(b"!redis|str|a", b"\xff\x01\x01\0\0\0\0\0\0\0\x09v")
            .put(b"!hs|fld|\0\0\0\x01hfield", b"v");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let snapshot = Snapshot::from_bytes("input.fsm", rows.build());
        snapshot.decode(&path, &Options::default(), &Silent).unwrap();
        change(&path);
        let error = recorded(&path, Layout::TREE, &Options::default()).err().unwrap().to_string();
        assert!(error.contains(words), "{name}: {error}");
    }
}
