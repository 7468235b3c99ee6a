//! Checks an output: MANIFEST and CHECKSUMS are valid, every file exists with its bytes, and nothing else exists.
//!
//! This module reads the output; `classify` compares what was found with what is listed.

use std::fs::Metadata;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Mutex;

use super::against::Fresh;
use super::attributes::{self, Is};
use super::classify::Classify;
use super::digests::{self, Feeder};
use super::join::{DigestJoin, Tag};
use super::problem::{Kind, Problems};
use super::promised::{Promised, is_of_file_system, of_target};
use super::told;
use crate::decode::Progress;
use crate::error::{Error, ErrorKind, Result};
use crate::format::adapter;
use crate::output::checksums::{Digest, Sums};
use crate::output::fs_metadata::METADATA;
use crate::output::manifest_read::{self, ReadManifest};
use crate::output::reading::{Attributes, Content, Entry, Output, broken, open_below, open_known_below, reopened};
use crate::output::sumfile::{Line, Lines};
use crate::output::{CHECKSUMS, MANIFEST};
use crate::sync::{into_inner, lock};
use sha2::{Digest as _, Sha256};

/// The results for an output.
#[derive(Debug)]
pub struct Checked {
    /// Its manifest, if it is valid.
    pub manifest: Option<ReadManifest>,
    /// Number of files in CHECKSUMS.
    pub files: u64,
    /// What is wrong.
    pub problems: Problems,
    /// Whether it was compared with a fresh decode.
    pub compared: bool,
    /// If it was made from other snapshots than those of the comparison: how they differ.
    pub origin: Option<String>,
}

/// Makes a fresh decode with the options of a manifest.
pub type Decode<'d> = &'d mut dyn FnMut(&ReadManifest) -> Result<Fresh>;

/// Reads a whole output; `against` makes a fresh decode with the options of its manifest.
///
/// # Errors
/// A failed read, or a fresh decode that fails. Problems of the output are in the result.
pub fn check(
    output: &mut Output,
    threads: usize,
    limit: usize,
    progress: &dyn Progress,
    against: Option<Decode<'_>>,
) -> Result<Checked> {
    read(output, threads, limit, progress, against).map(|(checked, _)| checked)
}

/// The same; also returns the rows of what was found.
pub(crate) fn read(
    output: &mut Output,
    threads: usize,
    limit: usize,
    progress: &dyn Progress,
    against: Option<Decode<'_>>,
) -> Result<(Checked, DigestJoin)> {
    let scratch = std::env::temp_dir();
    let problems = Problems::new(limit);
    let checked = Checked { manifest: None, files: 0, problems, compared: false, origin: None };
    let join = Mutex::new(DigestJoin::new(&scratch));
    let in_archive = output.root().is_none();
    let promised = promised_on_disk(output, &join)?;
    let mut desk = Desk {
        checked,
        seen_checksums: false,
        seen_manifest: false,
        seen_metadata: !in_archive,
        broken: false,
        in_archive,
        promised,
        attributes: Attributes::default(),
        first: None,
    };
    progress.begin("verify", 1);
    desk.read(output, threads, progress, &join)?;
    let mut join = into_inner(join);
    let mut fresh = match (against, &desk.checked.manifest) {
        (Some(decode), Some(manifest)) => Some(decode(manifest)?),
        _ => None,
    };
    if let Some(fresh) = &mut fresh {
        join.take_all(Tag::Fresh, &mut fresh.checksums)?;
    }
    desk.classify(&mut join, fresh.as_ref())?;
    Ok((desk.checked, join))
}

/// Proves that an output is unchanged: its files are hashed, because a listed digest proves nothing. Returns what was found.
///
/// # Errors
/// A failed read; data that differs from MANIFEST and CHECKSUMS.
pub(crate) fn proven(path: &Path, threads: usize, progress: &dyn Progress) -> Result<DigestJoin> {
    let (checked, join) = read(&mut reopened(path)?, threads, 1, progress, None)?;
    if !checked.problems.concern_data() {
        return Ok(join);
    }
    let first = checked
        .problems
        .shown
        .first()
        .map_or(String::new(), |problem| format!(": {}: {}", serde_json::json!(problem.path), problem.reason));
    let why = format!("it is not intact{first}; verify it first: `ekvsnap verify` shows everything");
    Err(Error::new(ErrorKind::Output(why)).input(path))
}

struct Desk {
    checked: Checked,
    seen_checksums: bool,
    seen_manifest: bool,
    /// Whether it is known which files have a digest of their extents.
    seen_metadata: bool,
    /// The archive could not be read to its end: missing files then mean nothing.
    broken: bool,
    in_archive: bool,
    /// The metadata of the file system.
    promised: Promised,
    /// Attributes of the next member of an archive.
    attributes: Attributes,
    /// The first member without attributes of its own, and its time, which is that of all such members.
    first: Option<(Vec<u8>, Option<i64>)>,
}

