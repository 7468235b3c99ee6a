//! Requests in parallel, with their results in the order in which they were begun.
//!
//! A result is taken only after all results of requests that were begun before it. So everything before the last taken object is loaded,
//! and objects are reported in their order, whichever connection was faster. After a failed request no result is taken and no request is
//! begun. Requests in flight may have arrived; a run that continues sends them again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use super::Service;
use crate::error::{Error, Result};

/// The default number of connections.
const CONNECTIONS: usize = 4;
/// Requests per connection that are in flight or wait for their turn.
const AHEAD: usize = 2;
/// Bytes that all requests may hold in memory.
const HELD: usize = 32 << 20;

/// The work of a thread.
type Work<T> = Box<dyn FnOnce(&Service) -> Result<T> + Send>;
/// The work, and the channel for its result.
type Job<T> = (Work<T>, Sender<Result<T>>);

/// Threads that send requests; each request gives a `T`.
pub(super) struct Flight<T> {
    jobs: Sender<Job<T>>,
    waiting: VecDeque<Receiver<Result<T>>>,
    most: usize,
    /// Whether a request has failed or the flight has ended.
    over: Arc<AtomicBool>,
}

/// The number of connections for the option `asked`.
pub(super) fn connections(asked: usize) -> usize {
    if asked == 0 { CONNECTIONS } else { asked }
}

/// Bytes that each request may hold in memory, with this number of connections.
pub(super) fn held(connections: usize) -> usize {
    HELD / (connections * AHEAD).max(1)
}

impl<T: Send> Flight<T> {
    /// Starts a thread for each connection. They end with the flight.
    pub fn new<'s>(scope: &'s Scope<'s, '_>, service: &'s Service, connections: usize) -> Flight<T>
    where
        T: 's,
    {
        let (jobs, queue) = channel::<Job<T>>();
        let (queue, over) = (Arc::new(Mutex::new(queue)), Arc::new(AtomicBool::new(false)));
        for _ in 0..connections {
            let (queue, over) = (Arc::clone(&queue), Arc::clone(&over));
            scope.spawn(move || {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((work, result)) = next else { break };
                    if over.load(Ordering::Relaxed) {
                        continue;
                    }
                    let done = work(service);
                    if done.is_err() {
                        over.store(true, Ordering::Relaxed);
                    }
                    // After the end of the run nobody receives it.
                    let _ = result.send(done);
                }
            });
        }
        Flight { jobs, waiting: VecDeque::new(), most: connections * AHEAD, over }
    }

    /// Begins a request. If too many are in flight, it first waits for the oldest and returns its result.
    ///
    /// # Errors
    /// The error of that request.
    pub fn begin(&mut self, work: impl FnOnce(&Service) -> Result<T> + Send + 'static) -> Result<Option<T>> {
        let earlier = if self.waiting.len() >= self.most { self.next()? } else { None };
        let (sender, receiver) = channel();
        let begun = self.jobs.send((Box::new(work), sender));
        begun.map_err(|_| Error::internal("the threads that send requests are gone"))?;
        self.waiting.push_back(receiver);
        Ok(earlier)
    }

    /// The result of the oldest request in flight; `None`: there is none, or an earlier one has failed.
    ///
    /// # Errors
    /// The error of the request.
    pub fn next(&mut self) -> Result<Option<T>> {
        let Some(first) = self.waiting.pop_front() else { return Ok(None) };
        let result = first.recv().unwrap_or_else(|_| Err(Error::internal("a request was never sent")));
        if result.is_err() {
            self.settle();
        }
        result.map(Some)
    }

    /// Waits for all requests in flight and ignores their results.
    fn settle(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for result in self.waiting.drain(..) {
            let _ = result.recv();
        }
    }
}

impl<T> Drop for Flight<T> {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Results come in order although the first request is the slowest; after a failed request there are none.
    #[test]
    fn results_come_in_order() {
        let service = Service::nowhere();
        let taken = std::thread::scope(|scope| {
            let mut flight = Flight::new(scope, &service, 3);
            let mut taken = Vec::new();
            for n in 0..20u64 {
                let begun = flight.begin(move |service| {
                    std::thread::sleep(Duration::from_millis(if n == 0 { 50 } else { 20 - n }));
                    if n == 13 { Err(service.failed("no")) } else { Ok(n) }
                });
                match begun {
                    Ok(earlier) => taken.extend(earlier),
                    Err(_) => break,
                }
            }
            while let Ok(Some(next)) = flight.next() {
                taken.push(next);
            }
            assert!(flight.next().unwrap().is_none());
            taken
        });
        assert_eq!(taken, (0..13).collect::<Vec<_>>());
    }
}
