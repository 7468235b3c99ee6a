//! What a task reports about its objects: records in one buffer, without an allocation for each.
//!
//! A task can have any number of objects, with keys of any length. When the records grow large, they go to a temporary file, in blocks of
//! complete records, and are read back block by block.
//!
//! Mutual dependency with `told`: this file writes a record, the other one reads it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::told::Told;
use super::{Object, Secret};
use crate::error::{Error, Result};
use crate::format::Adapter;
use crate::output::temporary;

/// Bytes of records that are held in memory; more of them become a block in a file.
const BLOCK: usize = 2 << 20;

pub(super) const HAS_RANGE: u8 = 1;
pub(super) const HAS_EXPIRY: u8 = 2;
pub(super) const HAS_VALUE: u8 = 4;
pub(super) const HAS_REST: u8 = 8;

/// The objects of a task.
pub struct Objects {
    secret: Option<Arc<Secret>>,
    /// Scopes and kinds. A task has few of them, and objects of one come together.
    scopes: Vec<(Adapter, String)>,
    kinds: Vec<&'static str>,
    bytes: Vec<u8>,
    spilled: Spilled,
    block: usize,
}

/// Blocks in a file, before the bytes that are held.
struct Spilled {
    scratch: PathBuf,
    file: Option<File>,
    /// Length of each block.
    blocks: Vec<usize>,
    /// Why a block could not be written. It is returned when the objects are read: code that adds objects cannot act on it.
    failed: Option<io::Error>,
}

impl Spilled {
    #[cold]
    fn take(&mut self, bytes: &mut Vec<u8>) {
        if self.failed.is_none() {
            self.failed = self.write(bytes).err();
        }
        bytes.clear();
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(temporary(&self.scratch)?),
        };
        file.write_all(bytes)?;
        self.blocks.push(bytes.len());
        Ok(())
    }

    /// All blocks; `held` is the last one.
    fn into_blocks(self, held: Vec<u8>) -> Result<Blocks> {
        let Spilled { scratch, mut file, blocks, failed } = self;
        let rewound = failed.map_or_else(|| file.as_mut().map_or(Ok(()), |file| file.rewind()), Err);
        rewound.map_err(|e| kept(&scratch, e))?;
        Ok(Blocks { scratch, file, lens: blocks.into_iter(), held })
    }
}

#[cold]
fn kept(scratch: &Path, e: io::Error) -> Error {
    Error::io("keep objects in", scratch, e)
}

/// Reads blocks, in their order.
pub(super) struct Blocks {
    scratch: PathBuf,
    file: Option<File>,
    lens: std::vec::IntoIter<usize>,
    /// The last one, which is in memory.
    held: Vec<u8>,
}

impl Blocks {
    /// Replaces `block` with the next one; after the last it is empty.
    pub(super) fn next(&mut self, block: &mut Vec<u8>) -> Result<()> {
        match self.file.as_mut().zip(self.lens.next()) {
            Some((file, len)) => {
                block.resize(len, 0);
                file.read_exact(block).map_err(|e| kept(&self.scratch, e))
            }
            None => {
                *block = std::mem::take(&mut self.held);
                Ok(())
            }
        }
    }
}

impl Objects {
    /// A report without objects.
    pub(super) fn new(secret: Option<Arc<Secret>>, scratch: &Path) -> Objects {
        Objects::in_blocks(BLOCK, secret, scratch)
    }

    fn in_blocks(block: usize, secret: Option<Arc<Secret>>, scratch: &Path) -> Objects {
        let spilled = Spilled { scratch: scratch.to_path_buf(), file: None, blocks: Vec::new(), failed: None };
        Objects { secret, scopes: Vec::new(), kinds: Vec::new(), bytes: Vec::new(), spilled, block }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        // Bytes were added before the block that could not be written.
        self.bytes.is_empty() && self.spilled.blocks.is_empty() && self.spilled.failed.is_none()
    }

    /// Approximate bytes that they take.
    pub(crate) fn held(&self) -> usize {
        self.bytes.capacity() + self.scopes.iter().map(|(_, scope)| scope.len() + 32).sum::<usize>()
    }

    /// The key of fingerprints, if they are asked for.
    #[inline]
    pub fn secret(&self) -> Option<&Secret> {
        self.secret.as_deref()
    }

