//! What can be read of an `EKVPBBL1` stream that is broken in places (`--on-error skip`).
//!
//! A stream is made of *runs*, in which frames follow one another and raw keys ascend, with *gaps* between them. Runs are
//! surveyed like inputs of their own and merged like them, so that nothing behind this module knows of damage.
//!
//! * **A key out of order**: the frames still hold. Of the two keys that do not ascend, the one goes without which its
//!   neighbours do; where either could be wrong, both go.
//! * **A broken frame**: the next sound entry is looked for byte by byte. One counts as found where entries in order follow, and
//!   frames hold up to the end of the file or for longer than any value can be: so entries *inside* a value (somebody stores
//!   snapshots in S3) are not taken for rows. A few entries are enough where one bit of a length explains the broken frame.
//! * **The key behind a gap** may have lost a newer version in it. Unless the gap shows that it did not, the key is left out
//!   as well: an older version is never taken for the truth.

use std::ops::Range;

use crate::error::{Error, ErrorKind};
use crate::format::Family;
use crate::format::frame::{self, Entry, Step};
use crate::format::limits::{MAX_RAW_KEY, MAX_RAW_VALUE, VALUE_HEADER};
use crate::format::mvcc::{self, Operational};

/// Most gaps of a file; behind the last of them nothing is read. Each makes one more input to merge.
const MOST_GAPS: usize = 256;
/// Most entries that are tried in search of a sound one, in all of a file.
const MOST_TRIED: u64 = 1 << 26;
/// Entries in order that show where entries begin.
const ENOUGH: usize = 8;
/// As many are enough where one bit of a length explains the break before them.
const A_FEW: usize = 3;
/// What is said of bytes that have the form of an entry.
const NO_ROW: &str = "no row begins here";
/// Bytes of a length in a frame.
const LENGTH: usize = 8;

/// The parts of a stream that can be read, and why others cannot.
#[derive(Debug, Default)]
pub(super) struct Mended {
    /// Runs of entries, none of them empty.
    pub runs: Vec<Range<usize>>,
    /// What is left out.
    pub lost: Vec<Error>,
    /// Whether a footer stands behind the last entry.
    pub footer: bool,
}

/// Walks over all entries from `start` on.
pub(super) fn mend(file: &[u8], start: usize) -> Mended {
    let mut walk = Walk {
        file,
        run: start,
        last: None,
        before: None,
        gap: None,
        gaps: 0,
        tries: MOST_TRIED,
        mended: Mended::default(),
    };
    let mut at = start;
    while let Some(next) = walk.step(at) {
        at = next;
    }
    walk.close(at);
    walk.mended
}

/// A stretch that is left out, while it is not known yet where it ends.
struct Gap {
    /// Lengths of the raw keys in it, if its frames hold: versions of one key have keys of one length.
    lengths: Option<Vec<usize>>,
    /// The key that is left out because a newer version of it may be in the gap.
    doubtful: Option<Vec<u8>>,
}

/// What follows a place where entries may begin.
enum Chain {
    /// Frames to the end of the file, or more than fit in a value.
    Holds,
    /// So many entries, then something else.
    Breaks(usize),
}

struct Walk<'a> {
    file: &'a [u8],
    /// Where the run at hand begins.
    run: usize,
    /// The last entry that was kept, and the one before it.
    last: Option<Entry<'a>>,
    before: Option<Entry<'a>>,
    gap: Option<Gap>,
    gaps: usize,
    tries: u64,
    mended: Mended,
}

impl<'a> Walk<'a> {
    /// Takes what stands at `at`; gives where to go on.
    fn step(&mut self, at: usize) -> Option<usize> {
        match frame::step(self.file, at) {
            Ok(Step::Entry(entry)) if self.is_noise(&entry) => self.broken(at, NO_ROW.to_owned()),
            Ok(Step::Entry(entry)) if self.gaps <= MOST_GAPS => Some(self.entry(&entry)),
            Ok(Step::Entry(_)) => self.stop(at, format!("more than {MOST_GAPS} places before this one are damaged")),
            Ok(Step::End) => None,
            Ok(Step::Footer) => {
                self.mended.footer = true;
                None
            }
            Err(fault) => self.broken(at, Error::from(fault).reason()),
        }
    }

    /// Whether what has the form of an entry is only bytes that wrong lengths led to.
    fn is_noise(&self, entry: &Entry<'a>) -> bool {
        let out_of_order = self.last.is_some_and(|last| entry.raw_key < last.raw_key);
        !has_prefix(entry.raw_key) && (out_of_order || !is_row(entry))
    }

