//! Errors as exceptions, whose classes are written in Python.

use ekvsnap::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

/// The exception of an error: its text, and its place.
pub fn exception(py: Python<'_>, error: &Error) -> PyErr {
    make(py, error).unwrap_or_else(|failed| failed)
}

fn make(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let class = py.import("ekvsnap._errors")?.getattr(class(error))?;
    let about = PyDict::new(py);
    about.set_item("reason", error.reason())?;
    about.set_item("family", error.family().map(|family| family.prefix()))?;
    about.set_item("key", error.key().map(|key| PyBytes::new(py, key)))?;
    about.set_item("offset", error.offset())?;
    about.set_item("input", error.path())?;
    Ok(PyErr::from_value(class.call((error.to_string(),), Some(&about))?))
}

fn class(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Io { .. } => "InputOutputError",
        ErrorKind::Usage(_) | ErrorKind::CommandLine(_) => "UsageError",
        ErrorKind::MissingKeys { .. } | ErrorKind::Sidecar(_) | ErrorKind::KeyFile(_) => "KeysError",
        _ if error.is_damage() => "DamageError",
        _ => "Error",
    }
}
