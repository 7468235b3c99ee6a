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
    /// Rows are in the order of so many first columns.
    pub sorted: usize,
}

impl Columns {
    /// A data set whose rows are in the order of its first `sorted` columns.
    pub fn new(all: Vec<Column>, sorted: usize) -> Columns {
        Columns { all: all.into(), sorted }
    }
}

/// Takes the rows of data sets, which are named as the folders of an output are.
pub trait Sink {
    /// The number of a data set; its columns are asked for the first time.
    ///
    /// # Errors
    /// Columns that the sink does not have.
    fn set(&mut self, name: &str, columns: impl FnOnce() -> Columns) -> Result<usize>;

    /// Takes a row: a cell for each column, of its kind, or none in an optional one.
    ///
    /// # Errors
    /// What the sink gives.
    fn push(&mut self, set: usize, cells: &[Cell<'_>]) -> Result<()>;

    /// The rows that follow in a data set are one object's, until it is complete.
    fn begin(&mut self, set: usize) {
        let _ = set;
    }

    /// The object is complete.
    ///
    /// # Errors
    /// What the sink gives.
    fn complete(&mut self, set: usize) -> Result<()> {
        let _ = set;
        Ok(())
    }

    /// The rows of the object count for nothing.
    ///
    /// # Errors
    /// The sink has given them away.
    fn abandon(&mut self, set: usize) -> Result<()>;

    /// A good moment to write what is held: no object is incomplete.
    ///
    /// # Errors
    /// What the sink gives.
    fn relieve(&mut self) -> Result<()> {
        Ok(())
    }

    /// Hears how many objects were taken, and their bytes.
    fn count(&mut self, adapter: Adapter, scope: &str, kind: &'static str, objects: u64, bytes: u64) {
        let _ = (adapter, scope, kind, objects, bytes);
    }

    /// Hears what was noticed.
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
