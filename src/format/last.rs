//! Keeps the last value of each name, with bounded memory even if a hostile input repeats names without end.

/// Values with names, in any order; if several have the same name, the last one counts.
#[derive(Debug)]
pub struct LastOfEach<'v, T> {
    all: Vec<T>,
    name: fn(&T) -> &'v [u8],
    /// Number of values at which repeated names are removed.
    most: usize,
}

/// The number of values at which repeated names are removed for the first time.
const FEW: usize = 64 << 10;

impl<'v, T> LastOfEach<'v, T> {
    /// Empty; `name` returns the name of a value.
    pub const fn new(name: fn(&T) -> &'v [u8]) -> Self {
        LastOfEach { all: Vec::new(), name, most: FEW }
    }

    /// Adds the next value.
    #[inline]
    pub fn push(&mut self, next: T) {
        if self.all.len() >= self.most {
            self.fold();
        }
        self.all.push(next);
    }

    #[cold]
    fn fold(&mut self) {
        self.tidy();
        // The next time when twice as many have come, so that the work is linear in their number.
        self.most = FEW.max(self.all.len().saturating_mul(2));
    }

    fn tidy(&mut self) {
        // Reversed, the last one is the first of its run after a stable sort.
        self.all.reverse();
        self.all.sort_by_key(self.name);
        self.all.dedup_by_key(|one| (self.name)(one));
    }

    /// All of them, sorted by name.
    pub fn finish(mut self) -> Vec<T> {
        self.tidy();
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_each_name_is_left() {
        let names: Vec<Vec<u8>> = (0..1000).map(|n: u32| n.to_be_bytes().to_vec()).collect();
        for many in [0, 1, 999, FEW, 5 * FEW + 1] {
            let mut last = LastOfEach::new(|(name, _): &(&[u8], usize)| *name);
            (0..many).for_each(|n| last.push((&names[n * 7 % 1000], n)));
            assert!(last.all.len() <= 2 * FEW, "{} are held", last.all.len());
            let all = last.finish();
            assert_eq!(all.len(), many.min(1000));
            assert!(all.is_sorted_by(|a, b| a.0 < b.0));
            assert!(all.iter().all(|(_, n)| n + 1000 >= many), "of {many}");
        }
    }
}
