//! Two observed runs at once. The reader takes the next object from either of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use super::told::Told;
use super::{Object, Objects, Observer, Secret, WAITING};
use crate::error::{Error, Result};
use crate::output::tree::Tree;

/// The objects of a run, one by one, while it runs.
pub struct Stream<'s> {
    /// `None` once everything was read.
    tasks: Option<Receiver<Objects>>,
    told: Option<Told>,
    failed: &'s AtomicBool,
}

impl<'s> Stream<'s> {
    fn new(tasks: Receiver<Objects>, failed: &'s AtomicBool) -> Stream<'s> {
        Stream { tasks: Some(tasks), told: None, failed }
    }

    /// The current object; `None`: there are no more.
    #[inline]
    pub fn head(&self) -> Option<Object<'_>> {
        self.told.as_ref().and_then(Told::head)
    }

    /// Moves to the next object. There is no current object before the first call.
    ///
    /// # Errors
    /// The run failed.
    #[inline]
    pub fn advance(&mut self) -> Result<()> {
        if let Some(told) = &mut self.told {
            told.advance()?;
            if told.head().is_some() {
                return Ok(());
            }
        }
        self.next_task()
    }

    fn next_task(&mut self) -> Result<()> {
        self.told = None;
        while let Some(tasks) = &self.tasks {
            let Ok(objects) = tasks.recv() else {
                self.tasks = None;
                break;
            };
            let told = objects.told()?;
            if told.head().is_some() {
                self.told = Some(told);
                return Ok(());
            }
        }
        if self.failed.load(Ordering::Acquire) {
            return Err(Error::internal("what is decoded came to no end"));
        }
        Ok(())
    }

    /// Reads the rest, so that the run can end.
    fn drain(&mut self) {
        self.told = None;
        self.tasks.take().into_iter().for_each(|tasks| tasks.iter().for_each(drop));
    }
}

/// Runs two decodes into null trees, each on a thread of its own, and gives the fingerprinted objects of both to `merge` meanwhile. If a
/// decode fails, its error is returned; if both fail, that of the first. If `merge` returns `None`, both decodes are stopped, and the
/// result is `None`.
///
/// # Errors
/// The error of a decode, or of `merge`.
pub fn observed_both<T: Send, R>(
    secret: &Arc<Secret>,
    decodes: [impl FnOnce(&Tree, &Path) -> Result<T> + Send; 2],
    merge: impl FnOnce(&mut [Stream<'_>; 2]) -> Result<Option<R>>,
) -> Result<Option<([T; 2], R)>> {
    let scratch = &*std::env::temp_dir();
    let failed = [AtomicBool::new(false), AtomicBool::new(false)];
    let room = Arc::default();
    let begin = |failed| {
        let (tasks, taken) = sync_channel(WAITING);
        let (secret, scratch_of_tasks) = (Some(Arc::clone(secret)), scratch.to_path_buf());
        let observer = Observer { secret, tasks, scratch: scratch_of_tasks, any_order: true, room: Arc::clone(&room) };
        (Tree::observed(scratch, observer), Stream::new(taken, failed))
    };
    let [failed_first, failed_second] = &failed;
    let ((first_tree, first_stream), (second_tree, second_stream)) = (begin(failed_first), begin(failed_second));
    std::thread::scope(|scope| {
        let [first, second] = decodes;
        let first = scope.spawn(move || fill(first, first_tree, scratch, failed_first));
        let second = scope.spawn(move || fill(second, second_tree, scratch, failed_second));
        let mut streams = [first_stream, second_stream];
        let merged = merge(&mut streams);
        // Read before a stream is dropped: a decode without a reader fails for that reason.
        let [is_first, is_second] = [failed_first, failed_second].map(|failed| failed.load(Ordering::Acquire));
        let [mut first_stream, second_stream] = streams;
        drop(second_stream);
        // The first decode must end before it is known whether it fails too; its error takes precedence.
        if is_second {
            first_stream.drain();
        }
        drop(first_stream);
        let (first, second) = (first.join(), second.join());
        let done = |joined: std::thread::Result<_>| joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (first, second) = (done(first), done(second));
        match merged {
            Err(error) if !is_first && !is_second => Err(error),
            Ok(None) => Ok(None),
            merged => Ok(Some([first?, second?]).zip(merged?)),
        }
    })
}

/// Runs a decode. Its tree is dropped at the end, and the sender of its objects with it, which ends the stream.
fn fill<T>(
    decode: impl FnOnce(&Tree, &Path) -> Result<T>,
    tree: Tree,
    scratch: &Path,
    failed: &AtomicBool,
) -> Result<T> {
    let done = decode(&tree, scratch);
    failed.store(done.is_err(), Ordering::Release);
    drop(tree);
    done
}
