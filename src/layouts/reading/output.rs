//! Passes all files of an output to the readers of their adapters, and checks them: each digest must be that in CHECKSUMS.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

pub use super::visitor::Visitor;
use super::{BlockSize, Forked, Part, Reader, Standing, Text, blocks, wrong};
use crate::error::{Error, ErrorKind, Result};
use crate::format::adapter::{self, Adapter};
use crate::layouts::jsonl::beside;
use crate::output::checksums::Digest;
use crate::output::extents::OnDisk;
use crate::output::parts;
use crate::output::reading::{Content, Entry, Output, Pieces, broken, open_below};
use crate::output::sumfile::{self, Line};
use crate::output::{CHECKSUMS, ERRORS, MANIFEST};
use crate::run::spill::Spill;

/// What was read of an output, besides its objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Number of files with objects that the server does not serve: nothing of them was passed on.
    pub aside: u64,
}

/// The reader of each adapter.
pub type Readers<V> = Vec<(Adapter, Box<dyn Reader<V>>)>;

/// Reads an output: two passes, for each of which `open` opens it. `readers`: those of its layout
/// ([`registry::readers`](crate::registry::readers)). `adapters`: those whose objects are wanted; files of others are skipped.
///
/// # Errors
/// A failed read; a file that is missing, that CHECKSUMS does not list, that differs, or that no decode writes; or the error of the
/// visitor. After an error, the objects passed on so far are not valid.
pub fn read<V>(
    open: &mut dyn FnMut() -> Result<Output>,
    readers: Readers<V>,
    adapters: &[Adapter],
    scratch: &Path,
    visitor: &mut V,
) -> Result<Seen> {
    let lines = |reader: &mut dyn Reader<V>, path: &[u8], bytes: &mut Opened<'_>, visitor: &mut V| {
        reader.lines(path, &mut Text::new(path, bytes).lines(), visitor)
    };
    read_with(&lines, open, readers, adapters, scratch, visitor)
}

/// As [`read`], for a visitor that can take blocks of lines on several threads. Objects come to it in the order of the files.
///
/// # Errors
/// As [`read`].
pub fn read_in_blocks<V: Forked>(
    size: BlockSize,
    open: &mut dyn FnMut() -> Result<Output>,
    readers: Readers<V>,
    adapters: &[Adapter],
    scratch: &Path,
    visitor: &mut V,
) -> Result<Seen> {
    let lines = |reader: &mut dyn Reader<V>, path: &[u8], bytes: &mut Opened<'_>, visitor: &mut V| {
        blocks::read(reader, path, bytes, size, visitor)
    };
    read_with(&lines, open, readers, adapters, scratch, visitor)
}

/// Passes on the objects of a file whose lines are objects of their own.
type ByLines<'r, V> = dyn Fn(&mut dyn Reader<V>, &[u8], &mut Opened<'_>, &mut V) -> Result<()> + 'r;

fn read_with<V>(
    lines: &ByLines<'_, V>,
    open: &mut dyn FnMut() -> Result<Output>,
    readers: Readers<V>,
    adapters: &[Adapter],
    scratch: &Path,
    visitor: &mut V,
) -> Result<Seen> {
    let mut pass = Pass {
        lines,
        readers,
        adapters,
        sums: Spill::new(scratch),
        is_listed: false,
        name: Path::new("").into(),
        seen: Seen::default(),
        order: parts::Order::default(),
    };
    pass.each(open, &mut |pass, file| match file {
        File::Content(path, content) => {
            let name = Rc::clone(&pass.name);
            opened(&name, path, content, &mut |bytes| pass.first(path, bytes, visitor))
        }
        File::Link(..) => Ok(()),
    })?;
    if !pass.is_listed {
        return Err(Error::new(ErrorKind::Output("it has no CHECKSUMS".into())));
    }
    for (_, reader) in &mut pass.readers {
        reader.settle()?;
        pass.seen.aside += reader.aside();
    }
    pass.each(open, &mut |pass, file| match file {
        File::Content(path, content) => pass.second(path, content, visitor),
        File::Link(path, target) => pass.link(path, target),
    })?;
    pass.readers.iter().try_for_each(|(_, reader)| reader.finish())?;
    let seen = pass.seen;
    prove(pass.sums)?;
    Ok(seen)
}

/// Shared by both passes.
struct Pass<'p, V> {
    lines: &'p ByLines<'p, V>,
    readers: Readers<V>,
    adapters: &'p [Adapter],
    /// Digests of files: those of CHECKSUMS, and those that were computed.
    sums: Spill,
    is_listed: bool,
    /// The output's name as given by the user.
    name: Rc<Path>,
    seen: Seen,
    /// The parts of files that were read.
    order: parts::Order,
}

/// Marks of a digest in the sorter.
const TOLD: u8 = 0;
const FOUND: u8 = 1;

/// A file of an output.
enum File<'f> {
    Content(&'f [u8], Content<'f>),
    /// Another name of a file, in an archive.
    Link(&'f [u8], &'f [u8]),
}

