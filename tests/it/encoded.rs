//! Outputs made for a restore, back to rows: what is decoded from those is the same, byte for byte.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ekvsnap::adapters::dynamodb::encode as dynamodb;
use ekvsnap::adapters::rows::RowSink;
use ekvsnap::adapters::s3::encode as s3_rows;
use ekvsnap::decode::{Layout, Options, Silent};
use ekvsnap::format::dynamodb::{Item, Schema};
use ekvsnap::format::messages::DynamoItem;
use ekvsnap::format::redis::stream::{StreamEntry, StreamId};
use ekvsnap::format::s3::key::bucket_key;
use ekvsnap::format::{Adapter, Family, adapter};
use ekvsnap::layouts::reading::output::read;
use ekvsnap::model::dynamodb::{StaleItem, Table, TableVisitor};
use ekvsnap::model::fs::Node;
use ekvsnap::model::redis::{Key, StreamEnd};
use ekvsnap::model::{redis, s3, sqs};
use ekvsnap::output::archive::Packing;
use ekvsnap::output::reading::{Named, look};
use ekvsnap::{Error, Result, Snapshot};
use serde_json::json;

use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Tree, build, ddb, read_tree, s3 as kit_s3};

/// Rows by key.
#[derive(Default)]
struct Rows(BTreeMap<Vec<u8>, Vec<u8>>);

/// Puts rows of several adapters together.
struct Sink<'s>(&'s RefCell<Rows>);

impl RowSink for Sink<'_> {
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let old = self.0.borrow_mut().0.insert(key.to_vec(), value.to_vec());
        assert!(old.is_none(), "{} comes twice", key.escape_ascii());
        Ok(())
    }
}

/// Takes the objects of the adapter that is under test; others do not come.
struct Encoders<'s> {
    dynamodb: dynamodb::Encoder<Sink<'s>>,
    s3: s3_rows::Encoder<Sink<'s>>,
}

impl redis::Visitor for Encoders<'_> {
    fn string(&mut self, _: &Key<'_>, _: &[u8]) -> Result<()> {
        unreachable!()
    }
    fn begin(&mut self, _: &Key<'_>) -> Result<()> {
        unreachable!()
    }
    fn field(&mut self, _: &Key<'_>, _: &[u8], _: &[u8]) -> Result<()> {
        unreachable!()
    }
    fn item(&mut self, _: &Key<'_>, _: &[u8]) -> Result<()> {
        unreachable!()
    }
    fn member(&mut self, _: &Key<'_>, _: &[u8]) -> Result<()> {
        unreachable!()
    }
    fn scored(&mut self, _: &Key<'_>, _: &[u8], _: f64) -> Result<()> {
        unreachable!()
    }
    fn entry(&mut self, _: &Key<'_>, _: StreamId, _: &StreamEntry<'_>) -> Result<()> {
        unreachable!()
    }
    fn end(&mut self, _: &Key<'_>, _: StreamEnd) -> Result<()> {
        unreachable!()
    }
    fn abandon(&mut self, _: &Key<'_>) -> Result<()> {
        unreachable!()
    }
    fn stray_items(&mut self, _: &[u8], _: &[&[u8]]) -> Result<()> {
        unreachable!()
    }
    fn stray_expiry(&mut self, _: &[u8], _: u64) -> Result<()> {
        unreachable!()
    }
}

impl sqs::Visitor for Encoders<'_> {
    fn message(&mut self, _: &sqs::Message<'_>) -> Result<()> {
        unreachable!()
    }
    fn side_record(&mut self, _: &sqs::SideRecord<'_>) -> Result<()> {
        unreachable!()
    }
}

impl sqs::QueueVisitor for Encoders<'_> {
    fn queue(&mut self, _: &sqs::Queue<'_>) -> Result<()> {
        unreachable!()
    }
    fn records(&mut self, _: &sqs::Records<'_>) -> Result<()> {
        unreachable!()
    }
    fn generation(&mut self, _: &[u8], _: u64) -> Result<()> {
        unreachable!()
    }
}

