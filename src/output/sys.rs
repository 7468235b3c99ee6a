//! System calls of the output. A test can make each of them fail.
//!
//! In a build with debug assertions `EKVSNAP_FAULT=N:WHAT` makes call number N fail. WHAT is `ENOSPC`, `EIO`, `EMFILE`, `EACCES`, `EFAULT`,
//! or `SHORT` for a write that takes one byte only. `N:WAIT` makes the call wait until standard input ends, so that a test can act in the
//! middle of a run. Release builds have none of this.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

use super::pending;

/// Fails once the run was ended: nothing may be added to a tree that is being removed.
fn goes_on() -> Result<()> {
    if pending::is_ended() { Err(Errno::CANCELED) } else { Ok(()) }
}

/// Makes a directory.
pub(super) fn mkdir(at: impl AsFd, name: impl Arg, mode: Mode) -> Result<()> {
    fault::point()?;
    goes_on()?;
    rustix::fs::mkdirat(at, name, mode)
}

/// Opens or creates a file or directory.
pub(super) fn open(at: impl AsFd, name: impl Arg, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    fault::point()?;
    goes_on()?;
    rustix::fs::openat(at, name, flags, mode)
}

/// Writes at the end and returns how many bytes.
fn write(fd: impl AsFd, bytes: &[u8]) -> Result<usize> {
    rustix::io::write(fd, fault::part_of(bytes)?)
}

/// Writes at a position and returns how many bytes.
fn pwrite(fd: impl AsFd, bytes: &[u8], at: u64) -> Result<usize> {
    rustix::io::pwrite(fd, fault::part_of(bytes)?, at)
}

/// Writes all bytes at the end.
pub(super) fn write_all(fd: impl AsFd + Copy, bytes: &[u8]) -> Result<()> {
    write_pieces(bytes, |rest, _| write(fd, rest))
}

/// Writes all bytes at a position.
pub(super) fn write_at(fd: impl AsFd + Copy, bytes: &[u8], offset: u64) -> Result<()> {
    write_pieces(bytes, |rest, done| pwrite(fd, rest, offset + done))
}

fn write_pieces(bytes: &[u8], mut write: impl FnMut(&[u8], u64) -> Result<usize>) -> Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match write(&bytes[done..], done as u64) {
            Ok(0) => return Err(Errno::IO),
            Ok(n) => done += n,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Sets the length of a file.
pub(super) fn truncate(fd: impl AsFd, len: u64) -> Result<()> {
    fault::point()?;
    rustix::fs::ftruncate(fd, len)
}

/// Renames a file or directory.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fault::point()?;
    std::fs::rename(from, to)
}

/// Flushes a file to the disk.
pub(super) fn sync(file: &File) -> io::Result<()> {
    fault::point()?;
    file.sync_all()
}

/// Flushes all files of a tree to the disk: with one call for the file system, where that exists, not one for each file.
pub(super) fn sync_tree(root: &Path) -> io::Result<()> {
    fault::point()?;
    let root = File::open(root)?;
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&root)?;
    #[cfg(not(target_os = "linux"))]
    rustix::fs::sync();
    root.sync_all()
}

/// Flushes the names in a directory to the disk. The output is complete and has its name by now, so a failure is reported and nothing is
/// taken back. No test makes it fail, because tests expect that a failure leaves nothing.
pub(super) fn sync_name(dir: &Path) -> crate::error::Result<()> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    match synced {
        // Some file systems do not support it for directories.
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced.map_err(|e| {
            crate::error::Error::io("sync the name of the output, which is complete, to the disk in", dir, e)
        }),
    }
}

/// An unlinked temporary file in a directory.
pub(crate) fn temporary(dir: &Path) -> io::Result<File> {
    fault::point()?;
    tempfile::tempfile_in(dir)
}

/// A call that other code makes.
pub(crate) fn about_to() -> io::Result<()> {
    Ok(fault::point()?)
}

/// A write into the null sink.
pub(super) fn nothing() -> io::Result<()> {
    Ok(fault::point()?)
}

/// A file whose writes can be made to fail.
pub(crate) struct Writer<W>(pub W);

impl<W: io::Write> io::Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(fault::part_of(bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(debug_assertions)]
mod fault {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Errno, Result};

    /// The number of calls until one fails, and how it fails; without an error: a short write, or a wait.
    struct Plan {
        left: AtomicU64,
        error: Option<Errno>,
        waits: bool,
    }

    fn plan() -> Option<&'static Plan> {
        static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
        let read = || {
            let text = std::env::var("EKVSNAP_FAULT").ok()?;
            let (number, what) = text.split_once(':')?;
            let error = match what {
                "ENOSPC" => Some(Errno::NOSPC),
                "EIO" => Some(Errno::IO),
                "EMFILE" => Some(Errno::MFILE),
                "EACCES" => Some(Errno::ACCESS),
                "EFAULT" => Some(Errno::FAULT),
                _ => None,
            };
            Some(Plan { left: AtomicU64::new(number.parse().ok()?), error, waits: what == "WAIT" })
        };
        PLAN.get_or_init(read).as_ref()
    }

    /// Whether this call must fail.
    fn is_due(plan: &Plan) -> bool {
        let due = plan.left.fetch_sub(1, Ordering::Relaxed) == 1;
        if due {
            #[allow(clippy::print_stderr)]
            {
                eprintln!("fault injected");
            }
        }
        if due && plan.waits {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        }
        due && !plan.waits
    }

    /// Fails, if this call must.
    pub fn point() -> Result<()> {
        match plan() {
            Some(plan) if is_due(plan) => plan.error.map_or(Ok(()), Err),
            _ => Ok(()),
        }
    }

    /// The bytes that a write takes.
    pub fn part_of(bytes: &[u8]) -> Result<&[u8]> {
        match plan() {
            Some(plan) if is_due(plan) => plan.error.map_or(Ok(&bytes[..bytes.len().min(1)]), Err),
            _ => Ok(bytes),
        }
    }
}

#[cfg(not(debug_assertions))]
mod fault {
    use super::Result;

    #[inline(always)]
    pub fn point() -> Result<()> {
        Ok(())
    }

    #[inline(always)]
    pub fn part_of(bytes: &[u8]) -> Result<&[u8]> {
        Ok(bytes)
    }
}
