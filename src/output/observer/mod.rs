//! A run of which nothing is kept: of each object it is told what it is and how large, where its lines are rendered, and the
//! lines are dropped.
//!
//! What a task tells is one buffer. The buffers come in task order, so objects do too, whatever the number of threads.

mod both;
mod fingerprint;
mod records;
mod told;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

pub use both::{Stream, observed_both};
pub use fingerprint::{Fingerprint, Hasher, Secret};
pub use records::Objects;
pub use told::Told;

use super::tree::Tree;
use crate::dataset::Room;
use crate::error::{Error, Result};
use crate::format::Adapter;

/// Tasks that wait for the reader.
const WAITING: usize = 1;

/// A logical object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object<'a> {
    /// The front end that it belongs to.
    pub adapter: Adapter,
    /// `db_0`, a table, a bucket or a queue, as the output has it in names; `tree` for the file system.
    pub scope: &'a str,
    /// `strings`, `hashes`, `items`, `objects`, `messages`, `files`, …; a table, bucket or queue itself is one of `tables`,
    /// `buckets`, `queues`.
    pub kind: &'static str,
    /// The Redis or S3 key, the value of the hash attribute, the message's ID, the path.
    pub key: &'a [u8],
    /// The value of the range attribute.
    pub range: Option<&'a [u8]>,
    /// Bytes of the body of an S3 object, bytes that are stored of a file; of others those of their lines.
    pub size: u64,
    /// When a Redis key expires: Unix milliseconds.
    pub expire_at_ms: Option<u64>,
    /// A fingerprint of its value, if fingerprints were asked for.
    pub value: Option<Fingerprint>,
    /// A fingerprint of what it has besides: the expiry of a Redis key, an S3 object's metadata, a file's mode, owner and time.
    pub rest: Option<Fingerprint>,
}

impl<'a> Object<'a> {
    /// A table, bucket or queue itself.
    pub fn scope(
        adapter: Adapter,
        kind: &'static str,
        scope: &'a str,
        size: u64,
        value: Option<Fingerprint>,
    ) -> Object<'a> {
        let key = scope.as_bytes();
        Object { adapter, scope, kind, key, range: None, size, expire_at_ms: None, value, rest: None }
    }
}

/// Takes what tasks tell of their objects, in task order.
pub struct Observer {
    secret: Option<Arc<Secret>>,
    tasks: SyncSender<Objects>,
    /// Where tasks put what they cannot hold.
    scratch: PathBuf,
    /// Whether objects need not come in the order of the packed layout.
    any_order: bool,
    /// The room of the data set, which a run beside this one shares.
    room: Arc<Room>,
}

impl Observer {
    /// What fingerprints are made with, if they are asked for.
    pub fn secret(&self) -> Option<&Secret> {
        self.secret.as_deref()
    }

    /// The room of the data set.
    pub fn room(&self) -> Arc<Room> {
        Arc::clone(&self.room)
    }

    /// Whether objects need not come in the order of the packed layout.
    pub(super) fn takes_any_order(&self) -> bool {
        self.any_order
    }

    /// What a task tells: nothing yet.
    pub(super) fn task(&self) -> Objects {
        Objects::new(self.secret.clone(), &self.scratch)
    }

    /// Takes what the next task told; waits while too many are there.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub(super) fn take(&self, objects: Objects) -> Result<()> {
        if objects.is_empty() {
            return Ok(());
        }
        self.tasks.send(objects).map_err(|_| Error::internal("nobody reads what is decoded any more"))
    }
}

/// Lets `decode` fill a tree of which nothing stays, on a thread of its own, and gives its objects to `each` meanwhile. They have
/// fingerprints if there is a secret; with `any_order` they may come in another order than that of the packed layout.
///
/// # Errors
/// What `each` gives, or what `decode` gives.
pub fn observed<T: Send>(
    secret: Option<Arc<Secret>>,
    any_order: bool,
    decode: impl FnOnce(&Tree, &Path) -> Result<T> + Send,
    each: &mut dyn FnMut(&Object<'_>) -> Result<()>,
) -> Result<T> {
    let (tasks, taken) = sync_channel(WAITING);
    let room = Arc::default();
    let tree = |scratch: &Path| {
        Tree::observed(scratch, Observer { secret, tasks, scratch: scratch.to_path_buf(), any_order, room })
    };
    beside(tree, decode, taken, |objects: Objects| objects.each(each))
}

/// Runs `decode` on a thread of its own with a tree that sends to `taken`, and gives what comes there to `each` meanwhile.
pub(super) fn beside<T: Send, C: Send>(
    tree: impl FnOnce(&Path) -> Tree,
    decode: impl FnOnce(&Tree, &Path) -> Result<T> + Send,
    taken: Receiver<C>,
    each: impl FnMut(C) -> Result<()>,
) -> Result<T> {
    let scratch = std::env::temp_dir();
    let tree = tree(&scratch);
    std::thread::scope(|scope| {
        // The tree goes with the thread, and the sender with the tree: then nothing more comes.
        let decoding = scope.spawn(move || decode(&tree, &scratch));
        let read = taken.iter().try_for_each(each);
        drop(taken);
        let decoded = decoding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        read.and(decoded)
    })
}
