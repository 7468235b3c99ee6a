//! Runs pieces of one task on several threads, and takes their results in the order of the pieces.
//!
//! They are separate threads. Threads of the pool would not do: all of them can be waiting for the task (`engine`), and a pool thread that
//! waits for a task may begin another task.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use crate::error::{Error, Result};
use crate::output::split::PieceSink;
use crate::sync::lock;

/// Pieces per thread that are begun and not taken yet: while one is taken, the next ones are made.
const AHEAD: usize = 2;
/// Buffers of a piece that may wait before its thread waits.
const BUFFERS: usize = 4;

/// What a piece gives: any number of buffers, and then the result of its work.
pub enum Given<T> {
    /// The next bytes.
    Bytes(Vec<u8>),
    /// The piece is complete.
    Done(T),
}

/// A piece that waits for a thread, and the channel for its results.
type Job<T> = (usize, SyncSender<Given<T>>);

/// Runs `work` with every piece on `threads` threads, and calls `take` with their results on this thread, in the order of pieces. `false`:
/// no thread could be started, and nothing was done.
///
/// # Errors
/// The error of `take`: nothing more is taken then.
pub fn run<P: Sync, T: Send + 'static>(
    pieces: &[P],
    threads: usize,
    work: impl Fn(&P, PieceSink) -> T + Sync,
    mut take: impl FnMut(Given<T>) -> Result<()>,
) -> Result<bool> {
    let (jobs, waiting) = channel::<Job<T>>();
    let waiting = Mutex::new(waiting);
    let serve = || {
        while let Some((piece, out)) = next(&waiting) {
            let bytes = out.clone();
            let sink = move |buffer| bytes.send(Given::Bytes(buffer)).map_err(|_| not_taken());
            let done = work(&pieces[piece], Box::new(sink));
            // After another piece has failed nobody receives it.
            out.send(Given::Done(done)).ok();
        }
    };
    thread::scope(|scope| {
        let start = |_: &usize| thread::Builder::new().spawn_scoped(scope, serve).is_ok();
        let started = (0..threads).filter(start).count();
        if started == 0 {
            return Ok(false);
        }
        let taken = take_all(pieces.len(), started * AHEAD, &jobs, &mut take);
        // No more jobs come, so the threads end.
        drop(jobs);
        taken.map(|()| true)
    })
}

fn next<T>(waiting: &Mutex<Receiver<Job<T>>>) -> Option<Job<T>> {
    lock(waiting).recv().ok()
}

fn take_all<T>(
    pieces: usize,
    most: usize,
    jobs: &Sender<Job<T>>,
    take: &mut impl FnMut(Given<T>) -> Result<()>,
) -> Result<()> {
    let (mut begun, mut next) = (VecDeque::new(), 0..pieces);
    loop {
        for piece in next.by_ref().take(most - begun.len()) {
            let (out, given) = sync_channel(BUFFERS);
            jobs.send((piece, out)).map_err(|_| not_taken())?;
            begun.push_back(given);
        }
        let Some(given) = begun.pop_front() else { return Ok(()) };
        let mut is_done = false;
        while !is_done {
            // A thread that panics sends no result. The panic continues in this thread.
            let given = given.recv().map_err(|_| not_taken())?;
            is_done = matches!(given, Given::Done(_));
            take(given)?;
        }
    }
}

#[cold]
fn not_taken() -> Error {
    Error::internal("a piece of a task's work goes nowhere")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Piece `n` gives `n % 7` buffers, then its number.
    fn work(piece: &usize, mut sink: PieceSink) -> usize {
        (0..piece % 7).for_each(|n| sink(vec![*piece as u8, n as u8]).unwrap());
        *piece
    }

    #[test]
    fn pieces_come_in_order() {
        for (pieces, threads) in [(0, 2), (1, 1), (1, 8), (200, 1), (200, 2), (200, 8)] {
            let numbers: Vec<usize> = (0..pieces).collect();
            let (mut got, mut bytes) = (Vec::new(), Vec::new());
            let ran = run(&numbers, threads, work, |given| {
                match given {
                    Given::Bytes(buffer) => bytes.push(buffer),
                    Given::Done(piece) => {
                        assert_eq!(bytes, (0..piece % 7).map(|n| vec![piece as u8, n as u8]).collect::<Vec<_>>());
                        bytes.clear();
                        got.push(piece);
                    }
                }
                Ok(())
            });
            assert!(ran.unwrap());
            assert_eq!(got, numbers, "{threads} threads");
        }
    }

    /// Threads that wait to send something end too.
    #[test]
    fn an_error_ends_all_pieces() {
        let numbers: Vec<usize> = (0..200).collect();
        for threads in [1, 3] {
            let work = |piece: &usize, mut sink: PieceSink| (0..50).try_for_each(|_| sink(vec![*piece as u8]));
            let error = run(&numbers, threads, work, |given| match given {
                Given::Bytes(bytes) if bytes == [9] => Err(Error::usage("no more")),
                _ => Ok(()),
            });
            assert_eq!(error.unwrap_err().to_string(), "no more");
        }
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_is_handed_on() {
        let work = |piece: &usize, _: PieceSink| assert!(*piece != 20);
        let _ = run(&(0..200).collect::<Vec<usize>>(), 2, work, |_| Ok(()));
    }
}
