//! What can be read of an `EKVPBBL1` stream that is broken in places (`--on-error skip`).
//!
//! The stream is walked once. What is left out becomes a list of [holes](super::Holes), behind which the rest is indexed and read
//! like a sound stream: nothing but the steps from entry to entry knows of them.
//!
//! * **A broken frame**: the next sound entry is looked for ([`super::search`]).
//! * **A key out of order**: the frames still hold. Entries are taken in windows, of which the keys that are to be believed stay
//!   ([`super::order`]).
//! * **The keys behind a gap** may have lost a newer version in it: the key of the first entry, and those that it begins with.
//!   Unless the keys in the gap show that they did not ([`is_version`]), or a version of theirs stands before it, they are left
//!   out as well: an older version is never taken for the truth.
//!
//! The stream of a bundle has sound frames. There rows are missing where a block could not be unpacked ([`Missing`]): such a
//! place is a gap with a bound, the largest raw key that can have been in it.

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

/// Entries that are decided upon at once, with as many before them or behind them in sight.
const STEP: usize = 1 << 13;
/// Entries before a broken frame of which the smallest key is a bound for what may follow: a few of them may be damaged.
const BOUND: usize = 8;
/// Keys of a gap that are held; of a longer one nothing is known.
const MOST_HELD: usize = 1 << 12;
/// Bytes that lie nearer together were damaged at once.
const BURST: usize = 4;
/// Damages of one key that are to be reckoned with.
const MOST_DAMAGES: usize = 2;
/// What is said of bytes that have the form of an entry.
const NO_ROW: &str = "no row begins here";
/// Bytes of a length in a frame.
const LENGTH: usize = 8;

/// What can be read of a stream.
pub(super) struct Recovered {
    /// What cannot.
    pub holes: Holes,
    /// Where the last entry that can be read ends.
    pub end: usize,
    /// Whether a footer stands behind the last entry.
    pub footer: bool,
}

/// What is to be walked over.
pub(super) struct Ground<'a, 'm> {
    pub file: &'a [u8],
    /// Where its entries begin.
    pub start: usize,
    /// Versions above this commit timestamp are none.
    pub as_of: u64,
    /// Where entries are missing, ascending.
    pub missing: &'m mut dyn Iterator<Item = Missing<'a>>,
}

/// Walks over all entries; `lost` takes what is left out.
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

/// An entry whose frame holds.
struct Item<'a> {
    entry: Entry<'a>,
    /// Whether bytes before it are no entries.
    behind_break: bool,
    /// The bound of what is missing before it.
    missing: Option<Bound<'a>>,
}

struct Walk<'a, 'l> {
    file: &'a [u8],
    missing: &'l mut dyn Iterator<Item = Missing<'a>>,
    next_missing: Option<Missing<'a>>,
    search: Search<'a>,
    /// Entries that are not decided upon yet.
    window: VecDeque<Item<'a>>,
    /// Whether the bytes before the next entry are no entries.
    broken: bool,
    chosen: Chosen<'a>,
    lost: &'l mut dyn FnMut(Error),
}

/// What was decided.
struct Chosen<'a> {
    as_of: u64,
    /// Where the last entry that stays ends.
    end: usize,
    /// Its key.
    floor: Option<&'a [u8]>,
    /// What was left out behind it.
    gap: Option<Gap<'a>>,
    /// The bound of what is missing behind it.
    missing: Option<Bound<'a>>,
    doubt: Doubt<'a>,
    /// Keys of which a version stays.
    open: PrefixStack<'a>,
    holes: Builder,
}

/// The raw keys in a stretch that is left out, if its frames hold.
type Gap<'a> = Option<Vec<&'a [u8]>>;

/// Which keys may have lost a newer version: all of them are what one raw key begins with.
#[derive(Default)]
struct Doubt<'a> {
    /// The raw key of the first entry behind the last gap.
    first: &'a [u8],
    /// Damaged raw keys before it.
    damaged: Vec<&'a [u8]>,
    /// All user keys up to this length, behind bytes of which nothing is known.
    up_to: Option<usize>,
    /// Those of which a version may be missing.
    bound: Option<Bound<'a>>,
    /// The key that was told of last.
    told: Option<&'a [u8]>,
}

impl<'a> Walk<'a, '_> {
    /// Whether what has the form of an entry is only bytes that wrong lengths led to.
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

    /// Looks for where entries go on behind a broken frame.
    fn broken(&mut self, at: usize, why: String) -> Option<usize> {
        let mut from = at;
        // What stands here is no entry, perhaps because the lengths of the last one are wrong.
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

    /// Decides upon the first entries of the window.
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
    /// Takes an entry, unless what was left out before it may have had a newer version of its key.
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
    /// Keys that were doubtful before are so as long as the file has keys that begin with them.
    fn goes_on_at(&mut self, first: &'a [u8]) {
        let common = self.first.iter().zip(first).take_while(|(a, b)| a == b).count();
        self.damaged.retain(|key| key.len() <= common + TS_SUFFIX);
        self.up_to = self.up_to.map(|length| length.min(common));
        self.first = first;
    }

    /// Entries are missing in front of the entry of this key. What an earlier bound reaches, a later one does.
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

/// Whether a damaged raw key may have been that of a newer version of a key: they have one length, and few damages lead from one
/// to the other. Two versions of a key have different timestamps, the newer one the larger.
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

/// Names the key in a broken frame, if that much can be read of it.
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