impl<'a> ekvsnap::model::dynamodb::Visitor<'a> for Encoders<'_> {
    fn item(&mut self, table: &Table, item: &ekvsnap::model::dynamodb::Item<'a>) -> Result<()> {
        self.dynamodb.item(table, item)
    }
    fn stale(&mut self, item: &StaleItem<'a>) -> Result<()> {
        self.dynamodb.stale(item)
    }
}

impl TableVisitor for Encoders<'_> {
    fn table(&mut self, table: &Table) -> Result<()> {
        self.dynamodb.table(table)
    }
    fn generation(&mut self, table: &[u8], generation: u64) -> Result<()> {
        self.dynamodb.generation(table, generation)
    }
}

impl s3::Visitor for Encoders<'_> {
    fn begin(&mut self, object: &s3::Object<'_>) -> Result<()> {
        self.s3.begin(object)
    }
    fn body(&mut self, piece: &[u8]) -> Result<()> {
        self.s3.body(piece)
    }
    fn end(&mut self, object: &s3::Object<'_>) -> Result<()> {
        self.s3.end(object)
    }
    fn abandon(&mut self, object: &s3::Object<'_>) -> Result<()> {
        self.s3.abandon(object)
    }
    fn orphan_manifest(&mut self, _: &s3::OrphanManifest<'_>) -> Result<()> {
        unreachable!()
    }
    fn orphan_chunk(&mut self, _: &s3::OrphanChunk<'_>) -> Result<()> {
        unreachable!()
    }
}

impl s3::BucketVisitor for Encoders<'_> {
    fn bucket(&mut self, bucket: &s3::Bucket<'_>) -> Result<()> {
        self.s3.bucket(bucket)
    }
    fn upload_row(&mut self, row: &s3::UploadRow<'_>) -> Result<()> {
        self.s3.upload_row(row)
    }
    fn generation(&mut self, bucket: &[u8], generation: u64) -> Result<()> {
        self.s3.generation(bucket, generation)
    }
}

impl ekvsnap::adapters::rows::RowVisitor for Encoders<'_> {
    fn stored_row(&mut self, _: Adapter, _: &[u8], _: &[u8]) -> Result<()> {
        unreachable!()
    }
    fn stored_object(&mut self, _: Adapter, _: &'static str) -> Result<()> {
        unreachable!()
    }
}

impl ekvsnap::model::fs::InodeVisitor for Encoders<'_> {
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

/// The rows that an output stands for.
fn rows_of(path: &Path, layout: Layout, adapter: Adapter) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let rows = RefCell::new(Rows::default());
    let mut encoders =
        Encoders { dynamodb: dynamodb::Encoder::new(Sink(&rows)), s3: s3_rows::Encoder::new(Sink(&rows), true) };
    let mut open = || match look(path)? {
        Named::Output(output) => Ok(output),
        _ => Err(Error::usage("no output")),
    };
    read(
        &mut open,
        ekvsnap::registry::readers(layout, &std::env::temp_dir()),
        &[adapter],
        &std::env::temp_dir(),
        &mut encoders,
    )?;
    encoders.dynamodb.finish()?;
    encoders.s3.finish()?;
    Ok(rows.into_inner().0)
}

/// A form of an output.
#[derive(Clone, Copy)]
struct Form {
    name: &'static str,
    layout: Layout,
    archive: Option<Packing>,
    bundle: Option<u64>,
}

const FORMS: [Form; 5] = [
    Form { name: "tree", layout: Layout::TREE, archive: None, bundle: None },
    Form { name: "lines", layout: Layout::JSONL, archive: None, bundle: None },
    Form { name: "bundle", layout: Layout::TREE, archive: None, bundle: Some(300) },
    Form { name: "tree.tar.gz", layout: Layout::TREE, archive: Some(Packing::Gzip), bundle: None },
    Form { name: "lines.tar", layout: Layout::JSONL, archive: Some(Packing::Tar), bundle: None },
];

fn options(form: Form, adapter: Adapter) -> Options {
    let Form { layout, archive, bundle, .. } = form;
    Options { adapters: vec![adapter], layout, archive, dynamodb_bundle: bundle, ..Options::default() }.for_restore()
}

