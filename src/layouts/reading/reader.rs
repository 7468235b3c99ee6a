//! What the reader of an adapter is asked while an output is read.

use std::io::Read;

use super::{Part, wrong};
use crate::error::Result;
use crate::output::reading::Pieces;

/// What stands at a path of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A file whose digest CHECKSUMS tells.
    Listed,
    /// A file with large holes, which CHECKSUMS has no row of: the digest of its extents proves it.
    Unlisted,
    /// Another name of a file, as whoever extracted an archive has it.
    Copy,
    /// A file that is passed over: it was deleted, or its name is not told.
    Aside,
    /// Such a file that CHECKSUMS has no row of.
    UnlistedAside,
}

/// Reads the files of an adapter in one output and gives their objects to a visitor `V`.
///
/// An output is read twice: files that are [sidecars](Part::Sidecar) first, then [settle](Reader::settle), then all others.
/// After an error nothing counts that was given.
pub trait Reader<V> {
    /// What the file at a path is, once the sidecars were read; `None`: no decode writes it.
    fn part(&self, path: &[u8]) -> Option<Part>;

    /// Whether a file with objects may be a sidecar too: it is then read in both passes, and proven in the second.
    fn is_doubtful(&self, _: &[u8]) -> bool {
        false
    }

    /// Takes a sidecar.
    ///
    /// # Errors
    /// It is not what a decode writes, a failed read, and what the visitor gives.
    fn sidecar(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()>;

    /// All sidecars were read.
    ///
    /// # Errors
    /// They contradict each other; a temporary file that cannot be written.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    /// Objects that no file has and that the server does not serve: known once the sidecars were read.
    fn aside(&self) -> u64 {
        0
    }

    /// What stands at a path.
    ///
    /// # Errors
    /// The sidecars do not tell of it.
    fn standing(&self, _: &[u8]) -> Result<Standing> {
        Ok(Standing::Listed)
    }

    /// Another name of a file, in an archive.
    ///
    /// # Errors
    /// The sidecars tell of no such name.
    fn link(&self, path: &[u8], _: &[u8]) -> Result<()> {
        Err(wrong(path, "it is a link"))
    }

    /// Gives the objects of a file.
    ///
    /// # Errors
    /// It is not what a decode writes, a failed read, and what the visitor gives.
    fn objects(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()>;

    /// Gives the objects of a file that is [`Standing::Unlisted`], and proves it.
    ///
    /// # Errors
    /// As [`objects`](Reader::objects).
    fn unlisted(&mut self, path: &[u8], _: Pieces<'_>, _: &mut V) -> Result<()> {
        Err(wrong(path, "no decode writes such a file"))
    }

    /// All files were read.
    ///
    /// # Errors
    /// The sidecars tell of what was not there.
    fn finish(&self) -> Result<()> {
        Ok(())
    }
}
