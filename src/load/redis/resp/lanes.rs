//! Connections. A thread for each sends batches and checks the replies.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Connection, RedisError, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::load::Listener;

/// How long a server may take to accept a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may take to accept bytes of a batch, and to answer it: it can be busy with a save.
pub(super) const ANSWER: Duration = Duration::from_secs(300);
/// Batches that wait in a lane.
const WAITING: usize = 2;

/// Commands that are sent together.
#[derive(Default)]
pub(super) struct Batch {
    pub bytes: Vec<u8>,
    /// The expected reply of each command.
    pub wants: Vec<Want>,
    /// The name of the last key that this batch completes, and how many keys are complete.
    pub complete: Option<(String, u64)>,
}

/// An expected reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Anything but an error.
    Any,
    /// A number: of added elements, or of elements in the collection.
    Number(i64),
}

/// Distributes batches.
pub(super) struct Lanes<'l> {
    lanes: Vec<SyncSender<(u64, Batch)>>,
    at: usize,
    /// The number of the next batch.
    next: u64,
    shared: &'l Shared<'l>,
}

/// What the lanes share.
struct Shared<'l> {
    shown: &'l str,
    listener: &'l dyn Listener,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failed: Option<Error>,
    /// The first batch without an answer.
    answered: u64,
    /// Later batches that were answered.
    early: BTreeMap<u64, Option<(String, u64)>>,
}

impl Shared<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a batch was answered, and reports the position if it has moved.
    fn answered(&self, number: u64, complete: Option<(String, u64)>) {
        let mut state = self.state();
        state.early.insert(number, complete);
        let mut position = None;
        loop {
            let next = state.answered;
            let Some(complete) = state.early.remove(&next) else { break };
            state.answered += 1;
            position = complete.or(position);
        }
        drop(state);
        if let Some((name, objects)) = position {
            self.listener.position(&name, objects);
        }
    }
}

impl Lanes<'_> {
    /// Sends a batch. The next one may go to another lane, unless this one ends in the middle of a key.
    pub fn send(&mut self, batch: Batch, is_middle: bool) -> Result<()> {
        let sent = self.lanes.get(self.at).is_some_and(|lane| lane.send((self.next, batch)).is_ok());
        if !sent {
            let failed = self.shared.state().failed.take();
            return Err(failed.unwrap_or_else(|| Error::internal("a connection is gone")));
        }
        self.next += 1;
        if !is_middle {
            self.at = (self.at + 1) % self.lanes.len();
        }
        Ok(())
    }
}

/// Runs `work` with a lane for each connection, and waits for all replies.
pub(super) fn run<T>(
    connections: Vec<Connection>,
    shown: &str,
    listener: &dyn Listener,
    work: impl FnOnce(Lanes<'_>) -> Result<T>,
) -> Result<T> {
    let shared = Shared { shown, listener, state: Mutex::default() };
    let done = std::thread::scope(|scope| {
        let mut lanes = Vec::new();
        for connection in connections {
            let (sender, receiver) = sync_channel(WAITING);
            lanes.push(sender);
            let shared = &shared;
            scope.spawn(move || {
                if let Err(error) = lane(connection, &receiver, shared) {
                    shared.state().failed.get_or_insert(error);
                }
            });
        }
        // The lanes are dropped here, which ends their threads.
        work(Lanes { lanes, at: 0, next: 0, shared: &shared })
    });
    let failed = shared.state().failed.take();
    match failed {
        Some(error) => Err(error),
        None => done,
    }
}

fn lane(mut connection: Connection, batches: &Receiver<(u64, Batch)>, shared: &Shared<'_>) -> Result<()> {
    let failed = |e: &RedisError| failed(shared.shown, e);
    while let Ok((number, batch)) = batches.recv() {
        connection.send_packed_command(&batch.bytes).map_err(|e| failed(&e))?;
        for want in &batch.wants {
            match (want, connection.recv_response().map_err(|e| failed(&e))?) {
                (_, Value::ServerError(e)) => return Err(failed(&e.into())),
                (Want::Any, _) => {}
                (Want::Number(want), Value::Int(got)) if *want == got => {}
                (Want::Number(want), Value::Int(got)) => return Err(other_number(shared.shown, got, *want)),
                (Want::Number(want), _) => return Err(no_number(shared.shown, *want)),
            }
        }
        shared.answered(number, batch.complete);
    }
    Ok(())
}

/// The error of a collection that has another number of elements than it was given.
#[cold]
fn other_number(shown: &str, got: i64, want: i64) -> Error {
    let why = "something else writes to it, or an element occurs twice";
    Error::new(ErrorKind::Target(format!("{shown}: it answered {got}, not {want}: {why}")))
}

/// The error of an answer that does not say how many elements were added.
#[cold]
fn no_number(shown: &str, want: i64) -> Error {
    let why = "its answer is no number, and nothing proves that they are stored";
    Error::new(ErrorKind::Target(format!("{shown}: it was given {want} elements: {why}")))
}

/// An error of the server or of the connection to it.
#[cold]
pub(super) fn failed(shown: &str, e: &RedisError) -> Error {
    let words = if e.is_timeout() { "no answer in time".to_owned() } else { e.to_string() };
    Error::new(ErrorKind::Target(format!("{shown}: {words}")))
}
