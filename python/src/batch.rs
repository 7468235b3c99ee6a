//! Makes record batches of rows: the sink for the library's visitors.

use std::sync::mpsc::SyncSender;

use arrow_array::RecordBatch;
use ekvsnap::error::{Error, Result};
use ekvsnap::layouts::rows::{Cell, Column, Columns, Kind, Sink, column};
use ekvsnap::output::names::unsegment;
use ekvsnap::run::Stop;

use crate::arrow::{Builder, bytes_of, schema};

/// Maximum number of rows in a batch: more do not make readers faster.
const ROWS: usize = 64 << 10;
/// Bytes of values that end a batch. A batch can exceed this by one value.
const BYTES: usize = 4 << 20;

/// A message of a reading thread.
pub enum Message {
    /// The columns of the following rows.
    Columns(Columns),
    /// Rows of them.
    Batch(RecordBatch),
    /// Items of DynamoDB as stored, one after the other, and the end of each.
    Items(Vec<u8>, Vec<usize>),
    /// The end.
    End,
    /// The end because of an error.
    Failed(Error),
}

/// The receiver of messages. After the stop flag is set, messages are no longer received.
pub struct Outlet {
    pub messages: SyncSender<Message>,
    pub stop: Stop,
}

impl Outlet {
    /// # Errors
    /// Messages are no longer received.
    pub fn send(&self, message: Message) -> Result<()> {
        self.stop.check()?;
        self.messages.send(message).map_err(|_| Error::usage("nobody reads any more"))
    }
}

/// Which rows are passed on.
pub enum Wanted {
    /// All rows: there is only one data set.
    Any,
    /// Those of the data set with this name.
    Set(String),
    /// Those of all data sets below a folder, with the name of the set as a first column: decoded, if that gives text.
    Below(&'static str, &'static str),
}

/// Collects rows, and passes batches on.
pub struct Batches {
    outlet: Outlet,
    wanted: Wanted,
    columns: Option<Columns>,
    builders: Vec<Builder>,
    rows: usize,
    bytes: usize,
    /// The values of the first column, for data sets below a folder.
    scopes: Vec<String>,
    rendered: Vec<u8>,
}

/// The number of unwanted data sets.
const UNWANTED: usize = usize::MAX;

impl Batches {
    pub fn new(outlet: Outlet, wanted: Wanted) -> Batches {
        let (columns, builders, scopes) = (None, Vec::new(), Vec::new());
        Batches { outlet, wanted, columns, builders, rows: 0, bytes: 0, scopes, rendered: Vec::new() }
    }

    /// Announces the columns, once.
    ///
    /// # Errors
    /// Messages are no longer received.
    pub fn open(&mut self, columns: Columns) -> Result<()> {
        if self.columns.is_some() {
            return Ok(());
        }
        self.builders = columns.all.iter().map(|column| Builder::new(column.kind)).collect();
        self.outlet.send(Message::Columns(columns.clone()))?;
        self.columns = Some(columns);
        Ok(())
    }

    /// Passes on the rest.
    ///
    /// # Errors
    /// Messages are no longer received.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.outlet.send(Message::End)
    }

    fn flush(&mut self) -> Result<()> {
        let Some(columns) = self.columns.as_ref().filter(|_| self.rows > 0) else { return Ok(()) };
        let arrays = self.builders.iter_mut().map(Builder::finish).collect::<std::result::Result<Vec<_>, _>>();
        let batch = arrays.and_then(|arrays| RecordBatch::try_new(schema(&columns.all), arrays));
        let batch = batch.map_err(|error| Error::internal(format!("Arrow refuses a batch: {error}")))?;
        (self.rows, self.bytes) = (0, 0);
        self.outlet.send(Message::Batch(batch))
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Messages are no longer received, or Arrow cannot store a value.
    pub fn add<'c>(&mut self, cells: impl Iterator<Item = &'c Cell<'c>> + Clone) -> Result<()> {
        let mut bytes = 0;
        for cell in cells.clone() {
            bytes += bytes_of(cell)?;
        }
        if self.rows >= ROWS || (self.rows > 0 && self.bytes + bytes > BYTES) {
            self.flush()?;
        }
        for (builder, cell) in self.builders.iter_mut().zip(cells) {
            builder.push(cell, &mut self.rendered)?;
        }
        self.rows += 1;
        self.bytes += bytes;
        Ok(())
    }
}

/// The same columns after one for the scope.
pub fn with_scope(name: &str, columns: &Columns) -> Columns {
    let scope: Column = column(name, Kind::Text).repeated();
    Columns::new(std::iter::once(scope).chain(columns.all.iter().cloned()).collect(), columns.sorted + 1)
}

impl Sink for Batches {
    fn set(&mut self, name: &str, columns: impl FnOnce() -> Columns) -> Result<usize> {
        match &self.wanted {
            Wanted::Set(wanted) if name != wanted => Ok(UNWANTED),
            Wanted::Any | Wanted::Set(_) => {
                self.open(columns())?;
                Ok(0)
            }
            Wanted::Below(folder, scope) => {
                let Some(segment) = name.strip_prefix(folder) else { return Ok(UNWANTED) };
                let scope = *scope;
                let decoded = unsegment(segment).and_then(|name| String::from_utf8(name).ok());
                self.scopes.push(decoded.unwrap_or_else(|| segment.to_owned()));
                self.open(with_scope(scope, &columns()))?;
                Ok(self.scopes.len() - 1)
            }
        }
    }

    fn push(&mut self, set: usize, cells: &[Cell<'_>]) -> Result<()> {
        self.outlet.stop.check()?;
        if set == UNWANTED {
            return Ok(());
        }
        match self.scopes.get_mut(set).map(std::mem::take) {
            Some(scope) => {
                self.add(std::iter::once(&Cell::Bytes(scope.as_bytes())).chain(cells))?;
                self.scopes[set] = scope;
                Ok(())
            }
            None => self.add(cells.iter()),
        }
    }

    /// No damage is skipped in a stream: an object that cannot be read ends it with an error.
    fn abandon(&mut self, _: usize) -> Result<()> {
        Ok(())
    }
}
