//! A reading thread, and the receiver of its messages.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use ekvsnap::layouts::rows::Columns;
use ekvsnap::run::Stop;
use ekvsnap::{Error, Result};
use pyo3::prelude::*;

use crate::arrow::schema;
use crate::batch::{Message, Outlet};
use crate::errors::exception;

/// Maximum number of waiting messages: with the one that is being filled and the one that is being read, there are four in memory.
const WAITING: usize = 2;
/// How often a waiting thread checks for signals.
const LOOK: Duration = Duration::from_millis(50);

/// The error that ended the last Arrow stream of an object: Arrow passes on only its text.
pub type LastError = Arc<Mutex<Option<PyErr>>>;

/// Messages of a reading thread. When it is dropped, the thread ends.
pub struct Stream {
    messages: Mutex<Receiver<Message>>,
    stop: Stop,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.set();
    }
}

impl Stream {
    /// Starts to read.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(read: impl FnOnce(Outlet) -> Result<()> + Send + 'static) -> Result<Stream> {
        let (messages, taken) = sync_channel(WAITING);
        let stop = Stop::default();
        let outlet = Outlet { messages: messages.clone(), stop: stop.clone() };
        let flag = stop.clone();
        let work = move || {
            let done = catch_unwind(AssertUnwindSafe(|| flag.during(|| read(outlet))));
            let failed = match done {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(_) => Error::internal("a panic while reading"),
            };
            // The receiver may be gone.
            let _ = messages.send(Message::Failed(failed));
        };
        let started = thread::Builder::new().name("ekvsnap".into()).spawn(work);
        started.map_err(|e| Error::io("start", "a thread", e))?;
        Ok(Stream { messages: Mutex::new(taken), stop })
    }

    /// The next message; waits without the interpreter's lock.
    ///
    /// # Errors
    /// The exception of a signal handler, such as `KeyboardInterrupt`; the error of the reading thread.
    pub fn next(&self, py: Python<'_>) -> PyResult<Message> {
        loop {
            let taken = py.detach(|| self.take(LOOK));
            match taken {
                Some(Message::Failed(error)) => return Err(exception(py, &error)),
                Some(message) => return Ok(message),
                None => py.check_signals().inspect_err(|_| self.stop.set())?,
            }
        }
    }

    /// The next message, if it comes in time.
    fn take(&self, patience: Duration) -> Option<Message> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        match messages.try_recv() {
            Ok(message) => return Some(message),
            Err(TryRecvError::Disconnected) => return Some(Message::End),
            Err(TryRecvError::Empty) => {}
        }
        match messages.recv_timeout(patience) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Message::End),
        }
    }

    /// The columns, which come first.
    ///
    /// # Errors
    /// As [`next`](Stream::next).
    pub fn columns(&self, py: Python<'_>) -> PyResult<Columns> {
        match self.next(py)? {
            Message::Columns(columns) => Ok(columns),
            _ => Err(exception(py, &Error::internal("rows without columns"))),
        }
    }
}

/// The batches of a stream, for the C interface of Arrow.
pub struct Reader {
    stream: Option<Stream>,
    schema: SchemaRef,
    last_error: LastError,
    /// The thread that requested the stream. Only in this thread the interpreter's lock can safely be taken: a thread with the lock may be
    /// waiting for another one.
    home: ThreadId,
}

impl Reader {
    pub fn new(stream: Stream, columns: &Columns, last_error: LastError) -> Reader {
        Reader { stream: Some(stream), schema: schema(&columns.all), last_error, home: thread::current().id() }
    }

    fn take(
        stream: &Stream,
        home: bool,
        last_error: &LastError,
    ) -> std::result::Result<Option<RecordBatch>, ArrowError> {
        let message = if home {
            Python::attach(|py| stream.next(py).map_err(|error| failed(py, error, last_error)))?
        } else {
            loop {
                if let Some(message) = stream.take(LOOK) {
                    break message;
                }
            }
        };
        match message {
            Message::Batch(batch) => Ok(Some(batch)),
            Message::Failed(error) => Err(ArrowError::ExternalError(Box::new(error))),
            _ => Ok(None),
        }
    }
}

/// Keeps the exception, and returns its text. An interrupt is raised again when Python continues.
fn failed(py: Python<'_>, error: PyErr, last_error: &LastError) -> ArrowError {
    let text = error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string());
    let name = error.get_type(py).name().map_or_else(|_| String::new(), |name| name.to_string());
    if error.is_instance_of::<pyo3::exceptions::PyKeyboardInterrupt>(py) {
        let _ = py.import("_thread").and_then(|thread| thread.call_method0("interrupt_main"));
    }
    *last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    ArrowError::ExternalError(format!("{name}: {text}").into())
}

impl Iterator for Reader {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let home = thread::current().id() == self.home;
        let taken = Reader::take(self.stream.as_ref()?, home, &self.last_error).transpose();
        // There is nothing after the end or an error, and the thread can end.
        if !matches!(taken, Some(Ok(_))) {
            self.stream = None;
        }
        taken
    }
}

impl RecordBatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}
