//! Finds the next entries after a broken frame.
//!
//! The next intact entry is searched for byte by byte. An entry counts as found if rows in order follow it, and also one of these is true:
//!
//! * frames are valid up to the end of the file, or for longer than any value can be;
//! * one changed bit of a length explains the broken frame;
//! * all of these rows are of known families, no snapshot begins in the skipped bytes, and if their frames break again, rows with larger
//!   keys follow.
//!
//! So entries *inside* a value (for example a snapshot stored in S3) are not taken for rows.

use std::collections::HashSet;
use std::ops::Range;

use crate::format::Family;
use crate::format::frame::{self, Entry, Step};
use crate::format::limits::{MAX_RAW_KEY, MAX_RAW_VALUE, VALUE_HEADER};
use crate::format::mvcc::{self, Operational};
use crate::format::mvcc2;

/// Number of rows that are checked for each candidate.
const ENOUGH: usize = 8;
/// Minimum number of rows in order between two broken frames.
pub(super) const A_FEW: usize = 3;
/// Maximum number of damaged rows among those after the first few.
const MOST_BAD: usize = 2;
/// Bytes after a second break within which rows must follow.
const NEAR: usize = 1 << 20;
/// Maximum number of entries that are tried, for each byte of the file: far more than damage needs, so that only hostile files reach it.
const TRIED_PER_BYTE: u64 = 4;
/// Bytes of a length in a frame.
const LENGTH: usize = 8;
/// Of a chain of frames, only one position in this number is stored.
const SAMPLED: usize = 64;

/// The end of a chain of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// At the end of the file, or beyond the length of any value.
    Holds,
    /// At this position.
    Breaks(usize),
}

/// What is at a position where entries may begin.
struct Candidate<'a> {
    /// Number of rows in order.
    seen: usize,
    /// Whether the first few of them are of known families.
    known: bool,
    /// The last key of the first few.
    last: &'a [u8],
    fate: Fate,
}

/// Looks for entries in one file.
pub(super) struct Search<'a> {
    file: &'a [u8],
    tries: u64,
    /// Positions of the chain of frames that was followed last, as far as it was followed, and how it ends if that is known.
    chain: HashSet<usize>,
    tip: usize,
    end: Option<Fate>,
    /// The first keys after a break.
    behind: Option<(usize, Vec<&'a [u8]>)>,
}