/// Decodes into a directory or an archive; what is in it, if it is a directory, but what tells of the input.
fn decoded(snapshot: &Snapshot, form: Form, adapter: Adapter, path: &Path) -> Tree {
    snapshot.decode(path, &options(form, adapter), &Silent).unwrap();
    if form.archive.is_some() {
        return Tree::new();
    }
    let mut tree = read_tree(path);
    tree.retain(|path, _| path != b"MANIFEST.json" && path != b"CHECKSUMS");
    tree
}

/// Decodes, encodes and decodes again in all forms; gives the rows that were encoded, which are those of every form.
fn round(snapshot: Vec<u8>, adapter: Adapter, name: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let first = Snapshot::from_bytes("input.fsm", snapshot);
    let mut all: Option<BTreeMap<Vec<u8>, Vec<u8>>> = None;
    let mut trees = Vec::new();
    for form in FORMS {
        let path = dir.path().join(form.name);
        trees.push(decoded(&first, form, adapter, &path));
        let rows = rows_of(&path, form.layout, adapter).unwrap_or_else(|e| panic!("{name} {}: {e}", form.name));
        if let Some(all) = &all {
            let differ = rows.iter().filter(|(key, value)| all.get(*key) != Some(value));
            let differ: Vec<_> = differ.map(|(key, _)| key.escape_ascii().to_string()).collect();
            assert!(*all == rows, "{name} {}: {differ:#?}", form.name);
        }
        all = Some(rows);
    }
    let rows = all.unwrap();
    let again = rows.iter().fold(build::Snapshot::new(), |s, (key, value)| s.put(key, value));
    let again = Snapshot::from_bytes("input.fsm", again.last_commit(first_time(&first)).build());
    for (form, want) in FORMS.into_iter().zip(&trees) {
        let got = decoded(&again, form, adapter, &dir.path().join(format!("{}-again", form.name)));
        let paths = got.keys().chain(want.keys()).filter(|path| got.get(*path) != want.get(*path));
        let differ: BTreeSet<_> = paths.map(|path| path.escape_ascii().to_string()).collect();
        assert!(differ.is_empty(), "{name} {}: {differ:#?}", form.name);
    }
    rows
}

fn first_time(snapshot: &Snapshot) -> u64 {
    snapshot.rows().unwrap().inputs().map(|group| group.index.last_commit_ts).max().unwrap().max(build::NOW)
}

/// The live rows of some families.
pub fn live(snapshot: &[u8], families: &[Family]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let snapshot = Snapshot::from_bytes("input.fsm", snapshot.to_vec());
    let Ok(set) = snapshot.rows() else { return BTreeMap::new() };
    let mut all = BTreeMap::new();
    for family in families {
        let mut rows = set.family(*family);
        while let Some(row) = rows.next().unwrap() {
            all.insert(row.user_key.to_vec(), row.body.to_vec());
        }
    }
    all
}

const DYNAMODB: [Family; 4] = [Family::DdbTable, Family::DdbGen, Family::DdbItem, Family::DdbGsi];

/// What a row says, whatever the order and the defaults of its fields.
fn meaning(key: &[u8], value: &[u8]) -> String {
    match Family::of(key) {
        Family::DdbTable => format!("{:?}", Schema::parse(value)),
        Family::DdbItem => format!("{:?}", Item::parse(value).map(DynamoItem::from)),
        _ => value.escape_ascii().to_string(),
    }
}

