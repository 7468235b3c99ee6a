//! The blocks from which the rows of an unpacked bundle come, and the places where rows are missing.

use crate::error::{Result, SstPlace};
use crate::source::spill::{Spill, Spilled};

/// Bytes of a place: the position of a block's first row, and the position of the block in the input.
const PLACE: usize = 16;
/// Bytes of a gap: its position, and the length of its bound. The bound follows.
const GAP: usize = 12;
/// Bytes of a bound that are kept.
pub(super) const BOUND: usize = 256;
/// Set in a length if the bound was longer.
const CUT: u32 = 1 << 31;

/// The blocks of a bundle in order of their rows.
pub(super) struct Places {
    list: Spilled,
    /// Where each file begins in the input.
    files: Vec<u64>,
}

/// Collects places in ascending order.
#[derive(Default)]
pub(super) struct Builder(Spill);

impl Builder {
    /// The rows from `position` on are those of the block at `offset`.
    ///
    /// # Errors
    /// A full list that could not be written.
    pub fn push(&mut self, position: u64, offset: u64) -> Result<()> {
        let (mut place, position) = ([0; PLACE], position.to_le_bytes());
        place[..8].copy_from_slice(&position);
        place[8..].copy_from_slice(&offset.to_le_bytes());
        self.0.push(&place)
    }

    /// All places.
    ///
    /// # Errors
    /// As [`push`](Builder::push).
    pub fn finish(self, files: Vec<u64>) -> Result<Places> {
        Ok(Places { list: self.0.finish()?, files })
    }
}

impl Places {
    /// The block of the row at `position`: its byte offset in the input, and file and block.
    pub fn find(&self, position: u64) -> Option<(u64, SstPlace)> {
        let (places, _) = self.list.bytes().as_chunks::<PLACE>();
        let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let behind = places.partition_point(|place| number(place) <= position);
        let offset = number(places.get(behind.checked_sub(1)?)?.get(8..)?);
        let file = self.files.partition_point(|start| *start <= offset).checked_sub(1)?;
        let block = offset - self.files.get(file)?;
        Some((offset, SstPlace { file: u32::try_from(file).ok()?, block: Some(block) }))
    }
}

/// Rows that are missing before a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing<'a> {
    /// Start of the next row that is present.
    pub position: usize,
    /// No missing raw key is above it.
    pub bound: Bound<'a>,
}

/// What is known of the largest of some raw keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound<'a> {
    head: &'a [u8],
    /// Whether more may follow.
    cut: bool,
    /// No row is newer than this commit timestamp.
    newest: u64,
}

impl Bound<'_> {
    /// Whether a version of this user key may be among them.
    pub fn reaches(&self, user_key: &[u8]) -> bool {
        // A newer version has a smaller raw key.
        let least = || user_key.iter().copied().chain((!self.newest).to_be_bytes());
        let head = self.head.iter().copied();
        least().le(head.clone()) || (self.cut && least().take(self.head.len()).eq(head))
    }
}

/// Positions before which rows are missing.
pub(super) struct Gaps {
    list: Spilled,
    newest: u64,
}

/// Collects gaps in ascending order.
#[derive(Default)]
pub(super) struct GapBuilder {
    list: Spill,
    /// The last one, which may grow.
    last: Option<(u64, Vec<u8>)>,
}

impl GapBuilder {
    /// Rows up to a raw key are missing before `position`.
    ///
    /// # Errors
    /// A full list that could not be written.
    pub fn push(&mut self, position: u64, bound: &[u8]) -> Result<()> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != position) {
            self.store()?;
        }
        // Bounds ascend, so the last one is the bound of the gap.
        self.last = Some((position, bound.get(..=BOUND).unwrap_or(bound).to_vec()));
        Ok(())
    }

    fn store(&mut self) -> Result<()> {
        let Some((position, bound)) = self.last.take() else { return Ok(()) };
        let head = bound.get(..BOUND).unwrap_or(&bound);
        let cut = if head.len() < bound.len() { CUT } else { 0 };
        self.list.push(&[&position.to_le_bytes()[..], &(head.len() as u32 | cut).to_le_bytes(), head].concat())
    }

    /// All gaps. No row is newer than `newest`.
    ///
    /// # Errors
    /// As [`push`](GapBuilder::push).
    pub fn finish(mut self, newest: u64) -> Result<Gaps> {
        self.store()?;
        Ok(Gaps { list: self.list.finish()?, newest })
    }
}

