//! A sparse index of entry positions. Its memory is bounded, whatever the file's size.

use std::ops::Range;

/// Positions of entries in file order, about evenly spaced.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    at: Vec<usize>,
    spacing: usize,
    next: usize,
}

/// Maximum number of checkpoints (8 MiB); above it every other one is dropped and the spacing doubles.
const MOST: usize = 1 << 20;
/// Approximate number of keys that are read for each part when a file is cut: parts differ by a small part of their size.
const PER_PART: usize = 16;

impl Checkpoints {
    /// No positions yet; they will be at least `spacing` bytes apart.
    pub fn new(spacing: usize) -> Self {
        Checkpoints { at: Vec::new(), spacing: spacing.max(1), next: 0 }
    }

    /// Positions that ascend and are at least `spacing` bytes apart; `None`: there are more than the maximum.
    pub(super) fn known(at: Vec<usize>, spacing: usize) -> Option<Self> {
        let next = at.last().map_or(0, |last| last.saturating_add(spacing));
        (at.len() <= MOST).then_some(Checkpoints { at, spacing, next })
    }

    /// Offers the position of an entry.
    #[inline]
    pub fn offer(&mut self, at: usize) {
        if at >= self.next {
            self.push(at);
        }
    }

    fn push(&mut self, at: usize) {
        self.at.push(at);
        if self.at.len() >= MOST {
            let mut keep = false;
            self.at.retain(|_| {
                keep = !keep;
                keep
            });
            self.spacing *= 2;
        }
        self.next = at + self.spacing;
    }

    /// All positions, ascending.
    pub fn positions(&self) -> &[usize] {
        &self.at
    }

    /// Positions in a range, from which keys are read to cut parts of `part` bytes, and their minimum distance. Each key that is read
    /// touches a page of the file, so there are only a few in a part.
    pub fn samples(&self, range: Range<usize>, part: usize) -> (impl Iterator<Item = usize>, usize) {
        let every = (part / self.spacing / PER_PART).max(1);
        let from = self.at.partition_point(|at| *at < range.start);
        let inside = self.at.iter().skip(from).copied().take_while(move |at| *at < range.end);
        (inside.step_by(every), self.spacing.saturating_mul(every))
    }

    /// Minimum distance of neighbours in bytes.
    pub fn spacing(&self) -> usize {
        self.spacing
    }
}
