//! An output: MANIFEST and CHECKSUMS are what they should be, every file is there with its bytes, and nothing else is.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::against::Fresh;
use super::digests::{self, Feeder};
use super::problem::{Kind, Problems};
use super::promised::{METADATA, Promised};
use super::roll::{Known, Roll, Tag};
use crate::decode::{CHECKSUMS, MANIFEST, Progress};
use crate::error::{Error, Result};
use crate::output::checksums::{Digest, Sums};
use crate::output::manifest_read::{self, ReadManifest};
use crate::output::names::hex_into;
use crate::output::reading::{Content, Entry, Output, broken, open_below};
use crate::output::sumfile::{Line, Lines};
use sha2::{Digest as _, Sha256};

/// What was found out about an output.
#[derive(Debug)]
pub struct Checked {
    /// Its manifest, if it is one.
    pub manifest: Option<ReadManifest>,
    /// Files that CHECKSUMS tells of.
    pub files: u64,
    /// What is wrong.
    pub problems: Problems,
    /// Whether it was compared with a fresh decode.
    pub compared: bool,
}

/// Makes a fresh decode with the options of a manifest.
pub type Decode<'d> = &'d mut dyn FnMut(&ReadManifest) -> Result<Fresh>;

/// Reads an output to its end; `against` makes a fresh decode with the options of its manifest.
///
/// # Errors
/// A failed read, or a fresh decode that fails. What is wrong with the output is in the result.
pub fn check(
    output: &mut Output,
    threads: usize,
    limit: usize,
    progress: &dyn Progress,
    against: Option<Decode<'_>>,
) -> Result<Checked> {
    let scratch = std::env::temp_dir();
    let checked = Checked { manifest: None, files: 0, problems: Problems::new(limit), compared: false };
    let roll = Mutex::new(Roll::new(&scratch));
    let (seen_checksums, seen_manifest, broken) = (false, false, false);
    let promised = promised_on_disk(output)?;
    let mut desk = Desk { checked, seen_checksums, seen_manifest, broken, promised, links: 0 };
    progress.begin("verify", 1);
    desk.read(output, threads, progress, &roll)?;
    let mut roll = roll.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut fresh = match (against, &desk.checked.manifest) {
        (Some(decode), Some(manifest)) => Some(decode(manifest)?),
        _ => None,
    };
    if let Some(fresh) = &mut fresh {
        roll.take_all(Tag::Fresh, &mut fresh.index)?;
    }
    desk.judge(roll, fresh.as_ref())?;
    Ok(desk.checked)
}

struct Desk {
    checked: Checked,
    seen_checksums: bool,
    seen_manifest: bool,
    /// The archive could not be read to its end: what is missing tells nothing.
    broken: bool,
    /// Files that CHECKSUMS has no row of.
    promised: Promised,
    /// Links that were promised and are there.
    links: u64,
}

impl Desk {
    fn add(&mut self, kind: Kind, path: &[u8], reason: impl Into<String>) {
        self.checked.problems.add(kind, path, reason);
    }

    fn read(&mut self, output: &mut Output, threads: usize, progress: &dyn Progress, roll: &Mutex<Roll>) -> Result<()> {
        let name = output.name().to_path_buf();
        let read = digests::run(&name, threads, progress, roll, |feeder| {
            output.each(&mut |entry| self.entry(&name, entry, feeder, roll))
        });
        match read {
            Err(error) if error.is_damage() => {
                self.broken = true;
                self.add(Kind::Unreadable, b"", error.reason());
            }
            other => other?,
        }
        self.controls();
        Ok(())
    }

