//! Proves that a snapshot is intact, and that an output is complete and unchanged.
//!
//! | subject | what is proved |
//! |---|---|
//! | snapshot | it can be decoded, with all checks of a decode ([`snapshots`]); rows that a decode does not read are checked in addition ([`snapshot`]) |
//! | output | readers accept MANIFEST.json and CHECKSUMS; every file matches its digest; none is missing, foreign or a link; counts, and in an archive modes, owners and times, are those listed ([`output`]) |
//! | output and snapshot | a decode with the options of the manifest would give the same bytes; none is written ([`against`]) |

pub mod against;
pub mod attributes;
mod classify;
pub mod counted;
pub mod data_dir;
pub mod digests;
pub mod join;
pub mod live;
pub mod output;
pub mod problem;
pub mod promised;
pub mod rows;
pub mod snapshot;
pub mod told;

use crate::dataset::{Losses, Lost};
use crate::decode::{DecodeResult, Indexed, Options, Progress, fill_indexed, or_changed, scan};
use crate::error::{ErrorKind, Result};
use crate::index::Granularity;
use crate::output::tree::Tree;
use crate::source::{PassedOver, Source};
pub use snapshot::Depth;
use snapshot::Walked;

/// The results for snapshots.
#[derive(Debug)]
pub struct Snapshots {
    /// For each input, the result of the walk over its rows.
    pub walked: Vec<Walked>,
    /// Places that a decode cannot read: the first ones, in the order of inputs and offsets.
    pub lost: Vec<Lost>,
    /// Number of places that a decode cannot read.
    pub damaged: u64,
    /// The decode, if there was anything to decode.
    pub decoded: Option<DecodeResult>,
}

impl Snapshots {
    /// Number of rows encrypted with missing keys: nothing is known of their bodies.
    pub fn unopened(&self) -> u64 {
        self.walked.iter().map(|walked| walked.unopened).sum()
    }

    /// Number of damaged rows that a decode of the present state does not read.
    pub fn unread(&self) -> u64 {
        self.walked.iter().map(|walked| walked.unread).sum()
    }
}

/// Verifies snapshots; several are one data set.
///
/// They are intact if and only if a decode of them succeeds. So they are decoded into the null sink, and the first error is the verdict.
/// Rows that a decode does not read (old versions, internal rows) are checked too.
///
/// # Errors
/// Errors that are not faults of the snapshots.
pub fn snapshots(
    sources: &[Source],
    passed_over: Vec<PassedOver>,
    depth: Depth,
    progress: &dyn Progress,
) -> Result<Snapshots> {
    let options = Options { skip_damage: true, passed_over, ..Options::default() };
    let (decoded, all) = match decoded(sources, &options, progress) {
        Ok(done) => done,
        // If a file changes during the run, there is no verdict on it.
        Err(error) if matches!(error.kind(), ErrorKind::Changed) => return Err(error),
        Err(error) if error.is_damage() => (None, Losses::one(&error)),
        Err(error) => return Err(error),
    };
    let mut walked = Vec::new();
    for source in sources {
        walked.push(snapshot::walk(source, &all, Granularity::default(), depth, progress)?);
    }
    let damaged = all.len() + walked.iter().map(|walked| walked.state_changed).sum::<u64>();
    Ok(Snapshots { walked, lost: all.first(depth.limit)?, damaged, decoded })
}

/// Decodes into the null sink. Without the keys of encrypted rows nothing can be decoded: then only headers were checked.
fn decoded(sources: &[Source], options: &Options, progress: &dyn Progress) -> Result<(Option<DecodeResult>, Losses)> {
    or_changed(sources, || {
        let set = scan(sources, options, progress)?;
        if let Some(error) = set.missing_keys() {
            // With some keys the others were forgotten, as in a decode. Without any, framing, order and checksums are verified.
            return match sources.iter().all(|source| source.keys().is_empty()) {
                true => Ok((None, set.losses().take()?)),
                false => Err(error),
            };
        }
        let scratch = std::env::temp_dir();
        let mut filled = fill_indexed(&Indexed::of(set)?, &Tree::checked(&scratch), &scratch, options, progress)?;
        let lost = std::mem::take(&mut filled.lost);
        Ok((Some(filled), lost))
    })
}
