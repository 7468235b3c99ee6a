//! Writes sorted rows as a snapshot file: ranges of keys become entries on all threads, and are written in order.

use std::io::Write;
use std::path::Path;

use super::rows::twice;
use crate::error::{Error, Result};
use crate::format::container::Checksum;
use crate::format::frame;
use crate::format::header::FsmHeader;
use crate::format::mvcc::{hlc_millis, split_key};
use crate::run::engine::{self, Ahead, Done};
use crate::run::spill::{Sorted, SortedRuns};
use crate::source::crc::Crc;
use crate::sync::Spare;

/// Approximate bytes of a range.
const RANGE: usize = 4 << 20;

/// Consecutive bytes of the file.
struct Piece {
    bytes: Vec<u8>,
    crc: Crc,
}

impl Piece {
    fn of(bytes: Vec<u8>) -> Piece {
        Piece { crc: Crc::of(&bytes), bytes }
    }
}

impl Done for Piece {
    fn held(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes a snapshot file and returns its size.
///
/// # Errors
/// A failed write; two rows with one key.
pub(super) fn write(rows: &SortedRuns, ts: u64, out: &mut (impl Write + Send), target: &Path) -> Result<u64> {
    write_in_ranges(rows, ts, out, target, RANGE)
}

fn write_in_ranges(
    rows: &SortedRuns,
    ts: u64,
    out: &mut (impl Write + Send),
    target: &Path,
    range: usize,
) -> Result<u64> {
    let header = FsmHeader { version: 1, ceiling_ms: hlc_millis(ts) + 1, ..FsmHeader::default() };
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    frame::stream_header_into(ts, &mut bytes);
    let (mut crc, mut size) = (Crc::of(b""), 0);
    let spare = Spare::<Vec<u8>>::default();
    let mut put = |Piece { mut bytes, crc: of_piece }: Piece| {
        out.write_all(&bytes).map_err(|e| Error::io("write", target, e))?;
        crc.append(of_piece);
        size += bytes.len() as u64;
        // A buffer that a large row has made large is not kept.
        if bytes.capacity() <= 4 * range {
            bytes.clear();
            spare.give(bytes);
        }
        Ok(())
    };
    put(Piece::of(bytes))?;
    let cuts = rows.cuts(range as u64);
    let work = |n: usize, ahead: &Ahead<'_, Piece>| {
        let lo = n.checked_sub(1).and_then(|n| cuts.get(n)).map_or(&[][..], |cut| cut);
        entries(rows.between(lo, cuts.get(n).map(|cut| &**cut))?, range, spare.take(), ahead)
    };
    engine::run_ahead(cuts.len() + 1, work, &mut put, |()| Ok(()))?;
    let mut footer = Vec::new();
    Checksum::from_value(crc.value()).footer_into(&mut footer);
    out.write_all(&footer).map_err(|e| Error::io("write", target, e))?;
    Ok(size + footer.len() as u64)
}

/// The entries of a range, in a buffer. If they are more than expected, because some are very large, they are given in several pieces.
fn entries(mut rows: Sorted, range: usize, mut bytes: Vec<u8>, ahead: &Ahead<'_, Piece>) -> Result<Piece> {
    // No raw key is empty.
    let mut last = Vec::new();
    bytes.reserve(range + range / 8);
    while let Some((key, value)) = rows.next()? {
        if *key == *last {
            return Err(twice(split_key(key).map_or(key, |(user_key, _)| user_key)));
        }
        last.clear();
        last.extend_from_slice(key);
        if bytes.len() > 2 * range {
            ahead(Piece::of(std::mem::take(&mut bytes)))?;
        }
        frame::entry_into(key, value, &mut bytes);
    }
    Ok(Piece::of(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::on_threads;
    use crate::format::container::Encoder;
    use crate::run::spill::{LaneBatches, Lanes, Threads};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Ranges of a few bytes on any number of threads give the file of an encoder that takes one row after the other.
        #[test]
        fn any_ranges_give_one_file(
            rows in prop::collection::btree_map(prop::collection::vec(0u8..3, 1..7), any::<u16>(), 0..60),
            range in 1usize..300, threads in 1usize..5,
        ) {
            let (header, ts) = (FsmHeader { version: 1, ceiling_ms: 1, ..FsmHeader::default() }, 7);
            let (mut want, mut lanes, mut block) = (Vec::new(), Lanes::new(&std::env::temp_dir()), LaneBatches::default());
            let mut encoder = Encoder::begin(&header, ts, &mut want);
            for (key, value) in &rows {
                encoder.raw(key.clone(), &value.to_le_bytes(), &mut want).unwrap();
                let lane = if value % 2 == 0 { "even" } else { "odd" };
                block.push([key, b""], [&value.to_le_bytes(), b""], |_| lane).unwrap();
            }
            encoder.finish(&mut want);
            lanes.append(&block, Threads::All).unwrap();
            let (runs, mut got) = (lanes.finish(), Vec::new());
            let size = on_threads(threads, || write_in_ranges(&runs, ts, &mut got, Path::new("x"), range)).unwrap();
            prop_assert_eq!(size.unwrap(), want.len() as u64);
            prop_assert_eq!(got, want);
        }
    }

    #[test]
    fn a_key_that_is_there_twice() {
        let (mut lanes, mut block) = (Lanes::new(&std::env::temp_dir()), LaneBatches::default());
        for (key, lane) in [(b"a", "one"), (b"b", "one"), (b"b", "two")] {
            block.push([key, b"\xff\xff\xff\xff\xff\xff\xff\xfe"], [b"", b""], |_| lane).unwrap();
        }
        lanes.append(&block, Threads::All).unwrap();
        let error = write_in_ranges(&lanes.finish(), 1, &mut Vec::new(), Path::new("x"), 1).unwrap_err();
        assert!(error.to_string().contains("row b of 1 bytes"), "{error}");
    }
}
