//! A run whose output is not stored. Where the lines of an object are rendered, the observer gets its name, kind and size, and the lines
//! are dropped.
//!
//! The reports of a task are one buffer. The buffers come in task order, so the order of objects does not depend on the number of threads.

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
    /// Bytes of the body of an S3 object; stored bytes of a file; of other objects the bytes of their lines.
    pub size: u64,
    /// When a Redis key expires: Unix milliseconds.
    pub expire_at_ms: Option<u64>,
    /// A fingerprint of its value, if fingerprints were asked for.
    pub value: Option<Fingerprint>,
    /// A fingerprint of its other attributes: the expiry of a Redis key, an S3 object's metadata, a file's mode, owner and time.
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

/// Takes the reports of tasks about their objects, in task order.
pub struct Observer {
    secret: Option<Arc<Secret>>,
    tasks: SyncSender<Objects>,
    /// Directory for reports that tasks cannot hold in memory.
    scratch: PathBuf,
    /// Whether objects need not come in the order of the packed layout.
    any_order: bool,
    /// The memory budget ([`Room`]) of the data set, shared with a run beside this one.
    room: Arc<Room>,
}

impl Observer {
    /// The key of fingerprints, if they are asked for.
    pub fn secret(&self) -> Option<&Secret> {
        self.secret.as_deref()
    }

    /// The memory budget of the data set.
    pub fn room(&self) -> Arc<Room> {
        Arc::clone(&self.room)
    }

    /// Whether objects need not come in the order of the packed layout.
    pub(super) fn takes_any_order(&self) -> bool {
        self.any_order
    }

    /// An empty report for a task.
    pub(super) fn task(&self) -> Objects {
        Objects::new(self.secret.clone(), &self.scratch)
    }

    /// Takes the report of the next task; waits while too many are queued.
    ///
    /// # Errors
    /// The reader has stopped.
    pub(super) fn take(&self, objects: Objects) -> Result<()> {
        if objects.is_empty() {
            return Ok(());
        }
        self.tasks.send(objects).map_err(|_| Error::internal("nobody reads what is decoded any more"))
    }
}

/// Runs `decode` into a null tree on a thread of its own, and gives its objects to `each` meanwhile. They have fingerprints if there is a
/// secret. With `any_order` their order may differ from that of the packed layout.
///
/// # Errors
/// The error of `each`, or of `decode`.
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

/// Runs `decode` on a thread of its own with a tree that sends to `taken`, and gives what arrives there to `each` meanwhile.
pub(super) fn beside<T: Send, C: Send>(
    tree: impl FnOnce(&Path) -> Tree,
    decode: impl FnOnce(&Tree, &Path) -> Result<T> + Send,
    taken: Receiver<C>,
    each: impl FnMut(C) -> Result<()>,
) -> Result<T> {
    let scratch = std::env::temp_dir();
    let tree = tree(&scratch);
    std::thread::scope(|scope| {
        // The thread drops the tree at its end, and the sender with it, which ends `taken`.
        let decoding = scope.spawn(move || decode(&tree, &scratch));
        let read = taken.iter().try_for_each(each);
        drop(taken);
        let decoded = decoding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        read.and(decoded)
    })
}
