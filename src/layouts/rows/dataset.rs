//! Data sets, and the sink that takes their rows.

use std::sync::Arc;

use super::{Cell, Column};
use crate::error::Result;
use crate::format::Adapter;
use crate::report::Finding;

/// The columns of a data set.
#[derive(Debug, Clone)]
pub struct Columns {
    /// All of them, in their order.
    pub all: Arc<[Column]>,
    /// Rows are sorted by this number of first columns.
    pub sorted: usize,
}

impl Columns {
    /// A data set whose rows are in the order of its first `sorted` columns.
    pub fn new(all: Vec<Column>, sorted: usize) -> Columns {
        Columns { all: all.into(), sorted }
    }
}

/// Takes the rows of data sets, which have the names of an output's folders.
pub trait Sink {
    /// The number of a data set; its columns are computed on the first call.
    ///
    /// # Errors
    /// Columns that the sink does not support.
    fn set(&mut self, name: &str, columns: impl FnOnce() -> Columns) -> Result<usize>;

    /// Adds a row: a cell for each column, of its kind, or null in an optional one.
    ///
    /// # Errors
    /// The error of the sink.
    fn push(&mut self, set: usize, cells: &[Cell<'_>]) -> Result<()>;

    /// The next rows of a data set belong to one object, until it is complete.
    fn begin(&mut self, set: usize) {
        let _ = set;
    }

    /// Completes the object.
    ///
    /// # Errors
    /// The error of the sink.
    fn complete(&mut self, set: usize) -> Result<()> {
        let _ = set;
        Ok(())
    }

    /// Removes the rows of the object.
    ///
    /// # Errors
    /// The sink has passed them on already.
    fn abandon(&mut self, set: usize) -> Result<()>;

    /// A good moment to write the rows in memory: no object is incomplete.
    ///
    /// # Errors
    /// The error of the sink.
    fn relieve(&mut self) -> Result<()> {
        Ok(())
    }

    /// Receives the number of objects, and their bytes.
    fn count(&mut self, adapter: Adapter, scope: &str, kind: &'static str, objects: u64, bytes: u64) {
        let _ = (adapter, scope, kind, objects, bytes);
    }

    /// Receives a finding.
    fn note(&mut self, finding: Finding) {
        let _ = finding;
    }
}

impl<S: Sink> Sink for &mut S {
    fn set(&mut self, name: &str, columns: impl FnOnce() -> Columns) -> Result<usize> {
        (**self).set(name, columns)
    }

    fn push(&mut self, set: usize, cells: &[Cell<'_>]) -> Result<()> {
        (**self).push(set, cells)
    }

    fn begin(&mut self, set: usize) {
        (**self).begin(set);
    }

    fn complete(&mut self, set: usize) -> Result<()> {
        (**self).complete(set)
    }

    fn abandon(&mut self, set: usize) -> Result<()> {
        (**self).abandon(set)
    }

    fn relieve(&mut self) -> Result<()> {
        (**self).relieve()
    }

    fn count(&mut self, adapter: Adapter, scope: &str, kind: &'static str, objects: u64, bytes: u64) {
        (**self).count(adapter, scope, kind, objects, bytes);
    }

    fn note(&mut self, finding: Finding) {
        (**self).note(finding);
    }
}