impl Desk {
    fn add(&mut self, kind: Kind, path: &[u8], reason: impl Into<String>) {
        self.checked.problems.add(kind, path, reason);
    }

    fn read(
        &mut self,
        output: &mut Output,
        threads: usize,
        progress: &dyn Progress,
        join: &Mutex<DigestJoin>,
    ) -> Result<()> {
        let name = output.name().to_path_buf();
        let read = digests::run(&name, threads, progress, join, |feeder| {
            output.each(&mut |entry| self.entry(&name, entry, feeder, join))
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

    fn entry(
        &mut self,
        name: &Path,
        entry: Entry<'_>,
        feeder: &mut Feeder<'_>,
        join: &Mutex<DigestJoin>,
    ) -> Result<()> {
        match entry {
            Entry::NonRegular(path, what) => self.add(Kind::NotAFile, path, format!("it is {what}")),
            Entry::Odd(path, what) => self.add(Kind::Odd, path, what),
            Entry::Attributes(_, attributes) => self.attributes = *attributes,
            Entry::Directory(path) => {
                self.member(path, Is::Directory, feeder);
                feeder.row(|sums| Tag::HasDir.add(path, Digest::default(), sums));
            }
            Entry::Link(path, target) => {
                let at = self.member(path, Is::Link, feeder);
                feeder.row(|sums| {
                    Tag::HasLink.add(path, of_target(target), sums);
                    Tag::LinkedAt.add_file(target, Digest::default(), [0, at], sums);
                });
            }
            Entry::File(path, content) => {
                self.member(path, Is::File, feeder);
                self.file(name, path, content, feeder, join)?;
            }
        }
        Ok(())
    }

    /// Records the attributes of a member of an archive, unless they are those of most members; returns its position.
    fn member(&mut self, path: &[u8], is: Is, feeder: &mut Feeder<'_>) -> u64 {
        let attributes = std::mem::take(&mut self.attributes);
        if self.in_archive && (is_of_file_system(path) || !self.is_plain(path, is, &attributes)) {
            feeder.row(|sums| Tag::HasAttributes.add(path, attributes::packed(is, &attributes), sums));
        }
        feeder.step()
    }

    fn is_plain(&mut self, path: &[u8], is: Is, attributes: &Attributes) -> bool {
        let (_, time) = self.first.get_or_insert_with(|| (path.to_vec(), attributes.mtime));
        *attributes == attributes::plain(is, *time)
    }

    /// Compares the time of members without attributes of their own with the manifest.
    fn check_time(&mut self) {
        let manifest = self.checked.manifest.as_ref().filter(|manifest| told::is_ours(manifest));
        let (Some(manifest), Some((path, time))) = (manifest, self.first.take()) else { return };
        let [have, want] = [time, Some(manifest.archive_nanos())].map(|time| attributes::plain(Is::File, time));
        let [have, want] = [have, want].map(|attributes| attributes::packed(Is::File, &attributes));
        if let Some(why) = attributes::differences(&have, &want) {
            self.add(Kind::Attributes, &path, format!("{why}, here and in other members of this time"));
        }
    }

    fn file(
        &mut self,
        name: &Path,
        path: &[u8],
        content: Content<'_>,
        feeder: &mut Feeder<'_>,
        join: &Mutex<DigestJoin>,
    ) -> Result<()> {
        let failed = |e| broken(&name.join(String::from_utf8_lossy(path).into_owned()), e);
        if path == CHECKSUMS.as_bytes() {
            let ((), known) = opened(content, |bytes| self.said(bytes, join)).map_err(failed)?;
            known.iter().for_each(|known| feeder.known(path, known));
        } else if path == MANIFEST.as_bytes() {
            let (digest, known) = opened(content, |bytes| self.manifest(bytes)).map_err(failed)?;
            feeder.note(path, digest);
            known.iter().for_each(|known| feeder.known(path, known));
        } else if path == METADATA.as_bytes() && self.in_archive {
            // A decode writes it before the files that it lists.
            let (digest, _) = opened(content, |bytes| self.metadata(bytes, join)).map_err(failed)?;
            feeder.note(path, digest);
        } else if !self.seen_metadata && is_of_file_system(path) {
            feeder.either(path, content)?;
        } else if self.is_known_by_extents(path) {
            feeder.extents(path, content)?;
        } else {
            feeder.file(path, content)?;
        }
        Ok(())
    }

    fn is_known_by_extents(&self, path: &[u8]) -> bool {
        let first = self.promised.copy_of(path).unwrap_or(path);
        self.promised.extents(first).is_some()
    }

    /// Reads the metadata of the file system; returns the digest of all bytes that were read.
    fn metadata(&mut self, bytes: &mut dyn Read, join: &Mutex<DigestJoin>) -> io::Result<Digest> {
        let mut hashed = Hashed { bytes, hash: Sha256::new() };
        self.promised = promised(&mut hashed, true, join)?;
        self.seen_metadata = true;
        io::copy(&mut hashed, &mut io::sink())?;
        Ok(hashed.hash.finalize().into())
    }

    /// Reads CHECKSUMS into the join.
    fn said(&mut self, bytes: &mut dyn Read, join: &Mutex<DigestJoin>) -> io::Result<()> {
        if std::mem::replace(&mut self.seen_checksums, true) {
            self.add(Kind::Doubled, CHECKSUMS.as_bytes(), "it is there twice");
        }
        let mut lines = Lines::new(BufReader::with_capacity(1 << 20, bytes));
        let mut sums = Sums::default();
        let take = |sums: &Sums| lock(join).take(sums);
        while let Some(line) = lines.next()? {
            match line {
                Line::Row(path, digest) => {
                    self.checked.files += 1;
                    Tag::Said.add(&path, digest, &mut sums);
                    if let Some(items) = items_of_table(&path) {
                        Tag::ToldDir.add(&items, Digest::default(), &mut sums);
                    }
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

    /// Reads and checks MANIFEST.json; returns its digest.
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
            let why = "it is missing: the output is not finished, or was not made by a decode";
            self.add(Kind::Unreadable, MANIFEST.as_bytes(), why);
        }
        match (self.seen_checksums, self.checked.files) {
            (false, _) => self.add(Kind::Unreadable, CHECKSUMS.as_bytes(), "it is missing: nothing can be verified"),
            (true, 0) => self.add(Kind::Unreadable, CHECKSUMS.as_bytes(), "it has no rows"),
            _ => {}
        }
    }

    fn classify(&mut self, join: &mut DigestJoin, fresh: Option<&Fresh>) -> Result<()> {
        if self.broken {
            return Ok(());
        }
        let mut sums = Sums::default();
        self.promised.with_extents().for_each(|(path, digest)| Tag::Said.add(path, digest, &mut sums));
        join.take(&sums);
        for (kind, sum) in std::mem::take(&mut self.promised.counts) {
            join.counted.add(adapter::FS, b"", kind, sum);
        }
        self.check_time();
        self.checked.files += self.promised.with_extents().count() as u64;
        self.checked.compared = fresh.is_some();
        let classify = Classify {
            promised: &self.promised,
            in_archive: self.in_archive,
            said: self.seen_checksums,
            manifest: self.checked.manifest.as_ref(),
            fresh,
        };
        self.checked.origin = classify.all(join, &mut self.checked.problems)?;
        Ok(())
    }
}

/// The directory of a table's items, by the path of its schema: it exists even if the table is empty.
fn items_of_table(path: &[u8]) -> Option<Vec<u8>> {
    let table = path.strip_suffix(b"/_schema.json").filter(|table| table.starts_with(b"dynamodb/"))?;
    (memchr::memchr_iter(b'/', table).count() == 1).then(|| [table, b"/items"].concat())
}

/// Reads a file; for a file on disk, returns its metadata too.
fn opened<T>(
    content: Content<'_>,
    read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
) -> io::Result<(T, Option<Metadata>)> {
    match content {
        Content::OnDisk(dir, name) => {
            let (mut file, known) = open_known_below(dir, name)?;
            Ok((read(&mut file)?, Some(known)))
        }
        Content::InArchive(bytes, _) => Ok((read(bytes)?, None)),
        Content::SparseInArchive(mut bytes) => Ok((read(&mut bytes)?, None)),
    }
}

/// The metadata of the file system, if it can be read before the files.
fn promised_on_disk(output: &Output, join: &Mutex<DigestJoin>) -> Result<Promised> {
    let Some(root) = output.root() else { return Ok(Promised::default()) };
    let file = match open_below(root, METADATA.as_bytes()) {
        Ok(file) => file,
        // There is no file system; any other fault of the name is found when its directory is listed.
        Err(_) => return Ok(Promised::default()),
    };
    promised(file, false, join).map_err(|e| Error::io("read", output.name().join(METADATA), e))
}

fn promised(bytes: impl Read, in_archive: bool, join: &Mutex<DigestJoin>) -> io::Result<Promised> {
    let mut sums = Sums::default();
    let take = |sums: &Sums| lock(join).take(sums);
    let promised = Promised::read(bytes, in_archive, &mut |tag, path, digest| {
        tag.add(path, digest, &mut sums);
        if sums.len() >= 1024 {
            take(&std::mem::take(&mut sums));
        }
    })?;
    take(&sums);
    Ok(promised)
}

/// Reads and computes the digest.
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