impl Gaps {
    /// Whether no rows are missing.
    pub fn is_empty(&self) -> bool {
        self.list.bytes().is_empty()
    }

    /// The gaps in order.
    pub fn iter(&self) -> impl Iterator<Item = Missing<'_>> {
        let mut rest = self.list.bytes();
        std::iter::from_fn(move || {
            let (fixed, behind) = rest.split_first_chunk::<GAP>()?;
            let (position, len) = fixed.split_first_chunk()?;
            let len = u32::from_le_bytes(*len.first_chunk()?);
            let (head, behind) = behind.split_at_checked((len & !CUT) as usize)?;
            rest = behind;
            let position = usize::try_from(u64::from_le_bytes(*position)).ok()?;
            Some(Missing { position, bound: Bound { head, cut: len & CUT != 0, newest: self.newest } })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_of_a_position() {
        let mut builder = Builder::default();
        for n in 0..200_000 {
            builder.push(100 + n * 10, 1000 + n * 7).unwrap();
        }
        let places = builder.finish(vec![1000, 1000 + 7 * 500]).unwrap();
        assert_eq!(places.find(99), None);
        let at = |file, block| Some(SstPlace { file, block: Some(block) });
        assert_eq!(places.find(100).map(|(_, place)| place), at(0, 0));
        assert_eq!(places.find(100 + 4999).map(|(_, place)| place), at(0, 7 * 499));
        assert_eq!(places.find(100 + 5000).map(|(_, place)| place), at(1, 0));
        assert_eq!(places.find(u64::MAX).map(|(offset, _)| offset), Some(1000 + 199_999 * 7));
    }

    #[test]
    fn gaps_come_back() {
        let long = vec![b'x'; BOUND + 9];
        let mut builder = GapBuilder::default();
        for (position, bound) in [(16, &b"a"[..]), (16, b"b"), (40, &long), (90, &[7; BOUND])] {
            builder.push(position, bound).unwrap();
        }
        let gaps = builder.finish(u64::MAX).unwrap();
        let got: Vec<_> = gaps.iter().map(|gap| (gap.position, gap.bound.head.len(), gap.bound.cut)).collect();
        assert_eq!(got, [(16, 1, false), (40, BOUND, true), (90, BOUND, false)]);
        assert_eq!(gaps.iter().next().unwrap().bound.head, b"b");
        assert!(!gaps.is_empty() && GapBuilder::default().finish(0).unwrap().is_empty());
    }

    #[test]
    fn keys_that_a_gap_may_have() {
        let bound = |head, cut| Bound { head, cut, newest: u64::MAX };
        assert!(bound(b"a\0\0\0\0\0\0\0\0", false).reaches(b"a"));
        assert!(bound(b"a\xff", false).reaches(b"a"));
        assert!(!bound(b"a\0\0\0\0\0\0\0", false).reaches(b"a"));
        assert!(!bound(b"a", false).reaches(b"a") && !bound(b"a", false).reaches(b"ab"));
        assert!(bound(b"ab", true).reaches(b"ab") && bound(b"ab", true).reaches(b"abc"));
        assert!(!bound(b"ab", true).reaches(b"ac"));
        // Versions up to 2026, whose inverted timestamps begin with FE.
        let bound_2026 = |head| Bound { head, cut: false, newest: 0x019b_0000_0000_0000 };
        assert!(bound_2026(b"a\xfe\xff").reaches(b"a") && !bound_2026(b"ax").reaches(b"a"));
        assert!(bound(b"b", false).reaches(b"a") && bound(b"", true).reaches(b"z"));
    }
}
