//! Files of an output by their paths. Each is compared with CHECKSUMS before its first byte is passed on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::output::CHECKSUMS;
use crate::output::checksums::Digest;
use crate::output::parts;
use crate::output::reading::{Content, Entry, broken, open_below, reopened};
use crate::output::sumfile::{Line, Lines, is_below};

/// Bytes that are read at once.
const PIECE: usize = 1 << 18;

/// The requested files of an output.
#[derive(Debug, Default)]
pub(in crate::layouts) struct Wanted {
    /// By their paths.
    pub paths: BTreeSet<Vec<u8>>,
    /// All with this prefix.
    pub prefix: Option<Vec<u8>>,
}

impl Wanted {
    fn has(&self, path: &[u8]) -> bool {
        self.paths.contains(parts::joined(path)) || self.prefix.as_ref().is_some_and(|prefix| path.starts_with(prefix))
    }
}

/// The requested files of an output that CHECKSUMS lists.
pub struct Files {
    output: PathBuf,
    sums: BTreeMap<Vec<u8>, Digest>,
}

impl Files {
    /// Searches CHECKSUMS for the files.
    ///
    /// # Errors
    /// An output without CHECKSUMS, or with a requested file that CHECKSUMS does not list.
    pub(in crate::layouts) fn open(output: &Path, wanted: &Wanted) -> Result<Files> {
        let (mut sums, mut there, mut is_listed) = (BTreeMap::new(), BTreeSet::new(), false);
        let mut list = |bytes: &mut dyn Read| {
            is_listed = true;
            let mut lines = Lines::new(BufReader::with_capacity(PIECE, bytes));
            while let Some(line) = lines.next().map_err(|e| broken(output, e))? {
                match line {
                    Line::Row(path, digest) if wanted.has(&path) => drop(sums.insert(path, digest)),
                    Line::Row(..) => {}
                    Line::Bad(number, why) => return Err(wrong(output, format!("CHECKSUMS, line {number}: {why}"))),
                }
            }
            Ok(())
        };
        let mut opened = reopened(output)?;
        match opened.root() {
            Some(root) => {
                if let Some(mut file) = open_path(root, CHECKSUMS.as_bytes()) {
                    list(&mut file)?;
                }
                there.extend(wanted.paths.iter().filter(|path| open_path(root, path).is_some()).cloned());
                there.extend(wanted.paths.iter().filter_map(|path| unlisted_part(root, path, &sums)));
            }
            None => opened.each(&mut |entry| match entry {
                Entry::File(path, Content::InArchive(bytes, len)) if path == CHECKSUMS.as_bytes() => {
                    list(&mut bytes.take(len))
                }
                Entry::File(path, _) if wanted.has(path) => {
                    there.insert(path.to_vec());
                    Ok(())
                }
                _ => Ok(()),
            })?,
        }
        if !is_listed {
            return Err(wrong(output, "it has no CHECKSUMS".into()));
        }
        if let Some(path) = there.iter().find(|path| !sums.contains_key(*path)) {
            return Err(wrong(output, format!("{}: CHECKSUMS does not list it", shown(path))));
        }
        let mut order = parts::Order::default();
        for path in sums.keys() {
            order.take(path).map_err(|why| wrong(output, format!("{}: {why}", shown(path))))?;
        }
        Ok(Files { output: output.to_path_buf(), sums })
    }

    /// Whether CHECKSUMS lists it, or parts of it.
    pub fn has(&self, path: &[u8]) -> bool {
        self.listed(path).next().is_some()
    }

