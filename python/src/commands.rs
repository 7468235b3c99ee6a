//! Methods of an open snapshot: its front ends, and the commands of the program.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ekvsnap::decode::{Layout, Options, Outcome, Silent, decode};
use ekvsnap::error::{Error, Result};
use ekvsnap::format::adapter;
use ekvsnap::get::get;
use ekvsnap::inspect::{Depth, inspect};
use ekvsnap::options::ObjectName;
use ekvsnap::options::filter::{Filter, Pattern};
use ekvsnap::output::archive::Packing;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::json;

use crate::adapters::{DynamoDb, FileSystem, Redis, S3, Sqs};
use crate::produce::What;
use crate::python::Types;
use crate::rows::Rows;
use crate::snapshot::{Shared, Snapshot};
use crate::work;

/// Patterns of objects.
fn patterns(texts: Vec<String>) -> PyResult<Vec<Pattern>> {
    let parse = |text: String| text.parse().map_err(|e| PyValueError::new_err(format!("{text}: {e}")));
    texts.into_iter().map(parse).collect()
}

#[pymethods]
impl Snapshot {
    /// Redis keys.
    #[getter]
    fn redis(&self) -> Redis {
        Redis(Arc::clone(&self.0))
    }

    /// DynamoDB tables.
    #[getter]
    fn dynamodb(&self) -> DynamoDb {
        DynamoDb(Arc::clone(&self.0))
    }

    /// S3 buckets.
    #[getter]
    fn s3(&self) -> S3 {
        S3(Arc::clone(&self.0))
    }

    /// SQS queues.
    #[getter]
    fn sqs(&self) -> Sqs {
        Sqs(Arc::clone(&self.0))
    }

    /// The file system.
    #[getter]
    fn fs(&self) -> FileSystem {
        FileSystem(Arc::clone(&self.0))
    }

    /// Objects that differ in another snapshot.
    fn diff(&self, other: &Bound<'_, Snapshot>) -> Rows {
        Rows::new(&self.0, What::Differences(Arc::clone(&other.get().0)))
    }

    fn __repr__(&self) -> String {
        let paths: Vec<String> = self.0.paths.iter().map(|path| path.display().to_string()).collect();
        format!("<ekvsnap.Snapshot: {}>", paths.join(", "))
    }

    /// One object: the bytes of a Redis string, an S3 object or a file, else JSON. `None`: it is not there.
    fn get<'py>(&self, py: Python<'py>, name: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let text = match name.extract::<Vec<u8>>() {
            Ok(bytes) => bytes,
            Err(_) => name.extract::<OsString>()?.into_vec(),
        };
        let name = ObjectName::parse(&text).map_err(PyValueError::new_err)?;
        let (shared, options) = (self.0.clone(), self.0.options());
        let value = work::run(py, None, move |_| {
            let (snapshot, mut value) = (shared.open()?, Vec::new());
            let found = get(snapshot.sources(), &name, &options, &Silent, &mut value)?;
            Ok(found.then_some(value))
        })?;
        Ok(value.map(|value| PyBytes::new(py, &value)))
    }

    /// What is in the snapshot: the document of `ekvsnap inspect --json`.
    #[pyo3(signature = (*, objects=true, top=20, prefix_depth=1, scope=Vec::new(), exclude=Vec::new(), progress=None))]
    #[allow(clippy::too_many_arguments)]
    fn inspect<'py>(
        &self,
        py: Python<'py>,
        objects: bool,
        top: u16,
        prefix_depth: u8,
        scope: Vec<String>,
        exclude: Vec<String>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let filter = Filter { include: patterns(scope)?, exclude: patterns(exclude)?, ..Filter::default() };
        let (shared, options) = (self.0.clone(), Options { filter, ..self.0.options() });
        let document = work::run(py, progress, move |told| {
            let (snapshot, depth) =
                (shared.open()?, Depth { objects, top: top.into(), prefix_depth: prefix_depth.into() });
            text_of(&inspect(snapshot.sources(), &options, depth, told)?)
        })?;
        Types::get(py)?.json(py, &document)
    }

    /// Decodes to a new directory or archive, as `ekvsnap decode` does; gives what was written.
    #[pyo3(signature = (
        out, *, layout="tree", format=None, adapters=None, scope=Vec::new(), exclude=Vec::new(), types=Vec::new(), threads=0,
        force=false, fsync=None, on_error="fail", include_orphans=false, for_restore=false, progress=None
    ))]
    #[allow(clippy::too_many_arguments, clippy::fn_params_excessive_bools)]
    fn decode<'py>(
        &self,
        py: Python<'py>,
        out: PathBuf,
        layout: &str,
        format: Option<&str>,
        adapters: Option<Vec<String>>,
        scope: Vec<String>,
        exclude: Vec<String>,
        types: Vec<String>,
        threads: usize,
        force: bool,
        fsync: Option<bool>,
        on_error: &str,
        include_orphans: bool,
        for_restore: bool,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let unknown = |what: &str, name: &str| PyValueError::new_err(format!("unknown {what} {name:?}"));
        let named = |name: &String| adapter::named(name.as_bytes()).ok_or_else(|| unknown("adapter", name));
        let skip_damage = match on_error {
            "fail" => false,
            "skip" => true,
            other => return Err(unknown("on_error", other)),
        };
        let options = Options {
            layout: Layout::named(layout).ok_or_else(|| unknown("layout", layout))?,
            archive: packing(format, &out)?,
            filter: Filter { include: patterns(scope)?, exclude: patterns(exclude)?, types, ..Filter::default() },
            threads,
            force,
            fsync,
            skip_damage,
            include_orphans,
            ..self.0.options()
        };
        let options = match adapters {
            None => options,
            Some(names) => Options { adapters: names.iter().map(named).collect::<PyResult<_>>()?, ..options },
        };
        let options = if for_restore { options.for_restore() } else { options };
        let shared = self.0.clone();
        let document = work::run(py, progress, move |told| {
            let snapshot = shared.open()?;
            let options = Options { passed_over: snapshot.passed_over().to_vec(), ..options };
            outcome(&decode(snapshot.sources(), &out, &options, told)?)
        })?;
        Types::get(py)?.json(py, &document)
    }
}

/// The given format, otherwise the one of the output's name.
fn packing(format: Option<&str>, out: &Path) -> PyResult<Option<Packing>> {
    let name = out.as_os_str().as_encoded_bytes();
    let zstd = Packing::Zstd { level: 3 };
    Ok(match format {
        Some("dir") => None,
        Some("tar") => Some(Packing::Tar),
        Some("tar.zst") => Some(zstd),
        Some("tar.gz") => Some(Packing::Gzip),
        Some(other) => return Err(PyValueError::new_err(format!("unknown format {other:?}"))),
        None if name.ends_with(b".tar.zst") => Some(zstd),
        None if name.ends_with(b".tar.gz") || name.ends_with(b".tgz") => Some(Packing::Gzip),
        None if name.ends_with(b".tar") => Some(Packing::Tar),
        None => None,
    })
}

fn outcome(done: &Outcome) -> Result<String> {
    let manifest = &done.manifest;
    text_of(&json!({
        "files": done.files,
        "bytes": done.bytes,
        "input_bytes": done.input_bytes,
        "skipped": manifest.skipped,
        "warnings": manifest.warnings,
        "notes": manifest.notes,
        "manifest": manifest,
    }))
}

fn text_of(document: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(document).map_err(|e| Error::internal(format!("no JSON can be made: {e}")))
}

impl Shared {
    /// The options of a read.
    pub fn options(&self) -> Options {
        Options { as_of: self.as_of, ..Options::default() }
    }
}
