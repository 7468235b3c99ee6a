//! Converts outputs made for a restore back to rows: decoding these rows gives the same, byte for byte.

mod dynamodb;
mod s3;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ekvsnap::adapters::dynamodb::encode as dynamodb_rows;
use ekvsnap::adapters::rows::RowSink;
use ekvsnap::adapters::s3::encode as s3_rows;
use ekvsnap::decode::{Layout, Options, Silent};
use ekvsnap::format::redis::stream::{StreamEntry, StreamId};
use ekvsnap::format::{Adapter, Family};
use ekvsnap::layouts::reading::output::read;
use ekvsnap::model::dynamodb::{StaleItem, Table, TableVisitor};
use ekvsnap::model::fs::Node;
use ekvsnap::model::redis::{Key, StreamEnd};
use ekvsnap::model::{redis, s3 as s3_model, sqs};
use ekvsnap::output::archive::Packing;
use ekvsnap::output::reading::{Named, look};
use ekvsnap::{Error, Result, Snapshot};

use crate::kit::{Tree, build, read_tree};

/// Rows by key.
#[derive(Default)]
struct Rows(BTreeMap<Vec<u8>, Vec<u8>>);

/// Collects the rows of several adapters.
struct Sink<'s>(&'s RefCell<Rows>);

impl RowSink for Sink<'_> {
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let old = self.0.borrow_mut().0.insert(key.to_vec(), value.to_vec());
        assert!(old.is_none(), "{} comes twice", key.escape_ascii());
        Ok(())
    }
}

/// Takes the objects of the adapter under test; others do not come.
struct Encoders<'s> {
    dynamodb: dynamodb_rows::Encoder<Sink<'s>>,
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

impl s3_model::Visitor for Encoders<'_> {
    fn begin(&mut self, object: &s3_model::Object<'_>) -> Result<()> {
        self.s3.begin(object)
    }
    fn body(&mut self, piece: &[u8]) -> Result<()> {
        self.s3.body(piece)
    }
    fn end(&mut self, object: &s3_model::Object<'_>) -> Result<()> {
        self.s3.end(object)
    }
    fn abandon(&mut self, object: &s3_model::Object<'_>) -> Result<()> {
        self.s3.abandon(object)
    }
    fn orphan_manifest(&mut self, _: &s3_model::OrphanManifest<'_>) -> Result<()> {
        unreachable!()
    }
    fn orphan_chunk(&mut self, _: &s3_model::OrphanChunk<'_>) -> Result<()> {
        unreachable!()
    }
}

impl s3_model::BucketVisitor for Encoders<'_> {
    fn bucket(&mut self, bucket: &s3_model::Bucket<'_>) -> Result<()> {
        self.s3.bucket(bucket)
    }
    fn upload_row(&mut self, row: &s3_model::UploadRow<'_>) -> Result<()> {
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

/// The rows of an output.
fn rows_of(path: &Path, layout: Layout, adapter: Adapter) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let rows = RefCell::new(Rows::default());
    let mut encoders =
        Encoders { dynamodb: dynamodb_rows::Encoder::new(Sink(&rows)), s3: s3_rows::Encoder::new(Sink(&rows), true) };
    let mut open = || match look(path)? {
        Named::Output(output) => Ok(output),
        _ => Err(Error::usage("not an output")),
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

/// Decodes into a directory or an archive; returns the content of a directory, without the files about the input.
fn decoded(snapshot: &Snapshot, form: Form, adapter: Adapter, path: &Path) -> Tree {
    snapshot.decode(path, &options(form, adapter), &Silent).unwrap();
    if form.archive.is_some() {
        return Tree::new();
    }
    let mut tree = read_tree(path);
    tree.retain(|path, _| path != b"MANIFEST.json" && path != b"CHECKSUMS");
    tree
}

/// Decodes, encodes and decodes again in all forms; returns the encoded rows, which are the same for every form.
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
