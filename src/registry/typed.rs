//! All objects of an adapter as typed objects, for one visitor of all adapters.

use crate::adapters::dynamodb::{self, Tables};
use crate::adapters::{fs, redis, s3};
use crate::dataset::DataSet;
use crate::error::{Error, Result};
use crate::format::adapter::{self, Adapter};
use crate::layouts::reading::output::Visitor;
use crate::layouts::sqs;
use crate::model::dynamodb::TableVisitor;
use crate::model::s3::BucketVisitor;
use crate::options::Options;
use crate::report::Findings;
use crate::run::Progress;
use crate::run::scratch::Anywhere;

/// Gives all objects of an adapter that are asked for, and returns the findings.
///
/// # Errors
/// A damaged row, the error of the visitor, and a usage error for an added adapter, whose objects no visitor of this crate knows.
pub(crate) fn read_all<V: Visitor>(
    set: &DataSet<'_>,
    adapter: Adapter,
    options: &Options,
    progress: &dyn Progress,
    visitor: &mut V,
) -> Result<Findings> {
    match adapter {
        adapter::REDIS => redis::read_all(set, options, progress, visitor),
        adapter::DYNAMODB => items(set, options, progress, visitor),
        adapter::S3 => objects(set, options, progress, visitor),
        adapter::SQS => sqs::read_in_order(set, &options.clone().for_restore(), &Anywhere, progress, visitor),
        adapter::FS => fs::read_all(set, options, &Anywhere, progress, visitor),
        _ => Err(Error::usage(format!("objects of {} cannot be loaded", adapter.name()))),
    }
}

fn items(
    set: &DataSet<'_>,
    options: &Options,
    progress: &dyn Progress,
    visitor: &mut impl Visitor,
) -> Result<Findings> {
    let mut findings = Findings::default();
    let tables = Tables::read(set, &mut findings)?.whole();
    let mut wanted = tables.all().filter(|table| options.filter.judge_scope(adapter::DYNAMODB, &table.name, true));
    wanted.try_for_each(|table| visitor.table(&table))?;
    if options.for_restore {
        let mut counters = Vec::new();
        dynamodb::counters(set, &tables, &options.filter, |name, last| counters.push((name.to_vec(), last)))?;
        counters.iter().try_for_each(|(name, last)| TableVisitor::generation(visitor, name, *last))?;
    }
    findings.merge(dynamodb::read_all(set, &tables, options, progress, visitor)?);
    Ok(findings)
}

fn objects(
    set: &DataSet<'_>,
    options: &Options,
    progress: &dyn Progress,
    visitor: &mut impl Visitor,
) -> Result<Findings> {
    let buckets = s3::Buckets::read(set)?;
    buckets.records(&options.filter, |bucket| visitor.bucket(bucket))?;
    if options.for_restore {
        let mut generations = buckets.generations(&options.filter);
        generations.try_for_each(|(name, last)| BucketVisitor::generation(visitor, name, last))?;
    }
    let findings = s3::read_all(set, &buckets, options, progress, visitor)?;
    s3::live_uploads(set, &buckets, &options.filter, |row| visitor.upload_row(row))?;
    Ok(findings)
}
