//! The native half of the Python package `ekvsnap`.
//!
//! Objects are read in a separate thread ([`stream`]), which fills Arrow arrays ([`arrow`]) and passes them on through a bounded channel.
//! The receiver waits without the interpreter's lock, and checks for signals from time to time.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod adapters;
mod arrow;
mod batch;
mod commands;
mod differences;
mod errors;
mod items;
mod iterate;
mod produce;
mod python;
mod rows;
mod snapshot;
mod stream;
mod work;

use pyo3::prelude::*;

#[pymodule]
fn _ekvsnap(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<snapshot::Snapshot>()?;
    module.add_class::<rows::Rows>()?;
    module.add_class::<adapters::Redis>()?;
    module.add_class::<adapters::DynamoDb>()?;
    module.add_class::<adapters::S3>()?;
    module.add_class::<adapters::Sqs>()?;
    module.add_class::<adapters::FileSystem>()?;
    module.add_function(wrap_pyfunction!(snapshot::diff, module)?)?;
    module.add_function(wrap_pyfunction!(snapshot::open, module)?)
}
