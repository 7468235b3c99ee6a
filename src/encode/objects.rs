//! Turns each object of an output into rows, a fingerprint and a count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::fingerprints::Fingerprints;
use super::shift::Shift;
use crate::adapters::rows::{RowSink, RowVisitor};
use crate::adapters::sqs::encode::Told;
use crate::adapters::{dynamodb as dynamodb_rows, fs as fs_rows, redis as redis_rows, s3 as s3_rows, sqs as sqs_rows};
use crate::error::{Error, ErrorKind, Result};
use crate::format::adapter::{self, Adapter};
use crate::format::redis::stream::{StreamEntry, StreamId};
use crate::layouts::counted::{Counts, ReadBack};
use crate::model::dynamodb::{self, Item, StaleItem, Table};
use crate::model::fs::{InodeVisitor, Node};
use crate::model::redis::{self, Key, StreamEnd};
use crate::model::s3::{self, Bucket, Object, OrphanChunk, OrphanManifest, UploadRow};
use crate::model::sqs::{self, Message, Queue, Records, SideRecord};
use crate::output::manifest_read::{ReadManifest, ScopeCount};
use crate::output::split::Tally;
use crate::registry;

/// Takes the objects of one output, or those of snapshots.
pub(crate) struct Objects<S> {
    redis: redis_rows::encode::Encoder<S>,
    pub(super) sqs: sqs_rows::encode::Encoder<S>,
    dynamodb: dynamodb_rows::encode::Encoder<S>,
    s3: s3_rows::encode::Encoder<S>,
    fs: fs_rows::encode::Encoder<S>,
    /// Takes the rows of added adapters unchanged.
    pub(super) rows: S,
    /// `None` if the rows are not read again.
    pub(super) fingerprints: Option<Fingerprints>,
    pub(super) settings: Settings,
    /// Objects by kind; messages also by the encoded name of their queue.
    pub(super) counts: Counted,
    /// Encoded names of the queues so far.
    queues: BTreeSet<Vec<u8>>,
    /// The queue of the current records, if it exists.
    pub(super) of: Option<String>,
    /// The error if an incomplete object is not followed by the end of the run: its rows cannot be taken back.
    pub(super) broken: Option<Error>,
}

/// What all forks have in common.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    with_uploads: bool,
    shift: Shift,
}

/// Counts objects. Most have the kind of the one before: they are added together.
#[derive(Default)]
pub(super) struct Counted {
    tally: Tally,
    last: Option<(Adapter, &'static str, u64)>,
    /// The scope of the last ones.
    scope: String,
}

impl Counted {
    fn add(&mut self, adapter: Adapter, scope: &str, kind: &'static str, objects: u64) {
        match &mut self.last {
            Some((same, same_kind, sum)) if *same == adapter && *same_kind == kind && self.scope == scope => {
                *sum += objects;
            }
            _ => {
                self.flush();
                scope.clone_into(&mut self.scope);
                self.last = Some((adapter, kind, objects));
            }
        }
    }

    fn flush(&mut self) {
        if let Some((adapter, kind, objects)) = self.last.take() {
            self.tally.add(adapter, &self.scope, kind, objects, 0);
        }
    }

    /// All counts.
    pub(super) fn all(mut self) -> Tally {
        self.flush();
        self.tally
    }

    /// Adds those of a fork.
    pub(super) fn merge(&mut self, other: Tally) {
        self.tally.merge(other);
    }
}

/// The result.
pub(crate) struct Done {
    counts: Tally,
    /// Bookkeeping rows that a new store does not need.
    pub left_out: u64,
}

impl<S: RowSink + Clone> Objects<S> {
    /// Rows go to `rows`, fingerprints to `fingerprints`.
    pub fn new(rows: S, told: Told, shift: Shift, fingerprints: Option<Fingerprints>, scratch: &Path) -> Self {
        let sqs = sqs_rows::encode::Encoder::new(rows.clone(), told, scratch);
        Objects::with(rows, sqs, Settings { with_uploads: told.all, shift }, fingerprints)
    }

    pub(super) fn with(
        rows: S,
        sqs: sqs_rows::encode::Encoder<S>,
        settings: Settings,
        fingerprints: Option<Fingerprints>,
    ) -> Self {
        Objects {
            redis: redis_rows::encode::Encoder::new(rows.clone()),
            sqs,
            dynamodb: dynamodb_rows::encode::Encoder::new(rows.clone()),
            s3: s3_rows::encode::Encoder::new(rows.clone(), settings.with_uploads),
            fs: fs_rows::encode::Encoder::new(rows.clone()),
            rows,
            fingerprints,
            settings,
            counts: Counted::default(),
            queues: BTreeSet::new(),
            of: None,
            broken: None,
        }
    }

    /// Completes the work after all objects were given.
    pub fn finish(mut self) -> Result<Done> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        self.fingerprints.iter_mut().for_each(Fingerprints::settle);
        let left_out = self.sqs.finish()?;
        self.dynamodb.finish()?;
        self.s3.finish()?;
        self.fs.finish()?;
        Ok(Done { counts: self.counts.all(), left_out })
    }

