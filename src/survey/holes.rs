//! Stretches of a damaged file that are not read.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::source::{Access, Source};

/// Bytes of a stretch in the list: where it begins and where it ends.
const STORED: usize = 16;
/// Bytes of the list that are held; a longer one goes to a temporary file, which is mapped.
const HELD: usize = 1 << 20;
/// What a temporary file is called in messages.
const NAME: &str = "a temporary file";

/// The stretches of a file, ascending, that do not touch one another. A file without damage has none.
#[derive(Clone, Default)]
pub struct Holes(Option<Arc<Store>>);

enum Store {
    Held(Vec<u8>),
    Spilled(Source),
}

impl std::fmt::Debug for Holes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} holes", self.count())
    }
}

impl Holes {
    /// The first stretch of `at..end` that is to be read.
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

impl Store {
    fn bytes(&self) -> &[u8] {
        match self {
            Store::Held(bytes) => bytes,
            Store::Spilled(source) => source.bytes(),
        }
    }
}

fn hole(list: &[u8], n: usize) -> Option<Range<usize>> {
    let (start, end) = list.get(n * STORED..)?.first_chunk::<STORED>()?.split_at(STORED / 2);
    let number = |bytes: &[u8]| bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes) as usize);
    Some(number(start)?..number(end)?)
}

/// Takes holes in ascending order.
#[derive(Default)]
pub(super) struct Builder {
    held: Vec<u8>,
    spilled: Option<File>,
}

impl Builder {
    /// Adds a hole behind all others.
    ///
    /// # Errors
    /// A full list could not be spilled.
    pub fn push(&mut self, hole: &Range<usize>) -> Result<()> {
        self.held.extend((hole.start as u64).to_le_bytes());
        self.held.extend((hole.end as u64).to_le_bytes());
        if self.held.len() < HELD { Ok(()) } else { self.spill().map_err(failed) }
    }

    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.spilled {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.write_all(&self.held)?;
        self.held.clear();
        Ok(())
    }

    /// The list.
    ///
    /// # Errors
    /// As [`push`](Builder::push).
    pub fn finish(mut self) -> Result<Holes> {
        if self.spilled.is_some() {
            self.spill().map_err(failed)?;
        }
        Ok(Holes(match self.spilled {
            None if self.held.is_empty() => None,
            None => Some(Arc::new(Store::Held(self.held))),
            Some(mut file) => {
                file.rewind().map_err(failed)?;
                Some(Arc::new(Store::Spilled(Source::spool(Path::new(NAME), file, Access::Map)?)))
            }
        }))
    }
}

#[cold]
fn failed(e: io::Error) -> Error {
    Error::io("write", NAME, e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_between_holes() {
        for most in [4, 3 * HELD / STORED] {
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
