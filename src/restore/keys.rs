//! The keys of a new encrypted store (`encryption.md` §3, §9).
//!
//! A key must not encrypt two messages with one nonce. The nonces of a server consist of its node, an epoch that is raised at each start,
//! and a counter. The side-car of a backup has the epoch at the time of the backup: a restored server that continued with its keys would
//! reuse nonces that the old server has used since. So the restored store has all keys of the side-car, which open its rows, and new keys
//! for new data.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::rand;

use super::cluster::Cluster;
use super::files::small;
use crate::dataset::DataSet;
use crate::encode::Seal;
use crate::error::{Error, ErrorKind, Result, needed_keys};
use crate::format::envelope::NONCE;
use crate::format::keys::{KEY, Key, KeyRing, writer_row};
use crate::format::raft::node_id;
use crate::format::sidecar::{Purpose, Record, Sidecar, wrap};
use crate::index::{Granularity, decrypt};
use crate::report::time;
use crate::source::keys::KeyFiles;
use crate::source::{Access, Source};

/// Where the side-car is in the directory of a node.
pub const SIDECAR: &str = "encryption/keys.json";
/// The epoch of the rows of a restored store: a server begins with the next one.
const EPOCH: u16 = 0;

/// The keys of a store.
pub(super) struct StoreKeys {
    sidecar: Sidecar,
    /// The keys of snapshots that are restored unchanged.
    of_snapshots: Arc<KeyRing>,
    /// The key of rows that are encrypted now.
    new: Arc<KeyRing>,
    nodes: Vec<u64>,
}

impl StoreKeys {
    /// New keys for the nodes of a cluster, in addition to those of its snapshots.
    ///
    /// # Errors
    /// Files that cannot be read or do not belong together; nodes whose nonces would be the same.
    pub fn new(files: &KeyFiles, snapshots: &[PathBuf], cluster: &Cluster) -> Result<StoreKeys> {
        let nodes: Vec<u64> = cluster.nodes.iter().map(|id| node_id(id)).collect();
        let mut short: Vec<u16> = nodes.iter().map(|node| *node as u16).collect();
        short.sort_unstable();
        if short.windows(2).any(|pair| pair[0] == pair[1]) {
            let words = "two Raft ids have the same hash of 16 bits, and would use the same nonces, which a server refuses: choose another id";
            return Err(Error::command_line(words));
        }
        let (kek, old) = files.sidecar(snapshots)?;
        let mut sidecar = Sidecar { keys: old.keys, ..Sidecar::default() };
        let (mut of_snapshots, mut new) = (KeyRing::default(), KeyRing::default());
        for (id, key) in sidecar.unwrap(&kek).map_err(|fault| Error::new(ErrorKind::Sidecar(fault)))? {
            of_snapshots.add(id, key);
        }
        let (storage, key) = add(&mut sidecar, &kek, Purpose::Storage)?;
        new.add(storage, key);
        let (raft, _) = add(&mut sidecar, &kek, Purpose::Raft)?;
        (sidecar.active_storage, sidecar.active_raft) = (storage, raft);
        Ok(StoreKeys { sidecar, of_snapshots: Arc::new(of_snapshots), new: Arc::new(new), nodes })
    }

    /// The new keys: for rows, and for the log.
    pub fn ids(&self) -> [u32; 2] {
        [self.sidecar.active_storage, self.sidecar.active_raft]
    }

    /// The encryption of rows.
    pub fn seal(&self) -> Seal {
        Seal { key_id: self.sidecar.active_storage, keys: Arc::clone(&self.new), writers: self.writers() }
    }

    /// The rows that register the nodes as writers with the new keys.
    pub fn writers(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let of = |id: u32| self.nodes.iter().map(move |node| writer_row(id, *node, [EPOCH; 2]));
        let mut rows: Vec<_> = self.ids().into_iter().flat_map(of).collect();
        rows.sort();
        rows
    }

    /// Adds the keys to a snapshot: the index reports rows that they do not open.
    pub fn open(&self, source: Source) -> Result<Source> {
        decrypt(source, &self.of_snapshots, Access::Map, Granularity::default())
    }

    /// Writes the side-car of a node. `index`: that of its snapshot; `raft_cutover`: the index in its header from which the log is
    /// encrypted.
    pub fn write(&self, node: &Path, index: u64, raft_cutover: u64) -> Result<()> {
        let sidecar = Sidecar { applied_index: index, raft_cutover, ..self.sidecar.clone() };
        let path = node.join(SIDECAR);
        small(&path, &sidecar.encode())?;
        let read = fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
        match Sidecar::parse(&read) {
            Ok(read) if read == sidecar => Ok(()),
            read => Err(Error::internal(format!("the side-car was read back as {read:?}"))),
        }
    }
}

/// Checks that the keys of all rows are known, also those of old versions: a server would fail when it reads them.
pub(super) fn check(set: &DataSet<'_>) -> Result<()> {
    set.check_keys()?;
    if !set.has_missing_keys() {
        return Ok(());
    }
    let there: BTreeSet<u32> = set.inputs().flat_map(|group| group.source.keys().ids()).collect();
    let sealed = set.sealed();
    let missing = sealed.keys().filter(|(id, _)| !there.contains(id));
    let missing = needed_keys(missing.map(|(id, of_key)| (id, of_key.rows, "missing")));
    Err(Error::usage(format!(
        "keys.json lacks keys of old versions of rows: {missing}; give one that has them, or restore an output of a decode"
    )))
}

/// Makes a key; returns its id, which no key had before, and the key.
fn add(sidecar: &mut Sidecar, kek: &Key, purpose: Purpose) -> Result<(u32, Key)> {
    let last = sidecar.keys.keys().next_back().copied().unwrap_or_default();
    let id = last
        .checked_add(1)
        .ok_or_else(|| Error::usage("keys.json has a key with the largest possible id, so no key can be added"))?;
    let (mut key, mut nonce) = (Key::new([0; KEY]), [0; NONCE]);
    let failed = |_| Error::internal("the operating system gives no random numbers");
    rand::fill(&mut key[..]).map_err(failed)?;
    rand::fill(&mut nonce).map_err(failed)?;
    let wrapped = wrap(kek, &nonce, &key).ok_or_else(|| Error::internal("a key cannot be wrapped"))?;
    sidecar.keys.insert(id, Record { purpose, wrapped, created: time::now(), local_epoch: EPOCH });
    Ok((id, key))
}