    /// Adds to the fingerprints, if there are any.
    fn tell(&mut self, of: impl FnOnce(&mut Fingerprints) -> Result<()>) -> Result<()> {
        self.fingerprints.as_mut().map_or(Ok(()), of)
    }

    fn count(&mut self, adapter: Adapter, kind: &'static str) {
        self.counts.add(adapter, "", kind, 1);
    }
}

impl Done {
    /// Objects by adapter and kind; kinds that are compared with the manifest come first.
    pub fn totals(&self) -> Vec<(Adapter, &'static str, u64)> {
        let mut totals = Vec::new();
        for adapter in adapter::all() {
            let mut sums: BTreeMap<&'static str, u64> = BTreeMap::new();
            for (kind, objects, _) in self.counts.of(adapter).flat_map(|(_, kinds)| kinds) {
                *sums.entry(kind).or_default() += objects;
            }
            let counted = registry::counts(adapter).map_or(&[][..], Counts::kinds);
            let place = |kind: &str| counted.iter().position(|known| *known == kind).unwrap_or(counted.len());
            let mut sums: Vec<_> = sums.into_iter().collect();
            sums.sort_by_key(|(kind, _)| place(kind));
            totals.extend(sums.into_iter().map(|(kind, objects)| (adapter, kind, objects)));
        }
        totals
    }

    /// Checks that there are as many objects as the manifest counts. The manifest of the public tool has no counts.
    pub fn check(&self, manifest: &ReadManifest, adapters: &[Adapter]) -> Result<()> {
        for adapter in adapters {
            let (Some(counts), Some(told)) = (registry::counts(*adapter), manifest.counts(*adapter)) else { continue };
            let mut found = Vec::new();
            for (scope, kinds) in self.counts.of(*adapter) {
                let of_kind = |&(kind, objects, bytes)| ScopeCount { scope, kind, objects, bytes };
                found.extend(kinds.iter().map(of_kind));
            }
            let read_back = ReadBack { told, found, is_complete: manifest.skipped == 0 };
            if let Some((what, told, found)) = counts.difference(&read_back) {
                let adapter = adapter.name();
                let why = format!("{adapter}: MANIFEST.json counts {told} {what}, but the output has {found}");
                return Err(Error::new(ErrorKind::Output(why)));
            }
        }
        Ok(())
    }
}

impl<S: RowSink + Clone> redis::Visitor for Objects<S> {
    fn string(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        let key = &self.settings.shift.key(key);
        self.count(adapter::REDIS, key.kind.plural());
        self.tell(|to| to.string(key, value))?;
        self.redis.string(key, value)
    }

    fn begin(&mut self, key: &Key<'_>) -> Result<()> {
        let key = &self.settings.shift.key(key);
        self.tell(|to| to.begin(key))?;
        self.redis.begin(key)
    }

    fn field(&mut self, key: &Key<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        let key = &self.settings.shift.key(key);
        self.tell(|to| to.field(key, name, value))?;
        self.redis.field(key, name, value)
    }

    fn item(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        let key = &self.settings.shift.key(key);
        self.tell(|to| to.item(key, value))?;
        self.redis.item(key, value)
    }

    fn member(&mut self, key: &Key<'_>, member: &[u8]) -> Result<()> {
        let key = &self.settings.shift.key(key);
        self.tell(|to| to.member(key, member))?;
        self.redis.member(key, member)
    }

    fn scored(&mut self, key: &Key<'_>, member: &[u8], score: f64) -> Result<()> {
        let key = &self.settings.shift.key(key);
        self.tell(|to| to.scored(key, member, score))?;
        self.redis.scored(key, member, score)
    }

    fn entry(&mut self, key: &Key<'_>, id: StreamId, entry: &StreamEntry<'_>) -> Result<()> {
        let key = &self.settings.shift.key(key);
        self.tell(|to| to.entry(key, id, entry))?;
        self.redis.entry(key, id, entry)
    }

    fn end(&mut self, key: &Key<'_>, stream: StreamEnd) -> Result<()> {
        let key = &self.settings.shift.key(key);
        self.count(adapter::REDIS, key.kind.plural());
        self.tell(|to| to.end(key, stream))?;
        self.redis.end(key, stream)
    }

    fn abandon(&mut self, key: &Key<'_>) -> Result<()> {
        self.broken = self.redis.abandon(key).err();
        Ok(())
    }

    fn stray_items(&mut self, _: &[u8], _: &[&[u8]]) -> Result<()> {
        Ok(())
    }

    fn stray_expiry(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}

impl<S: RowSink + Clone> sqs::Visitor for Objects<S> {
    fn message(&mut self, message: &Message<'_>) -> Result<()> {
        if let Some(queue) = &self.of {
            self.counts.add(adapter::SQS, queue, "messages", 1);
        }
        let value = &self.settings.shift.message(message.value);
        let message = &Message { value, ..*message };
        self.tell(|to| to.message(message))?;
        self.sqs.message(message)
    }

