//! Writing with the fewest system calls.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};

use crate::model::Model;
use crate::{Result, first_word};

/// Number of files that a thread takes at once: neighbours, as in a decode.
const SHARE: usize = 64;

pub fn write_one(model: &Model, target: &Path) -> Result<()> {
    let mut file = File::create_new(target)?;
    for piece in model.bytes().chunks(1 << 20) {
        file.write_all(piece)?;
    }
    Ok(())
}

/// Creates all files below open directories; adds up a part of their digests if these are requested.
pub fn create(model: &Model, target: &Path, threads: usize, sha: bool) -> Result<u64> {
    let dirs = make_dirs(model, target)?;
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| create_shares(model, &dirs, &next, sha))).collect();
        workers.into_iter().try_fold(0u64, |sum, worker| {
            let share = worker.join().unwrap_or_else(|_| Err("a thread panicked".into()))?;
            Ok(sum.wrapping_add(share))
        })
    })
}

fn create_shares(model: &Model, dirs: &[OwnedFd], next: &AtomicUsize, sha: bool) -> Result<u64> {
    let mut sum = 0u64;
    loop {
        let from = next.fetch_add(SHARE, Ordering::Relaxed);
        if from >= model.files.len() {
            return Ok(sum);
        }
        for file in &model.files[from..model.files.len().min(from + SHARE)] {
            let body = model.body(file);
            create_file(&dirs[file.dir], &file.name, body)?;
            if sha {
                sum = sum.wrapping_add(first_word(&Sha256::digest(body)));
            }
        }
    }
}

fn make_dirs(model: &Model, target: &Path) -> Result<Vec<OwnedFd>> {
    let made = model.dirs.iter().map(|dir| {
        let path = target.join(dir);
        fs::create_dir(&path)?;
        Ok(rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    });
    made.collect()
}

fn create_file(dir: &OwnedFd, name: &std::ffi::OsStr, body: &[u8]) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))?;
    File::from(file).write_all(body)?;
    Ok(())
}
