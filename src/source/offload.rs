//! Snapshots in the layout of a server's object store, copied to a directory (`container.md` §11): the manifests of each group name their
//! payloads by content.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::crc::crc32c;
use super::found::{Found, PassedOver, entries};
use super::{Access, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::format::hex;
use crate::format::offload::{MOST_BYTES, Manifest, ManifestFault};

/// Takes the newest intact snapshot of every group, if `dir` is the prefix of a store or its `v1`; returns whether it is.
///
/// # Errors
/// A group without an intact snapshot.
pub(super) fn newest(dir: &Path, found: &mut Found) -> Result<bool> {
    let groups = [dir.join("v1/groups"), dir.join("groups")].into_iter().find(|groups| groups.is_dir());
    let Some(groups) = groups.filter(|groups| groups.parent().is_some_and(is_v1)) else { return Ok(false) };
    let mut any = false;
    for group in entries(&groups)? {
        any |= newest_of(&group.join("snapshots"), found)?;
    }
    Ok(any)
}

fn is_v1(dir: &Path) -> bool {
    dir.canonicalize().is_ok_and(|dir| dir.ends_with("v1"))
}

/// Whether a file is a manifest, by its name and its directory.
pub(super) fn is_manifest(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let is_below = path.parent().is_some_and(|dir| dir.ends_with("snapshots"));
    is_below && path.extension().is_some_and(|end| end == "json") && path.ancestors().nth(4).is_some_and(is_v1)
}

/// Takes the snapshot of a manifest.
///
/// # Errors
/// A manifest or a payload that is damaged.
pub(super) fn one(manifest: &Path, found: &mut Found) -> Result<()> {
    found.files.push(payload_of(manifest)?);
    Ok(())
}

/// Names of manifests sort by index and term.
fn newest_of(snapshots: &Path, found: &mut Found) -> Result<bool> {
    let is_json = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    let mut manifests: Vec<PathBuf> = entries(snapshots)?.into_iter().filter(is_json).collect();
    manifests.sort();
    let mut damaged: Vec<(PathBuf, Error)> = Vec::new();
    while let Some(manifest) = manifests.pop() {
        match payload_of(&manifest) {
            Ok(taken) => {
                let passed = damaged.into_iter();
                let passed = passed.map(|(file, why)| PassedOver { file, why: why.reason(), taken: taken.clone() });
                found.passed_over.extend(passed);
                found.files.push(taken);
                return Ok(true);
            }
            Err(error) if error.is_damage() => damaged.push((manifest, error)),
            Err(error) => return Err(error),
        }
    }
    match damaged.into_iter().next() {
        Some((newest, why)) => Err(Error::new(ErrorKind::NoneIntact { newest, why: why.reason() }).input(snapshots)),
        None => Ok(false),
    }
}

/// The payload of a manifest, if both are intact.
fn payload_of(path: &Path) -> Result<PathBuf> {
    let fault = |fault| Error::new(ErrorKind::Offload(fault)).input(path);
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES as u64 + 1).read_to_end(&mut text));
    read.map_err(|e| Error::io("read", path, e))?;
    let manifest = Manifest::parse(&text).map_err(fault)?;
    let real = fs::canonicalize(path).map_err(|e| Error::io("read", path, e))?;
    let below = manifest.below();
    let root =
        real.ancestors().nth(5).filter(|root| root.join(&below) == real && manifest.manifest_key.ends_with(&below));
    let Some(root) = root else { return Err(fault(ManifestFault::Place(manifest.manifest_key))) };
    let payload = root.join(manifest.payload.below());
    if !payload.exists() {
        return Err(Error::new(ErrorKind::OffloadMissing(payload)).input(path));
    }
    let source = Source::open(&payload, Access::Map)?;
    let bytes = source.file();
    if bytes.len() as u64 != manifest.payload.bytes {
        let (is, want) = (bytes.len() as u64, manifest.payload.bytes);
        return Err(Error::new(ErrorKind::OffloadLength { is, want }).input(&payload));
    }
    let (crc, sha256) = rayon::join(|| crc32c(bytes), || hex::text(&Sha256::digest(bytes)));
    source.check_unchanged()?;
    if sha256 != manifest.payload.sha256 || crc != manifest.payload.source_crc32c {
        return Err(Error::new(ErrorKind::OffloadHash).input(&payload));
    }
    Ok(payload)
}
