//! Decides which work each shard does.

use std::ops::Range;

use super::Which;
use crate::dataset::DataSet;
use crate::format::Adapter;
use crate::format::family::Class;

/// The work of a shard.
#[derive(Debug, Clone)]
pub struct Share {
    pub(super) which: Which,
    /// Approximate bytes of splits that each shard gets.
    weights: Vec<u64>,
    /// Adapters that one shard writes as a whole, with their shard.
    owners: Vec<(Adapter, u32)>,
}

impl Share {
    /// Shares the work by bytes of rows. An adapter whose splits cannot be shared goes to the shard with the smallest load, and splits
    /// balance the rest.
    pub fn of(set: &DataSet<'_>, which: Which, adapters: &[Adapter], is_split: impl Fn(Adapter) -> bool) -> Share {
        let counts = set.counts();
        let bytes_of = |adapter: Adapter| -> u64 {
            let own = counts.families().filter(|(family, _)| family.class() == Class::Adapter(adapter));
            own.map(|(_, count)| count.bytes).sum()
        };
        let mut whole: Vec<(u64, Adapter)> = adapters
            .iter()
            .filter(|adapter| !is_split(**adapter))
            .map(|adapter| (bytes_of(*adapter), *adapter))
            .collect();
        whole.sort_by_key(|(bytes, adapter)| (std::cmp::Reverse(*bytes), adapter.id()));
        let mut loads = vec![0_u64; which.count as usize];
        let mut owners = Vec::new();
        for (bytes, adapter) in whole {
            let least = (0_u32..).zip(&loads).min_by_key(|(_, load)| **load).map_or(0, |(shard, _)| shard);
            loads[least as usize] += bytes;
            owners.push((adapter, least));
        }
        let split = adapters.iter().filter(|adapter| is_split(**adapter)).map(|adapter| bytes_of(*adapter)).sum();
        Share { which, weights: filled_up(&loads, split), owners }
    }

    /// The splits of this shard, of `all` splits.
    pub fn splits(&self, all: usize) -> Range<usize> {
        let total: u128 = self.weights.iter().map(|weight| u128::from(*weight)).sum();
        let index = self.which.index as usize;
        let before = |shards: usize| {
            let sum: u128 = self.weights[..shards].iter().map(|weight| u128::from(*weight)).sum();
            (all as u128 * sum / total.max(1)) as usize
        };
        let end = if index + 1 == self.weights.len() { all } else { before(index + 1) };
        before(index).min(end)..end
    }

    /// Whether a split belongs to this shard, if the number of splits is not known.
    pub fn takes(&self, number: usize) -> bool {
        // Multiples of the golden ratio are spread evenly, however many there are.
        let point = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let total: u128 = self.weights.iter().map(|weight| u128::from(*weight)).sum();
        let at = (u128::from(point) * total) >> 32;
        let mut end = 0;
        let owner = self.weights.iter().position(|weight| {
            end += u128::from(*weight);
            at < end
        });
        owner == Some(self.which.index as usize)
    }

    /// Whether this shard writes an adapter as a whole.
    pub fn owns(&self, adapter: Adapter) -> bool {
        self.owners.contains(&(adapter, self.which.index))
    }
}

/// Distributes `bytes` so that all loads become as equal as possible.
fn filled_up(loads: &[u64], bytes: u64) -> Vec<u64> {
    let mut sorted = loads.to_vec();
    sorted.sort_unstable();
    let (mut level, mut rest) = (sorted.first().copied().unwrap_or(0), bytes);
    for (n, next) in (1_u64..).zip(sorted.iter().skip(1).copied().chain([u64::MAX])) {
        let room = (next - level).saturating_mul(n);
        if room >= rest {
            level += rest.div_ceil(n);
            break;
        }
        (level, rest) = (next, rest - room);
    }
    // If there is nothing to distribute, all weights are equal.
    loads.iter().map(|load| level.saturating_sub(*load) + u64::from(bytes == 0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(weights: &[u64], index: u32) -> Share {
        let which = Which { index, count: weights.len() as u32 };
        Share { which, weights: weights.to_vec(), owners: Vec::new() }
    }

    #[test]
    fn shares_cover_all_splits_once() {
        for weights in [&[1][..], &[1, 1, 1], &[0, 5, 0], &[7, 0, 1, 2], &[u64::MAX, u64::MAX, 1]] {
            for all in [0, 1, 2, 7, 100] {
                let mut next = 0;
                for index in 0..weights.len() as u32 {
                    let mine = share(weights, index).splits(all);
                    assert_eq!(mine.start, next, "{weights:?} {all}");
                    next = mine.end;
                }
                assert_eq!(next, all, "{weights:?}");
            }
        }
    }

    #[test]
    fn splits_of_unknown_number_have_one_owner() {
        for weights in [&[1][..], &[1, 1, 1], &[0, 5, 0], &[7, 0, 1, 2], &[u64::MAX, u64::MAX, 1], &[3, 1]] {
            let mut taken = vec![0_u64; weights.len()];
            for number in (0..1000).chain([usize::MAX]) {
                let owners: Vec<u32> =
                    (0..weights.len() as u32).filter(|index| share(weights, *index).takes(number)).collect();
                assert!(owners.len() == 1, "{weights:?}: split {number} is of {owners:?}");
                taken[owners[0] as usize] += 1;
            }
            let total: f64 = weights.iter().map(|weight| *weight as f64).sum();
            for (weight, taken) in weights.iter().zip(&taken) {
                let fair = *weight as f64 / total * 1001.0;
                assert!((*taken as f64 - fair).abs() < 5.0, "{weights:?}: {taken} instead of {fair}");
            }
        }
    }

    #[test]
    fn splits_make_up_for_what_is_whole() {
        assert_eq!(filled_up(&[0, 0], 10), [5, 5]);
        assert_eq!(filled_up(&[8, 0, 0], 10), [0, 5, 5]);
        assert_eq!(filled_up(&[3, 0, 0], 12), [2, 5, 5]);
        assert_eq!(filled_up(&[5], 0), [1]);
        assert_eq!(filled_up(&[100, 0], 10), [0, 10]);
    }
}
