//! Proofs: that a snapshot is sound in every row, and that an output is whole.
//!
//! | subject | what is proved |
//! |---|---|
//! | snapshot | framing, limits, order, headers, checksums; every key and value of every version parses ([`snapshot`]); and what it holds can be decoded: chunks are there, references lead somewhere ([`snapshots`]) |
//! | output | MANIFEST.json and CHECKSUMS are what readers accept; every file has the bytes of its digest; none is missing, none foreign, none a link ([`output`]) |
//! | output and snapshot | a decode with the options of the manifest would give the same bytes; none is written ([`against`]) |

pub mod against;
pub mod digests;
pub mod live;
pub mod output;
pub mod problem;
pub mod promised;
pub mod roll;
pub mod rows;
pub mod snapshot;

use crate::dataset::Lost;
use crate::decode::{Filled, Options, Progress, fill_nowhere};
use crate::error::{ErrorKind, Result};
use crate::source::{PassedOver, Source};
use crate::survey::Grain;
use snapshot::Walked;

/// What was found out about snapshots.
#[derive(Debug)]
pub struct Snapshots {
    /// For each input, what a walk over its rows found.
    pub walked: Vec<Walked>,
    /// What only shows when rows are put together.
    pub beyond_rows: Vec<Lost>,
    /// Newer files of a directory that are damaged.
    pub passed_over: Vec<PassedOver>,
    /// The decode, if the order of the rows let it happen.
    pub decoded: Option<Filled>,
}

impl Snapshots {
    /// How many places are damaged.
    pub fn damaged(&self) -> u64 {
        let rows: u64 = self.walked.iter().map(|walked| walked.damaged).sum();
        rows + (self.beyond_rows.len() + self.passed_over.len()) as u64
    }
}

/// Verifies snapshots, several of them as one data set; shows at most `limit` places of each.
///
/// # Errors
/// What is no fault of the snapshots, or no snapshot at all.
pub fn snapshots(
    sources: &[Source],
    passed_over: Vec<PassedOver>,
    limit: usize,
    progress: &dyn Progress,
) -> Result<Snapshots> {
    let mut walked = Vec::new();
    for source in sources {
        walked.push(snapshot::walk(source, Grain::default(), limit, progress)?);
    }
    let options = Options { skip_damage: true, ..Options::default() };
    let (decoded, beyond_rows) = match fill_nowhere(sources, &options, progress) {
        Ok(mut filled) => {
            let lost = std::mem::take(&mut filled.lost);
            (Some(filled), lost.into_iter().filter(|lost| !is_counted(sources, lost)).collect())
        }
        // What was seen of a file that changes is no verdict on it.
        Err(error) if matches!(error.kind(), ErrorKind::Changed) => return Err(error),
        // The walk has met the damage that ends every decode: broken frames, and keys out of order.
        Err(error) if error.is_damage() && walked.iter().any(|walked| walked.damaged > 0) => (None, Vec::new()),
        Err(error) if error.is_damage() => (None, vec![Lost::of(&error)]),
        Err(error) => return Err(error),
    };
    Ok(Snapshots { walked, beyond_rows, passed_over, decoded })
}

/// Whether the walk over the rows has counted a loss of the decode.
fn is_counted(sources: &[Source], lost: &Lost) -> bool {
    let source = sources.iter().find(|source| source.path().to_string_lossy() == lost.input);
    // A footer is no row of a family; the walk has compared it.
    lost.family.is_none() || source.is_some_and(|source| snapshot::is_damaged_row(source, lost.offset as usize))
}
