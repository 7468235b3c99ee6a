//! Objects of an output: each becomes rows, a fingerprint and a count.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::fingerprints::Fingerprints;
use super::shift::Shift;
use crate::adapters::rows::RowSink;
use crate::adapters::sqs::encode::Told;
use crate::adapters::{dynamodb as dynamodb_rows, fs as fs_rows, redis as redis_rows, s3 as s3_rows, sqs as sqs_rows};
use crate::error::{Error, ErrorKind, Result};
use crate::format::adapter::{self, Adapter};
use crate::format::redis::stream::{StreamEntry, StreamId};
use crate::layouts::sqs::names;
use crate::model::dynamodb::{self, Item, StaleItem, Table};
use crate::model::fs::{InodeVisitor, Node};
use crate::model::redis::{self, Key, StreamEnd, Type};
use crate::model::s3::{self, Bucket, Object, OrphanChunk, OrphanManifest, UploadRow};
use crate::model::sqs::{self, Message, Queue, Records, SideRecord};
use crate::output::manifest_read::ReadManifest;

/// Takes the objects of one output, or those of snapshots.
pub(crate) struct Objects<'o, S> {
    redis: redis_rows::encode::Encoder<S>,
    sqs: sqs_rows::encode::Encoder<S>,
    dynamodb: dynamodb_rows::encode::Encoder<S>,
    s3: s3_rows::encode::Encoder<S>,
    fs: fs_rows::encode::Encoder<S>,
    /// Nothing where the rows are not read again.
    fingerprints: Option<&'o mut Fingerprints>,
    shift: Shift,
    keys: [u64; Type::ALL.len()],
    /// Messages by queue.
    messages: BTreeMap<Vec<u8>, u64>,
    of: Vec<u8>,
    tables: u64,
    items: u64,
    buckets: u64,
    objects: u64,
    directories: u64,
    files: u64,
    /// What follows if an object that broke off is not the end of the run: its rows cannot be taken back.
    broken: Option<Error>,
}

/// What was taken of it.
pub(crate) struct Done {
    keys: [u64; Type::ALL.len()],
    messages: BTreeMap<Vec<u8>, u64>,
    tables: u64,
    items: u64,
    buckets: u64,
    objects: u64,
    directories: u64,
    files: u64,
    /// Bookkeeping rows that have no place in a new store.
    pub left_out: u64,
}

impl<'o, S: RowSink + Copy> Objects<'o, S> {
    /// Rows go to `rows`, fingerprints to `fingerprints`.
    pub fn new(rows: S, told: Told, shift: Shift, fingerprints: Option<&'o mut Fingerprints>, scratch: &Path) -> Self {
        let with_uploads = told.all;
        Objects {
            redis: redis_rows::encode::Encoder::new(rows),
            sqs: sqs_rows::encode::Encoder::new(rows, told, scratch),
            dynamodb: dynamodb_rows::encode::Encoder::new(rows),
            s3: s3_rows::encode::Encoder::new(rows, with_uploads),
            fs: fs_rows::encode::Encoder::new(rows),
            fingerprints,
            shift,
            keys: [0; Type::ALL.len()],
            messages: BTreeMap::new(),
            of: Vec::new(),
            tables: 0,
            items: 0,
            buckets: 0,
            objects: 0,
            directories: 0,
            files: 0,
            broken: None,
        }
    }

    /// All objects were given.
    pub fn finish(self) -> Result<Done> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        let left_out = self.sqs.finish()?;
        self.dynamodb.finish()?;
        self.s3.finish()?;
        self.fs.finish()?;
        let Objects { keys, messages, tables, items, buckets, objects, directories, files, .. } = self;
        Ok(Done { keys, messages, tables, items, buckets, objects, directories, files, left_out })
    }

    /// Tells the fingerprints, if there are any.
    fn tell(&mut self, of: impl FnOnce(&mut Fingerprints) -> Result<()>) -> Result<()> {
        self.fingerprints.as_deref_mut().map_or(Ok(()), of)
    }

    fn count(&mut self, key: &Key<'_>) {
        if let Some(count) = self.keys.get_mut(key.kind as usize) {
            *count += 1;
        }
    }
}