/// What a pass does with a file.
type Take<'t, 'p, V> = dyn FnMut(&mut Pass<'p, V>, File<'_>) -> Result<()> + 't;

impl<'p, V> Pass<'p, V> {
    /// Calls `take` for every file.
    fn each(&mut self, open: &mut dyn FnMut() -> Result<Output>, take: &mut Take<'_, 'p, V>) -> Result<()> {
        let mut output = open()?;
        self.name = output.name().into();
        let read = output.each(&mut |entry| match entry {
            Entry::Directory(_) | Entry::Attributes(..) => Ok(()),
            Entry::File(path, content) => take(self, File::Content(path, content)),
            Entry::Link(path, target) => take(self, File::Link(path, target)),
            Entry::NonRegular(path, what) => self.odd(path, &format!("it is {what}")),
            Entry::Odd(path, what) => self.odd(path, what),
        });
        read.map_err(|error| error.or_input(&self.name))
    }

    /// Another name of a file.
    fn link(&mut self, path: &[u8], target: &[u8]) -> Result<()> {
        match self.reader(path)? {
            Some(reader) => reader.link(path, target),
            None => self.odd(path, "it is a link"),
        }
    }

    fn odd(&self, path: &[u8], why: &str) -> Result<()> {
        if self.is_wanted(path) { Err(wrong(path, why)) } else { Ok(()) }
    }

    /// The adapter of a file; `None`: it has none, or one whose objects are not wanted.
    fn adapter(&self, path: &[u8]) -> Option<Adapter> {
        adapter_of(path).filter(|adapter| self.adapters.contains(adapter))
    }

    /// Whether a file belongs to a requested adapter, or to none.
    fn is_wanted(&self, path: &[u8]) -> bool {
        adapter_of(path).is_none_or(|adapter| self.adapters.contains(&adapter))
    }

    /// The reader of a file; `None`: the file has no adapter, or one whose objects are not wanted.
    fn reader(&mut self, path: &[u8]) -> Result<Option<&mut dyn Reader<V>>> {
        let Some(adapter) = self.adapter(path) else { return Ok(None) };
        match self.readers.iter_mut().find(|(known, _)| *known == adapter) {
            Some((_, reader)) => Ok(Some(&mut **reader)),
            None => {
                let name = adapter.name();
                let why = format!("objects of {name} cannot be read back from an output: choose other adapters");
                Err(Error::usage(why))
            }
        }
    }

    /// Reads sidecars, and files about the whole output.
    fn first(&mut self, path: &[u8], bytes: &mut Opened<'_>, visitor: &mut V) -> Result<()> {
        if path == CHECKSUMS.as_bytes() {
            return self.told(bytes);
        }
        if is_about(path) {
            return self.found(path, bytes);
        }
        let Some(reader) = self.reader(path)? else { return Ok(()) };
        if reader.is_doubtful(path) {
            return reader.sidecar(path, bytes, visitor);
        }
        if reader.part(path) != Some(Part::Sidecar) {
            return Ok(());
        }
        reader.sidecar(path, bytes, visitor)?;
        self.found(path, bytes)
    }

    /// Reads objects.
    fn second(&mut self, path: &[u8], content: Content<'_>, visitor: &mut V) -> Result<()> {
        if path == CHECKSUMS.as_bytes() || is_about(path) || !self.is_wanted(path) {
            return Ok(());
        }
        let (part, standing) = match self.reader(path)? {
            Some(reader) => {
                let part = reader.part(path).ok_or_else(|| wrong(path, "no decode writes such a file"))?;
                (part, if part == Part::Objects { reader.standing(path)? } else { Standing::Listed })
            }
            // Lines about rows that a decode could not read.
            None if path == ERRORS.as_bytes() => (Part::Aside, Standing::Listed),
            None => return Err(wrong(path, "no decode writes such a file")),
        };
        let part = match standing {
            Standing::Listed => {
                self.order.take(path).map_err(|why| wrong(path, why))?;
                part
            }
            Standing::Aside => Part::Aside,
            Standing::Copy => return Ok(()),
            Standing::Unlisted => return self.unlisted(path, content, visitor),
            Standing::UnlistedAside => {
                self.seen.aside += 1;
                return Ok(());
            }
        };
        let (name, lines) = (Rc::clone(&self.name), self.lines);
        opened(&name, path, content, &mut |bytes| {
            match part {
                Part::Sidecar => return Ok(()),
                Part::Aside => self.seen.aside += 1,
                Part::Objects => {
                    if let Some(reader) = self.reader(path)? {
                        match reader.begin_lines(path, visitor)? {
                            true => lines(reader, path, bytes, visitor)?,
                            false => reader.objects(path, bytes, visitor)?,
                        }
                    }
                }
            }
            self.found(path, bytes)
        })
    }

