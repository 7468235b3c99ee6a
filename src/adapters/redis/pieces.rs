//! Large collections, in pieces that several threads read.
//!
//! The elements of a key are a range of rows, and a range can be read from any cut (`dataset::range`). So for a large collection, the task
//! cuts the remaining rows into pieces. Threads beside the task read and render the pieces, and the task joins the results in order.
//! Everything about the whole key (its anchors, its length, its end) is handled as for any other key, so splits and their results are the
//! same.
//!
//! Only one task at a time has helper threads. Another task reads its pieces itself, one after the other.

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

/// A collection is large if it continues for this many reads of a range after the current one: 4 MiB with the default granularity.
const LARGE: usize = 16;
/// Number of reads in a piece.
const READS: usize = 4;
/// Maximum number of helper threads: more of them render faster than one thread hashes.
const MOST_THREADS: usize = 4;

/// Renders pieces of large collections for a visitor that can join them.
pub trait Pieces<V: ?Sized>: Sync {
    /// Lets `read` give elements to a new visitor, in any thread. The visitor renders them as later elements of the collection, and their
    /// bytes go to `sink`.
    ///
    /// # Errors
    /// The error of `read` or `sink`.
    fn render(&self, sink: PieceSink, read: &mut dyn FnMut(&mut dyn Visitor) -> Result<()>) -> Result<()>;

    /// Adds rendered elements to the current collection, which has some elements already.
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

/// The helper threads for large collections.
pub(super) struct Helpers<'s, V: ?Sized> {
    pub pieces: &'s dyn Pieces<V>,
    /// Whether another task uses them.
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
    /// Information about all elements together.
    type Told: Default + Send + 'static;

    /// The key.
    fn key(&self) -> &Key<'a>;

    /// Gives the next elements of a stream to the visitor, up to the first that cannot be read.
    fn each<V: Visitor + ?Sized>(
        &self,
        task: &mut Task<'_, 'a, '_, V>,
        stream: &mut KeyStream<'_, 'a>,
        told: &mut Self::Told,
    ) -> Result<()>;

    /// Adds the information about further elements.
    fn add(told: &mut Self::Told, more: Self::Told);
}

/// Gives the elements of a key; its stream is at the first of them.
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

/// Gives the elements that were cut off, unless there was an error before. The stream continues after the last piece that was read.
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

/// Takes the results of pieces, in their order.
struct Join<'j, 's, 'a, E: Elements<'a>> {
    stream: &'j mut KeyStream<'s, 'a>,
    elements: &'j E,
    told: &'j mut E::Told,
    /// The end of the last piece that was read; `None`: nothing comes after it.
    behind: Option<Vec<u8>>,
}

/// The result of a piece that was read by a helper thread.
struct Read<T> {
    told: T,
    findings: Findings,
    shared: Option<Shared>,
    /// An error, if not all of it could be read.
    given: Result<()>,
}

impl<'a, E: Elements<'a>> Join<'_, '_, 'a, E> {
    /// Lets helper threads read; `false`: there are none.
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

    /// Notes that a piece was read.
    fn end(&mut self, hi: Option<Vec<u8>>, shared: Option<Shared>) {
        self.stream.add_shared(shared);
        self.behind = hi;
    }
}

/// Reads a piece in a helper thread.
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

/// Gives the elements of a piece and returns the keys in it that several inputs have.
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
        // With `--on-error skip`, rows after an unreadable one are still checked. An error that ends the run occurs again when the rows of
        // the key are counted.
        task.drain(&mut stream, elements.key().name).ok();
    }
    (given, stream.shared())
}