    /// Adds an object.
    pub fn add(&mut self, object: &Object<'_>) {
        let (scope, kind) = (self.scope(object), self.kind(object.kind));
        let Object { key, range, size, expire_at_ms, value, rest, .. } = *object;
        let flag = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
        let flags = flag(range.is_some(), HAS_RANGE)
            | flag(expire_at_ms.is_some(), HAS_EXPIRY)
            | flag(value.is_some(), HAS_VALUE)
            | flag(rest.is_some(), HAS_REST);
        let out = &mut self.bytes;
        out.reserve(64 + key.len() + range.map_or(0, <[u8]>::len));
        out.extend_from_slice(&[flags, kind]);
        out.extend_from_slice(&scope.to_le_bytes());
        out.extend_from_slice(&size.to_le_bytes());
        expire_at_ms.iter().for_each(|at| out.extend_from_slice(&at.to_le_bytes()));
        value.iter().for_each(|fingerprint| out.extend_from_slice(fingerprint));
        rest.iter().for_each(|fingerprint| out.extend_from_slice(fingerprint));
        for part in [Some(key), range].into_iter().flatten() {
            out.extend_from_slice(&(part.len() as u64).to_le_bytes());
            out.extend_from_slice(part);
        }
        if self.bytes.len() >= self.block {
            self.spilled.take(&mut self.bytes);
        }
    }

    fn scope(&mut self, object: &Object<'_>) -> u32 {
        match self.scopes.last() {
            Some((adapter, scope)) if *adapter == object.adapter && scope == object.scope => {}
            _ => self.scopes.push((object.adapter, object.scope.to_owned())),
        }
        (self.scopes.len() - 1) as u32
    }

    fn kind(&mut self, kind: &'static str) -> u8 {
        let known = self.kinds.iter().position(|known| *known == kind);
        known.unwrap_or_else(|| {
            self.kinds.push(kind);
            self.kinds.len() - 1
        }) as u8
    }

    /// Gives the objects in the order in which they were added.
    ///
    /// # Errors
    /// The error of `each`, or a file of records that could not be written or read.
    pub fn each(self, each: &mut dyn FnMut(&Object<'_>) -> Result<()>) -> Result<()> {
        let mut told = self.told()?;
        while let Some(object) = told.head() {
            each(&object)?;
            told.advance()?;
        }
        Ok(())
    }

    /// The same objects, for a reader that decides when the next one comes.
    ///
    /// # Errors
    /// A file of records that could not be written or read.
    pub fn told(self) -> Result<Told> {
        let Objects { scopes, kinds, bytes, spilled, .. } = self;
        Told::new(scopes, kinds, spilled.into_blocks(bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::adapter;

    #[test]
    fn objects_come_back() {
        let fingerprint = |n: u8| Some([n; 16]);
        let object = |adapter, scope, kind, key, range, expire_at_ms, value, rest| Object {
            adapter,
            scope,
            kind,
            key,
            range,
            size: u64::MAX,
            expire_at_ms,
            value,
            rest,
        };
        let want = [
            object(adapter::REDIS, "db_0", "strings", &b"k"[..], None, Some(7), None, None),
            object(adapter::REDIS, "db_0", "hashes", b"", None, None, fingerprint(1), fingerprint(2)),
            object(adapter::DYNAMODB, "t", "items", b"h", Some(&b""[..]), None, fingerprint(3), None),
            object(adapter::DYNAMODB, "u", "items", b"h", Some(b"\0r"), None, None, fingerprint(4)),
            object(adapter::DYNAMODB, "t", "tables", b"t", None, None, None, None),
        ];
        // Held, in a file, and both.
        for block in [BLOCK, 1, 100] {
            let mut objects = Objects::in_blocks(block, None, &std::env::temp_dir());
            assert!(objects.is_empty());
            want.iter().for_each(|object| objects.add(object));
            assert!(!objects.is_empty());
            assert_eq!(objects.bytes.is_empty(), block == 1);
            let mut got = 0;
            let take = &mut |object: &Object<'_>| {
                assert_eq!(*object, want[got]);
                got += 1;
                Ok(())
            };
            objects.each(take).unwrap();
            assert_eq!(got, want.len());
        }
    }

    #[test]
    fn what_is_cut_or_not_written_is_an_error() {
        let object = Object::scope(adapter::DYNAMODB, "tables", "t", 1, None);
        let mut objects = Objects::new(None, Path::new("/nowhere"));
        objects.add(&object);
        objects.bytes.pop();
        assert!(objects.each(&mut |_| Ok(())).is_err());
        let mut objects = Objects::in_blocks(1, None, Path::new("/nowhere"));
        objects.add(&object);
        assert!(!objects.is_empty());
        let error = objects.each(&mut |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("/nowhere"), "{error}");
    }
}
