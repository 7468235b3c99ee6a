//! Places that could not be read, in bounded memory. Full batches are sorted and spilled to a temporary file, then merged.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use super::lost::{Lost, is_of_a_row};
use crate::error::{Error, Result};

/// Approximate bytes in memory.
const HELD: usize = 4 << 20;
/// Bytes of a run that are read at once.
const BUFFER: usize = 16 << 10;

/// Collects losses in any order.
#[derive(Debug)]
pub struct Pile {
    held: Vec<Lost>,
    weight: usize,
    most: usize,
    runs: Vec<Run>,
    file: Option<(Arc<File>, u64)>,
    /// Why a batch could not be spilled.
    failed: Option<io::Error>,
}

impl Default for Pile {
    fn default() -> Pile {
        Pile::holding(HELD)
    }
}

impl Pile {
    /// A pile that is never spilled, for few losses that are soon added to another pile: each pile that spills has its own file.
    pub fn small() -> Pile {
        Pile::holding(usize::MAX)
    }

    fn holding(most: usize) -> Pile {
        Pile { held: Vec::new(), weight: 0, most, runs: Vec::new(), file: None, failed: None }
    }

    /// Whether it has no losses.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.runs.is_empty() && self.failed.is_none()
    }

    /// Adds the row, or the bytes, of an error. A failure is reported at the end.
    #[cold]
    pub fn add(&mut self, error: Error) {
        let rows = is_of_a_row(&error).then_some(1);
        self.push(Lost { rows, ..Lost::of(&error) });
    }

    /// Adds a loss.
    #[cold]
    pub fn push(&mut self, lost: Lost) {
        self.weight += lost.weight();
        self.held.push(lost);
        if self.weight >= self.most && self.failed.is_none() {
            self.failed = self.spill().err();
        }
        if self.failed.is_some() {
            self.held.clear();
        }
    }

    /// Adds everything of another pile.
    pub fn append(&mut self, other: Pile) {
        self.runs.extend(other.runs);
        other.held.into_iter().for_each(|lost| self.push(lost));
        self.failed = self.failed.take().or(other.failed);
    }

    fn spill(&mut self) -> io::Result<()> {
        let (file, start) = match &self.file {
            Some((file, end)) => (Arc::clone(file), *end),
            None => (Arc::new(tempfile::tempfile()?), 0),
        };
        tidy(&mut self.held);
        let mut out = BufWriter::new(&*file);
        out.seek(io::SeekFrom::Start(start))?;
        self.held.iter().try_for_each(|lost| lost.store(&mut out))?;
        out.flush()?;
        let end = out.stream_position()?;
        drop(out);
        self.runs.push(Run { file: Arc::clone(&file), bytes: start..end });
        self.file = Some((file, end));
        self.held.clear();
        self.weight = 0;
        Ok(())
    }

    /// All losses in the order of inputs and offsets, each place once.
    ///
    /// # Errors
    /// A temporary file that could not be written or read.
    pub fn finish(mut self) -> Result<Losses> {
        if let Some(error) = self.failed {
            return Err(temporary(error));
        }
        tidy(&mut self.held);
        if self.runs.is_empty() {
            return Ok(Losses { count: self.held.len() as u64, held: self.held, run: None });
        }
        merge(self.runs, self.held).map_err(temporary)
    }
}

#[cold]
fn temporary(e: io::Error) -> Error {
    Error::io("sort losses in", "a temporary file", e)
}

/// Sorts, and merges all losses of one place: it can be reported twice, once with the object.
fn tidy(lost: &mut Vec<Lost>) {
    lost.sort_by(Lost::order);
    lost.dedup_by(|next, first| {
        let same = first.order(next) == Ordering::Equal;
        if same {
            first.rows = first.rows.max(next.rows);
        }
        same
    });
}

/// Sorted losses in a file.
#[derive(Debug, Clone)]
struct Run {
    file: Arc<File>,
    bytes: Range<u64>,
}

impl Run {
    fn read(&self) -> BufReader<Run> {
        BufReader::with_capacity(BUFFER, self.clone())
    }
}

impl Read for Run {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.bytes.end - self.bytes.start).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let n = self.file.read_at(&mut buffer[..room], self.bytes.start)?;
        self.bytes.start += n as u64;
        Ok(n)
    }
}

/// The head of a run.
struct Head(Lost, usize);

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.order(&other.0).then(self.1.cmp(&other.1))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

/// Merges all runs.
fn merge(runs: Vec<Run>, held: Vec<Lost>) -> io::Result<Losses> {
    let mut runs: Vec<BufReader<Run>> = runs.iter().map(Run::read).collect();
    let (most, mut held, file) = (runs.len(), held.into_iter(), tempfile::tempfile()?);
    let mut next = |run: usize| match runs.get_mut(run) {
        Some(stored) => Lost::restore(stored),
        None => Ok(held.next()),
    };
    let mut heads = BinaryHeap::new();
    for run in 0..=most {
        heads.extend(next(run)?.map(|lost| Reverse(Head(lost, run))));
    }
    let mut out = BufWriter::new(&file);
    let (mut total, mut last) = (0, None::<Lost>);
    while let Some(Reverse(Head(lost, run))) = heads.pop() {
        heads.extend(next(run)?.map(|lost| Reverse(Head(lost, run))));
        match &mut last {
            Some(last) if last.order(&lost) == Ordering::Equal => last.rows = last.rows.max(lost.rows),
            last => {
                if let Some(done) = last.replace(lost) {
                    total += 1;
                    done.store(&mut out)?;
                }
            }
        }
    }
    if let Some(done) = last {
        total += 1;
        done.store(&mut out)?;
    }
    out.flush()?;
    let end = out.stream_position()?;
    drop(out);
    Ok(Losses { count: total, held: Vec::new(), run: Some(Run { file: Arc::new(file), bytes: 0..end }) })
}