    fn entry(&mut self, name: &Path, entry: Entry<'_>, feeder: &mut Feeder<'_>, roll: &Mutex<Roll>) -> Result<()> {
        match entry {
            Entry::Strange(path, what) => self.add(Kind::NotAFile, path, format!("it is {what}")),
            Entry::Link(path, target) if self.promised.is_link(path, target) => self.links += 1,
            Entry::Link(path, target) => {
                let why = format!("it is a link to {}, which {METADATA} does not tell of", target.escape_ascii());
                self.add(Kind::NotAFile, path, why);
            }
            Entry::File(path, content) if path == CHECKSUMS.as_bytes() => {
                let read = opened(content, |bytes| self.said(bytes, roll));
                read.map_err(|e| broken(&name.join(CHECKSUMS), e))?;
            }
            Entry::File(path, content) if path == MANIFEST.as_bytes() => {
                let digest = opened(content, |bytes| self.manifest(bytes));
                feeder.note(path, digest.map_err(|e| broken(&name.join(MANIFEST), e))?);
            }
            // In an archive it comes before the files that it tells of.
            Entry::File(path, content @ Content::InArchive(..)) if path == METADATA.as_bytes() => {
                let digest = opened(content, |bytes| self.metadata(bytes));
                feeder.note(path, digest.map_err(|e| broken(&name.join(METADATA), e))?);
            }
            Entry::File(path, content) if self.promised.extents(path).is_some() => feeder.extents(path, content)?,
            Entry::File(path, content) => feeder.file(path, content)?,
        }
        Ok(())
    }

    /// Reads what is told of files without a row in CHECKSUMS; gives the digest of all that was read.
    fn metadata(&mut self, bytes: &mut dyn Read) -> io::Result<Digest> {
        let mut hashed = Hashed { bytes, hash: Sha256::new() };
        self.promised = Promised::read(&mut hashed)?;
        io::copy(&mut hashed, &mut io::sink())?;
        Ok(hashed.hash.finalize().into())
    }

    /// Reads CHECKSUMS into the roll.
    fn said(&mut self, bytes: &mut dyn Read, roll: &Mutex<Roll>) -> io::Result<()> {
        self.seen_checksums = true;
        let mut lines = Lines::new(BufReader::with_capacity(1 << 20, bytes));
        let mut sums = Sums::default();
        let take = |sums: &Sums| roll.lock().unwrap_or_else(PoisonError::into_inner).take(sums);
        while let Some(line) = lines.next()? {
            match line {
                Line::Row(path, digest) => {
                    self.checked.files += 1;
                    Tag::Said.add(&path, digest, &mut sums);
                }
                Line::Bad(number, why) => {
                    self.add(Kind::Malformed, CHECKSUMS.as_bytes(), format!("line {number}: {why}"));
                }
            }
            if sums.len() >= 1024 {
                take(&std::mem::take(&mut sums));
            }
        }
        take(&sums);
        Ok(())
    }

    /// Reads and checks MANIFEST.json; gives its digest.
    fn manifest(&mut self, bytes: &mut dyn Read) -> io::Result<Digest> {
        self.seen_manifest = true;
        let mut held = Vec::new();
        bytes.take(manifest_read::MOST).read_to_end(&mut held)?;
        match ReadManifest::parse(&held) {
            Ok(manifest) => self.checked.manifest = Some(manifest),
            Err(why) => self.add(Kind::Unreadable, MANIFEST.as_bytes(), why),
        }
        let mut hash = Sha256::new_with_prefix(held);
        io::copy(bytes, &mut HashWriter(&mut hash))?;
        Ok(hash.finalize().into())
    }

    fn controls(&mut self) {
        if self.broken {
            return;
        }
        if !self.seen_manifest {
            let why = "there is none: the output is not finished, or not one of a decode";
            self.add(Kind::Unreadable, MANIFEST.as_bytes(), why);
        }
        match (self.seen_checksums, self.checked.files) {
            (false, _) => self.add(Kind::Unreadable, CHECKSUMS.as_bytes(), "there is none: nothing can be verified"),
            (true, 0) => self.add(Kind::Unreadable, CHECKSUMS.as_bytes(), "it has no rows"),
            _ => {}
        }
    }