impl<'a> Search<'a> {
    pub fn new(file: &'a [u8]) -> Search<'a> {
        let tries = (1 << 20) + TRIED_PER_BYTE * file.len() as u64;
        Search { file, tries, chain: HashSet::new(), tip: 0, end: None, behind: None }
    }

    /// The next position at which entries with keys above `above` begin, after the broken frame at `from`.
    pub fn find(&mut self, from: usize, above: Option<&[u8]>) -> Option<usize> {
        let file = self.file;
        // Up to where the skipped bytes are known, and whether a snapshot begins in them: the rows after its start belong to it.
        let (mut known_to, mut in_snapshot) = (from, false);
        for (at, length) in (from + 1..).zip(file.get(from + 1..)?.windows(LENGTH)) {
            let length = u64::from_le_bytes(length.try_into().ok()?);
            if !(1..=MAX_RAW_KEY).contains(&length) {
                continue;
            }
            if let Some(found) = self.candidate(at, above) {
                let few = found.seen >= A_FEW;
                match found.fate {
                    Fate::Holds => return Some(at),
                    Fate::Breaks(_) if few && one_bit_explains(file, from, at) => return Some(at),
                    Fate::Breaks(end) if few && found.known => {
                        in_snapshot |= begins_snapshot(file, known_to..at);
                        known_to = at;
                        if !in_snapshot && self.goes_on(end, found.last) {
                            return Some(at);
                        }
                    }
                    Fate::Breaks(_) => {}
                }
            }
            if self.tries == 0 {
                return None;
            }
        }
        None
    }

    /// Whether rows follow the entry that ends at `at`, so that its lengths are right. Some of them may be damaged too.
    pub fn follows(&self, mut at: usize) -> bool {
        let (mut previous, mut seen) = (None::<&[u8]>, 0);
        for _ in 0..ENOUGH + A_FEW {
            let entry = match frame::step(self.file, at) {
                Ok(Step::Entry(entry)) => entry,
                Ok(_) => return true,
                Err(_) => return false,
            };
            at = entry.end;
            if is_row(&entry) && has_prefix(entry.raw_key) && previous < Some(entry.raw_key) {
                (previous, seen) = (Some(entry.raw_key), seen + 1);
            }
            if seen >= A_FEW {
                return true;
            }
        }
        false
    }

    /// The rows at `start`, if their keys are above `above`.
    fn candidate(&mut self, start: usize, above: Option<&'_ [u8]>) -> Option<Candidate<'a>> {
        let prefixed = above.is_none_or(has_prefix);
        let (mut at, mut known, mut seen, mut bad) = (start, true, 0, 0);
        let (mut last, mut low) = (None::<&'a [u8]>, None);
        while seen < ENOUGH && self.tries > 0 {
            self.tries -= 1;
            let entry = match frame::step(self.file, at) {
                Ok(Step::Entry(entry)) => entry,
                Ok(_) if seen > 0 => return Some(Candidate { seen, known, last: low?, fate: Fate::Holds }),
                Err(_) if seen > 0 => return Some(Candidate { seen, known, last: low?, fate: Fate::Breaks(at) }),
                _ => return None,
            };
            at = entry.end;
            let in_order = last.or(above).is_none_or(|last| last < entry.raw_key);
            if in_order && (!prefixed || has_prefix(entry.raw_key)) && is_row(&entry) {
                (last, seen) = (Some(entry.raw_key), seen + 1);
                low = if seen <= A_FEW { last } else { low };
                known &= seen > A_FEW || is_known(&entry);
                continue;
            }
            bad += 1;
            if seen < A_FEW || bad > MOST_BAD {
                return None;
            }
        }
        let fate = self.follow(start, at)?;
        Some(Candidate { seen, known, last: low?, fate })
    }

    /// Follows the frames of a candidate from `at` on; `None`: that would take too long.
    fn follow(&mut self, start: usize, mut at: usize) -> Option<Fate> {
        let (mut met, mut joined) = (Vec::new(), false);
        let fate = loop {
            if !joined && self.chain.contains(&at) {
                // The rest of the way to the tip is known.
                (joined, at) = (true, self.tip);
                if self.end.is_some() {
                    break self.end;
                }
            }
            if at.saturating_sub(start) as u64 > MAX_RAW_VALUE {
                break None;
            }
            self.tries = self.tries.checked_sub(1)?;
            match frame::step(self.file, at) {
                Ok(Step::Entry(entry)) => {
                    met.extend((at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40).is_multiple_of(SAMPLED).then_some(at));
                    at = entry.end;
                }
                Ok(_) => break Some(Fate::Holds),
                Err(_) => break Some(Fate::Breaks(at)),
            }
        };
        if !joined {
            self.chain.clear();
        }
        self.chain.extend(met);
        (self.tip, self.end) = (at, fate);
        Some(fate.unwrap_or(Fate::Holds))
    }

    /// Whether most of the first rows after a second break are above a key. If there are no rows near it, nothing contradicts it.
    fn goes_on(&mut self, at: usize, last: &[u8]) -> bool {
        let first = match self.behind.take() {
            Some((known, first)) if known == at => first,
            _ => self.first_behind(at),
        };
        let above = first.iter().filter(|key| **key > last).count();
        let goes_on = above * 2 > first.len() || first.is_empty();
        self.behind = Some((at, first));
        goes_on
    }

    /// The first keys after a break, and after further breaks if these are near.
    fn first_behind(&mut self, at: usize) -> Vec<&'a [u8]> {
        let (mut keys, mut from) = (Vec::new(), at + 1);
        let most = at.saturating_add(NEAR).min(self.file.len().saturating_sub(LENGTH));
        while from <= most && keys.len() < ENOUGH {
            match self.begins(from) {
                true => from = self.keys(from, &mut keys).max(from + 1),
                false => from += 1,
            }
        }
        self.tries = self.tries.saturating_sub((from - at) as u64 / 8);
        keys
    }

    /// Whether an entry begins at `at` and rows follow it.
    fn begins(&self, at: usize) -> bool {
        let length =
            self.file.get(at..).and_then(<[u8]>::first_chunk::<LENGTH>).map(|length| u64::from_le_bytes(*length));
        length.is_some_and(|length| (1..=MAX_RAW_KEY).contains(&length))
            && match frame::step(self.file, at) {
                Ok(Step::Entry(entry)) => is_row(&entry) && has_prefix(entry.raw_key) && self.follows(entry.end),
                _ => false,
            }
    }

    /// Appends the keys of the next rows; returns the end of these rows.
    fn keys(&self, mut at: usize, keys: &mut Vec<&'a [u8]>) -> usize {
        while keys.len() < ENOUGH
            && let Ok(Step::Entry(entry)) = frame::step(self.file, at)
            && is_row(&entry)
            && has_prefix(entry.raw_key)
        {
            keys.push(entry.raw_key);
            at = entry.end;
        }
        at
    }
}

/// Whether a snapshot or a store stream begins at one of these positions.
fn begins_snapshot(file: &[u8], at: Range<usize>) -> bool {
    const COMMON: &[u8] = b"EKV";
    let bytes = file.get(at.start..file.len().min(at.end + COMMON.len() - 1)).unwrap_or_default();
    let is_magic = |begin: usize| {
        let rest = file.get(at.start + begin..).unwrap_or_default();
        rest.starts_with(frame::MAGIC) || rest.starts_with(mvcc2::MAGIC) || rest.starts_with(b"EKVTHLC")
    };
    memchr::memmem::find_iter(bytes, COMMON).any(is_magic)
}

fn is_known(entry: &Entry<'_>) -> bool {
    let family = || mvcc::split_key(entry.raw_key).map(|(key, _)| Family::of(key));
    Operational::of(entry.raw_key, entry.raw_value).is_some()
        || family().is_ok_and(|family| !matches!(family, Family::Bare | Family::Unknown))
}

/// Whether the frame at `start` ends at `end` if one bit of one of its lengths is changed.
fn one_bit_explains(file: &[u8], start: usize, end: usize) -> bool {
    let length_at = |at: usize| file.get(at..)?.first_chunk::<LENGTH>().map(|bytes| u64::from_le_bytes(*bytes));
    // The length that is stated for the value after a key of this length, and the one that would be right.
    let value = |key: u64| {
        let at = start + LENGTH + usize::try_from(key).ok().filter(|_| key <= MAX_RAW_KEY)?;
        Some((length_at(at)?, end.checked_sub(at + LENGTH)? as u64))
    };
    let Some(key) = length_at(start) else { return false };
    let of_value = value(key).is_some_and(|(stated, should)| (stated ^ should).count_ones() == 1);
    of_value || (0..u64::BITS).any(|bit| value(key ^ 1 << bit).is_some_and(|(stated, should)| stated == should))
}
/// Whether a raw key begins like those of all families but one, or belongs to the store itself.
pub(super) fn has_prefix(raw_key: &[u8]) -> bool {
    raw_key.starts_with(b"!") || Operational::of(raw_key, &[0; VALUE_HEADER]).is_some()
}

/// Whether an entry looks like a row.
pub(super) fn is_row(entry: &Entry<'_>) -> bool {
    match Operational::of(entry.raw_key, entry.raw_value) {
        Some(row) => row.value(entry.raw_value).is_ok(),
        None => {
            let value = mvcc::split_value(entry.raw_value);
            mvcc::split_key(entry.raw_key).is_ok() && matches!(value, Ok(_) | Err(mvcc::MvccFault::Encrypted(Ok(_))))
        }
    }
}
