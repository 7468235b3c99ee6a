//! Gives the objects of one adapter, from snapshots and from outputs alike.

use std::path::{Path, PathBuf};

use super::{Input, Options};
use crate::adapters::dynamodb::{self, Tables};
use crate::adapters::{fs, redis, s3};
use crate::dataset::DataSet;
use crate::decode::{Progress, index, or_changed};
use crate::error::{Error, Result};
use crate::format::adapter::{self, Adapter};
use crate::index::last_commit_ts as ts_of;
use crate::layouts::reading::output::{self, Visitor};
use crate::layouts::sqs;
use crate::model::dynamodb::TableVisitor;
use crate::model::s3::BucketVisitor;
use crate::options;
use crate::output::manifest_read::ReadManifest;
use crate::output::reading::opened;
use crate::registry;
use crate::report::{Finding, Findings, kinds};
use crate::run::scratch::Anywhere;
use crate::source::Source;

kinds! {
    Warning ASIDE "load_not_served" "files below _orphans and ERRORS.jsonl: the server did not serve what is in them, and it was not loaded";
    Warning SKIPPED "load_output_incomplete" "the decode could not read all rows; what it passed over (ERRORS.jsonl) was not loaded";
}

/// The newest commit timestamp that the inputs tell.
///
/// # Errors
/// An input that cannot be read.
pub(super) fn last_commit_ts(input: &Input) -> Result<u64> {
    let each: Vec<u64> = match input {
        Input::Snapshots(sources) => {
            let ts = |source| Source::unpack(source, false).and_then(|()| ts_of(source));
            sources.iter().map(ts).collect::<Result<_>>()?
        }
        Input::Outputs(paths) => {
            let ts = |path: &PathBuf| Ok(ReadManifest::of(&mut opened(path)?)?.last_commit_ts());
            paths.iter().map(ts).collect::<Result<_>>()?
        }
    };
    Ok(each.into_iter().max().unwrap_or(0))
}

/// Gives all objects of an adapter, and tells what was noticed.
///
/// # Errors
/// An input that cannot be read or is damaged, and what the visitor gives.
pub(super) fn read<V: Visitor>(
    input: &Input,
    adapter: Adapter,
    options: &Options,
    progress: &dyn Progress,
    visitor: &mut V,
) -> Result<Findings> {
    match input {
        Input::Snapshots(sources) => of_snapshots(sources, &[adapter], &options.decode, progress, visitor),
        Input::Outputs(paths) => {
            let mut findings = Findings::default();
            progress.begin("load", paths.len() as u64);
            for path in paths {
                of_output(path, adapter, visitor, &mut findings)?;
                progress.advance(1);
            }
            Ok(findings)
        }
    }
}

/// Gives the objects of snapshots, adapter by adapter, and tells what was noticed.
///
/// # Errors
/// As [`read`].
pub(super) fn of_snapshots<V: Visitor>(
    sources: &[Source],
    adapters: &[Adapter],
    options: &options::Options,
    progress: &dyn Progress,
    visitor: &mut V,
) -> Result<Findings> {
    or_changed(sources, || {
        let indexed = index(sources, options, progress)?;
        let set = &indexed.set;
        set.check_keys()?;
        let mut findings = Findings::default();
        indexed.note_inputs(options, &mut findings)?;
        for adapter in adapters {
            findings.merge(of_snapshot(set, *adapter, options, progress, visitor)?);
        }
        set.check_unchanged()?;
        Ok(findings)
    })
}

fn of_output(path: &Path, adapter: Adapter, visitor: &mut impl Visitor, findings: &mut Findings) -> Result<()> {
    let named = |error: Error| if error.path().is_none() { error.input(path) } else { error };
    let manifest = ReadManifest::of(&mut opened(path)?)?;
    let made = options::Options::of_readable(&manifest)?;
    let (mut open, scratch) = (|| opened(path), std::env::temp_dir());
    let seen = output::read(&mut open, registry::readers(made.layout, &scratch), &[adapter], &scratch, visitor)
        .map_err(named)?;
    let name = path.to_string_lossy();
    for (kind, what, count) in [(&ASIDE, "files", seen.aside), (&SKIPPED, "places", manifest.skipped)] {
        if count > 0 {
            findings.add(Finding::new(kind).with("output", name.as_ref()).with(what, count));
        }
    }
    Ok(())
}

fn of_snapshot<V: Visitor>(
    set: &DataSet<'_>,
    adapter: Adapter,
    options: &options::Options,
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
    options: &options::Options,
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
    options: &options::Options,
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
