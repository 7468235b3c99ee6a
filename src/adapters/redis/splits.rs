//! Cuts the space of user keys into splits of about equal bytes.

use std::sync::atomic::AtomicBool;

use crate::dataset::{DataSet, KeyRange, RowsOf};
use crate::format::redis::{element_key, list};
use crate::format::{Family, adapter, family::Class};
use crate::index::MALFORMED;

/// Maximum number of splits in a run, so that their number does not grow with the file.
const MOST_SPLITS: usize = 4096;
/// Bytes of a key that a boundary keeps.
const BOUNDARY: usize = 40;

/// A range of Redis user keys.
pub type Split = KeyRange;

/// All splits, and the streams that each of them merges.
#[derive(Debug)]
pub struct Splits {
    /// The splits in key order; together they cover every key.
    pub all: Vec<Split>,
    /// Families whose keys are a prefix and the user key.
    pub simple: Vec<Family>,
    /// Families with the length before the key, and every length that occurs.
    pub runs: Vec<(Family, u32)>,
    /// Families with keys that are too short for the length they state.
    pub malformed: Vec<Family>,
    /// Whether helper threads work on a collection of one of the splits: only one collection at a time has them, to limit their number.
    pub(super) are_busy: AtomicBool,
}

impl Splits {
    /// Ranges of the rows of some keys, in all families.
    pub fn rows_of(&self, key: Vec<u8>) -> RowsOf {
        let mut ranges = Vec::new();
        let prefixes = self.simple.iter().copied().chain([Family::ListItem]).map(|family| (family, None));
        let runs = self.runs.iter().filter(|(_, len)| *len as usize == key.len()).map(|(f, len)| (*f, Some(*len)));
        for (family, len) in prefixes.chain(runs) {
            let len = len.map(u32::to_be_bytes);
            let lo = [family.prefix().as_bytes(), len.as_ref().map_or(&[][..], |len| len), &key].concat();
            ranges.push(KeyRange::below(&lo));
        }
        let is_row = move |row: &[u8]| user_key(row).is_some_and(|of| of == key);
        RowsOf { ranges, is_row: Box::new(is_row) }
    }

    /// Cuts all Redis keys of `set` into splits.
    pub fn new(set: &DataSet<'_>) -> Splits {
        Splits { all: splits(set), ..Splits::uncut(set) }
    }

    /// The split of one key instead of all.
    pub fn only(set: &DataSet<'_>, key: &[u8]) -> Splits {
        Splits { all: vec![Split::one(key)], ..Splits::uncut(set) }
    }

    /// The streams without splits: cutting would have to read keys from all parts of the inputs.
    pub fn uncut(set: &DataSet<'_>) -> Splits {
        let (all, simple, runs, malformed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut found = Splits { all, simple, runs, malformed, are_busy: AtomicBool::new(false) };
        let segments = set.groups().iter().flat_map(|group| &group.index.segments);
        let mut kinds: Vec<(Family, u32)> = segments.map(|s| (s.family, s.len)).collect();
        kinds.extend(set.overlay_families());
        kinds.sort_unstable();
        kinds.dedup();
        for (family, len) in kinds {
            if family.class() != Class::Adapter(adapter::REDIS) || family == Family::ListItem {
                continue;
            }
            match len {
                MALFORMED => found.malformed.push(family),
                _ if family.is_len_prefixed() => found.runs.push((family, len)),
                _ => found.simple.push(family),
            }
        }
        // A meta of a list named "d|…" is among the deltas.
        if found.malformed.contains(&Family::ListDelta) || found.runs.iter().any(|(f, _)| *f == Family::ListDelta) {
            found.simple.push(Family::ListMeta);
            found.simple.sort_unstable();
            found.simple.dedup();
        }
        found
    }
}

impl Splits {
    /// Whether there are any Redis rows, other than list items without a list.
    pub fn has_rows(&self) -> bool {
        !(self.simple.is_empty() && self.runs.is_empty() && self.malformed.is_empty())
    }
}

/// The Redis user key in a row's key; `None`: it is not a Redis row.
fn user_key(row_key: &[u8]) -> Option<&[u8]> {
    let family = Family::of(row_key);
    let suffix = family.suffix(row_key);
    match family {
        Family::ListItem => list::item_key(suffix).ok().map(|(key, _)| key),
        _ if family.is_len_prefixed() => element_key(suffix).ok().map(|k| k.user_key),
        _ if family.class() == Class::Adapter(adapter::REDIS) => Some(suffix),
        _ => None,
    }
}

fn splits(set: &DataSet<'_>) -> Vec<Split> {
    let task_size = set.granularity().task_size;
    let mut samples: Vec<&[u8]> = Vec::new();
    let mut spacing = usize::MAX;
    for group in set.groups() {
        let (positions, distance) = group.index.checkpoints.samples(0..usize::MAX, task_size);
        spacing = spacing.min(distance);
        samples.extend(positions.filter_map(|at| user_key(group.user_key_at(at)?)));
    }
    samples.sort_unstable();
    let every = (task_size / spacing).max(samples.len() / MOST_SPLITS).max(1);
    let mut cuts: Vec<Vec<u8>> = Vec::new();
    for sample in samples.iter().skip(every).step_by(every) {
        let cut = &sample[..sample.len().min(BOUNDARY)];
        if cuts.last().is_none_or(|last| last.as_slice() < cut) && !cut.is_empty() {
            cuts.push(cut.to_vec());
        }
    }
    let los = std::iter::once(Vec::new()).chain(cuts.iter().cloned());
    let his = cuts.iter().cloned().map(Some).chain(std::iter::once(None));
    los.zip(his).map(|(lo, hi)| Split { lo, hi }).collect()
}
