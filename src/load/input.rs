//! Objects of one adapter: of a snapshot as its adapter gives them, of an output as it is read back.

use std::path::{Path, PathBuf};

use super::{Input, Options};
use crate::adapters::dynamodb::{self, Tables};
use crate::adapters::{redis, s3};
use crate::dataset::DataSet;
use crate::decode::{Progress, index, or_changed};
use crate::error::{Error, Result};
use crate::format::Family;
use crate::format::adapter::{self, Adapter};
use crate::format::dynamodb::Schema;
use crate::format::dynamodb::keys::table_name;
use crate::index::last_commit_ts as ts_of;
use crate::layouts::reading::output::{self, Visitor};
use crate::layouts::sqs;
use crate::model::dynamodb::Table;
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
        Input::Snapshots(sources) => sources.iter().map(ts_of).collect::<Result<_>>()?,
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
        Input::Snapshots(sources) => {
            or_changed(sources, || of_snapshots(sources, adapter, &options.decode, progress, visitor))
        }
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

fn of_snapshots<V: Visitor>(
    sources: &[Source],
    adapter: Adapter,
    options: &options::Options,
    progress: &dyn Progress,
    visitor: &mut V,
) -> Result<Findings> {
    let indexed = index(sources, options, progress)?;
    let set = &indexed.set;
    set.check_keys()?;
    let mut findings = Findings::default();
    indexed.note_inputs(options, &mut findings)?;
    findings.merge(of_snapshot(set, adapter, options, progress, visitor)?);
    set.check_unchanged()?;
    Ok(findings)
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
    let tables = Tables::read(set, &mut findings)?;
    // Whole schemas: the tables above keep the keys alone, without indexes and attributes.
    let mut schemas = set.family(Family::DdbTable);
    while let Some(row) = schemas.next()? {
        let fault = |fault| set.locate(row.fault(Family::DdbTable, fault));
        let encoded = Family::DdbTable.suffix(row.user_key);
        let name = table_name(encoded).map_err(fault)?;
        if !options.filter.judge_scope(adapter::DYNAMODB, &name, true) {
            continue;
        }
        let schema = Schema::parse(row.body).map_err(fault)?;
        visitor.table(&Table { place: 0, encoded: encoded.to_vec(), name, schema })?;
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
    let findings = s3::read_all(set, &buckets, options, progress, visitor)?;
    s3::live_uploads(set, &buckets, &options.filter, |row| visitor.upload_row(row))?;
    Ok(findings)
}
