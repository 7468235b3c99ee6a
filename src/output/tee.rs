//! Hands the bytes of a tree that is not written to a reader, as they come.
//!
//! Mutual dependency with `tree` and `observer`: a tree can be watched, and who watches fills a tree of which nothing stays.

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
    /// What they are of it.
    pub part: Part,
}

/// Which bytes of a file come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of them.
    Whole,
    /// The next ones of a file that grows.
    Next,
    /// None: a file that grew is finished. It does not come to one that is taken back.
    End,
}

/// Tells by its path whether a file is wanted.
type Wanted = dyn Fn(&[u8]) -> bool + Send + Sync;

/// Takes the bytes of some files. Bytes of one file come in their order.
pub struct Tee {
    wanted: Box<Wanted>,
    chunks: SyncSender<Chunk>,
}

/// Lets `decode` fill a tree of which nothing stays (see [`Tree::teed`]), on a thread of its own, and gives what is `wanted` of
/// it to `each` meanwhile.
///
/// # Errors
/// What `each` gives, or what `decode` gives.
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
    /// A tee of the files that are `wanted`, by their paths, and the end where their bytes come out.
    fn new(wanted: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> (Tee, Receiver<Chunk>) {
        let (chunks, taken) = sync_channel(WAITING);
        (Tee { wanted: Box::new(wanted), chunks }, taken)
    }

    /// Takes bytes of a file; waits while too many are there.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub(super) fn take(&self, dir: &[u8], name: &[u8], bytes: &[u8], part: Part) -> Result<()> {
        let path = if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() };
        if !(self.wanted)(&path) {
            return Ok(());
        }
        let chunk = Chunk { path, bytes: bytes.to_vec(), part };
        self.chunks.send(chunk).map_err(|_| Error::internal("nobody reads what is decoded any more"))
    }
}
