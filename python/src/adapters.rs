//! The objects of each front end of the server.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::sync::Arc;

use ekvsnap::Result;
use ekvsnap::model::redis::Type;
use ekvsnap::options::filter::Pattern;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::produce::What;
use crate::python::name;
use crate::rows::Rows;
use crate::snapshot::{Opened, Shared};
use crate::work;

/// Redis keys.
#[pyclass(module = "ekvsnap", frozen)]
pub struct Redis(pub Arc<Shared>);

impl Redis {
    fn of(&self, kind: Option<Type>, matching: Option<&str>) -> PyResult<Rows> {
        Ok(Rows::new(&self.0, What::Redis(kind, pattern("redis", matching)?)))
    }
}

fn pattern(adapter: &str, matching: Option<&str>) -> PyResult<Option<Pattern>> {
    let parsed = matching.map(|text| format!("{adapter}:{text}").parse::<Pattern>()).transpose();
    parsed.map_err(PyValueError::new_err)
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $method:ident $kind:expr;)*) => {
        #[pymethods]
        impl Redis {
            $($(#[$doc])*
            #[pyo3(signature = (r#match=None))]
            fn $method(&self, r#match: Option<&str>) -> PyResult<Rows> {
                self.of($kind, r#match)
            })*
        }
    };
}

kinds! {
    /// All keys with their types and expiries, without their values.
    keys None;
    /// Strings.
    strings Some(Type::String);
    /// HyperLogLogs, as the server stores them.
    hll Some(Type::Hll);
    /// Fields of hashes.
    hashes Some(Type::Hash);
    /// Items of lists.
    lists Some(Type::List);
    /// Members of sets.
    sets Some(Type::Set);
    /// Members of sorted sets with their scores.
    zsets Some(Type::Zset);
    /// Entries of streams.
    streams Some(Type::Stream);
}

/// DynamoDB tables.
#[pyclass(module = "ekvsnap", frozen)]
pub struct DynamoDb(pub Arc<Shared>);

#[pymethods]
impl DynamoDb {
    /// Names of the tables.
    #[getter]
    fn tables(&self, py: Python<'_>) -> PyResult<Vec<OsString>> {
        names(py, &self.0, |opened| {
            opened.with_dependent(|_, all| Ok(all.tables()?.into_iter().map(|table| table.name).collect()))
        })
    }

    /// Items of a table.
    fn table(&self, name: OsString) -> Rows {
        Rows::new(&self.0, What::Table(name.into_vec()))
    }
}

/// S3 buckets.
#[pyclass(module = "ekvsnap", frozen)]
pub struct S3(pub Arc<Shared>);

#[pymethods]
impl S3 {
    /// Names of the buckets.
    #[getter]
    fn buckets(&self, py: Python<'_>) -> PyResult<Vec<OsString>> {
        names(py, &self.0, |opened| opened.with_dependent(|_, all| all.buckets()))
    }

    /// What the manifests of objects say: of a bucket, or of all of them.
    #[pyo3(signature = (bucket=None))]
    fn objects(&self, bucket: Option<OsString>) -> Rows {
        Rows::new(&self.0, What::Objects(bucket.map(OsString::into_vec)))
    }
}

/// SQS queues.
#[pyclass(module = "ekvsnap", frozen)]
pub struct Sqs(pub Arc<Shared>);

#[pymethods]
impl Sqs {
    /// Names of the queues.
    #[getter]
    fn queues(&self, py: Python<'_>) -> PyResult<Vec<OsString>> {
        names(py, &self.0, |opened| opened.with_dependent(|_, all| all.queues()))
    }

    /// Messages of a queue, in the order of sending.
    fn queue(&self, name: OsString) -> Rows {
        Rows::new(&self.0, What::Queue(name.into_vec()))
    }
}

/// The file system.
#[pyclass(module = "ekvsnap", frozen)]
pub struct FileSystem(pub Arc<Shared>);

#[pymethods]
impl FileSystem {
    /// Files and directories, in the order of a walk.
    #[pyo3(signature = (r#match=None))]
    fn files(&self, r#match: Option<&str>) -> PyResult<Rows> {
        Ok(Rows::new(&self.0, What::Files(pattern("fs", r#match)?)))
    }
}

fn names(
    py: Python<'_>,
    snapshot: &Arc<Shared>,
    read: impl FnOnce(&Opened) -> Result<Vec<Vec<u8>>> + Send + 'static,
) -> PyResult<Vec<OsString>> {
    let snapshot = Arc::clone(snapshot);
    let names = work::run(py, None, move |_| read(&*snapshot.opened()?))?;
    Ok(names.iter().map(|bytes| name(bytes).to_owned()).collect())
}
