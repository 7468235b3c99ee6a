//! Rows and items one by one.

use std::sync::{Mutex, PoisonError};

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMillisecondType, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use ekvsnap::layouts::rows::{Columns, Kind};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::batch::Message;
use crate::items::to_python;
use crate::python::Types;
use crate::stream::Stream;

/// Rows of Arrow batches as dictionaries.
#[pyclass(module = "ekvsnap", frozen)]
pub struct RowIterator {
    stream: Mutex<Option<Stream>>,
    columns: Vec<(Py<PyString>, Kind)>,
    at: Mutex<Option<(RecordBatch, usize)>>,
}

impl RowIterator {
    pub fn new(py: Python<'_>, stream: Stream, columns: &Columns) -> RowIterator {
        let named = columns.all.iter().map(|column| (PyString::new(py, &column.name).unbind(), column.kind));
        RowIterator { stream: Mutex::new(Some(stream)), columns: named.collect(), at: Mutex::new(None) }
    }
}

/// The next message of a stream; behind the end or an error there is none.
fn next(py: Python<'_>, stream: &Mutex<Option<Stream>>) -> PyResult<Option<Message>> {
    let taken = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(open) = taken else { return Ok(None) };
    let message = open.next(py)?;
    if matches!(message, Message::End) {
        return Ok(None);
    }
    *stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
    Ok(Some(message))
}

#[pymethods]
impl RowIterator {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        loop {
            let held = self.at.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some((batch, row)) = held.filter(|(batch, row)| *row < batch.num_rows()) {
                let dict = self.row(py, &batch, row)?;
                *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Some((batch, row + 1));
                return Ok(Some(dict));
            }
            match next(py, &self.stream)? {
                None => return Ok(None),
                Some(Message::Batch(batch)) => {
                    *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Some((batch, 0));
                }
                Some(_) => {}
            }
        }
    }
}

impl RowIterator {
    fn row<'py>(&self, py: Python<'py>, batch: &RecordBatch, row: usize) -> PyResult<Bound<'py, PyDict>> {
        let (dict, types) = (PyDict::new(py), Types::get(py)?);
        for ((name, kind), array) in self.columns.iter().zip(batch.columns()) {
            dict.set_item(name.bind(py), value(py, types, array, *kind, row)?)?;
        }
        Ok(dict)
    }
}

/// The value of a row as a Python object.
fn value<'py>(py: Python<'py>, types: &Types, array: &ArrayRef, kind: Kind, row: usize) -> PyResult<Bound<'py, PyAny>> {
    if array.is_null(row) {
        return Ok(py.None().into_bound(py));
    }
    Ok(match kind {
        Kind::Bytes => PyBytes::new(py, array.as_binary::<i32>().value(row)).into_any(),
        Kind::Text => PyString::new(py, array.as_string::<i32>().value(row)).into_any(),
        Kind::Json => types.json(py, array.as_string::<i32>().value(row))?,
        Kind::U64 => array.as_primitive::<UInt64Type>().value(row).into_pyobject(py)?.into_any(),
        Kind::I64 => array.as_primitive::<Int64Type>().value(row).into_pyobject(py)?.into_any(),
        Kind::Millis => types.moment(py, array.as_primitive::<TimestampMillisecondType>().value(row))?,
        Kind::F64 => array.as_primitive::<Float64Type>().value(row).into_pyobject(py)?.into_any(),
        Kind::Bool => array.as_boolean().value(row).into_pyobject(py)?.to_owned().into_any(),
        Kind::Decimal(_, scale) => {
            types.decimal(py, array.as_primitive::<Decimal128Type>().value(row), scale.cast_signed())?
        }
        Kind::Pairs => {
            let pairs = array.as_list::<i32>().value(row);
            let pairs = pairs.as_struct();
            let (names, values) = (pairs.column(0).as_binary::<i32>(), pairs.column(1).as_binary::<i32>());
            let all = (0..pairs.len()).map(|n| (PyBytes::new(py, names.value(n)), PyBytes::new(py, values.value(n))));
            PyList::new(py, all)?.into_any()
        }
    })
}

/// Items of DynamoDB as dictionaries of their attributes.
#[pyclass(module = "ekvsnap", frozen)]
pub struct ItemIterator {
    stream: Mutex<Option<Stream>>,
    at: Mutex<(Vec<u8>, std::vec::IntoIter<usize>, usize)>,
}

impl ItemIterator {
    pub fn new(stream: Stream) -> ItemIterator {
        ItemIterator { stream: Mutex::new(Some(stream)), at: Mutex::new((Vec::new(), Vec::new().into_iter(), 0)) }
    }
}

#[pymethods]
impl ItemIterator {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        loop {
            let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(end) = at.1.next() {
                let start = std::mem::replace(&mut at.2, end);
                return to_python(py, Types::get(py)?, at.0.get(start..end).unwrap_or_default()).map(Some);
            }
            drop(at);
            match next(py, &self.stream)? {
                None => return Ok(None),
                Some(Message::Items(stored, ends)) => {
                    *self.at.lock().unwrap_or_else(PoisonError::into_inner) = (stored, ends.into_iter(), 0);
                }
                Some(_) => {}
            }
        }
    }
}
