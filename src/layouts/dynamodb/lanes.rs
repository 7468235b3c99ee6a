//! The order in which splits are run: large tables take turns, so that their files of lines are hashed at the same time.
//!
//! A lane is a run of splits that shares no table with other lanes. The splits of a lane are run in order, and all lanes end at about the
//! same time, however long each is. This depends only on the splits: it is the same for any number of threads.

use crate::adapters::dynamodb::Tables;
use crate::dataset::KeyRange;
use crate::format::dynamodb::keys;

/// Maximum number of lanes: if there are more tables, some share a lane.
const MOST: usize = 16;

/// The lanes of some splits.
#[derive(Debug, Default)]
pub struct Lanes {
    /// The first split of each lane except the first.
    borders: Vec<usize>,
    /// All splits in the order in which they are run, if there are several lanes.
    order: Vec<usize>,
}

impl Lanes {
    /// Lanes that begin with tables; a split that has rows of two lanes is cut.
    pub fn of_tables(tables: &Tables<'_>, splits: &mut Vec<KeyRange>) -> Lanes {
        let mut starts: Vec<_> = tables.encoded().map(keys::items_of).collect();
        starts.sort_unstable();
        Lanes::beginning_at(&starts, splits)
    }

    /// Lanes that begin at some of the keys `starts`, which are sorted.
    fn beginning_at(starts: &[Vec<u8>], splits: &mut Vec<KeyRange>) -> Lanes {
        let least = splits.len().div_ceil(MOST).max(2);
        let (all, mut before, mut borders) = (splits.len(), 0, Vec::new());
        for start in starts {
            let begun = splits[..].partition_point(|split| split.lo < *start);
            // The part after the last border can be short, which costs little.
            if begun >= before + least && begun < all {
                borders.push(start);
                before = begun;
            }
        }
        let borders: Vec<usize> = borders.into_iter().map(|start| cut(splits, start)).collect();
        let order = order(&borders, splits.len());
        Lanes { borders, order }
    }

    /// Their number.
    pub fn count(&self) -> usize {
        self.borders.len() + 1
    }

    /// The split that is run at a position.
    pub fn split_at(&self, position: usize) -> usize {
        self.order.get(position).copied().unwrap_or(position)
    }

    /// The lane of a split.
    pub fn lane_of(&self, split: usize) -> usize {
        self.borders.partition_point(|first| *first <= split)
    }
}

/// Cuts the split that contains a key; returns the number of the first split after it.
fn cut(splits: &mut Vec<KeyRange>, key: &[u8]) -> usize {
    let at = splits.partition_point(|split| split.lo.as_slice() < key);
    if let Some(before) = at.checked_sub(1).and_then(|before| splits.get_mut(before))
        && before.hi.as_ref().is_none_or(|hi| hi.as_slice() > key)
    {
        let hi = before.hi.replace(key.to_vec());
        splits.insert(at, KeyRange { lo: key.to_vec(), hi });
    }
    at
}

/// All splits, ordered by their relative position in their lanes.
fn order(borders: &[usize], all: usize) -> Vec<usize> {
    if borders.is_empty() {
        return Vec::new();
    }
    let ends = borders.iter().copied().chain([all]);
    let mut placed = Vec::with_capacity(all);
    let mut first = 0;
    for end in ends {
        let len = (end - first) as u128;
        placed.extend((first..end).map(|split| ((((2 * (split - first) + 1) as u128) << 64) / (2 * len), split)));
        first = end;
    }
    placed.sort_unstable();
    placed.into_iter().map(|(_, split)| split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits that begin at these keys; the last one has no end.
    fn splits(los: &str) -> Vec<KeyRange> {
        let mut his = los.bytes().skip(1).map(|hi| Some(vec![hi]));
        los.bytes().map(|lo| KeyRange { lo: vec![lo], hi: his.next().flatten() }).collect()
    }

    /// The first keys of splits, in the order in which they are run, and the lane of each.
    fn run(los: &str, starts: &[&str]) -> (String, String) {
        let mut splits = splits(los);
        let starts: Vec<Vec<u8>> = starts.iter().map(|start| start.as_bytes().to_vec()).collect();
        let lanes = Lanes::beginning_at(&starts, &mut splits);
        let is_gapless = splits.windows(2).all(|pair| pair[0].hi.as_ref() == Some(&pair[1].lo));
        assert!(is_gapless && splits.last().is_none_or(|last| last.hi.is_none()), "{splits:?}");
        let order: Vec<usize> = (0..splits.len()).map(|position| lanes.split_at(position)).collect();
        let text = |split: &usize| String::from_utf8(splits[*split].lo.clone()).unwrap();
        let lane = |split: &usize| lanes.lane_of(*split).to_string();
        (order.iter().map(text).collect::<Vec<_>>().join(" "), order.iter().map(lane).collect())
    }

    #[test]
    fn lanes_take_turns() {
        let of = |los, starts| run(los, starts);
        let want = |order: &str, lanes: &str| (order.to_owned(), lanes.to_owned());
        // Tables that begin with a split, and in the middle of one.
        assert_eq!(of("aceg", &["a", "e"]), want("a e c g", "0101"));
        assert_eq!(of("aceg", &["a", "d"]), want("d a e c g", "10101"));
        // A short lane is run when the long one is half done.
        assert_eq!(of("abcdefg", &["a", "f"]), want("a f b c d g e", "0100010"));
        // Too little for a separate lane; one table; no splits.
        assert_eq!(of("ab", &["a", "b"]), want("a b", "00"));
        assert_eq!(of("abcd", &["a"]), want("a b c d", "0000"));
        assert_eq!(of("abcd", &["x"]), want("a b c d", "0000"));
        assert_eq!(of("", &["x"]), want("", ""));
    }

    #[test]
    fn there_are_few_lanes() {
        let starts: Vec<Vec<u8>> = (0..200).map(|n| vec![n]).collect();
        let mut splits: Vec<KeyRange> = (0..200).map(|n| KeyRange { lo: vec![n], hi: Some(vec![n + 1]) }).collect();
        let lanes = Lanes::beginning_at(&starts, &mut splits);
        assert!((MOST - 1..=MOST).contains(&lanes.count()), "{}", lanes.count());
        let mut order: Vec<usize> = (0..splits.len()).map(|position| lanes.split_at(position)).collect();
        let mut last = vec![None; lanes.count()];
        for split in &order {
            assert!(last[lanes.lane_of(*split)].replace(*split) < Some(*split), "a lane keeps its order");
        }
        order.sort_unstable();
        assert!(order.into_iter().eq(0..200));
    }
}