impl Done {
    /// Objects by adapter and kind.
    pub fn totals(&self) -> Vec<(Adapter, &'static str, u64)> {
        let keys = Type::ALL.iter().zip(self.keys).map(|(kind, count)| (adapter::REDIS, kind.plural(), count));
        let queues = (adapter::SQS, "queues", self.messages.len() as u64);
        let messages = (adapter::SQS, "messages", self.messages.values().sum());
        let tables = (adapter::DYNAMODB, "tables", self.tables);
        let items = (adapter::DYNAMODB, "items", self.items);
        let buckets = (adapter::S3, "buckets", self.buckets);
        let objects = (adapter::S3, "objects", self.objects);
        let directories = (adapter::FS, "directories", self.directories);
        let files = (adapter::FS, "files", self.files);
        let others = [queues, messages, tables, items, buckets, objects, directories, files];
        keys.chain(others).filter(|(.., count)| *count > 0).collect()
    }

    /// Requires that all is there that the manifest counts. That of the public tool counts nothing.
    pub fn check(&self, manifest: &ReadManifest, adapters: &[Adapter]) -> Result<()> {
        let told = |adapter: Adapter| manifest.document.get("adapters")?.get(adapter.name())?.get("scopes")?.as_array();
        let differs = |what: &str, told: u64, found: u64| {
            let why = format!("MANIFEST.json counts {told} {what}, and {found} are there");
            Err(Error::new(ErrorKind::Output(why)))
        };
        if let Some(scopes) = told(adapter::REDIS).filter(|_| adapters.contains(&adapter::REDIS)) {
            for (kind, found) in Type::ALL.iter().zip(self.keys) {
                let told = scopes.iter().map(|scope| objects_of(scope, kind.plural())).sum();
                if told != found {
                    return differs(&format!("Redis {}", kind.plural()), told, found);
                }
            }
        }
        for (adapter, kind, found) in [(adapter::DYNAMODB, "items", self.items), (adapter::S3, "objects", self.objects)]
        {
            let Some(scopes) = told(adapter).filter(|_| adapters.contains(&adapter)) else { continue };
            let told = scopes.iter().map(|scope| objects_of(scope, kind)).sum();
            if told != found {
                return differs(kind, told, found);
            }
        }
        let kinds = [("directories", self.directories), ("files", self.files)];
        for (kind, found) in kinds.into_iter().filter(|_| adapters.contains(&adapter::FS) && manifest.skipped == 0) {
            // Those that no name leads to are more.
            let tree = told(adapter::FS).into_iter().flatten().filter(|scope| scope["name"] == "tree");
            let told = tree.map(|scope| objects_of(scope, kind)).sum();
            if told > found {
                return differs(kind, told, found);
            }
        }
        for scope in told(adapter::SQS).filter(|_| adapters.contains(&adapter::SQS)).into_iter().flatten() {
            let Some(name) = scope["name"].as_str().filter(|name| *name != names::ORPHANS) else { continue };
            let told = objects_of(scope, "messages");
            let is_scope = |queue: &[u8]| {
                let queue = sqs_rows::name_of(queue);
                [names::queue_directory(&queue), names::queue_stem(&queue)].iter().any(|file| file == name)
            };
            let found = self.messages.iter().filter(|(queue, _)| is_scope(queue)).map(|(_, count)| *count).sum();
            if told != found {
                return differs(&format!("messages of the queue {name}"), told, found);
            }
        }
        Ok(())
    }
}

/// What a scope of a manifest counts of one kind.
fn objects_of(scope: &Value, kind: &str) -> u64 {
    let kinds = scope["kinds"].as_array().map_or(&[][..], Vec::as_slice);
    kinds.iter().filter(|counted| counted["kind"] == kind).filter_map(|counted| counted["objects"].as_u64()).sum()
}

