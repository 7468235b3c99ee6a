//! The objects of indexed snapshots. The index is made once, for any number of reads.

use super::Snapshot;
use crate::adapters::dynamodb::{self, Tables};
use crate::adapters::fs::{self, Census, Unreached, Walk};
use crate::adapters::redis;
use crate::adapters::s3::{self, Buckets};
use crate::adapters::sqs::Queues;
use crate::dataset::DataSet;
use crate::decode::{self, Options, Silent, or_changed};
use crate::error::Result;
use crate::layouts::rows::{self, Sink};
use crate::layouts::sqs;
use crate::model;
use crate::report::Findings;
use crate::run::scratch::Anywhere;
use crate::run::sort::Sorted;
use crate::source::Source;

/// Indexed snapshots at one moment. Any number of threads can read them at once.
///
/// The options of a read choose objects; [`as_of`](Options::as_of) and [`skip_damage`](Options::skip_damage) are those of the index.
/// Every read ends with a check of the files: one that has changed since is an error.
pub struct Indexed<'a> {
    sources: &'a [Source],
    inner: decode::Indexed<'a>,
}

impl Snapshot {
    /// Indexes the files.
    ///
    /// # Errors
    /// A file that is not a valid snapshot.
    pub fn index(&self, options: &Options) -> Result<Indexed<'_>> {
        let inner = or_changed(&self.sources, || decode::index(&self.sources, options, &Silent))?;
        Ok(Indexed { sources: &self.sources, inner })
    }
}

