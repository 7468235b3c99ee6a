//! Objects of one kind for Python: an Arrow stream and an iterable, new on each call.

use std::sync::{Arc, PoisonError};

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyList};

use crate::errors::exception;
use crate::iterate::{ItemIterator, RowIterator};
use crate::produce::{What, batches, items};
use crate::snapshot::Shared;
use crate::stream::{LastError, Reader, Stream};

/// Objects of one kind.
#[pyclass(module = "ekvsnap", frozen)]
pub struct Rows {
    snapshot: Arc<Shared>,
    what: What,
    last_error: LastError,
}

impl Rows {
    pub fn new(snapshot: &Arc<Shared>, what: What) -> Rows {
        Rows { snapshot: Arc::clone(snapshot), what, last_error: LastError::default() }
    }

    fn stream(&self, py: Python<'_>) -> PyResult<Stream> {
        let (snapshot, what) = (Arc::clone(&self.snapshot), self.what.clone());
        let started = Stream::start(move |outlet| batches(&snapshot, &what, outlet));
        started.map_err(|error| exception(py, &error))
    }
}

#[pymethods]
impl Rows {
    /// The rows as a stream of Arrow batches.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // Another schema may be requested, but need not be provided.
        drop(requested_schema);
        let stream = self.stream(py)?;
        let columns = stream.columns(py)?;
        let reader = Reader::new(stream, &columns, LastError::clone(&self.last_error));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), c"arrow_array_stream")
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        if let What::Table(table) = &self.what {
            let (snapshot, table) = (Arc::clone(&self.snapshot), table.clone());
            let stream = Stream::start(move |outlet| items(&snapshot, &table, outlet));
            let stream = stream.map_err(|error| exception(py, &error))?;
            return Ok(ItemIterator::new(stream).into_pyobject(py)?.into_any().unbind());
        }
        let stream = self.stream(py)?;
        let columns = stream.columns(py)?;
        Ok(RowIterator::new(py, stream, &columns).into_pyobject(py)?.into_any().unbind())
    }

    /// Names of the columns of the Arrow stream.
    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let columns = self.stream(py)?.columns(py)?;
        PyList::new(py, columns.all.iter().map(|column| column.name.as_str()))
    }

    /// The exception that ended the last Arrow stream, whose reader was given only its text.
    #[getter]
    fn error(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let error = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        error.as_ref().map(|error| error.value(py).clone().unbind().into_any())
    }

    fn __repr__(&self) -> String {
        format!("<ekvsnap.Rows: {}>", self.what.words())
    }
}
