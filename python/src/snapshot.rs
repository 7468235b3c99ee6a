//! Open snapshots.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ekvsnap::source::keys::KeyFiles;
use ekvsnap::{Result, snapshot};
use pyo3::prelude::*;

use crate::errors::exception;
use crate::produce::What;
use crate::rows::Rows;

self_cell::self_cell!(
    /// Files that are mapped, with their index.
    pub struct Opened {
        owner: snapshot::Snapshot,
        #[not_covariant]
        dependent: Index,
    }
);

type Index<'a> = snapshot::Indexed<'a>;

/// Shared by the objects of one snapshot.
pub struct Shared {
    pub paths: Vec<PathBuf>,
    keys: KeyFiles,
    pub as_of: Option<u64>,
    /// The index, after its first use.
    opened: Mutex<Option<Arc<Opened>>>,
}

impl Shared {
    /// The snapshot with its index, which is made on the first call.
    ///
    /// # Errors
    /// Files that are not valid snapshots.
    pub fn opened(&self) -> Result<Arc<Opened>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*opened {
            return Ok(Arc::clone(opened));
        }
        let options = self.options();
        let made = Arc::new(Opened::try_new(self.open()?, |snapshot| snapshot.index(&options))?);
        *opened = Some(Arc::clone(&made));
        Ok(made)
    }

    /// The snapshot without an index.
    ///
    /// # Errors
    /// A name that leads to no snapshot, or keys that cannot be used.
    pub fn open(&self) -> Result<snapshot::Snapshot> {
        let no_keys = self.keys.kek.is_none() && self.keys.sidecars.is_empty() && self.keys.data_keys.is_empty();
        if no_keys {
            snapshot::Snapshot::open(&self.paths)
        } else {
            snapshot::Snapshot::open_with_keys(&self.paths, &self.keys)
        }
    }
}

/// Snapshots that are open, as one data set.
#[pyclass(module = "ekvsnap", frozen)]
pub struct Snapshot(pub Arc<Shared>);

/// Opens snapshot files, or data directories of servers, as one data set.
#[pyfunction]
#[pyo3(signature = (paths, *, kek=None, keys_json=None, dek=None, as_of=None))]
pub fn open(
    py: Python<'_>,
    paths: Bound<'_, PyAny>,
    kek: Option<PathBuf>,
    keys_json: Option<Bound<'_, PyAny>>,
    dek: Option<std::collections::BTreeMap<u32, PathBuf>>,
    as_of: Option<u64>,
) -> PyResult<Snapshot> {
    let keys = KeyFiles {
        kek,
        sidecars: keys_json.map(|all| one_or_more(&all)).transpose()?.unwrap_or_default(),
        data_keys: dek.unwrap_or_default().into_iter().collect(),
    };
    let shared = Shared { paths: one_or_more(&paths)?, keys, as_of, opened: Mutex::new(None) };
    // A name that leads nowhere is reported at once.
    py.detach(|| snapshot::Snapshot::open(&shared.paths)).map_err(|error| exception(py, &error))?;
    Ok(Snapshot(Arc::new(shared)))
}

/// Objects in which two snapshots differ, ordered by adapter, scope and key.
#[pyfunction]
pub fn diff(py: Python<'_>, a: Bound<'_, PyAny>, b: Bound<'_, PyAny>) -> PyResult<Rows> {
    let side = |side: Bound<'_, PyAny>| match side.cast::<Snapshot>() {
        Ok(snapshot) => Ok(Arc::clone(&snapshot.get().0)),
        Err(_) => open(py, side, None, None, None, None).map(|snapshot| snapshot.0),
    };
    let (before, after) = (side(a)?, side(b)?);
    Ok(Rows::new(&before, What::Differences(after)))
}

/// A path, or several.
fn one_or_more(paths: &Bound<'_, PyAny>) -> PyResult<Vec<PathBuf>> {
    paths
        .extract::<PathBuf>()
        .map(|path| vec![path])
        .or_else(|_| paths.try_iter()?.map(|path| path?.extract::<PathBuf>()).collect())
}