impl<'a> Indexed<'a> {
    /// The rows.
    pub fn rows(&self) -> &DataSet<'a> {
        &self.inner.set
    }

    fn read<T>(&self, options: &Options, work: impl FnOnce(&DataSet<'a>, &Options) -> Result<T>) -> Result<T> {
        or_changed(self.sources, || {
            let set = &self.inner.set;
            set.check_keys()?;
            // Its patterns have not matched anything yet, whatever they matched in another run.
            let done = work(set, &options.clone())?;
            set.check_unchanged()?;
            Ok(done)
        })
    }

    fn noting(
        &self,
        options: &Options,
        work: impl FnOnce(&DataSet<'a>, &Options) -> Result<Findings>,
    ) -> Result<Findings> {
        let mut findings = self.read(options, work)?;
        self.inner.set.qualify(&mut findings);
        Ok(findings)
    }

    /// Passes on every Redis key: see [`Snapshot::redis`].
    ///
    /// # Errors
    /// As [`Snapshot::redis`].
    pub fn redis(&self, options: &Options, visitor: &mut impl model::redis::Visitor) -> Result<Findings> {
        self.noting(options, |set, options| redis::read_all(set, options, &Silent, visitor))
    }

    /// The DynamoDB tables, in the order of their keys.
    ///
    /// # Errors
    /// A damaged schema.
    pub fn tables(&self) -> Result<Vec<model::dynamodb::Table>> {
        self.read(&Options::default(), |set, _| Ok(Tables::read(set, &mut Findings::default())?.all().collect()))
    }

    /// Passes on every DynamoDB item: see [`Snapshot::dynamodb`].
    ///
    /// # Errors
    /// As [`Snapshot::dynamodb`].
    pub fn dynamodb(
        &self,
        options: &Options,
        visitor: &mut impl for<'v> model::dynamodb::Visitor<'v>,
    ) -> Result<Findings> {
        self.noting(options, |set, options| {
            let mut findings = Findings::default();
            let tables = Tables::read(set, &mut findings)?;
            findings.merge(dynamodb::read_all(set, &tables, options, &Silent, visitor)?);
            Ok(findings)
        })
    }

    /// Passes on every DynamoDB item as a row with a column for each attribute that has one type in its table. Items are read twice: for
    /// their types on all threads, then in order. The data set of every table is created before the first row.
    ///
    /// # Errors
    /// A file that is not a valid snapshot, a damaged row, or the error of the sink.
    pub fn dynamodb_rows(&self, options: &Options, sink: &mut impl Sink) -> Result<Findings> {
        self.noting(options, |set, options| {
            let mut findings = Findings::default();
            let tables = Tables::read(set, &mut findings)?;
            let splits = dynamodb::splits(set, &tables, &options.filter)?;
            let columns = decode::on_threads(options.threads, || {
                rows::dynamodb::AllColumns::read(set, options, &tables, &splits, || {})
            })??;
            let mut visitor = rows::dynamodb::Rows::new(sink, &columns);
            tables.wanted(&options.filter).try_for_each(|table| visitor.prepare(&table))?;
            findings.merge(dynamodb::read_all(set, &tables, options, &Silent, &mut visitor)?);
            Ok(findings)
        })
    }

    /// The names of the S3 buckets that have a record, in order.
    ///
    /// # Errors
    /// A damaged bucket record.
    pub fn buckets(&self) -> Result<Vec<Vec<u8>>> {
        self.read(&Options::default(), |set, _| {
            let buckets = Buckets::read(set)?;
            let named = (0..buckets.len()).filter(|at| buckets.has_record(*at));
            Ok(named.map(|at| buckets.name(at).to_vec()).collect())
        })
    }

    /// Passes on every S3 object with its body, in the order of buckets and keys.
    ///
    /// # Errors
    /// A file that is not a valid snapshot, a damaged row or body, or the error of the visitor.
    pub fn s3(&self, options: &Options, visitor: &mut impl model::s3::Visitor) -> Result<Findings> {
        self.noting(options, |set, options| s3::read_all(set, &Buckets::read(set)?, options, &Silent, visitor))
    }

    /// The names of the SQS queues that have a record, in the order of their keys.
    ///
    /// # Errors
    /// A damaged row of a queue.
    pub fn queues(&self) -> Result<Vec<Vec<u8>>> {
        self.read(&Options::default(), |set, options| {
            let queues = Queues::read(set, &mut Vec::new())?;
            Ok(queues.wanted(&options.filter).into_iter().map(crate::adapters::sqs::name_of).collect())
        })
    }

    /// Passes on every SQS queue, and then its messages one after the other in the order of sending.
    ///
    /// # Errors
    /// A file that is not a valid snapshot, a damaged row, or the error of the visitor.
    pub fn sqs(&self, options: &Options, visitor: &mut (impl model::sqs::QueueVisitor + Send)) -> Result<Findings> {
        self.noting(options, |set, options| {
            let threads = options.threads;
            decode::on_threads(threads, || sqs::read_in_order(set, options, &Anywhere, &Silent, visitor))?
        })
    }

    /// Passes on every file and directory as a row, in the order of a walk: first those that can be reached from the root, then the others.
    ///
    /// # Errors
    /// A file that is not a valid snapshot, a damaged row, or the error of the sink.
    pub fn fs_rows(&self, options: &Options, sink: &mut (impl Sink + Send)) -> Result<Findings> {
        self.noting(options, |set, options| {
            decode::on_threads(options.threads, || {
                let inputs = fs::Inputs { set, filter: &options.filter, scratch: &Anywhere, progress: &Silent };
                let (mut rows, mut findings) = (rows::fs::Rows::new(sink, &Anywhere)?, Findings::default());
                if !inputs.have_rows()? {
                    return Ok(findings);
                }
                let mut census = Census::take(inputs, &mut findings)?;
                let met = walk(Walk::from_root(inputs, &mut census), &mut rows, &mut findings)?;
                // It is not known whether objects that were not requested were reached.
                if options.filter.is_trivial() {
                    let Census { mut links, unreachable } = census;
                    let mut unreached = Unreached::find(inputs, met, &mut findings)?;
                    let lost = Walk::of_lost(inputs, &mut links, unreachable, &mut unreached);
                    walk(lost, &mut rows, &mut findings)?;
                }
                Ok(findings)
            })?
        })
    }
}

/// Walks to the end; returns the numbers of the inodes that were met.
fn walk(
    mut walk: Walk<'_, '_, '_>,
    rows: &mut rows::fs::Rows<'_, impl Sink>,
    findings: &mut Findings,
) -> Result<Sorted<u64>> {
    while walk.advance(rows)? {
        rows.check()?;
        findings.merge(walk.take_findings());
    }
    rows.check()?;
    walk.into_met()
}
