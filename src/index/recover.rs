//! Finds what can be read in an `EKVPBBL1` stream that is broken in places (`--on-error skip`).
//!
//! The stream is read once. The parts that are left out become a list of [holes](super::Holes). The rest is then indexed and read like an
//! intact stream: only the steps from entry to entry know the holes.
//!
//! * **A broken frame**: the next intact entry is searched for ([`super::search`]).
//! * **A key out of order**: the frames are still valid. Entries are taken in windows, and those with trusted keys are kept
//!   ([`super::order`]).
//! * **The keys after a gap** may have lost a newer version in it: the key of the first entry, and the keys that it begins with. They are
//!   left out as well, unless the keys in the gap show that no version was lost ([`is_version`]), or a version of theirs is before the gap.
//!   An older version is never taken for the newest.
//!
//! The stream of a bundle has intact frames. It lacks the rows of blocks that could not be unpacked ([`Missing`]): such a place is a gap
//! with a bound, the largest raw key that can have been in it.

use std::collections::VecDeque;

use super::holes::{Builder, Holes};
use super::order::believed;
use super::prefix_stack::PrefixStack;
use super::search::{Search, has_prefix, is_row};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Family;
use crate::format::frame::{self, Entry, Step};
use crate::format::limits::{MAX_RAW_KEY, TS_SUFFIX};
use crate::format::mvcc::{self, Operational};
use crate::source::{Bound, Missing};

/// Number of entries that are decided at once, with as many known before or after them.
const STEP: usize = 1 << 13;
/// Number of entries before a broken frame whose smallest key is a bound for what may follow: a few of them may be damaged.
const BOUND: usize = 8;
/// Maximum number of keys of a gap that are kept; nothing is known of a longer gap.
const MOST_HELD: usize = 1 << 12;
/// Damaged bytes within this distance count as one damage.
const BURST: usize = 4;
/// Maximum number of damages in one key that are considered.
const MOST_DAMAGES: usize = 2;
/// The message for bytes that only have the form of an entry.
const NO_ROW: &str = "no row begins here";
/// Bytes of a length in a frame.
const LENGTH: usize = 8;

/// The readable part of a stream.
pub(super) struct Recovered {
    /// The parts that cannot be read.
    pub holes: Holes,
    /// The end of the last entry that can be read.
    pub end: usize,
    /// Whether a footer follows the last entry.
    pub footer: bool,
}

/// The stream to read.
pub(super) struct Ground<'a, 'm> {
    pub file: &'a [u8],
    /// Start of its entries.
    pub start: usize,
    /// Versions above this commit timestamp do not count.
    pub as_of: u64,
    /// Where entries are missing, ascending.
    pub missing: &'m mut dyn Iterator<Item = Missing<'a>>,
}

/// Reads all entries; `lost` receives what is left out.
///
/// # Errors
/// A list of holes that could not be spilled.
pub(super) fn recover(ground: Ground<'_, '_>, lost: &mut dyn FnMut(Error)) -> Result<Recovered> {
    let Ground { file, start, as_of, missing } = ground;
    let next_missing = missing.next();
    let mut walk = Walk {
        file,
        missing,
        next_missing,
        search: Search::new(file),
        window: VecDeque::new(),
        broken: false,
        chosen: Chosen {
            as_of,
            end: start,
            floor: None,
            gap: None,
            missing: None,
            doubt: Doubt::default(),
            open: PrefixStack::default(),
            holes: Builder::default(),
        },
        lost,
    };
    let (mut at, mut footer) = (start, false);
    loop {
        let next = match frame::step(file, at) {
            Ok(Step::Entry(entry)) if walk.is_noise(&entry) => walk.broken(at, NO_ROW.to_owned()),
            Ok(Step::Entry(entry)) => walk.take(entry)?,
            Ok(Step::End) => None,
            Ok(Step::Footer) => {
                footer = true;
                None
            }
            Err(fault) => walk.broken(at, Error::from(fault).reason()),
        };
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    while !walk.window.is_empty() {
        walk.settle(walk.window.len())?;
    }
    let Chosen { holes, end, .. } = walk.chosen;
    Ok(Recovered { holes: holes.finish()?, end, footer })
}

/// An entry with a valid frame.
struct Item<'a> {
    entry: Entry<'a>,
    /// Whether the bytes before it are not entries.
    behind_break: bool,
    /// The bound of the entries missing before it.
    missing: Option<Bound<'a>>,
}

