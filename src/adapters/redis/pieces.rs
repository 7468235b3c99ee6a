//! Large collections, in pieces that several threads read.
//!
//! The elements of a key are a range of rows, and a range can be read from any cut (`dataset::range`). So a task that
//! comes to a collection which goes on for long cuts the rest of its rows into pieces. Threads beside the task read and
//! render them, and the task joins what they made in order. All that is said of the whole key (its anchors, its length, its end)
//! stays where it is for any other key: splits, and what they give, are the same.
//!
//! Only one task at a time has threads that help. Without them it reads the pieces itself, one after the other.

use std::sync::atomic::{AtomicBool, Ordering};

use super::merge::{KeyStream, Like};
use super::task::Task;
use crate::dataset::{DataSet, KeyRange, Shared};
use crate::error::Result;
use crate::model::redis::{Key, Visitor};
use crate::options::Options;
use crate::output::split::PieceSink;
use crate::report::Findings;
use crate::run::pieces::{self, Given};

/// A collection is large that goes on for so many reads of a range behind the one at hand: 4 MiB, if nobody has chosen a granularity.
const LARGE: usize = 16;
/// A piece has so many.
const READS: usize = 4;
/// Threads that help, at most: more render faster than one thread hashes.
const MOST_THREADS: usize = 4;

/// Renders pieces of large collections for a visitor that can join them.
pub trait Pieces<V: ?Sized>: Sync {
    /// Lets `read` give elements to another visitor, which renders them as behind others of the same collection and hands the
    /// bytes to `sink`; in any thread.
    ///
    /// # Errors
    /// What `read` or `sink` gives.
    fn render(&self, sink: PieceSink, read: &mut dyn FnMut(&mut dyn Visitor) -> Result<()>) -> Result<()>;

    /// Adds what was rendered to the collection at hand, which has some elements.
    ///
    /// # Errors
    /// A failed write.
    fn join(&self, visitor: &mut V, bytes: Vec<u8>) -> Result<()>;

    /// Called between pieces.
    ///
    /// # Errors
    /// A failed write.
    fn between(&self, visitor: &mut V) -> Result<()>;
}

/// Who helps with large collections.
pub(super) struct Helpers<'s, V: ?Sized> {
    pub pieces: &'s dyn Pieces<V>,
    /// Whether another task has them.
    pub are_busy: &'s AtomicBool,
}

impl<V: ?Sized> Clone for Helpers<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: ?Sized> Copy for Helpers<'_, V> {}

/// How the elements of one key are read.
pub(super) trait Elements<'a>: Sync {
    /// What is told of them together.
    type Told: Default + Send + 'static;

    /// Their key.
    fn key(&self) -> &Key<'a>;

    /// Gives the elements that come next in a stream to the visitor, up to the first that cannot be read.
    fn each<V: Visitor + ?Sized>(
        &self,
        task: &mut Task<'_, 'a, '_, V>,
        stream: &mut KeyStream<'_, 'a>,
        told: &mut Self::Told,
    ) -> Result<()>;

    /// Adds what is told of the elements that come next.
    fn add(told: &mut Self::Told, more: Self::Told);
}

/// Gives the elements of a key, whose stream has come to the first of them.
#[inline]
pub(super) fn give<'a, V: Visitor + ?Sized, E: Elements<'a>>(
    task: &mut Task<'_, 'a, '_, V>,
    stream: &mut KeyStream<'_, 'a>,
    elements: &E,
    told: &mut E::Told,
) -> Result<()> {
    let large = LARGE * task.set.granularity().read_size;
    let rest = task.helpers.and_then(|helpers| Some((helpers, stream.cut_off(elements.key().name, large)?)));
    let at_hand = elements.each(task, stream, told);
    match rest {
        None => at_hand,
        Some((helpers, rest)) => give_rest(task, helpers, stream, (elements, told), rest, at_hand),
    }
}

/// Gives what was cut off, unless there was an error before. The stream goes on behind what was read.
#[inline(never)]
fn give_rest<'a, V: Visitor + ?Sized, E: Elements<'a>>(
    task: &mut Task<'_, 'a, '_, V>,
    helpers: Helpers<'_, V>,
    stream: &mut KeyStream<'_, 'a>,
    (elements, told): (&E, &mut E::Told),
    rest: KeyRange,
    at_hand: Result<()>,
) -> Result<()> {
    let mut join = Join { stream, elements, told, behind: Some(rest.lo.clone()) };
    let given = at_hand.and_then(|()| {
        let pieces = task.set.pieces(&rest, READS * task.set.granularity().read_size)?;
        match join.beside(task, helpers, &pieces)? {
            true => Ok(()),
            false => join.alone(task, helpers, &pieces),
        }
    });
    let went_on = join.behind.take().map_or(Ok(()), |behind| join.stream.go_on(behind));
    given.and(went_on)
}