    /// Reads a file with large holes, which are skipped.
    fn unlisted(&mut self, path: &[u8], content: Content<'_>, visitor: &mut V) -> Result<()> {
        let name = Rc::clone(&self.name);
        let failed = |e| failed_read(&name, path, e);
        self.seen.files += 1;
        let Some(reader) = self.reader(path)? else { return Ok(()) };
        match content {
            Content::OnDisk(dir, name) => {
                let file = open_below(dir, name).map_err(failed)?;
                reader.unlisted(path, Pieces::OnDisk(OnDisk::new(&file).map_err(failed)?), visitor)
            }
            Content::InArchive(bytes, len) => reader.unlisted(path, Pieces::Stream(&mut bytes.take(len)), visitor),
            Content::SparseInArchive(file) => reader.unlisted(path, Pieces::Sparse(file), visitor),
        }
    }

    fn told(&mut self, bytes: &mut Opened<'_>) -> Result<()> {
        self.is_listed = true;
        let failed = |e| broken(Path::new(CHECKSUMS), e);
        let mut lines = sumfile::Lines::new(BufReader::with_capacity(1 << 20, bytes));
        while let Some(line) = lines.next().map_err(failed)? {
            match line {
                Line::Row(path, digest) if self.is_wanted(&path) => self.sums.push(&path, &row(TOLD, &digest))?,
                Line::Row(..) => {}
                Line::Bad(number, why) => {
                    return Err(wrong(CHECKSUMS.as_bytes(), format_args!("line {number}: {why}")));
                }
            }
        }
        Ok(())
    }

    /// Records the digest of a file after it was read.
    fn found(&mut self, path: &[u8], bytes: &mut Opened<'_>) -> Result<()> {
        io::copy(bytes, &mut io::sink()).map_err(|e| failed_read(&self.name, path, e))?;
        self.seen.files += 1;
        self.seen.bytes += bytes.read;
        let digest = std::mem::take(&mut bytes.hash).finalize();
        self.sums.push(path, &row(FOUND, &digest.into()))
    }
}

/// Calls `take` with the bytes of a file.
fn opened(
    output: &Path,
    path: &[u8],
    content: Content<'_>,
    take: &mut dyn FnMut(&mut Opened<'_>) -> Result<()>,
) -> Result<()> {
    match content {
        Content::OnDisk(dir, name) => {
            let mut file = open_below(dir, name).map_err(|e| failed_read(output, path, e))?;
            take(&mut Opened::of(&mut file))
        }
        Content::InArchive(bytes, len) => take(&mut Opened::of(&mut bytes.take(len))),
        Content::SparseInArchive(mut bytes) => take(&mut Opened::of(&mut bytes)),
    }
}

#[cold]
fn failed_read(output: &Path, path: &[u8], e: io::Error) -> Error {
    broken(&output.join(&*String::from_utf8_lossy(path)), e)
}

/// Whether a file is about the output, and has no objects.
fn is_about(path: &[u8]) -> bool {
    path == MANIFEST.as_bytes() || beside::is_one(path)
}

fn adapter_of(path: &[u8]) -> Option<Adapter> {
    let (folder, _) = path.split_at_checked(memchr::memchr(b'/', path)?)?;
    adapter::named(folder)
}

fn row(mark: u8, digest: &Digest) -> Vec<u8> {
    [&[mark], &digest[..]].concat()
}

/// Requires that all files match CHECKSUMS, and that no others were read.
fn prove(sums: Spill) -> Result<()> {
    let mut sorted = sums.finish()?;
    let (mut path, mut told, mut found): (Vec<u8>, Option<Digest>, Option<Digest>) = Default::default();
    loop {
        let next = sorted.next()?;
        if next.is_none_or(|(next, _)| next != path) {
            if let Some(why) = difference(told, found) {
                return Err(wrong(&path, why));
            }
            (told, found) = (None, None);
        }
        let Some((next, row)) = next else { return Ok(()) };
        path.clear();
        path.extend_from_slice(next);
        let Some((mark, digest)) = row.split_first() else { continue };
        let digest = digest.try_into().unwrap_or_default();
        if *mark == TOLD {
            if told.is_some_and(|told| told != digest) {
                return Err(wrong(&path, "CHECKSUMS has two digests for it"));
            }
            told = Some(digest);
        } else if found.replace(digest).is_some() {
            return Err(wrong(&path, "it is there twice"));
        }
    }
}

fn difference(told: Option<Digest>, found: Option<Digest>) -> Option<&'static str> {
    match (told, found) {
        (Some(_), None) => Some("it is missing"),
        (None, Some(_)) => Some("CHECKSUMS does not list it"),
        (told, found) if told != found => Some("it differs from its digest in CHECKSUMS"),
        _ => None,
    }
}

/// A file that is read: its digest is computed meanwhile.
struct Opened<'o> {
    bytes: &'o mut (dyn Read + Send),
    hash: Sha256,
    read: u64,
}

impl<'o> Opened<'o> {
    fn of(bytes: &'o mut (dyn Read + Send)) -> Opened<'o> {
        Opened { bytes, hash: Sha256::new(), read: 0 }
    }
}

impl Read for Opened<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.bytes.read(out)?;
        self.hash.update(&out[..n]);
        self.read += n as u64;
        Ok(n)
    }
}
