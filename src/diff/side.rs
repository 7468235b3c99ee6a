//! One of the two sides of a comparison.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::decode::filter::Matched;
use crate::decode::{DecodeResult, Options, Progress};
use crate::error::{Error, Result};
use crate::objects::{self, Object};
use crate::output::manifest::FindingInfo;
use crate::output::manifest_read::ReadManifest;
use crate::output::observer::Secret;
use crate::output::reading::{Output, reopened};
use crate::source::Source;
use crate::verify;
use crate::verify::join::Tag;

/// A snapshot or an output.
pub enum Side {
    /// Snapshots, as one data set.
    Snapshots(Vec<Source>),
    /// An output of a decode: its path, and its manifest.
    Output(PathBuf, Box<ReadManifest>),
}

impl Side {
    /// An output of a decode.
    ///
    /// # Errors
    /// An output that cannot be read, or whose manifest is missing or not valid.
    pub fn output(mut output: Output) -> Result<Side> {
        let name = output.name().to_path_buf();
        if name == Path::new("-") {
            return Err(Error::command_line(
                "an output is read twice, and standard input can be read only once: give it as a file",
            ));
        }
        let manifest = ReadManifest::of(&mut output)?;
        Ok(Side::Output(name, Box::new(manifest)))
    }

    /// Calls `each` for every object with its fingerprints.
    pub(super) fn read(
        &mut self,
        options: &Options,
        told: Option<&Options>,
        secret: &Arc<Secret>,
        progress: &dyn Progress,
        each: &mut dyn FnMut(&Object<'_>) -> Result<()>,
    ) -> Result<Seen> {
        match self {
            Side::Snapshots(sources) => {
                let told = told.map(|told| Options {
                    threads: options.threads,
                    passed_over: options.passed_over.clone(),
                    ..told.clone()
                });
                let filled = match told {
                    Some(options) => objects::of_decode(sources, &options, progress, each)?,
                    None => objects::of_sources(sources, options, Some(Arc::clone(secret)), progress, each)?,
                };
                Ok(Seen::of(filled))
            }
            Side::Output(path, manifest) => {
                let mut join = verify::output::proven(path, options.threads, progress)?;
                progress.begin("read", 1);
                let layout = Options::of_readable(manifest)?.layout;
                let mut found = |each: &mut objects::File<'_>| {
                    join.classify(|path, known| match known.digest(Tag::Found) {
                        Some(digest) => each(path, known.size, &digest).map_err(io::Error::other),
                        None => Ok(()),
                    })
                };
                objects::of_layout(&mut || reopened(path), layout, true, &mut found, each)?;
                Ok(Seen { skipped: manifest.skipped, warnings: Vec::new(), notes: Vec::new(), matched: None })
            }
        }
    }
}

/// The findings while a side was read.
pub(super) struct Seen {
    /// Places that could not be read.
    pub skipped: u64,
    /// Warnings of the decode.
    pub warnings: Vec<FindingInfo>,
    /// Notes of the decode.
    pub notes: Vec<FindingInfo>,
    /// What the conditions that choose objects matched; an output has none.
    pub matched: Option<Matched>,
}

impl Seen {
    /// The findings of a decode.
    pub fn of(filled: DecodeResult) -> Seen {
        let (warnings, notes) = (filled.manifest.warnings, filled.manifest.notes);
        Seen { skipped: filled.lost.len(), warnings, notes, matched: Some(filled.matched) }
    }
}

/// The options of the outputs among the sides, with which snapshots on the other side are decoded.
pub(super) fn told(sides: &[&mut Side; 2]) -> Result<Option<Options>> {
    let mut told: Option<Options> = None;
    for side in sides {
        let Side::Output(_, manifest) = &**side else { continue };
        let options = Options::of_readable(manifest)?;
        if told.as_ref().is_some_and(|other| other.layout != options.layout) {
            return Err(Error::usage(
                "the outputs have different layouts: compare snapshots, or decode one of them again in the layout of the other",
            ));
        }
        told = Some(options);
    }
    Ok(told)
}
