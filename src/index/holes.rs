//! Parts of a damaged file that are not read.

use std::ops::Range;
use std::sync::Arc;

use crate::error::Result;
use crate::source::{Spill, Spilled};

/// Bytes of a part in the list: its start and its end.
const STORED: usize = 16;
/// The parts of a file, ascending, with gaps between them. A file without damage has none.
#[derive(Clone, Default)]
pub struct Holes(Option<Arc<Spilled>>);

impl std::fmt::Debug for Holes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} holes", self.count())
    }
}

impl Holes {
    /// The first part of `at..end` that must be read.
    pub fn from(&self, at: usize, end: usize) -> Range<usize> {
        let Some(store) = &self.0 else { return at..end };
        let list = store.bytes();
        let (mut low, mut high) = (0, list.len() / STORED);
        while low < high {
            let middle = low + (high - low) / 2;
            if hole(list, middle).is_some_and(|hole| hole.end <= at) { low = middle + 1 } else { high = middle }
        }
        match hole(list, low) {
            Some(first) if first.start <= at => first.end..hole(list, low + 1).map_or(end, |next| next.start.min(end)),
            Some(first) => at..first.start.min(end),
            None => at..end,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.as_ref().map_or(0, |store| store.bytes().len() / STORED)
    }
}

fn hole(list: &[u8], n: usize) -> Option<Range<usize>> {
    let (start, end) = list.get(n * STORED..)?.first_chunk::<STORED>()?.split_at(STORED / 2);
    let number = |bytes: &[u8]| bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes) as usize);
    Some(number(start)?..number(end)?)
}

/// Takes holes in ascending order.
#[derive(Default)]
pub(super) struct Builder(Spill);

impl Builder {
    /// Adds a hole after all others.
    ///
    /// # Errors
    /// A full list could not be spilled.
    pub fn push(&mut self, hole: &Range<usize>) -> Result<()> {
        self.0.push(&(hole.start as u64).to_le_bytes())?;
        self.0.push(&(hole.end as u64).to_le_bytes())
    }

    /// The list.
    ///
    /// # Errors
    /// As [`push`](Builder::push).
    pub fn finish(self) -> Result<Holes> {
        let list = self.0.finish()?;
        Ok(Holes((!list.bytes().is_empty()).then(|| Arc::new(list))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_between_holes() {
        for most in [4, 200_000] {
            let mut builder = Builder::default();
            (1..=most).for_each(|n| builder.push(&(n * 10..n * 10 + 3)).unwrap());
            let holes = builder.finish().unwrap();
            assert_eq!(holes.count(), most);
            let end = most * 10 + 7;
            for (at, want) in
                [(0, 0..10), (9, 9..10), (10, 13..20), (12, 13..20), (13, 13..20), (end - 1, end - 1..end)]
            {
                assert_eq!(holes.from(at, end), want, "{at}");
            }
            assert_eq!(holes.from(most * 10, end), end - 4..end);
            assert_eq!(holes.from(0, 5), 0..5);
        }
        assert_eq!(Holes::default().from(3, 9), 3..9);
    }
}