    fn entry(&mut self, entry: &Entry<'a>) -> usize {
        match self.last {
            // The same key again is a row that does not count: the survey says so.
            Some(last) if entry.raw_key < last.raw_key => self.out_of_order(&last, entry),
            _ => self.keep(entry),
        }
    }

    /// Takes an entry that fits, unless the gap before it may have held a newer version of its key.
    fn keep(&mut self, entry: &Entry<'a>) -> usize {
        let key = user_key(entry);
        if let Some(gap) = &mut self.gap {
            let same_as = |other: Option<Entry<'a>>| key.is_some() && other.and_then(|entry| user_key(&entry)) == key;
            let possible = gap.lengths.as_ref().is_none_or(|all| all.contains(&entry.raw_key.len()));
            let doubtful = match (&gap.doubtful, key) {
                (Some(doubtful), Some(key)) => doubtful == key,
                (None, Some(key)) if possible && !same_as(self.last) => {
                    self.mended.lost.push(lost(ErrorKind::PerhapsOlder, entry));
                    gap.doubtful = Some(key.to_vec());
                    true
                }
                _ => false,
            };
            if doubtful {
                return entry.end;
            }
            self.gap = None;
            self.run = entry.start;
        }
        self.before = self.last.replace(*entry);
        entry.end
    }

    fn out_of_order(&mut self, last: &Entry<'a>, entry: &Entry<'a>) -> usize {
        let next = match frame::step(self.file, entry.end) {
            Ok(Step::Entry(next)) => Some(next.raw_key),
            _ => None,
        };
        let fits_without_last = self.before.is_none_or(|before| before.raw_key < entry.raw_key);
        let next_fits_on_last = next.is_none_or(|next| next > last.raw_key);
        // Within a gap the last entry stands before it, and is not touched again.
        let drop_last = fits_without_last && self.gap.is_none();
        let drop_entry = next_fits_on_last || !drop_last;
        if drop_last {
            self.drop(last, ErrorKind::KeyOrder);
            self.last = self.before;
        }
        if drop_entry {
            self.drop(entry, ErrorKind::KeyOrder);
            return entry.end;
        }
        self.keep(entry)
    }

    /// Leaves out an entry whose frame holds.
    fn drop(&mut self, entry: &Entry<'a>, why: ErrorKind) {
        self.mended.lost.push(lost(why, entry));
        let gap = self.open_gap(entry.start);
        gap.lengths.iter_mut().for_each(|lengths| lengths.push(entry.raw_key.len()));
    }

    /// Ends the run at hand before `from`, unless it has ended.
    fn open_gap(&mut self, from: usize) -> &mut Gap {
        if self.gap.is_none() {
            self.end_run(from);
            self.gaps += 1;
        }
        self.gap.get_or_insert_with(|| Gap { lengths: Some(Vec::new()), doubtful: None })
    }

    fn end_run(&mut self, end: usize) {
        if self.run < end {
            self.mended.runs.push(self.run..end);
        }
    }

    /// Looks for where entries go on behind a broken frame.
    fn broken(&mut self, at: usize, why: String) -> Option<usize> {
        let mut from = at;
        // What stands here is no entry, perhaps because the lengths of the last one are wrong.
        let is_suspect = |last: &Entry<'a>| last.end == at && self.file.get(at + LENGTH) != Some(&b'!');
        if let Some(last) = self.last.filter(is_suspect) {
            from = last.start;
            self.last = self.before;
            self.mended.lost.push(lost(ErrorKind::BeforeBroken, &last));
        }
        let above = self.last.map(|last| last.raw_key);
        let Some(found) = self.find(from, above) else { return self.stop(from, why) };
        let bytes = (found - from) as u64;
        self.mended.lost.push(self.named(Error::new(ErrorKind::Gap { why, bytes }).at(from), at));
        self.open_gap(from).lengths = None;
        Some(found)
    }

    /// The next position where entries begin that are above a key, behind the broken frame at `from`.
    fn find(&mut self, from: usize, above: Option<&[u8]>) -> Option<usize> {
        let file = self.file;
        for (at, length) in (from + 1..).zip(file.get(from + 1..)?.windows(LENGTH)) {
            let length = u64::from_le_bytes(length.try_into().ok()?);
            let found = (1..=MAX_RAW_KEY).contains(&length)
                && match self.chain(at, above) {
                    Chain::Holds => true,
                    Chain::Breaks(seen) => seen >= A_FEW && one_bit_explains(file, from, at),
                };
            if found {
                return Some(at);
            }
            if self.tries == 0 {
                return None;
            }
        }
        None
    }