/// Keys of rows that are not the same on both sides.
fn differences(want: &BTreeMap<Vec<u8>, Vec<u8>>, got: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<String> {
    let meant = |rows: &BTreeMap<Vec<u8>, Vec<u8>>, key: &[u8]| rows.get(key).map(|value| meaning(key, value));
    let keys: BTreeSet<_> = want.keys().chain(got.keys()).collect();
    let differ = keys.into_iter().filter(|key| meant(want, key) != meant(got, key));
    differ.map(|key| key.escape_ascii().to_string()).collect()
}

/// A server stored these tables: all their rows come back, those of indexes and generations too.
#[test]
fn dynamodb() {
    let mut encoded = 0;
    for name in ["empty", "dynamodb-small", "dynamodb-nasty", "two-groups", "mvcc-interleave"] {
        for snapshot in snapshots(&load(name)) {
            let want = live(&snapshot, &DYNAMODB);
            if !want.is_empty() {
                let rows = round(snapshot, adapter::DYNAMODB, name);
                assert_eq!(differences(&want, &rows), [""; 0], "{name}");
                encoded += rows.len();
            }
        }
    }
    assert!(encoded > 250, "{encoded}");
}

/// Rows that no server of today writes, but whose objects it serves, and generations of what is gone.
#[test]
fn dynamodb_rows_that_items_do_not_tell() {
    use ddb::V::{B, N, S};
    let migrating = ddb::table(b"moving").types("N", None).generation(10).migrating(2);
    let old = ddb::table(b"moving").types("N", None).generation(2).version(0);
    let first = ddb::table(b"first").generation(0).version(0);
    let odd = ddb::table(b"odd").types("S", Some("B"));
    let gone = ddb::table(b"gone").generation(7);
    let renamed = ddb::Table { name: b"told", ..ddb::table(b"told") };
    let long = "x".repeat(300);
    let rows = build::Snapshot::new()
        .table(&migrating)
        .item(&migrating, &[N("1")], "new")
        .item(&old, &[N("1.0")], "copied")
        .item(&old, &[N("2")], "old")
        .item(&old, &[N("2.0")], "equal by value")
        .item(&old, &[N("0x10")], "no number of today")
        .table(&first)
        .item(&first, &[S("a")], "x")
        .table(&odd)
        .put_at(build::NOW + 1, odd.counter_key(), "4")
        .item(&odd, &[S("."), B(b"")], "special")
        .item(&odd, &[S(&long), B(b"\0\xff")], "long")
        // Two equal items, one of them with a row of another key, and one that two such rows have.
        .item(&odd, &[S("a"), B(b"b")], "same")
        .put(odd.key(&[S("other"), B(b"b")]), ddb::body(&[S("a"), B(b"b")], "same"))
        .put(odd.key(&[S("third"), B(b"b")]), ddb::body(&[S("a"), B(b"b")], "same"))
        .put(odd.key(&[S("y"), B(b"")]), ddb::item(&[("pk", S("z")), ("sk", N("1e3")), ("none", ddb::V::Unset)]))
        .put(renamed.schema_key(), ddb::table(b"another name").schema())
        .table(&ddb::table(b"_orphans"))
        .table(&ddb::table(b".."))
        .table(&ddb::table(long.as_bytes()))
        .counter(&gone, 7)
        .item(&gone, &[S("a")], "stale");
    let snapshot = rows.build();
    let mut want = live(&snapshot, &DYNAMODB);
    want.remove(&*gone.key(&[S("a")])).unwrap();
    want.remove(&*old.key(&[N("1.0")])).unwrap();
    // A table without a generation row gets one.
    want.insert(renamed.counter_key().into(), b"1".to_vec());
    // A value without a type is one of type null.
    let untyped = want.get_mut(&odd.key(&[S("y"), B(b"")])).unwrap();
    *untyped = [&untyped[..], &ddb::field(1, &[ddb::field(1, b"none"), ddb::field(2, b"\x28\x01")].concat())].concat();
    assert_eq!(differences(&want, &round(snapshot.clone(), adapter::DYNAMODB, "planted")), [""; 0]);

    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.fsm"), &snapshot).unwrap();
    for layout in ["tree", "jsonl"] {
        let run = |args: &[&str]| {
            let output = ekvsnap(dir.path(), args);
            assert_eq!(code(&output), 0, "{args:?}: {}", stderr(&output));
        };
        run(&["decode", "s.fsm", "-o", layout, "--layout", layout, "--for-restore"]);
        run(&["verify", layout]);
        run(&["verify", layout, "--against", "s.fsm"]);
        run(&["diff", layout, "s.fsm"]);
    }
}

/// As deep as an item of a snapshot can be, and one level more.
#[test]
fn dynamodb_deep_items() {
    let table = ddb::table(b"t");
    let nested = |levels| (1..levels).fold(ddb::field(9, b""), |inner, _| ddb::field(9, &ddb::field(1, &inner)));
    let deep = ddb::field(1, &[ddb::field(1, b"deep"), ddb::field(2, &nested(256))].concat());
    let item = [ddb::item(&[("pk", ddb::V::S("a"))]), deep].concat();
    let rows = build::Snapshot::new().table(&table).put(table.key(&[ddb::V::S("a")]), item);
    let snapshot = Snapshot::from_bytes("input.fsm", rows.build());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lines");
    snapshot.decode(&path, &options(FORMS[1], adapter::DYNAMODB), &Silent).unwrap();
    assert_eq!(rows_of(&path, Layout::JSONL, adapter::DYNAMODB).unwrap().len(), 3);
    let lines = std::fs::read_to_string(path.join("dynamodb/t.jsonl")).unwrap();
    let deeper = lines.replacen(r#"{"L":"#, r#"{"L":[{"L":"#, 1).replacen("}}}\n", "}]}}}\n", 1);
    std::fs::write(path.join("dynamodb/t.jsonl"), deeper).unwrap();
    let error = rows_of(&path, Layout::JSONL, adapter::DYNAMODB).unwrap_err().to_string();
    assert!(error.contains("nested more than 256"), "{error}");
}

/// What is wrong with an output, and what is said of it.
#[test]
fn dynamodb_files_that_no_decode_writes() {
    let item = r#"{"Item":{"pk":{"S":"a"},"v":{"S":"x"}}}"#;
    let schema = |member: &str, value: &str| ("dynamodb/t.schema.json", member.to_owned(), value.to_owned());
    let line = |text: &str| ("dynamodb/t.jsonl", item.to_owned(), text.to_owned());
    let cases = [
        (line(r#"{"Item":{"v":{"S":"x"}}}"#), "lacks the hash attribute"),
        (line(r#"{"Item":{"pk":{"BOOL":true}}}"#), "neither S nor N nor B"),
        (line(r#"{"Item":{"pk":{"N":"x"}}}"#), "a number in its key"),
        (line(r#"{"Item":{"pk":{"S":"a","N":"1"}}}"#), "two types"),
        (line(r#"{"Item":{"pk":{}}}"#), "no type"),
        (line(r#"{"Item":{"pk":{"S":"a"},"pk":{"S":"a"}}}"#), "comes twice"),
        (line(r#"{"Item":{"pk":{"B":"a"}}}"#), "not base64"),
        (line(r#"{"Item":{"pk":{"T":"a"}}}"#), "unknown field"),
        (line(r#"{"Item":{"pk":{"S":"a"}},"more":1}"#), "unknown field"),
        (line("{}"), "missing field"),
        (line(r#"{"Item":{"pk":{"S":"b"}}}"#), "it differs from its digest"),
        (schema(r#""format_version": 1"#, r#""format_version": 2"#), "newer"),
        (schema(r#""primary_key""#, r#""other_key""#), "unknown field"),
    ];
    for ((file, from, to), words) in cases {
        let table = ddb::table(b"t");
        let rows = build::Snapshot::new().table(&table).item(&table, &[ddb::V::S("a")], "x");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let snapshot = Snapshot::from_bytes("input.fsm", rows.build());
        snapshot.decode(&path, &options(FORMS[1], adapter::DYNAMODB), &Silent).unwrap();
        let file = path.join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(&from), "{text}");
        std::fs::write(&file, text.replacen(&from, &to, 1)).unwrap();
        let error = rows_of(&path, Layout::JSONL, adapter::DYNAMODB).unwrap_err().to_string();
        assert!(error.contains(words), "{to}: {error}");
    }
}

const S3: [Family; 5] =
    [Family::S3BucketMeta, Family::S3BucketGen, Family::S3Object, Family::S3Upload, Family::S3UploadPart];

/// A server stored these buckets. Their bodies come back in other uploads; what is in them is compared by the decode.
#[test]
fn s3() {
    let (mut encoded, mut bodies) = (0, 0);
    for name in ["empty", "s3-small", "s3-nasty", "two-groups", "mvcc-interleave"] {
        for snapshot in snapshots(&load(name)) {
            let want = live(&snapshot, &S3);
            if want.is_empty() {
                continue;
            }
            let rows = round(snapshot, adapter::S3, name);
            for (key, value) in &want {
                let got = rows.get(key).unwrap_or_else(|| panic!("{name}: {} is gone", key.escape_ascii()));
                if Family::of(key) != Family::S3Object {
                    assert_eq!(value.escape_ascii().to_string(), got.escape_ascii().to_string(), "{name}");
                }
            }
            let others = rows.keys().filter(|key| !want.contains_key(*key));
            for key in others {
                assert_eq!(Family::of(key), Family::S3Blob, "{name}: {} is new", key.escape_ascii());
                bodies += 1;
            }
            encoded += want.len();
        }
    }
    assert!(encoded > 100 && bodies > 50, "{encoded} {bodies}");
}

/// Names that are not keys, bodies that are not what their manifests say, unfinished uploads, and what is gone.
#[test]
fn s3_objects_that_their_names_do_not_tell() {
    use kit_s3::{B, U, base, chunk, chunk_of, counter, manifest, md5, put, put_chunked, upload};
    let (v, long) = ("f".repeat(32), vec![b'k'; 1100]);
    let mut s = counter(base(), "gone", 4).put_at(
        build::NOW + 1,
        bucket_key(Family::S3BucketGen, b"bkt").as_bytes(),
        [0, 0, 0, 0, 0, 0, 0, 9],
    );
    for key in [
        &b"a"[..],
        b"a/b",
        b"",
        b"..",
        b"dir/",
        b"\xff\0",
        b"_encoded/x",
        b"_orphans/x",
        b"\xffleaf",
        b"\xffleaf/x",
        &long,
    ] {
        s = put(s, key, key);
    }
    // These end like sidecars; `k/` and its namesake are both encoded.
    for key in ["k", "k.elastickv-meta.json", "k/", "k/.elastickv-meta.json", "z.elastickv-meta.json"] {
        s = put(s, key, r#"{"format_version":1,"size_bytes":3}"#);
    }
    s = put_chunked(s, (B, 1, b"large"), &vec![7; (5 << 20) + 3], 1 << 20);
    let part = |number: u64, size: i64, chunks: u64, version: u64| json!({"part_no": number, "etag": md5(b"x"), "size_bytes": size, "chunk_count": chunks, "part_version": version});
    let parts = [
        ("sizes", vec![part(1, 3, 1, 0), part(2, 4, 1, 5)]),
        ("too small", vec![part(1, 2, 1, 0), part(2, 1, 1, 5)]),
        ("too large", vec![part(1, 30, 1, 0), part(2, 40, 1, 5)]),
        ("negative", vec![part(1, -3, 1, 0), part(2, 4, 1, 5)]),
        ("versions", vec![part(1, 3, 1, 4), part(1, 4, 1, 5)]),
    ];
    for (n, (key, parts)) in parts.into_iter().enumerate() {
        let hlc = [0, 1, 1 << 16, u64::MAX, 5 << 16 | 7][n];
        let value = json!({"upload_id": U, "etag": format!("{}-2", md5(b"x")), "size_bytes": 7, "parts": parts,
            "last_modified_hlc": hlc, "user_metadata": {"a": "<\u{2028}>", "b": ""}, "content_type": "text/plain"});
        s = manifest(s, key.as_bytes(), &value);
        let numbers = if key == "versions" { [(1, 0, 4), (1, 0, 5)] } else { [(1, 0, 0), (2, 0, 5)] };
        s = s.put(chunk(Family::S3Blob, key.as_bytes(), U, numbers[0]), "abc");
        s = s.put(chunk(Family::S3Blob, key.as_bytes(), U, numbers[1]), "defg");
    }
    // An upload that can go on, one of another generation, and chunks of none.
    let record = |generation: u64| {
        json!({"bucket": B, "object": "u", "generation": generation, "upload_id": v, "created_hlc": 1}).to_string()
    };
    let with_part = [&upload(Family::S3UploadPart, B, 1, b"u", &v)[..], &3u64.to_be_bytes()].concat();
    let body = vec![9; 1 << 20];
    s = s
        .put(upload(Family::S3Upload, B, 1, b"u", &v), record(1))
        .put(with_part, part(3, 1 << 20, 1, 6).to_string())
        .put(chunk(Family::S3Blob, b"u", &v, (3, 0, 6)), &body)
        .put(upload(Family::S3Upload, B, 7, b"u", &v), record(7))
        .put(chunk_of(Family::S3Blob, B, 7, b"u", &v, (3, 0, 6)), "other")
        .put(chunk(Family::S3Blob, b"orphan", &v, (1, 0, 0)), "orphan");
    let snapshot = s.build();
    let rows = round(snapshot.clone(), adapter::S3, "planted");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.fsm"), &snapshot).unwrap();
    for layout in ["tree", "jsonl"] {
        let again = format!("{layout}.fsm");
        for args in [
            &["decode", "s.fsm", "-o", layout, "--layout", layout, "--for-restore"][..],
            &["verify", layout, "--against", "s.fsm"],
            &["diff", layout, "s.fsm"],
            &["encode", layout, "-o", &again],
        ] {
            let output = ekvsnap(dir.path(), args);
            assert_eq!(code(&output), 0, "{args:?}: {}", stderr(&output));
        }
    }
    let is_there = |key: &[u8]| rows.contains_key(key);
    assert_eq!(rows.get(&chunk(Family::S3Blob, b"u", &v, (3, 0, 6))), Some(&body));
    assert!(!is_there(&upload(Family::S3Upload, B, 7, b"u", &v)));
    assert!(!is_there(&chunk(Family::S3Blob, b"orphan", &v, (1, 0, 0))));
    for (bucket, want) in [(&b"gone"[..], 4u8), (b"bkt", 9)] {
        let row = rows.get(bucket_key(Family::S3BucketGen, bucket).as_bytes());
        assert_eq!(row.and_then(|row| row.last()), Some(&want));
    }
}

/// What is wrong with an output, and what is said of it.
#[test]
fn s3_files_that_no_decode_writes() {
    type Change = fn(&Path);
    let meta = "s3/bkt/o.elastickv-meta.json";
    let replaced = |dir: &Path, file: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(dir.join(file)).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(dir.join(file), text.replacen(from, to, 1)).unwrap();
    };
    let files: [(Change, &str); 3] = [
        (|dir| std::fs::remove_file(dir.join("s3/bkt/o")).unwrap(), "not there"),
        (|dir| std::fs::remove_file(dir.join("s3/bkt/o.elastickv-meta.json")).unwrap(), "nothing tells of this object"),
        (|dir| std::fs::write(dir.join("s3/bkt/o"), "other").unwrap(), "differs from its digest"),
    ];
    let texts = [
        (meta, r#""size_bytes": 4"#, r#""size": 4"#, "unknown field"),
        (meta, r#""format_version": 1"#, r#""format_version": 2"#, "newer"),
        (meta, "2023-11-14T", "2023-11-31T", "is no time"),
        ("s3/bkt/_bucket.json", r#""name": "bkt""#, r#""name": "other""#, "it differs"),
        ("s3/bkt/_bucket.json", r#""format_version": 1"#, r#""format_version": 2"#, "newer"),
        ("s3/bkt/KEYMAP.jsonl", "s3-encoded", "s3-leaf-data", "another name"),
    ];
    let error_after = |change: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let rows = kit_s3::put(kit_s3::put(kit_s3::base(), "o", "body"), "dir/", "");
        let snapshot = Snapshot::from_bytes("input.fsm", rows.build());
        snapshot.decode(&path, &options(FORMS[0], adapter::S3), &Silent).unwrap();
        change(&path);
        rows_of(&path, Layout::TREE, adapter::S3).unwrap_err().to_string()
    };
    for (change, words) in files {
        let error = error_after(&change);
        assert!(error.contains(words), "{words}: {error}");
    }
    for (file, from, to, words) in texts {
        let error = error_after(&|dir| replaced(dir, file, from, to));
        assert!(error.contains(words), "{to}: {error}");
    }
}
