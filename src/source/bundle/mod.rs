//! Bundles (`EKVSSTI1`), unpacked to a stream of rows (`EKVPBBL1`) in an unlinked temporary file.
//!
//! Rows of a bundle are compressed, and neighbouring keys share their beginning: no row can be borrowed from the file. The stream costs its
//! size in the page cache, not in memory, and all later stages read it like any other. Messages about a row name its block in the bundle
//! ([`Unpacked::place`]).
//!
//! All threads unpack runs of blocks; each file is hashed by one of them at the same time. Faults are a list: a strict run fails with the
//! first of them, in a lenient run a broken block costs only its rows.

mod out;
mod places;
mod plan;
mod scan;
mod work;

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;

pub use places::{Bound, Missing};

use super::crc::{Crc, Footer};
use crate::error::{Error, Result, SstPlace};
use crate::format::limits::FOOTER;
use crate::format::sst::SstFault;
use crate::format::sst::bundle::{Front, MAGIC, Manifest};
use crate::format::{frame, header};
use crate::report::Losses;
use out::{Out, Room, State};
use plan::Plan;
use work::Work;

/// Bytes before the key and before the value of a row in the stream, together.
const FRAME: u64 = 16;
/// Bytes that any stream may have in addition: so rows can be read even if the manifest states too few bytes.
const MARGIN: u64 = 64 << 20;
/// Bytes of blocks that are unpacked together.
const RUN: usize = 256 << 10;

/// The result of unpacking a bundle.
pub(crate) struct Unpacked {
    places: places::Places,
    gaps: places::Gaps,
    lost: Losses,
    footer: Option<Footer>,
}

/// Whether a file is a bundle.
pub(super) fn is_bundle(file: &[u8]) -> bool {
    header::parse(file).is_ok_and(|header| file.get(header.len..).is_some_and(|stream| stream.starts_with(MAGIC)))
}

/// Unpacks a bundle to a stream, which begins with the same header and has no footer.
///
/// # Errors
/// In a strict run the first fault. Otherwise a front that cannot be read, or a temporary file that cannot be written.
pub(super) fn unpack(file: &[u8], name: &Path, lenient: bool) -> Result<(File, Unpacked)> {
    unpack_in(file, name, lenient, RUN)
}

fn unpack_in(file: &[u8], name: &Path, lenient: bool, run: usize) -> Result<(File, Unpacked)> {
    let header = header::parse(file).map_err(|fault| Error::from(fault).at(0).input(name))?;
    let of_front = |fault: SstFault| Error::from(fault).at(header.len).input(name);
    let front = Front::parse(file.get(header.len..).unwrap_or_default()).map_err(of_front)?;
    if !front.hash_matches && !lenient {
        return Err(of_front(SstFault::ManifestHash));
    }
    let (manifest, tables_at) = (&front.manifest, header.len + front.end());
    let (starts, end) = starts(tables_at, &front);
    let mut begin = file.get(..header.len).unwrap_or_default().to_vec();
    frame::stream_header_into(manifest.last_commit_ts, &mut begin);
    let room = room(&front, file.len() as u64);
    let out = Out::new(name, &manifest.files, &starts, room, &begin)?;
    let tables = file.get(tables_at..).unwrap_or_default();
    let work = Work { plan: Mutex::new(Plan::new(&manifest.files, tables, run)), out: &out, lenient };
    rayon::in_place_scope(|scope| {
        for _ in 1..rayon::current_num_threads() {
            scope.spawn(|_| work.serve());
        }
        work.serve();
    });
    drop(work);
    let (mut state, stream) = out.finish()?;
    if let Some((_, error)) = state.first.take().filter(|_| !lenient) {
        return Err(error);
    }
    let behind = usize::try_from(end).ok().and_then(|end| file.get(end..)).unwrap_or_default();
    let mut faults: Vec<Error> = Vec::new();
    if !front.hash_matches {
        faults.push(of_front(SstFault::ManifestHash));
    }
    faults.extend(counts(&front, &state).map(of_front));
    if !behind.is_empty() && behind.len() != FOOTER {
        let fault = SstFault::TrailingBytes(behind.len() as u64);
        faults.push(Error::from(fault).at(state.at as usize).placed(end, None).input(name));
    }
    for error in faults {
        if !lenient {
            return Err(error);
        }
        state.lost.add(error);
    }
    let footer = (behind.len() == FOOTER).then(|| footer(file, tables_at, &state)).flatten();
    let State { places, gaps, lost, .. } = state;
    // The manifest has the largest timestamp of all rows, if it can be trusted.
    let newest = if front.hash_matches { manifest.last_commit_ts } else { u64::MAX };
    let unpacked =
        Unpacked { places: places.finish(starts)?, gaps: gaps.finish(newest)?, lost: lost.finish()?, footer };
    Ok((stream, unpacked))
}

/// Maximum size of the stream of a bundle of `len` bytes.
fn room(front: &Front, len: u64) -> Room {
    let Manifest { uncompressed_bytes, entry_count, .. } = front.manifest;
    let (told, likely) = match front.hash_matches {
        true => {
            let told = uncompressed_bytes.saturating_add(entry_count.saturating_mul(FRAME));
            (told, told.saturating_mul(2))
        }
        // If the digest does not match, the numbers cannot be trusted.
        false => (0, len.saturating_mul(64)),
    };
    Room { told, most: likely.saturating_add(MARGIN) }
}

/// Where the files begin in the input, and where the last one ends.
fn starts(tables_at: usize, front: &Front) -> (Vec<u64>, u64) {
    let (mut starts, mut at) = (Vec::new(), tables_at as u64);
    for file in &front.manifest.files {
        starts.push(at);
        at = at.saturating_add(file.size);
    }
    (starts, at)
}

/// A number of the manifest that the rows contradict. If some rows could not be unpacked, there is nothing to compare.
fn counts(front: &Front, state: &State) -> Option<SstFault> {
    let (manifest, all) = (&front.manifest, &state.all);
    let bytes = all.key_bytes + all.value_bytes();
    let numbers = [
        ("entry_count of the manifest", manifest.entry_count, all.entries),
        ("uncompressed_bytes of the manifest", manifest.uncompressed_bytes, bytes),
    ];
    let mut wrong = numbers.into_iter().filter(|(_, stated, found)| stated != found && !all.broken);
    wrong.next().map(|(what, stated, found)| SstFault::Count { what, stated, found })
}

/// The footer of the input, if the checksums of its files are known.
fn footer(file: &[u8], tables_at: usize, state: &State) -> Option<Footer> {
    let mut crc = Crc::of(file.get(..tables_at)?);
    for of_file in &state.crcs {
        crc.append((*of_file)?);
    }
    Footer::known(file, crc)
}

impl Unpacked {
    /// What could not be unpacked.
    pub fn lost(&self) -> &Losses {
        &self.lost
    }

    /// The places in the stream where rows are missing.
    pub fn missing(&self) -> impl Iterator<Item = Missing<'_>> {
        self.gaps.iter()
    }

    /// Whether rows are missing.
    pub fn has_missing(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// The footer of the input.
    pub fn footer(&self) -> Option<Footer> {
        self.footer
    }

    /// The block that has the row at a position of the stream.
    pub fn place(&self, position: u64) -> Option<(u64, SstPlace)> {
        self.places.find(position)
    }
}

#[cfg(all(test, not(miri)))]
mod tests;
