//! DynamoDB items as Python objects. They pass from thread to thread in stored form, and are parsed where they are used.

use ekvsnap::error::Result;
use ekvsnap::format::dynamodb::{Item as Parsed, Value};
use ekvsnap::model::dynamodb::{Item, StaleItem, Table, Visitor};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyList, PySet, PyString};

use crate::batch::{Message, Outlet};
use crate::python::Types;

/// Approximate bytes of a message.
const BYTES: usize = 1 << 20;

/// Collects items.
pub struct Items {
    outlet: Outlet,
    stored: Vec<u8>,
    ends: Vec<usize>,
}

impl Items {
    pub fn new(outlet: Outlet) -> Items {
        Items { outlet, stored: Vec::new(), ends: Vec::new() }
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
        if self.ends.is_empty() {
            return Ok(());
        }
        let (stored, ends) = (std::mem::take(&mut self.stored), std::mem::take(&mut self.ends));
        self.outlet.send(Message::Items(stored, ends))
    }
}

impl<'a> Visitor<'a> for Items {
    fn item(&mut self, _: &Table, item: &Item<'a>) -> Result<()> {
        item.value.encode(&mut self.stored);
        self.ends.push(self.stored.len());
        if self.stored.len() >= BYTES { self.flush() } else { Ok(()) }
    }

    fn stale(&mut self, _: &StaleItem<'a>) -> Result<()> {
        Ok(())
    }
}

/// The attributes of a stored item: `str`, `Decimal`, `bytes`, `bool`, `None`, sets, lists and dictionaries.
pub fn to_python<'py>(py: Python<'py>, types: &Types, stored: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    // It was parsed before it was passed on.
    if let Ok(item) = Parsed::parse(stored) {
        for entry in item.attributes().stored() {
            dict.set_item(entry.name, value(py, types, entry.value())?)?;
        }
    }
    Ok(dict)
}

fn value<'py>(py: Python<'py>, types: &Types, stored: Value<'_>) -> PyResult<Bound<'py, PyAny>> {
    let number = |text: &str| types.number(py, text);
    Ok(match stored {
        Value::S(text) => PyString::new(py, text).into_any(),
        Value::N(text) => number(text)?,
        Value::B(bytes) => PyBytes::new(py, bytes).into_any(),
        Value::Bool(flag) => PyBool::new(py, flag).to_owned().into_any(),
        Value::Null(_) | Value::Unset => py.None().into_bound(py),
        Value::Ss(texts) => PySet::new(py, texts.iter())?.into_any(),
        Value::Ns(texts) => PySet::new(py, texts.iter().map(number).collect::<PyResult<Vec<_>>>()?)?.into_any(),
        Value::Bs(blobs) => PySet::new(py, blobs.iter().map(|bytes| PyBytes::new(py, bytes)))?.into_any(),
        Value::L(list) => {
            let all = PyList::empty(py);
            for element in list.iter() {
                all.append(value(py, types, element)?)?;
            }
            all.into_any()
        }
        Value::M(map) => {
            let dict = PyDict::new(py);
            for entry in map.stored() {
                dict.set_item(entry.name, value(py, types, entry.value())?)?;
            }
            dict.into_any()
        }
    })
}