struct Walk<'a, 'l> {
    file: &'a [u8],
    missing: &'l mut dyn Iterator<Item = Missing<'a>>,
    next_missing: Option<Missing<'a>>,
    search: Search<'a>,
    /// Entries that are not decided yet.
    window: VecDeque<Item<'a>>,
    /// Whether the bytes before the next entry are not entries.
    broken: bool,
    chosen: Chosen<'a>,
    lost: &'l mut dyn FnMut(Error),
}

/// The decisions so far.
struct Chosen<'a> {
    as_of: u64,
    /// The end of the last entry that is kept.
    end: usize,
    /// Its key.
    floor: Option<&'a [u8]>,
    /// What was left out after it.
    gap: Option<Gap<'a>>,
    /// The bound of the entries missing after it.
    missing: Option<Bound<'a>>,
    doubt: Doubt<'a>,
    /// Keys that have a version that is kept.
    open: PrefixStack<'a>,
    holes: Builder,
}

/// The raw keys in a part that is left out, if its frames are valid.
type Gap<'a> = Option<Vec<&'a [u8]>>;

/// Which keys may have lost a newer version: all of them are prefixes of one raw key.
#[derive(Default)]
struct Doubt<'a> {
    /// The raw key of the first entry after the last gap.
    first: &'a [u8],
    /// Damaged raw keys before it.
    damaged: Vec<&'a [u8]>,
    /// All user keys up to this length, after bytes of which nothing is known.
    up_to: Option<usize>,
    /// The keys that may lack a version.
    bound: Option<Bound<'a>>,
    /// The last reported key.
    told: Option<&'a [u8]>,
}

impl<'a> Walk<'a, '_> {
    /// Whether something in the form of an entry is only bytes that wrong lengths led to.
    fn is_noise(&self, entry: &Entry<'a>) -> bool {
        if has_prefix(entry.raw_key) {
            return false;
        }
        let last = self.window.back().map(|item| item.entry.raw_key).or(self.chosen.floor);
        let odd = last.is_some_and(|last| entry.raw_key < last) || !is_row(entry);
        odd && !self.search.follows(entry.end)
    }

    fn take(&mut self, entry: Entry<'a>) -> Result<Option<usize>> {
        let behind_break = std::mem::take(&mut self.broken);
        let mut missing = None;
        while let Some(next) = self.next_missing.filter(|next| next.position <= entry.start) {
            missing = Some(next.bound);
            self.next_missing = self.missing.next();
        }
        self.window.push_back(Item { entry, behind_break, missing });
        if self.window.len() >= 2 * STEP {
            self.settle(STEP)?;
        }
        Ok(Some(entry.end))
    }

    /// Searches for the next entries after a broken frame.
    fn broken(&mut self, at: usize, why: String) -> Option<usize> {
        let mut from = at;
        // There is no entry here, perhaps because the lengths of the last one are wrong.
        let is_suspect = |item: &Item<'a>| item.entry.end == at && self.file.get(at + LENGTH) != Some(&b'!');
        if self.window.back().is_some_and(is_suspect)
            && let Some(Item { entry, .. }) = self.window.pop_back()
        {
            from = entry.start;
            (self.lost)(lost(ErrorKind::BeforeBroken, &entry));
        }
        let near = self.window.iter().rev().take(BOUND).map(|item| item.entry.raw_key);
        let above = near.min().or(self.chosen.floor);
        self.broken = true;
        let found = self.search.find(from, above);
        let error = match found {
            Some(found) => ErrorKind::Gap { why, bytes: (found - from) as u64 },
            None => ErrorKind::RestLost { why, bytes: (self.file.len() - from) as u64 },
        };
        (self.lost)(named(self.file, Error::new(error).at(from), at));
        found
    }

    /// Decides the first entries of the window.
    fn settle(&mut self, count: usize) -> Result<()> {
        let keys: Vec<&[u8]> = self.window.iter().map(|item| item.entry.raw_key).collect();
        let believed = believed(&keys, self.chosen.floor);
        for (item, believed) in self.window.drain(..count).zip(believed) {
            if item.behind_break {
                self.chosen.gap = Some(None);
            }
            // Bounds ascend.
            self.chosen.missing = item.missing.or(self.chosen.missing.take());
            let entry = &item.entry;
            match believed {
                true => self.chosen.keep(entry, self.lost)?,
                false => {
                    (self.lost)(lost(ErrorKind::KeyOrder, entry));
                    let gap = self.chosen.gap.get_or_insert_with(|| Some(Vec::new()));
                    gap.iter_mut().for_each(|keys| keys.push(entry.raw_key));
                    gap.take_if(|keys| keys.len() > MOST_HELD);
                }
            }
        }
        Ok(())
    }
}

