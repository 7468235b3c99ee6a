//! Files with keys, for encrypted snapshots (`encryption.md` §3).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::discover::sidecar_of;
use crate::error::{Error, ErrorKind, Result};
use crate::format::keys::{KEY, Key, KeyRing};
use crate::format::sidecar::Sidecar;

/// Maximum size of a side-car: a key takes about 200 bytes.
const MOST_SIDECAR: u64 = 64 << 20;

/// Where keys are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFiles {
    /// The key file of the server, which opens side-cars.
    pub kek: Option<PathBuf>,
    /// Side-cars: `keys.json`.
    pub sidecars: Vec<PathBuf>,
    /// Data keys that were unwrapped elsewhere, by key id.
    pub data_keys: Vec<(u32, PathBuf)>,
}

impl KeyFiles {
    /// The keys of each of these snapshots. They are those of the side-car in its own data directory, because every group has its own and
    /// two groups may use one id for different keys. Side-cars named by the user apply to all snapshots. A snapshot without a side-car gets
    /// the keys of all others.
    ///
    /// # Errors
    /// A file that cannot be read or that others may read, a side-car that is not valid or belongs to another key file, two keys with one
    /// id.
    pub fn of(&self, files: &[PathBuf]) -> Result<Vec<Arc<KeyRing>>> {
        let own: Vec<Option<PathBuf>> = files.iter().map(|file| sidecar_of(file)).collect();
        let all: BTreeSet<PathBuf> = own.iter().flatten().cloned().collect();
        if self.kek.is_none() || !self.sidecars.is_empty() || all.len() < 2 {
            let all: Vec<PathBuf> = all.into_iter().collect();
            let name = files.first().map_or(Path::new(""), PathBuf::as_path);
            let ring = Arc::new(self.load(&all).map_err(|error| error.or_input(name))?);
            return Ok(vec![ring; files.len()]);
        }
        let mut rings = BTreeMap::new();
        for sidecar in &all {
            rings.insert(sidecar, Arc::new(self.load(std::slice::from_ref(sidecar))?));
        }
        let shared = || self.load(&all.iter().cloned().collect::<Vec<_>>()).map(Arc::new);
        let ring = |own: &Option<PathBuf>| {
            own.as_ref().and_then(|own| rings.get(own)).map_or_else(shared, |ring| Ok(ring.clone()))
        };
        own.iter().map(ring).collect()
    }

    /// The keys to encrypt rows with, and the id of the one that is used: `chosen`, otherwise the active one of the named side-car,
    /// otherwise the only key.
    ///
    /// # Errors
    /// As [`of`](Self::of); a key file without a side-car; no key that can be chosen.
    pub fn for_sealing(&self, chosen: Option<u32>) -> Result<(Arc<KeyRing>, u32)> {
        let ring = self.load(&[])?;
        let active = match (&self.kek, self.sidecars.as_slice()) {
            (Some(_), [sidecar]) => parsed(sidecar)?.active_storage,
            _ => 0,
        };
        let ids: Vec<u32> = ring.ids().collect();
        let only = match ids.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        match chosen.or((active > 0).then_some(active)).or(only) {
            Some(id) => Ok((Arc::new(ring), id)),
            None => Err(Error::usage(format!(
                "no key is active in keys.json, and there are several or none (key ids: {}): choose one",
                ids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
            ))),
        }
    }

    /// The key file, and the side-cars of these snapshots or the named ones, merged: a server has one for all of its groups.
    ///
    /// # Errors
    /// As [`of`](Self::of); no key file; a key of the log that cannot be opened.
    pub fn sidecar(&self, files: &[PathBuf]) -> Result<(Key, Sidecar)> {
        let kek = self.kek.as_ref().ok_or_else(|| {
            Error::command_line(
                "an encrypted store needs a keys.json, which is made with the key file (KEK) of the servers: name that file",
            )
        })?;
        let kek = read_key(kek)?;
        let found: BTreeSet<PathBuf> = files.iter().filter_map(|file| sidecar_of(file)).collect();
        let named: BTreeSet<PathBuf> = self.sidecars.iter().cloned().collect();
        let (mut all, mut clear) = (Sidecar::default(), BTreeMap::new());
        for path in if named.is_empty() { found } else { named } {
            let sidecar = parsed(&path)?;
            let fault = |fault| Error::new(ErrorKind::Sidecar(fault)).input(&path);
            for (id, record) in &sidecar.keys {
                let key = record.open(*id, &kek).map_err(fault)?;
                let same = clear.entry(*id).or_insert_with(|| (record.purpose, key.clone()));
                if *same != (record.purpose, key) {
                    return Err(two_keys(*id, &path));
                }
            }
            all.merge(sidecar);
        }
        Ok((kek, all))
    }

    /// Reads the keys; `found`: side-cars next to the inputs. They are opened only if there is a key file for them.
    fn load(&self, found: &[PathBuf]) -> Result<KeyRing> {
        let mut ring = KeyRing::default();
        for (id, path) in &self.data_keys {
            add(&mut ring, *id, read_key(path)?, path)?;
        }
        let Some(kek) = &self.kek else {
            return match self.sidecars.first() {
                Some(_) => Err(Error::command_line("keys.json needs the key file (KEK) that opens it")),
                None => Ok(ring),
            };
        };
        let kek = read_key(kek)?;
        let sidecars = if self.sidecars.is_empty() { found } else { &self.sidecars };
        if sidecars.is_empty() {
            return Err(Error::usage(
                "the key file (KEK) opens keys.json, which is not next to this input: name that file too, and it is used for all inputs",
            ));
        }
        for path in sidecars {
            let fault = |fault| Error::new(ErrorKind::Sidecar(fault)).input(path);
            let keys = parsed(path)?.unwrap(&kek).map_err(fault)?;
            for (id, key) in keys {
                add(&mut ring, id, key, path)?;
            }
        }
        Ok(ring)
    }
}

fn add(ring: &mut KeyRing, id: u32, key: Key, path: &Path) -> Result<()> {
    if ring.add(id, key) {
        return Ok(());
    }
    Err(two_keys(id, path))
}

fn two_keys(id: u32, path: &Path) -> Error {
    let words = format!(
        "another file has a different key with id {id}: each group has its own keys.json, which is found next to its data directory"
    );
    Error::new(ErrorKind::Usage(words)).input(path)
}

/// Reads a file of exactly 32 bytes that only its owner can read, as the server requires.
fn read_key(path: &Path) -> Result<Key> {
    let insecure = |words: &str| Error::new(ErrorKind::KeyFile(words.to_owned())).input(path);
    let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    let meta = file.metadata().map_err(|e| Error::io("stat", path, e))?;
    if !meta.is_file() {
        return Err(insecure("it is not a regular file"));
    }
    if meta.mode() & 0o077 != 0 {
        let mode = meta.mode() & 0o777;
        return Err(insecure(&format!("other users have rights on it (mode {mode:03o}): chmod 600")));
    }
    if meta.len() != KEY as u64 {
        return Err(insecure(&format!("it has {} bytes, but a key has exactly 32", meta.len())));
    }
    let mut key = Key::default();
    file.read_exact(key.as_mut_slice()).map_err(|e| Error::io("read", path, e))?;
    Ok(key)
}

fn parsed(path: &Path) -> Result<Sidecar> {
    Sidecar::parse(&read_sidecar(path)?).map_err(|fault| Error::new(ErrorKind::Sidecar(fault)).input(path))
}

fn read_sidecar(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    file.take(MOST_SIDECAR).read_to_end(&mut bytes).map_err(|e| Error::io("read", path, e))?;
    Ok(bytes)
}
