//! Starts the threads of a run.

use super::{adopt, current};
use crate::error::{Error, Result};

/// Runs `work` on a pool of `threads` threads; 0: one for each core.
///
/// # Errors
/// Threads that cannot be started.
pub fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> Result<T> {
    let (mut work, mut done) = (Some(work), None);
    in_pool(threads, &mut || done = work.take().map(|work| work()))?;
    done.ok_or_else(|| Error::internal("a pool that runs nothing"))
}

/// Not for each kind of result, so that starting a pool is compiled once.
fn in_pool(threads: usize, work: &mut (dyn FnMut() + Send)) -> Result<()> {
    let stop = current();
    let begin = move |_| drop(adopt(stop.clone()));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).start_handler(begin).build();
    let pool = pool.map_err(|e| Error::usage(format!("cannot start {threads} threads: {e}")))?;
    pool.install(work);
    Ok(())
}