impl<'a> Chosen<'a> {
    /// Keeps an entry, unless the part left out before it may have had a newer version of its key.
    fn keep(&mut self, entry: &Entry<'a>, lost_one: &mut dyn FnMut(Error)) -> Result<()> {
        if let Some(gap) = self.gap.take() {
            self.doubt.add(entry.raw_key, gap);
        }
        if let Some(bound) = self.missing.take() {
            self.doubt.add_missing(entry.raw_key, bound);
        }
        if let Some((key, ts)) = version_of(entry) {
            if self.doubt.is_of(entry.raw_key, key) && !self.open.contains(key) {
                if self.doubt.told.replace(key) != Some(key) {
                    lost_one(lost(ErrorKind::PerhapsOlder, entry));
                }
                return Ok(());
            }
            if ts <= self.as_of {
                self.open.enter(entry.raw_key, key);
            }
        }
        if self.end < entry.start {
            self.holes.push(&(self.end..entry.start))?;
        }
        (self.end, self.floor) = (entry.end, Some(entry.raw_key));
        Ok(())
    }
}

impl<'a> Doubt<'a> {
    /// Keys that were doubtful before stay doubtful as long as keys in the file begin with them.
    fn goes_on_at(&mut self, first: &'a [u8]) {
        let common = self.first.iter().zip(first).take_while(|(a, b)| a == b).count();
        self.damaged.retain(|key| key.len() <= common + TS_SUFFIX);
        self.up_to = self.up_to.map(|length| length.min(common));
        self.first = first;
    }

    /// Entries are missing before the entry of this key. A later bound includes the keys of an earlier one.
    fn add_missing(&mut self, first: &'a [u8], bound: Bound<'a>) {
        self.goes_on_at(first);
        self.bound = Some(bound);
    }

    /// A gap ends at the entry of this key.
    fn add(&mut self, first: &'a [u8], gap: Gap<'a>) {
        self.goes_on_at(first);
        match gap {
            Some(keys) if keys.len() + self.damaged.len() <= MOST_HELD => self.damaged.extend(keys),
            _ => self.up_to = Some(first.len()),
        }
    }

    fn is_of(&self, raw_key: &[u8], key: &[u8]) -> bool {
        self.first.starts_with(key)
            && (self.up_to.is_some_and(|up_to| key.len() <= up_to)
                || self.bound.is_some_and(|bound| bound.reaches(key))
                || self.damaged.iter().any(|damaged| is_version(damaged, raw_key)))
    }
}

/// Whether a damaged raw key may have been that of a newer version of a key: they have the same length, and few damages lead from one to
/// the other. Two versions of a key have different timestamps, and the newer one has the larger.
fn is_version(damaged: &[u8], raw_key: &[u8]) -> bool {
    if damaged.len() != raw_key.len() {
        return false;
    }
    let (Ok((user, ts)), Ok((key, before))) = (mvcc::split_key(damaged), mvcc::split_key(raw_key)) else { return true };
    let mut damages = usize::from(ts <= before);
    let mut last = None;
    for at in (0..key.len()).filter(|at| key[*at] != user[*at]) {
        damages += usize::from(last.is_none_or(|last| at - last > BURST));
        last = Some(at);
    }
    damages <= MOST_DAMAGES
}

/// Adds the key in a broken frame to the error, if the key can be read.
fn named(file: &[u8], error: Error, at: usize) -> Error {
    let key = file.get(at..).and_then(|frame| {
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

/// The key without its timestamp, and the timestamp; `None` for a row of the store itself.
fn version_of<'a>(entry: &Entry<'a>) -> Option<(&'a [u8], u64)> {
    match Operational::of(entry.raw_key, entry.raw_value) {
        Some(_) => None,
        None => mvcc::split_key(entry.raw_key).ok(),
    }
}

fn lost(why: ErrorKind, entry: &Entry<'_>) -> Error {
    match (Operational::of(entry.raw_key, entry.raw_value), mvcc::split_key(entry.raw_key)) {
        (Some(_), _) => Error::new(why).at(entry.start).row(Family::Bare, entry.raw_key),
        (None, Ok((key, _))) => Error::new(why).at(entry.start).row(Family::of(key), key),
        (None, Err(fault)) => Error::from(fault).at(entry.start),
    }
}
