//! Counts the prefixes of keys, in bounded memory.

use std::collections::BTreeMap;

use super::sum::Sum;

/// Maximum number of prefixes that are counted separately; above it, the small ones are merged.
const MOST: usize = 1 << 16;
/// Bytes of the number of a scope, before its prefixes.
const SCOPE: usize = size_of::<u32>();

/// Sums by prefix: of all scopes in one map, because there may be many scopes with one prefix each.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    /// By the number of the scope, big-endian, followed by the prefix.
    sums: BTreeMap<Vec<u8>, Sum>,
    /// The key of the last object, which is in the map, and what was counted for it since.
    last: Vec<u8>,
    since: Sum,
    /// The sum of the forgotten prefixes.
    other: Sum,
}

impl Prefixes {
    /// Counts an object.
    pub fn add(&mut self, scope: usize, prefix: &[u8], size: u64) {
        let scope = (scope as u32).to_be_bytes();
        if self.since.objects > 0 && self.last.strip_prefix(&scope) == Some(prefix) {
            self.since.add(size);
            return;
        }
        self.settle();
        self.last.clear();
        self.last.extend_from_slice(&scope);
        self.last.extend_from_slice(prefix);
        self.since.add(size);
        if !self.sums.contains_key(&self.last) {
            self.sums.insert(self.last.clone(), Sum::default());
            // The decision which ones are forgotten needs the sums.
            self.settle();
            if self.sums.len() > MOST {
                self.forget_small();
            }
        }
    }

    /// Adds the counts of the last prefix to its sum.
    fn settle(&mut self) {
        if let Some(sum) = self.sums.get_mut(&self.last) {
            sum.merge(std::mem::take(&mut self.since));
        }
    }

    /// Merges the smaller half of the prefixes.
    #[cold]
    fn forget_small(&mut self) {
        let mut sizes: Vec<u64> = self.sums.values().map(|sum| sum.bytes).collect();
        let (_, median, _) = sizes.select_nth_unstable(MOST / 2);
        let (median, other) = (*median, &mut self.other);
        let mut room = MOST / 2;
        self.sums.retain(|_, sum| {
            let stays = sum.bytes >= median && room > 0;
            if stays {
                room -= 1;
            } else {
                other.merge(*sum);
            }
            stays
        });
    }

    /// For each known prefix the number of the scope, the prefix and its sum; and the sum of all others.
    pub fn finish(mut self) -> (impl Iterator<Item = (usize, Vec<u8>, Sum)>, Sum) {
        self.settle();
        let parted = self.sums.into_iter().filter_map(|(key, sum)| {
            let (scope, prefix) = key.split_first_chunk::<SCOPE>()?;
            Some((u32::from_be_bytes(*scope) as usize, prefix.to_vec(), sum))
        });
        (parted, self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_nothing_is_lost() {
        let mut prefixes = Prefixes::default();
        for n in 0..3 * MOST as u64 {
            prefixes.add((n % 3) as usize, format!("{n}:").as_bytes(), 1 + n % 2);
        }
        assert!(prefixes.sums.len() <= MOST);
        let (known, other) = prefixes.finish();
        let objects: u64 = known.map(|(.., sum)| sum.objects).sum();
        assert_eq!(objects + other.objects, 3 * MOST as u64);
        assert!(other.objects > 0);
    }

    #[test]
    fn scopes_and_prefixes_are_told_apart() {
        let mut prefixes = Prefixes::default();
        for (scope, prefix) in [(0, "a:"), (0, "a:"), (1, "a:"), (0, "b:"), (0, "a:"), (256, ""), (1, "a:")] {
            prefixes.add(scope, prefix.as_bytes(), 2);
        }
        let (known, other) = prefixes.finish();
        let known: Vec<_> = known.map(|(scope, prefix, sum)| (scope, prefix, sum.objects, sum.bytes)).collect();
        let of = |scope, prefix: &str, objects| (scope, prefix.as_bytes().to_vec(), objects, 2 * objects);
        assert_eq!(known, [of(0, "a:", 3), of(0, "b:", 1), of(1, "a:", 2), of(256, "", 1)]);
        assert_eq!(other, Sum::default());
    }
}
