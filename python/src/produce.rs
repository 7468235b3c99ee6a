//! The objects that can be requested, and their readers.

use std::sync::Arc;

use ekvsnap::decode::Options;
use ekvsnap::error::{Error, Result, Shown};
use ekvsnap::format::adapter;
use ekvsnap::layouts::rows::{Sink as _, redis, s3, sqs};
use ekvsnap::model::redis::Type;
use ekvsnap::model::sqs::{Message as SqsMessage, Queue, QueueVisitor, Records, SideRecord, Visitor as SqsVisitor};
use ekvsnap::options::filter::{Filter, Pattern};

use crate::batch::{Batches, Outlet, Wanted, with_scope};
use crate::differences::differences;
use crate::items::Items;
use crate::snapshot::Shared;

/// Objects of one kind.
#[derive(Clone)]
pub enum What {
    /// Redis keys of a type, or all keys without their values; a pattern of keys.
    Redis(Option<Type>, Option<Pattern>),
    /// Items of a table.
    Table(Vec<u8>),
    /// The index of a bucket's objects, or of all.
    Objects(Option<Vec<u8>>),
    /// Messages of a queue.
    Queue(Vec<u8>),
    /// Files and directories; a pattern of paths.
    Files(Option<Pattern>),
    /// The differences from another snapshot.
    Differences(Arc<Shared>),
}

impl What {
    /// In a word or two.
    pub fn words(&self) -> String {
        match self {
            What::Redis(kind, _) => format!("redis {}", kind.map_or("keys", Type::plural)),
            What::Table(name) => format!("dynamodb table \"{}\"", Shown(name)),
            What::Objects(Some(name)) => format!("s3 objects of \"{}\"", Shown(name)),
            What::Objects(None) => "s3 objects".into(),
            What::Files(_) => "files".into(),
            What::Differences(_) => "differences".into(),
            What::Queue(name) => format!("sqs queue \"{}\"", Shown(name)),
        }
    }
}

/// Reads all of them, and passes them on in Arrow batches.
///
/// # Errors
/// A damaged snapshot, a name that does not exist, or messages are no longer received.
pub fn batches(snapshot: &Shared, what: &What, outlet: Outlet) -> Result<()> {
    if let What::Differences(other) = what {
        return differences(snapshot, other, outlet);
    }
    let all = options(what);
    snapshot.opened()?.with_dependent(|_, snapshot| match what {
        What::Redis(kind, _) => {
            let (name, columns) = redis::data_set(*kind);
            let mut to = Batches::new(outlet, Wanted::Set(name));
            to.open(columns.clone())?;
            let mut rows = redis::Rows::new(to, &all.filter);
            snapshot.redis(&all, &mut rows)?;
            rows.finish().finish()
        }
        What::Table(name) => {
            known("table", name, snapshot.tables()?.iter().map(|table| &table.name[..]))?;
            let mut to = Batches::new(outlet, Wanted::Any);
            snapshot.dynamodb_rows(&all, &mut to)?;
            to.finish()
        }
        What::Objects(bucket) => {
            let mut to = Batches::new(outlet, Wanted::Below("s3/", "bucket"));
            if let Some(bucket) = bucket {
                known("bucket", bucket, snapshot.buckets()?.iter().map(|name| &name[..]))?;
            }
            to.open(with_scope("bucket", &s3::columns()))?;
            let mut rows = s3::Rows::new(to);
            snapshot.s3(&all, &mut rows)?;
            rows.into_sink().finish()
        }
        What::Queue(name) => {
            known("queue", name, snapshot.queues()?.iter().map(|name| &name[..]))?;
            let mut to = Batches::new(outlet, Wanted::Any);
            let set = to.set("", sqs::columns)?;
            let mut rows = OneQueue(sqs::Rows::new(to, set, true));
            snapshot.sqs(&all, &mut rows)?;
            rows.0.into_parts().0.finish()
        }
        What::Files(_) => {
            let mut to = Batches::new(outlet, Wanted::Any);
            snapshot.fs_rows(&all, &mut to)?;
            to.finish()
        }
        What::Differences(_) => Ok(()),
    })
}

/// Reads the items of a table as stored.
///
/// # Errors
/// As [`batches`].
pub fn items(snapshot: &Shared, table: &[u8], outlet: Outlet) -> Result<()> {
    let all = options(&What::Table(table.to_vec()));
    snapshot.opened()?.with_dependent(|_, snapshot| {
        known("table", table, snapshot.tables()?.iter().map(|table| &table.name[..]))?;
        let mut to = Items::new(outlet);
        snapshot.dynamodb(&all, &mut to)?;
        to.finish()
    })
}

/// Options that choose these objects.
fn options(what: &What) -> Options {
    let (include, types) = match what {
        What::Redis(kind, pattern) => {
            (pattern.iter().cloned().collect(), kind.map(|kind| vec![kind.plural().to_owned()]).unwrap_or_default())
        }
        What::Table(name) => (vec![Pattern::exactly(adapter::DYNAMODB, name)], Vec::new()),
        What::Objects(name) => (name.iter().map(|name| Pattern::exactly(adapter::S3, name)).collect(), Vec::new()),
        What::Queue(name) => (vec![Pattern::exactly(adapter::SQS, name)], Vec::new()),
        What::Files(pattern) => (pattern.iter().cloned().collect(), Vec::new()),
        What::Differences(_) => (Vec::new(), Vec::new()),
    };
    Options { filter: Filter { include, types, ..Filter::default() }, ..Options::default() }
}

fn known<'n>(what: &str, name: &[u8], mut names: impl Iterator<Item = &'n [u8]>) -> Result<()> {
    if names.any(|known| known == name) {
        return Ok(());
    }
    Err(Error::usage(format!("the snapshot has no {what} \"{}\"", Shown(name))))
}

/// Messages of the requested queue only.
struct OneQueue(sqs::Rows<Batches>);

impl SqsVisitor for OneQueue {
    fn committed(&mut self, commit_ts: u64) {
        self.0.committed(commit_ts);
    }

    fn message(&mut self, message: &SqsMessage<'_>) -> Result<()> {
        self.0.message(message)
    }

    fn side_record(&mut self, _: &SideRecord<'_>) -> Result<()> {
        Ok(())
    }
}

impl QueueVisitor for OneQueue {
    fn queue(&mut self, _: &Queue<'_>) -> Result<()> {
        Ok(())
    }

    fn records(&mut self, _: &Records<'_>) -> Result<()> {
        Ok(())
    }

    fn generation(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}