/// All losses of a run of the program.
#[derive(Debug, Default)]
pub struct Losses {
    count: u64,
    held: Vec<Lost>,
    run: Option<Run>,
}

impl Losses {
    /// The only loss.
    pub fn one(error: &Error) -> Losses {
        Losses { count: 1, held: vec![Lost::of(error)], run: None }
    }

    /// Their number.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Iterates over them, in the order of inputs and offsets.
    pub fn iter(&self) -> Iter<'_> {
        Iter { held: self.held.iter(), run: self.run.as_ref().map(Run::read) }
    }

    /// The positions of the losses of an input, ascending: for a bundle, in its unpacked stream.
    pub fn positions<'l>(&'l self, input: &'l str) -> impl Iterator<Item = Result<u64>> + 'l {
        let is_its = move |lost: &Result<Lost>| lost.as_ref().map_or(true, |lost| lost.input == input);
        self.iter().filter(is_its).map(|lost| lost.map(|lost| lost.position))
    }

    /// The first of them.
    ///
    /// # Errors
    /// A temporary file that could not be read.
    pub fn first(&self, most: usize) -> Result<Vec<Lost>> {
        self.iter().take(most).collect()
    }
}

impl<'l> IntoIterator for &'l Losses {
    type Item = Result<Lost>;
    type IntoIter = Iter<'l>;

    fn into_iter(self) -> Iter<'l> {
        self.iter()
    }
}

/// Iterates over losses.
#[derive(Debug)]
pub struct Iter<'l> {
    held: std::slice::Iter<'l, Lost>,
    run: Option<BufReader<Run>>,
}

impl Iterator for Iter<'_> {
    type Item = Result<Lost>;

    fn next(&mut self) -> Option<Result<Lost>> {
        match &mut self.run {
            Some(run) => Lost::restore(run).map_err(temporary).transpose(),
            None => self.held.next().cloned().map(Ok),
        }
    }
}

impl Serialize for Losses {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(usize::try_from(self.count).ok())?;
        for lost in self {
            list.serialize_element(&lost.map_err(S::Error::custom)?)?;
        }
        list.end()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::error::{ErrorKind, SstPlace};
    use crate::format::{Family, Fault};

    /// One of a few hundred places: the data of a place does not depend on who reports it.
    fn loss(n: usize) -> Error {
        let (reason, at) = (["odd", "even"][n % 2], n % 97);
        let error = |fault: Fault| Error::from(fault).at(at).input(Path::new(["a", "b"][n % 2]));
        match n % 4 {
            3 => error(Fault::Value(reason))
                .placed(n as u64, Some(SstPlace { file: n as u32 % 3, block: (n % 8 > 3).then_some(at as u64) })),
            0 => error(Fault::Value(reason)).row(Family::HashMeta, &[b"!hs|meta|", &[b'k'; 700][..at * 7]].concat()),
            1 => error(Fault::Key(reason)).row(Family::Bare, &[0xff; 600][..at * 6]),
            _ => Error::new(ErrorKind::Gap { why: "x".repeat(n % 50), bytes: n as u64 }).at(n).input(Path::new("c")),
        }
    }

    /// Whatever is in memory, and however losses are distributed over piles, all come back in order, each place once.
    #[test]
    fn spilled_or_not() {
        let all: Vec<Lost> = (0..3000).map(|n| Lost { rows: Some(n as u64 % 5), ..Lost::of(&loss(n)) }).collect();
        let mut want = all.clone();
        tidy(&mut want);
        assert!(want.len() < all.len() && want.len() > 500);
        for most in [1, 5000, 100_000, usize::MAX] {
            let mut piles = [Pile { most, ..Pile::default() }, Pile { most: most / 2, ..Pile::default() }];
            for (n, lost) in all.iter().enumerate().rev() {
                piles[usize::from(n % 7 == 0)].push(lost.clone());
            }
            let [mut pile, other] = piles;
            pile.append(other);
            let losses = pile.finish().unwrap();
            assert_eq!((losses.len(), losses.is_empty()), (want.len() as u64, false));
            assert_eq!(losses.iter().collect::<Result<Vec<Lost>>>().unwrap(), want, "{most}");
            assert_eq!(losses.first(3).unwrap(), want[..3]);
            assert_eq!(serde_json::to_value(&losses).unwrap(), serde_json::to_value(&want).unwrap());
        }
        assert!(Pile::default().finish().unwrap().is_empty());
    }
}
