//! Hands the bytes of a null tree to a reader, as they come.
//!
//! Mutual dependency with `tree` and `observer`: a tree can have a tee or an observer, and both of them run a decode into a null tree.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::observer::beside;
use super::tree::{Digests, Tree};
use crate::error::{Error, Result};

/// Chunks that wait for the reader.
const WAITING: usize = 4;

/// Bytes of a file: what comes next in it.
#[derive(Debug)]
pub struct Chunk {
    /// The file, by its path below the output.
    pub path: Vec<u8>,
    /// Its next bytes.
    pub bytes: Vec<u8>,
    /// Which part of the file they are.
    pub part: Part,
}

/// Which part of a file the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of them.
    Whole,
    /// The next bytes of a growing file.
    Next,
    /// No bytes: a growing file is complete. A file that is taken back has no such end.
    End,
}

/// Whether a file is wanted, by its path.
type Wanted = dyn Fn(&[u8]) -> bool + Send + Sync;

/// Takes the bytes of some files. Bytes of one file come in their order.
pub struct Tee {
    wanted: Box<Wanted>,
    chunks: SyncSender<Chunk>,
}

/// Runs `decode` into a null tree (see [`Tree::teed`]) on a thread of its own, and gives the bytes of `wanted` files to `each` meanwhile.
///
/// # Errors
/// The error of `each`, or of `decode`.
pub fn teed<T: Send>(
    wanted: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    digests: Digests,
    decode: impl FnOnce(&Tree, &Path) -> Result<T> + Send,
    each: impl FnMut(Chunk) -> Result<()>,
) -> Result<T> {
    let (tee, chunks) = Tee::new(wanted);
    beside(|scratch| Tree::teed(scratch, tee, digests), decode, chunks, each)
}

impl Tee {
    /// A tee of the files that are `wanted` by their paths, and the receiver of their bytes.
    fn new(wanted: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> (Tee, Receiver<Chunk>) {
        let (chunks, taken) = sync_channel(WAITING);
        (Tee { wanted: Box::new(wanted), chunks }, taken)
    }

    /// Takes bytes of a file; waits while too many chunks are queued.
    ///
    /// # Errors
    /// The reader has stopped.
    pub(super) fn take(&self, dir: &[u8], name: &[u8], bytes: &[u8], part: Part) -> Result<()> {
        let path = if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() };
        if !(self.wanted)(&path) {
            return Ok(());
        }
        let chunk = Chunk { path, bytes: bytes.to_vec(), part };
        self.chunks.send(chunk).map_err(|_| Error::internal("nobody reads what is decoded any more"))
    }
}
