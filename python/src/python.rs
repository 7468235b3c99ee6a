//! Classes of Python's standard library, looked up once, and names as text.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Classes of Python.
pub struct Types {
    decimal: Py<PyAny>,
    number_text: Py<PyAny>,
    timedelta: Py<PyAny>,
    epoch: Py<PyAny>,
    loads: Py<PyAny>,
}

static TYPES: PyOnceLock<Types> = PyOnceLock::new();

impl Types {
    /// # Errors
    /// Python's standard library is missing.
    pub fn get(py: Python<'_>) -> PyResult<&'static Types> {
        TYPES.get_or_try_init(py, || {
            let times = py.import("datetime")?;
            let utc = times.getattr("timezone")?.getattr("utc")?;
            let epoch = times.getattr("datetime")?.call1((1970, 1, 1, 0, 0, 0, 0, utc))?;
            Ok(Types {
                decimal: py.import("decimal")?.getattr("Decimal")?.unbind(),
                number_text: py.import("ekvsnap._errors")?.getattr("NumberText")?.unbind(),
                timedelta: times.getattr("timedelta")?.unbind(),
                epoch: epoch.unbind(),
                loads: py.import("json")?.getattr("loads")?.unbind(),
            })
        })
    }

    /// A number of DynamoDB: exact. A text that `Decimal` does not accept stays text, with a class of its own.
    ///
    /// # Errors
    /// Python cannot allocate memory.
    pub fn number<'py>(&self, py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
        match self.decimal.bind(py).call1((text,)) {
            // `NaN` and `Infinity` are not numbers of a table, although Decimal accepts them.
            Ok(number) if number.call_method0("is_finite")?.is_truthy()? => Ok(number),
            _ => self.number_text.bind(py).call1((text,)),
        }
    }

    /// Unix milliseconds as a `datetime` in UTC.
    ///
    /// # Errors
    /// Python cannot allocate memory.
    pub fn moment<'py>(&self, py: Python<'py>, ms: i64) -> PyResult<Bound<'py, PyAny>> {
        let delta = self.timedelta.bind(py).call1((ms / 86_400_000, 0, 0, ms % 86_400_000))?;
        self.epoch.bind(py).add(delta)
    }

    /// A JSON document as Python objects.
    ///
    /// # Errors
    /// It is not valid.
    pub fn json<'py>(&self, py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
        self.loads.bind(py).call1((text,))
    }

    /// Digits with a point before the last `scale` of them.
    ///
    /// # Errors
    /// Python cannot allocate memory.
    pub fn decimal<'py>(&self, py: Python<'py>, digits: i128, scale: i8) -> PyResult<Bound<'py, PyAny>> {
        self.decimal.bind(py).call1((format!("{digits}e{}", -i32::from(scale)),))
    }
}

/// Names are bytes: bytes that are not UTF-8 become lone surrogates, as in Python's file names.
pub fn name(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}