    /// The file, or its parts in order.
    fn listed<'f>(&'f self, path: &'f [u8]) -> impl Iterator<Item = (&'f [u8], &'f Digest)> {
        let from_path = self.sums.range(path.to_vec()..).take_while(move |(found, _)| found.starts_with(path));
        from_path.filter(move |(found, _)| parts::joined(found) == path).map(|(found, digest)| (&**found, digest))
    }

    /// Paths with this prefix.
    pub fn below(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        self.sums.keys().filter(|path| path.starts_with(prefix)).cloned().collect()
    }

    /// Passes on the bytes of a file if CHECKSUMS lists it; nothing of a file that does not match CHECKSUMS.
    ///
    /// # Errors
    /// A file that is missing or differs from its digest; a failed read; the error of `each`.
    pub fn read(&self, path: &[u8], each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let mut is_there = false;
        for (path, want) in self.listed(path) {
            is_there = true;
            self.read_listed(path, want, each)?;
        }
        Ok(is_there)
    }

    fn read_listed(&self, path: &[u8], want: &Digest, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for gives in [false, true] {
            let mut hash = Sha256::new();
            self.pass(path, &mut |bytes| {
                hash.update(bytes);
                if gives { each(bytes) } else { Ok(()) }
            })?;
            let found: Digest = hash.finalize().into();
            if found != *want {
                return Err(wrong(&self.output, format!("{}: it differs from its digest in CHECKSUMS", shown(path))));
            }
        }
        Ok(())
    }

    /// All bytes of a small file.
    pub fn whole(&self, path: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut held = Vec::new();
        let there = self.read(path, &mut |bytes| {
            held.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(there.then_some(held))
    }

    fn pass(&self, path: &[u8], each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut read = |bytes: &mut dyn Read| pieces(&self.output, bytes, each);
        let mut opened = reopened(&self.output)?;
        let done = match opened.root() {
            Some(root) => open_path(root, path).map(|mut file| read(&mut file)),
            None => {
                let mut done = None;
                let walked = opened.each(&mut |entry| {
                    let Entry::File(found, content) = entry else { return Ok(()) };
                    if found != path {
                        return Ok(());
                    }
                    done = Some(match content {
                        Content::InArchive(bytes, len) => read(&mut bytes.take(len)),
                        Content::SparseInArchive(mut sparse) => read(&mut sparse),
                        Content::OnDisk(dir, name) => open_below(dir, name)
                            .map_err(|e| broken(&self.output, e))
                            .and_then(|mut file| read(&mut file)),
                    });
                    Err(Error::usage("nothing more is wanted of the archive"))
                });
                if done.is_none() {
                    walked?;
                }
                done
            }
        };
        done.unwrap_or_else(|| {
            Err(wrong(&self.output, format!("{}: CHECKSUMS lists it, but it is missing", shown(path))))
        })
    }
}

fn pieces(output: &Path, bytes: &mut dyn Read, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => each(&buffer[..n])?,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(broken(output, e)),
        }
    }
}

/// A part of this file, if there are more than CHECKSUMS lists.
fn unlisted_part(root: &Arc<OwnedFd>, file: &[u8], sums: &BTreeMap<Vec<u8>, Digest>) -> Option<Vec<u8>> {
    let file = std::str::from_utf8(file).ok()?;
    let last = sums.range(parts::path(file, 0).into_bytes()..=parts::path(file, parts::MOST).into_bytes()).next_back();
    let next = last.and_then(|(path, _)| parts::of(path)).map_or(1, |(_, number)| number + 1);
    let path = parts::path(file, next).into_bytes();
    open_path(root, &path).map(|_| path)
}

/// Opens a file below a directory, name by name, so that no link is followed; `None`: there is no regular file.
fn open_path(root: &Arc<OwnedFd>, path: &[u8]) -> Option<std::fs::File> {
    if !is_below(path) {
        return None;
    }
    let (mut dir, mut names) = (Arc::clone(root), path.split(|b| *b == b'/').peekable());
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            return open_below(&dir, name).ok();
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        dir = Arc::new(rustix::fs::openat(&dir, name, flags, Mode::empty()).ok()?);
    }
    None
}

#[cold]
pub(super) fn wrong(output: &Path, why: String) -> Error {
    Error::new(ErrorKind::Output(why)).input(output)
}

fn shown(path: &[u8]) -> String {
    serde_json::json!(String::from_utf8_lossy(path)).to_string()
}
