//! Gives the objects of one adapter, from both snapshots and outputs.

use std::path::{Path, PathBuf};

use super::{Input, Options};
use crate::decode::{Progress, index, or_changed};
use crate::error::Result;
use crate::format::adapter::Adapter;
use crate::index::last_commit_ts as ts_of;
use crate::layouts::reading::output::{self, Visitor};
use crate::options;
use crate::output::manifest_read::ReadManifest;
use crate::output::reading::opened;
use crate::registry;
use crate::report::{Finding, Findings, kinds};
use crate::source::Source;

kinds! {
    Warning ASIDE "load_not_served" "files below _orphans, and ERRORS.jsonl: the server did not serve what they have, and it was not loaded";
    Warning SKIPPED "load_output_incomplete" "the decode could not read all rows; what it skipped (ERRORS.jsonl) was not loaded";
}

/// The newest commit timestamp of the inputs.
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

/// Gives all objects of an adapter and returns the findings.
///
/// # Errors
/// An input that cannot be read or is damaged, and the error of the visitor.
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

/// Gives the objects of snapshots, adapter by adapter, and returns the findings.
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
            findings.merge(registry::read_all(set, *adapter, options, progress, visitor)?);
        }
        set.check_unchanged()?;
        set.qualify(&mut findings);
        Ok(findings)
    })
}

fn of_output(path: &Path, adapter: Adapter, visitor: &mut impl Visitor, findings: &mut Findings) -> Result<()> {
    let manifest = ReadManifest::of(&mut opened(path)?)?;
    let made = options::Options::of_readable(&manifest)?;
    let (mut open, scratch) = (|| opened(path), std::env::temp_dir());
    let seen = output::read(&mut open, registry::readers(made.layout, &scratch), &[adapter], &scratch, visitor)
        .map_err(|error| error.or_input(path))?;
    let name = path.to_string_lossy();
    for (kind, what, count) in [(&ASIDE, "files", seen.aside), (&SKIPPED, "places", manifest.skipped)] {
        if count > 0 {
            findings.add(Finding::new(kind).with("output", name.as_ref()).with(what, count));
        }
    }
    Ok(())
}