    /// Follows the frames from `start`.
    fn chain(&mut self, start: usize, above: Option<&[u8]>) -> Chain {
        let (mut at, mut previous, mut seen) = (start, above, 0);
        let prefixed = above.is_none_or(has_prefix);
        while self.tries > 0 {
            self.tries -= 1;
            match frame::step(self.file, at) {
                Ok(Step::Entry(entry)) => {
                    let in_order = previous.is_none_or(|previous| previous < entry.raw_key);
                    let is_key = !prefixed || has_prefix(entry.raw_key);
                    if seen < ENOUGH && !(in_order && is_key && is_row(&entry)) {
                        return Chain::Breaks(0);
                    }
                    (at, previous, seen) = (entry.end, Some(entry.raw_key), seen + 1);
                    if seen >= ENOUGH && (at - start) as u64 > MAX_RAW_VALUE {
                        return Chain::Holds;
                    }
                }
                Ok(_) if seen > 0 => return Chain::Holds,
                _ => return Chain::Breaks(seen),
            }
        }
        Chain::Breaks(0)
    }

    /// Gives up all that is behind `at`.
    fn stop(&mut self, at: usize, why: String) -> Option<usize> {
        let bytes = (self.file.len() - at) as u64;
        self.mended.lost.push(self.named(Error::new(ErrorKind::RestLost { why, bytes }).at(at), at));
        self.open_gap(at);
        None
    }

    /// Names the key in a broken frame, if that much can be read of it.
    fn named(&self, error: Error, at: usize) -> Error {
        let key = self.file.get(at..).and_then(|frame| {
            let (length, rest) = frame.split_first_chunk::<LENGTH>()?;
            let length = u64::from_le_bytes(*length);
            let raw_key = rest.get(..usize::try_from(length).ok()?)?;
            let (user_key, _) = mvcc::split_key(raw_key).ok()?;
            (length <= MAX_RAW_KEY && Family::of(user_key) != Family::Bare).then_some(user_key)
        });
        match key {
            Some(key) => error.row(Family::of(key), key),
            None => error,
        }
    }

    fn close(&mut self, at: usize) {
        if self.gap.is_none() {
            self.end_run(at);
        }
    }
}

/// Whether the frame at `start` ends at `end` when one bit of one of its lengths is changed.
fn one_bit_explains(file: &[u8], start: usize, end: usize) -> bool {
    let length_at = |at: usize| file.get(at..)?.first_chunk::<LENGTH>().map(|bytes| u64::from_le_bytes(*bytes));
    // The length that a value behind a key of so many bytes states, and the one it should.
    let value = |key: u64| {
        let at = start + LENGTH + usize::try_from(key).ok().filter(|_| key <= MAX_RAW_KEY)?;
        Some((length_at(at)?, end.checked_sub(at + LENGTH)? as u64))
    };
    let Some(key) = length_at(start) else { return false };
    let of_value = value(key).is_some_and(|(stated, should)| (stated ^ should).count_ones() == 1);
    of_value || (0..u64::BITS).any(|bit| value(key ^ 1 << bit).is_some_and(|(stated, should)| stated == should))
}

/// The key without its timestamp; `None` for a row of the store itself.
fn user_key<'a>(entry: &Entry<'a>) -> Option<&'a [u8]> {
    match Operational::of(entry.raw_key, entry.raw_value) {
        Some(_) => None,
        None => mvcc::split_key(entry.raw_key).ok().map(|(user_key, _)| user_key),
    }
}

/// Whether a raw key begins like those of all families but one, or is of the store itself.
fn has_prefix(raw_key: &[u8]) -> bool {
    raw_key.starts_with(b"!") || Operational::of(raw_key, &[0; VALUE_HEADER]).is_some()
}

/// Whether an entry looks like a row.
fn is_row(entry: &Entry<'_>) -> bool {
    match Operational::of(entry.raw_key, entry.raw_value) {
        Some(row) => row.value(entry.raw_value).is_ok(),
        None => mvcc::split_key(entry.raw_key).is_ok() && mvcc::split_value(entry.raw_value).is_ok(),
    }
}

fn lost(why: ErrorKind, entry: &Entry<'_>) -> Error {
    match (Operational::of(entry.raw_key, entry.raw_value), mvcc::split_key(entry.raw_key)) {
        (Some(_), _) => Error::new(why).at(entry.start).row(Family::Bare, entry.raw_key),
        (None, Ok((key, _))) => Error::new(why).at(entry.start).row(Family::of(key), key),
        (None, Err(fault)) => Error::from(fault).at(entry.start),
    }
}
