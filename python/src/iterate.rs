//! Rows and items one by one.

use std::sync::{Mutex, MutexGuard};

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMillisecondType, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use ekvsnap::layouts::rows::{Columns, Kind};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::batch::Message;
use crate::items::to_python;
use crate::python::Types;
use crate::stream::Stream;

/// The state of an iterator. Only one thread at a time can use it.
struct Held<T>(Mutex<T>);

impl<T> Held<T> {
    fn get(&self) -> PyResult<MutexGuard<'_, T>> {
        self.0.try_lock().map_err(|_| PyRuntimeError::new_err("the iterator is in use in another thread"))
    }
}

/// The next message of a stream; there is none after the end or an error.
fn next(py: Python<'_>, stream: &mut Option<Stream>) -> PyResult<Option<Message>> {
    let Some(open) = stream else { return Ok(None) };
    let message = open.next(py);
    if matches!(message, Err(_) | Ok(Message::End)) {
        *stream = None;
    }
    message.map(|message| Some(message).filter(|message| !matches!(message, Message::End)))
}

/// Rows of Arrow batches as dictionaries.
#[pyclass(module = "ekvsnap", frozen)]
pub struct RowIterator {
    columns: Vec<(Py<PyString>, Kind)>,
    held: Held<Reading>,
}

/// The stream, and the next row of the current batch.
struct Reading {
    stream: Option<Stream>,
    batch: Option<RecordBatch>,
    row: usize,
}

impl RowIterator {
    pub fn new(py: Python<'_>, stream: Stream, columns: &Columns) -> RowIterator {
        let named = columns.all.iter().map(|column| (PyString::new(py, &column.name).unbind(), column.kind));
        RowIterator {
            columns: named.collect(),
            held: Held(Mutex::new(Reading { stream: Some(stream), batch: None, row: 0 })),
        }
    }
}

#[pymethods]
impl RowIterator {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let mut held = self.held.get()?;
        let Reading { stream, batch, row } = &mut *held;
        loop {
            if let Some(batch) = batch.as_ref().filter(|batch| *row < batch.num_rows()) {
                *row += 1;
                return self.row(py, batch, *row - 1).map(Some);
            }
            match next(py, stream)? {
                None => return Ok(None),
                Some(Message::Batch(next)) => (*batch, *row) = (Some(next), 0),
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

/// Items as stored, and the ends of the remaining ones.
#[derive(Default)]
struct Stored {
    bytes: Vec<u8>,
    ends: std::vec::IntoIter<usize>,
    start: usize,
}

/// Items of DynamoDB as dictionaries of their attributes.
#[pyclass(module = "ekvsnap", frozen)]
pub struct ItemIterator(Held<(Option<Stream>, Stored)>);

impl ItemIterator {
    pub fn new(stream: Stream) -> ItemIterator {
        ItemIterator(Held(Mutex::new((Some(stream), Stored::default()))))
    }
}

#[pymethods]
impl ItemIterator {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let mut held = self.0.get()?;
        let (stream, stored) = &mut *held;
        loop {
            if let Some(end) = stored.ends.next() {
                let start = std::mem::replace(&mut stored.start, end);
                return to_python(py, Types::get(py)?, stored.bytes.get(start..end).unwrap_or_default()).map(Some);
            }
            match next(py, stream)? {
                None => return Ok(None),
                Some(Message::Items(bytes, ends)) => *stored = Stored { bytes, ends: ends.into_iter(), start: 0 },
                Some(_) => {}
            }
        }
    }
}