impl<S: RowSink + Copy> redis::Visitor for Objects<'_, S> {
    fn string(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        let key = &self.shift.key(key);
        self.count(key);
        self.tell(|to| to.string(key, value))?;
        self.redis.string(key, value)
    }

    fn begin(&mut self, key: &Key<'_>) -> Result<()> {
        let key = &self.shift.key(key);
        self.tell(|to| to.begin(key))?;
        self.redis.begin(key)
    }

    fn field(&mut self, key: &Key<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        let key = &self.shift.key(key);
        self.tell(|to| to.field(key, name, value))?;
        self.redis.field(key, name, value)
    }

    fn item(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        let key = &self.shift.key(key);
        self.tell(|to| to.item(key, value))?;
        self.redis.item(key, value)
    }

    fn member(&mut self, key: &Key<'_>, member: &[u8]) -> Result<()> {
        let key = &self.shift.key(key);
        self.tell(|to| to.member(key, member))?;
        self.redis.member(key, member)
    }

    fn scored(&mut self, key: &Key<'_>, member: &[u8], score: f64) -> Result<()> {
        let key = &self.shift.key(key);
        self.tell(|to| to.scored(key, member, score))?;
        self.redis.scored(key, member, score)
    }

    fn entry(&mut self, key: &Key<'_>, id: StreamId, entry: &StreamEntry<'_>) -> Result<()> {
        let key = &self.shift.key(key);
        self.tell(|to| to.entry(key, id, entry))?;
        self.redis.entry(key, id, entry)
    }

    fn end(&mut self, key: &Key<'_>, stream: StreamEnd) -> Result<()> {
        let key = &self.shift.key(key);
        self.count(key);
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

impl<S: RowSink + Copy> sqs::Visitor for Objects<'_, S> {
    fn message(&mut self, message: &Message<'_>) -> Result<()> {
        if let Some(count) = self.messages.get_mut(&self.of) {
            *count += 1;
        }
        let value = &self.shift.message(message.value);
        let message = &Message { value, ..*message };
        self.tell(|to| to.message(message))?;
        self.sqs.message(message)
    }

    fn side_record(&mut self, record: &SideRecord<'_>) -> Result<()> {
        let value = &self.shift.guard(record)?;
        let record = &SideRecord { value, ..*record };
        if self.sqs.restores(record) {
            self.tell(|to| to.side_record(record))?;
        }
        self.sqs.side_record(record)
    }
}

impl<S: RowSink + Copy> sqs::QueueVisitor for Objects<'_, S> {
    fn queue(&mut self, queue: &Queue<'_>) -> Result<()> {
        self.messages.entry(queue.encoded.to_vec()).or_default();
        self.tell(|to| to.queue(queue))?;
        self.sqs.queue(queue)
    }

    fn records(&mut self, of: &Records<'_>) -> Result<()> {
        self.of.clear();
        self.of.extend_from_slice(of.queue);
        self.tell(|to| to.records(of))?;
        self.sqs.records(of)
    }

    fn generation(&mut self, queue: &[u8], generation: u64) -> Result<()> {
        self.sqs.generation(queue, generation)
    }
}

impl<'a, S: RowSink + Copy> dynamodb::Visitor<'a> for Objects<'_, S> {
    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        self.items += 1;
        self.tell(|to| to.item(table, item))?;
        self.dynamodb.item(table, item)
    }

    fn stale(&mut self, item: &StaleItem<'a>) -> Result<()> {
        self.dynamodb.stale(item)
    }
}

impl<S: RowSink + Copy> dynamodb::TableVisitor for Objects<'_, S> {
    fn table(&mut self, table: &Table) -> Result<()> {
        self.tables += 1;
        let mut schema = Vec::new();
        table.schema.encode(&mut schema);
        self.tell(|to| to.schema(&table.name, &schema))?;
        self.dynamodb.table(table)
    }

    fn generation(&mut self, table: &[u8], generation: u64) -> Result<()> {
        self.dynamodb.generation(table, generation)
    }
}

impl<S: RowSink + Copy> s3::Visitor for Objects<'_, S> {
    fn begin(&mut self, object: &Object<'_>) -> Result<()> {
        self.tell(|to| s3::Visitor::begin(to, object))?;
        self.s3.begin(object)
    }

    fn body(&mut self, piece: &[u8]) -> Result<()> {
        self.tell(|to| to.body(piece))?;
        self.s3.body(piece)
    }

    fn end(&mut self, object: &Object<'_>) -> Result<()> {
        self.objects += 1;
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

impl<S: RowSink + Copy> s3::BucketVisitor for Objects<'_, S> {
    fn bucket(&mut self, bucket: &Bucket<'_>) -> Result<()> {
        self.buckets += 1;
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

impl<S: RowSink + Copy> InodeVisitor for Objects<'_, S> {
    fn inode(&mut self, node: &Node) -> Result<()> {
        let count = if node.inode.kind.is_dir() { &mut self.directories } else { &mut self.files };
        *count += 1;
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
