//! The finished snapshot, read again as a decode reads it.

use std::path::Path;
use std::sync::Arc;

use crate::adapters::dynamodb::{self, Tables};
use crate::adapters::fs;
use crate::adapters::redis::{self, Splits};
use crate::adapters::s3::{self, Buckets, Payloads};
use crate::adapters::sqs::{Queues, Reader, heads};
use crate::dataset::{DataSet, RowRef};
use crate::decode::{Progress, index};
use crate::error::{Error, Result};
use crate::format::Family;
use crate::format::dynamodb::keys::table_name;
use crate::format::keys::KeyRing;
use crate::index::{Granularity, decrypt};
use crate::model::sqs::{Head, HeadVisitor, Located, QueueVisitor as _, Records};
use crate::options::Options as Decode;
use crate::report::Findings;
use crate::run::scratch::Below;
use crate::source::{Access, Source};

use super::fingerprints::Fingerprints;

/// Gives the objects of the snapshot at `path`.
///
/// # Errors
/// A file that is no intact snapshot.
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
    progress.begin("compare", 5);
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
    Ok(())
}

/// Every inode must be where writers look for it.
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

fn keys(set: &DataSet<'_>, options: &Decode, fingerprints: &mut Fingerprints) -> Result<()> {
    let splits = Splits::new(set);
    let (mut findings, mut reached) = (Findings::default(), 0);
    for split in &splits.all {
        reached += redis::read(set, &splits, split, options, fingerprints)?.items_reached;
    }
    redis::unreachable_items(set, reached, options, fingerprints, &mut findings)?;
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
    for split in dynamodb::splits(set, &tables, &options.filter)? {
        dynamodb::read(set, &tables, &split, options, fingerprints)?;
    }
    Ok(())
}

fn objects(set: &DataSet<'_>, options: &Decode, fingerprints: &mut Fingerprints) -> Result<()> {
    let (buckets, payloads) = (Buckets::read(set)?, Payloads::check(set)?);
    buckets.records(&options.filter, |bucket| fingerprints.bucket(bucket))?;
    for split in s3::splits(set) {
        s3::read(set, &buckets, &payloads, &split, options, fingerprints)?;
    }
    s3::live_uploads(set, &buckets, &options.filter, |row| fingerprints.upload_row(row))
}

/// Records of one kind that stand together.
#[derive(Default)]
struct Runs<'a>(Vec<(Records<'a>, Vec<Place>)>);

/// Where a record stands.
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
        for split in heads::splits(set, family)? {
            let mut runs = Runs::default();
            heads::read(set, &queues, family, &split, options, None, &mut runs)?;
            for (of, places) in &runs.0 {
                fingerprints.records(of)?;
                reader.read(of, places, fingerprints)?;
            }
        }
    }
    Ok(())
}