    fn judge(&mut self, mut roll: Roll, fresh: Option<&Fresh>) -> Result<()> {
        if self.broken {
            return Ok(());
        }
        let mut sums = Sums::default();
        self.promised.with_extents().for_each(|(path, digest)| Tag::Said.add(path, digest, &mut sums));
        roll.take(&sums);
        self.checked.files += self.promised.with_extents().count() as u64;
        if self.links < self.promised.links() {
            let missing = self.promised.links() - self.links;
            self.add(Kind::Missing, METADATA.as_bytes(), format!("{missing} links that it tells of are not there"));
        }
        self.checked.compared = fresh.is_some();
        let said = self.seen_checksums;
        roll.judge(|path, known| {
            if said {
                self.integrity(path, known);
            }
            if let Some(fresh) = fresh {
                self.equality(path, known, fresh);
            }
            Ok(())
        })
    }

    fn integrity(&mut self, path: &[u8], known: &Known) {
        if known.doubled {
            self.add(Kind::Doubled, path, "it stands there twice");
        }
        match (known.digest(Tag::Said), known.digest(Tag::Found)) {
            (Some(_), None) => self.add(Kind::Missing, path, "CHECKSUMS has it, but it is not there"),
            (None, Some(_)) => self.add(Kind::Foreign, path, "it is not in CHECKSUMS"),
            (Some(want), Some(have)) if want != have => {
                let (what, who) = match self.promised.extents(path) {
                    Some(_) => ("sha256_extents", METADATA),
                    None => ("SHA-256", CHECKSUMS),
                };
                self.add(Kind::Differs, path, format!("{what} is {}, {who} says {}", hex(&have), hex(&want)));
            }
            _ => {}
        }
    }

    fn equality(&mut self, path: &[u8], known: &Known, fresh: &Fresh) {
        // Its digest stands in the metadata, and those are compared.
        if self.promised.extents(path).is_some() {
            return;
        }
        match (known.digest(Tag::Found), known.digest(Tag::Fresh)) {
            (Some(_), None) => self.add(Kind::OnlyHere, path, "a fresh decode does not have it"),
            (None, Some(_)) => self.add(Kind::OnlyInDecode, path, "a fresh decode has it, the output does not"),
            (Some(have), Some(want)) if want != have => {
                if path != MANIFEST.as_bytes() {
                    self.add(Kind::NotEqual, path, format!("SHA-256 is {}, decoded {}", hex(&have), hex(&want)));
                } else if let Some(why) = self.checked.manifest.as_ref().and_then(|have| fresh.differs_from(have)) {
                    self.add(Kind::NotEqual, path, why);
                }
            }
            _ => {}
        }
    }
}

fn hex(digest: &Digest) -> String {
    let mut text = String::new();
    hex_into(digest, &mut text);
    text
}

fn opened<T>(content: Content<'_>, read: impl FnOnce(&mut dyn Read) -> io::Result<T>) -> io::Result<T> {
    match content {
        Content::OnDisk(dir, name) => read(&mut open_below(dir, name)?),
        Content::InArchive(bytes, _) => read(bytes),
        Content::SparseInArchive(mut bytes) => read(&mut bytes),
    }
}

/// Digests of files that CHECKSUMS has no row of, where they can be read before the files.
fn promised_on_disk(output: &Output) -> Result<Promised> {
    let Some(root) = output.root() else { return Ok(Promised::default()) };
    let file = match open_below(root, METADATA.as_bytes()) {
        Ok(file) => file,
        // No file system; what else is wrong with the name shows when its directory is listed.
        Err(_) => return Ok(Promised::default()),
    };
    Promised::read(file).map_err(|e| Error::io("read", output.name().join(METADATA), e))
}

/// Reads and takes the digest.
struct Hashed<'b> {
    bytes: &'b mut dyn Read,
    hash: Sha256,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.bytes.read(buffer)?;
        self.hash.update(&buffer[..n]);
        Ok(n)
    }
}

struct HashWriter<'h>(&'h mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