/// Takes what pieces give, in their order.
struct Join<'j, 's, 'a, E: Elements<'a>> {
    stream: &'j mut KeyStream<'s, 'a>,
    elements: &'j E,
    told: &'j mut E::Told,
    /// The end of the last piece that was read; `None`: nothing is behind it.
    behind: Option<Vec<u8>>,
}

/// What a thread beside the task tells of a piece.
struct Read<T> {
    told: T,
    findings: Findings,
    shared: Option<Shared>,
    /// Whether all of it could be read.
    given: Result<()>,
}

impl<'a, E: Elements<'a>> Join<'_, '_, 'a, E> {
    /// Lets other threads read; `false`: there are none.
    fn beside<V: Visitor + ?Sized>(
        &mut self,
        task: &mut Task<'_, 'a, '_, V>,
        helpers: Helpers<'_, V>,
        pieces: &[KeyRange],
    ) -> Result<bool> {
        let threads = rayon::current_num_threads();
        if threads == 1 || pieces.len() == 1 || helpers.are_busy.swap(true, Ordering::Relaxed) {
            return Ok(false);
        }
        let (set, options, like, elements) = (task.set, task.options, self.stream.like(), self.elements);
        let mut ends = pieces.iter().map(|piece| piece.hi.clone());
        let ran = pieces::run(
            pieces,
            threads.min(MOST_THREADS),
            |piece, sink| read_beside(set, options, helpers.pieces, (like, piece), elements, sink),
            |given| match given {
                Given::Bytes(bytes) => {
                    helpers.pieces.join(task.visitor, bytes)?;
                    helpers.pieces.between(task.visitor)
                }
                Given::Done(Read { told, findings, shared, given }) => {
                    task.report.findings.merge(findings);
                    E::add(self.told, told);
                    self.end(ends.next().flatten(), shared);
                    given
                }
            },
        );
        helpers.are_busy.store(false, Ordering::Relaxed);
        ran
    }

    /// Reads in this thread.
    fn alone<V: Visitor + ?Sized>(
        &mut self,
        task: &mut Task<'_, 'a, '_, V>,
        helpers: Helpers<'_, V>,
        pieces: &[KeyRange],
    ) -> Result<()> {
        let like = self.stream.like();
        for piece in pieces {
            let (given, shared) = read(task, (like, piece), self.elements, self.told);
            self.end(piece.hi.clone(), shared);
            given?;
            helpers.pieces.between(task.visitor)?;
        }
        Ok(())
    }

    /// A piece was read.
    fn end(&mut self, hi: Option<Vec<u8>>, shared: Option<Shared>) {
        self.stream.add_shared(shared);
        self.behind = hi;
    }
}

/// Reads a piece in a thread beside the task.
fn read_beside<'a, V: ?Sized, E: Elements<'a>>(
    set: &DataSet<'a>,
    options: &Options,
    pieces: &dyn Pieces<V>,
    part: (Like, &KeyRange),
    elements: &E,
    sink: PieceSink,
) -> Read<E::Told> {
    let (mut told, mut findings, mut shared) = (E::Told::default(), Findings::default(), None);
    let given = pieces.render(sink, &mut |visitor| {
        let mut task = Task::new(set, options, visitor);
        let given;
        (given, shared) = read(&mut task, part, elements, &mut told);
        findings = task.report.findings;
        given
    });
    Read { told, findings, shared, given }
}

/// Gives the elements of a piece, and tells which of them several inputs have.
fn read<'a, V: Visitor + ?Sized, E: Elements<'a>>(
    task: &mut Task<'_, 'a, '_, V>,
    (like, piece): (Like, &KeyRange),
    elements: &E,
    told: &mut E::Told,
) -> (Result<()>, Option<Shared>) {
    let mut stream = match like.stream(task.set, piece) {
        Ok(stream) => stream,
        Err(error) => return (Err(error), None),
    };
    let given = elements.each(task, &mut stream, told);
    if given.is_err() && task.set.losses().is_lenient() {
        // Where the run goes on, rows behind one that cannot be read are still looked at. An error of theirs that ends the run is met again
        // when the rows of the key are counted.
        task.drain(&mut stream, elements.key().name).ok();
    }
    (given, stream.shared())
}