    fn side_record(&mut self, record: &SideRecord<'_>) -> Result<()> {
        let value = &self.settings.shift.guard(record)?;
        let record = &SideRecord { value, ..*record };
        if self.sqs.restores(record) {
            self.tell(|to| to.side_record(record))?;
        }
        self.sqs.side_record(record)
    }
}

impl<S: RowSink + Clone> sqs::QueueVisitor for Objects<S> {
    fn queue(&mut self, queue: &Queue<'_>) -> Result<()> {
        if self.queues.insert(queue.encoded.to_vec()) {
            self.count(adapter::SQS, "queues");
        }
        self.tell(|to| to.queue(queue))?;
        self.sqs.queue(queue)
    }

    fn records(&mut self, of: &Records<'_>) -> Result<()> {
        self.of = self.queues.contains(of.queue).then(|| String::from_utf8_lossy(of.queue).into_owned());
        self.tell(|to| to.records(of))?;
        self.sqs.records(of)
    }

    fn generation(&mut self, queue: &[u8], generation: u64) -> Result<()> {
        self.sqs.generation(queue, generation)
    }
}

impl<'a, S: RowSink + Clone> dynamodb::Visitor<'a> for Objects<S> {
    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        self.count(adapter::DYNAMODB, "items");
        self.tell(|to| to.item(table, item))?;
        self.dynamodb.item(table, item)
    }

    fn stale(&mut self, item: &StaleItem<'a>) -> Result<()> {
        self.dynamodb.stale(item)
    }
}

impl<S: RowSink + Clone> dynamodb::TableVisitor for Objects<S> {
    fn table(&mut self, table: &Table) -> Result<()> {
        self.count(adapter::DYNAMODB, "tables");
        let mut schema = Vec::new();
        table.schema.encode(&mut schema);
        self.tell(|to| to.schema(&table.name, &schema))?;
        self.dynamodb.table(table)
    }

    fn generation(&mut self, table: &[u8], generation: u64) -> Result<()> {
        self.dynamodb.generation(table, generation)
    }
}

impl<S: RowSink + Clone> s3::Visitor for Objects<S> {
    fn begin(&mut self, object: &Object<'_>) -> Result<()> {
        self.tell(|to| s3::Visitor::begin(to, object))?;
        self.s3.begin(object)
    }

    fn body(&mut self, piece: &[u8]) -> Result<()> {
        self.tell(|to| to.body(piece))?;
        self.s3.body(piece)
    }

    fn end(&mut self, object: &Object<'_>) -> Result<()> {
        self.count(adapter::S3, "objects");
        self.tell(|to| s3::Visitor::end(to, object))?;
        self.s3.end(object)
    }

    fn abandon(&mut self, object: &Object<'_>) -> Result<()> {
        self.broken = self.s3.abandon(object).err();
        Ok(())
    }

    fn orphan_manifest(&mut self, _: &OrphanManifest<'_>) -> Result<()> {
        Ok(())
    }

    fn orphan_chunk(&mut self, _: &OrphanChunk<'_>) -> Result<()> {
        Ok(())
    }
}

impl<S: RowSink + Clone> s3::BucketVisitor for Objects<S> {
    fn bucket(&mut self, bucket: &Bucket<'_>) -> Result<()> {
        self.count(adapter::S3, "buckets");
        self.tell(|to| to.bucket(bucket))?;
        self.s3.bucket(bucket)
    }

    fn upload_row(&mut self, row: &UploadRow<'_>) -> Result<()> {
        if self.s3.restores(row)? {
            self.tell(|to| to.upload_row(row))?;
        }
        self.s3.upload_row(row)
    }

    fn generation(&mut self, bucket: &[u8], generation: u64) -> Result<()> {
        self.s3.generation(bucket, generation)
    }
}

impl<S: RowSink + Clone> InodeVisitor for Objects<S> {
    fn inode(&mut self, node: &Node) -> Result<()> {
        self.count(adapter::FS, if node.inode.kind.is_dir() { "directories" } else { "files" });
        self.tell(|to| to.inode(node))?;
        self.fs.inode(node)
    }

    fn name(&mut self, parent: u64, name: &[u8], node: &Node) -> Result<()> {
        self.tell(|to| to.name(parent, name, node))?;
        self.fs.name(parent, name, node)
    }

    fn content(&mut self, file: &Node, offset: u64, bytes: &[u8]) -> Result<()> {
        self.tell(|to| to.content(file, offset, bytes))?;
        self.fs.content(file, offset, bytes)
    }

    fn end_content(&mut self, file: &Node) -> Result<()> {
        self.tell(|to| to.end_content(file))?;
        self.fs.end_content(file)
    }
}

/// Times in these rows, if there are any, are not moved: their position is not known.
impl<S: RowSink + Clone> RowVisitor for Objects<S> {
    fn stored_row(&mut self, adapter: Adapter, key: &[u8], value: &[u8]) -> Result<()> {
        self.tell(|to| to.stored_row(adapter, key, value))?;
        self.rows.row(key, value)
    }

    fn stored_object(&mut self, adapter: Adapter, kind: &'static str) -> Result<()> {
        self.count(adapter, kind);
        Ok(())
    }
}
