//! Reads the finished snapshot again, like a decode.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::adapters::dynamodb::{self, Tables};
use crate::adapters::fs;
use crate::adapters::redis::{self, Splits};
use crate::adapters::rows::RowVisitor as _;
use crate::adapters::s3::{self, Buckets, Payloads};
use crate::adapters::sqs::{Queues, Reader, heads};
use crate::dataset::{DataSet, KeyRange, RowRef};
use crate::decode::{Progress, index};
use crate::error::{Error, Result};
use crate::format::dynamodb::keys::table_name;
use crate::format::keys::KeyRing;
use crate::format::{Family, adapter};
use crate::index::{Granularity, decrypt};
use crate::model::sqs::{Head, HeadVisitor, Located, QueueVisitor as _, Records};
use crate::options::Options as Decode;
use crate::report::Findings;
use crate::run::engine;
use crate::run::scratch::Below;
use crate::source::{Access, Source};

use super::fingerprints::Fingerprints;

/// Gives the objects of the snapshot at `path`.
///
/// # Errors
/// A file that is not an intact snapshot.
pub(super) fn read(
    path: &Path,
    ring: Option<&Arc<KeyRing>>,
    scratch: &Path,
    progress: &dyn Progress,
    fingerprints: &mut Fingerprints,
) -> Result<()> {
    let options = Decode::default().for_restore();
    let source = Source::open(path, Access::Map)?;
    let sources = [match ring {
        Some(ring) => decrypt(source, ring, Access::Map, Granularity::default())?,
        None => source,
    }];
    let indexed = index(&sources, &options, progress)?;
    let set = &indexed.set;
    progress.begin("compare", 6);
    keys(set, &options, fingerprints)?;
    progress.advance(1);
    queues(set, &options, fingerprints)?;
    progress.advance(1);
    tables(set, &options, fingerprints)?;
    progress.advance(1);
    objects(set, &options, fingerprints)?;
    progress.advance(1);
    files(set, &options, scratch, progress, fingerprints)?;
    progress.advance(1);
    rows(set, fingerprints)?;
    progress.advance(1);
    Ok(())
}

/// Rows of added adapters.
fn rows(set: &DataSet<'_>, fingerprints: &mut Fingerprints) -> Result<()> {
    for adapter in adapter::all().filter(|adapter| !adapter::BUILT_IN.contains(adapter)) {
        for prefix in adapter.spec().prefixes {
            let KeyRange { lo, hi } = KeyRange::below(prefix.as_bytes());
            let mut rows = set.range(Family::Unknown, lo, hi);
            while let Some(row) = rows.next()? {
                fingerprints.stored_row(adapter, row.user_key, row.body)?;
            }
        }
    }
    Ok(())
}

/// Checks that every inode is where writers look for it.
fn files(
    set: &DataSet<'_>,
    options: &Decode,
    scratch: &Path,
    progress: &dyn Progress,
    fingerprints: &mut Fingerprints,
) -> Result<()> {
    let findings = fs::read_all(set, options, &Below(scratch), progress, fingerprints)?;
    match findings.iter().find(|(kind, _)| fs::is_of_home(kind)) {
        None => Ok(()),
        Some((kind, _)) => Err(Error::internal(format!("inodes were written with {}", kind.event))),
    }
}

/// Makes the fingerprints of splits on all threads.
fn each_split<S: Sync>(
    splits: &[S],
    fingerprints: &Fingerprints,
    read: impl Fn(&S, &mut Fingerprints) -> Result<()> + Sync,
) -> Result<()> {
    let work = |i: usize| {
        let mut fork = fingerprints.fork();
        splits.get(i).map_or(Ok(()), |split| read(split, &mut fork))?;
        fork.settle();
        Ok(())
    };
    engine::run(splits.len(), work, |()| Ok(()))
}

fn keys(set: &DataSet<'_>, options: &Decode, fingerprints: &mut Fingerprints) -> Result<()> {
    let splits = Splits::new(set);
    let (mut findings, reached) = (Findings::default(), AtomicU64::new(0));
    each_split(&splits.all, fingerprints, |split, fork| {
        let report = redis::read(set, &splits, split, options, fork)?;
        reached.fetch_add(report.items_reached, Ordering::Relaxed);
        Ok(())
    })?;
    redis::unreachable_items(set, reached.into_inner(), options, fingerprints, &mut findings)?;
    match findings.iter().next() {
        None => Ok(()),
        Some((kind, _)) => {
            Err(Error::internal(format!("a snapshot with items of no list was written: {}", kind.event)))
        }
    }
}

fn tables(set: &DataSet<'_>, options: &Decode, fingerprints: &mut Fingerprints) -> Result<()> {
    let mut schemas = set.family(Family::DdbTable);
    while let Some(row) = schemas.next()? {
        let name = table_name(Family::DdbTable.suffix(row.user_key));
        fingerprints.schema(&name.map_err(|fault| set.locate(row.fault(Family::DdbTable, fault)))?, row.body)?;
    }
    let tables = Tables::read(set, &mut Findings::default())?;
    let splits = dynamodb::splits(set, &tables, &options.filter)?;
    each_split(&splits, fingerprints, |split, fork| {
        dynamodb::read(set, &tables, split, options, fork)?;
        Ok(())
    })
}

fn objects(set: &DataSet<'_>, options: &Decode, fingerprints: &mut Fingerprints) -> Result<()> {
    let (buckets, payloads) = (Buckets::read(set)?, Payloads::check(set)?);
    buckets.records(&options.filter, |bucket| fingerprints.bucket(bucket))?;
    each_split(&s3::splits(set), fingerprints, |split, fork| {
        s3::read(set, &buckets, &payloads, split, options, fork)?;
        Ok(())
    })?;
    s3::live_uploads(set, &buckets, &options.filter, |row| fingerprints.upload_row(row))
}

/// Records of one kind that are stored together.
#[derive(Default)]
struct Runs<'a>(Vec<(Records<'a>, Vec<Place>)>);

/// The position of a record.
struct Place {
    row: RowRef,
    len: usize,
}

impl Located for Place {
    fn row(&self) -> RowRef {
        self.row
    }

    fn len(&self) -> usize {
        self.len
    }
}

impl<'a> HeadVisitor<'a> for Runs<'a> {
    fn head(&mut self, of: Records<'a>, head: &Head<'_>) {
        let place = Place { row: head.row, len: head.len as usize };
        match self.0.last_mut() {
            Some((same, places)) if *same == of => places.push(place),
            _ => self.0.push((of, vec![place])),
        }
    }
}

fn queues(set: &DataSet<'_>, options: &Decode, fingerprints: &mut Fingerprints) -> Result<()> {
    let queues = Queues::read(set, &mut Vec::new())?;
    let wanted = queues.wanted(&options.filter);
    queues.records(set, &wanted, &mut Findings::default(), |queue| fingerprints.queue(queue))?;
    let reader = Reader::new(set, &queues);
    for family in heads::families(options) {
        each_split(&heads::splits(set, family)?, fingerprints, |split, fork| {
            let mut runs = Runs::default();
            heads::read(set, &queues, family, split, options, None, &mut runs)?;
            for (of, places) in &runs.0 {
                fork.records(of)?;
                reader.read(of, places, fork)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}
