//! All files of an output, each to the reader of its adapter, and proven: its digest must be the one that CHECKSUMS tells.

use std::io::{self, BufReader, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{Part, wrong};
use crate::error::{Error, ErrorKind, Result};
use crate::format::adapter::{self, Adapter};
use crate::layouts::{dynamodb, redis, s3, sqs};
use crate::model;
use crate::options::Layout;
use crate::output::checksums::Digest;
use crate::output::reading::{Content, Entry, Output, broken, open_below};
use crate::output::sumfile::{Line, Lines};
use crate::output::{CHECKSUMS, ERRORS, MANIFEST};
use crate::run::spill::Spill;

/// Takes the objects of all adapters whose outputs can be read.
pub trait Visitor:
    model::redis::Visitor + model::sqs::QueueVisitor + model::dynamodb::TableVisitor + model::s3::BucketVisitor
{
}

impl<V> Visitor for V where
    V: model::redis::Visitor + model::sqs::QueueVisitor + model::dynamodb::TableVisitor + model::s3::BucketVisitor
{
}

/// The adapters whose outputs can be read.
pub const READABLE: [Adapter; 4] = [adapter::REDIS, adapter::SQS, adapter::DYNAMODB, adapter::S3];

/// What was read of an output besides its objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those among them that have what the server does not serve: nothing of it was given.
    pub aside: u64,
}

/// Reads an output of some layout: two passes, for each of which `open` opens it. `adapters`: those whose objects are wanted; files of
/// others are passed over.
///
/// # Errors
/// A failed read; a file that is missing, that CHECKSUMS does not list or that differs, or that no decode writes; and what the
/// visitor gives. After an error nothing counts that was given.
pub fn read(
    open: &mut dyn FnMut() -> Result<Output>,
    layout: Layout,
    adapters: &[Adapter],
    scratch: &Path,
    visitor: &mut impl Visitor,
) -> Result<Seen> {
    let mut pass = Pass {
        redis: redis::read::Reader::new(layout, scratch),
        sqs: sqs::read::Reader::new(layout),
        dynamodb: dynamodb::read::Reader::new(layout, scratch),
        s3: s3::read::Reader::new(layout, scratch),
        adapters,
        sums: Spill::new(scratch),
        is_listed: false,
        seen: Seen::default(),
    };
    pass.each(open, &mut |pass, path, bytes| pass.first(path, bytes, visitor))?;
    if !pass.is_listed {
        return Err(Error::new(ErrorKind::Output("it has no CHECKSUMS".into())));
    }
    pass.redis.settle()?;
    pass.dynamodb.settle()?;
    pass.s3.settle()?;
    pass.each(open, &mut |pass, path, bytes| pass.second(path, bytes, visitor))?;
    pass.redis.finish()?;
    pass.dynamodb.finish()?;
    pass.s3.finish()?;
    let seen = pass.seen;
    prove(pass.sums)?;
    Ok(seen)
}

/// What both passes share.
struct Pass<'p> {
    redis: redis::read::Reader,
    sqs: sqs::read::Reader,
    dynamodb: dynamodb::read::Reader,
    s3: s3::read::Reader,
    adapters: &'p [Adapter],
    /// Digests of files: what CHECKSUMS tells, and what was found.
    sums: Spill,
    is_listed: bool,
    seen: Seen,
}

/// Marks of a digest in the sorter.
const TOLD: u8 = 0;
const FOUND: u8 = 1;

/// What a pass does with a file.
type Take<'t, 'p> = dyn FnMut(&mut Pass<'p>, &[u8], &mut Opened<'_>) -> Result<()> + 't;

impl<'p> Pass<'p> {
    /// Gives every file.
    fn each(&mut self, open: &mut dyn FnMut() -> Result<Output>, take: &mut Take<'_, 'p>) -> Result<()> {
        let mut output = open()?;
        let name = output.name().to_path_buf();
        let failed = |path: &[u8], e| broken(&name.join(&*String::from_utf8_lossy(path)), e);
        let read = output.each(&mut |entry| match entry {
            Entry::Directory(_) | Entry::Attributes(..) => Ok(()),
            Entry::File(path, content) => match content {
                Content::OnDisk(dir, file) => {
                    let mut file = open_below(dir, file).map_err(|e| failed(path, e))?;
                    take(self, path, &mut Opened::of(&mut file))
                }
                Content::InArchive(bytes, len) => {
                    let mut bytes = bytes.take(len);
                    take(self, path, &mut Opened::of(&mut bytes))
                }
                Content::SparseInArchive(mut bytes) => take(self, path, &mut Opened::of(&mut bytes)),
            },
            Entry::Link(path, _) => self.odd(path, "it is a link"),
            Entry::Strange(path, what) => self.odd(path, &format!("it is {what}")),
            Entry::Odd(path, what) => self.odd(path, what),
        });
        read.map_err(|error| if error.path().is_none() { error.input(&name) } else { error })
    }

    fn odd(&self, path: &[u8], why: &str) -> Result<()> {
        if self.is_wanted(path) { Err(wrong(path, why)) } else { Ok(()) }
    }

    /// The adapter of a file; `None`: it has none, or one whose objects are not wanted.
    fn adapter(&self, path: &[u8]) -> Option<Adapter> {
        adapter_of(path).filter(|adapter| self.adapters.contains(adapter))
    }

    /// Whether a file is of an adapter that is wanted, or of none.
    fn is_wanted(&self, path: &[u8]) -> bool {
        adapter_of(path).is_none_or(|adapter| self.adapters.contains(&adapter))
    }

    fn part(&self, path: &[u8]) -> Result<Part> {
        let part = match self.adapter(path) {
            Some(adapter::REDIS) => self.redis.part(path),
            Some(adapter::SQS) => self.sqs.part(path),
            Some(adapter::DYNAMODB) => self.dynamodb.part(path),
            Some(adapter::S3) => self.s3.part(path),
            Some(adapter) => {
                let name = adapter.name();
                return Err(Error::usage(format!(
                    "objects of {name} cannot be read back from an output yet: choose other adapters"
                )));
            }
            // Lines about rows that a decode could not read.
            None if path == ERRORS.as_bytes() => Some(Part::Aside),
            None => None,
        };
        part.ok_or_else(|| wrong(path, "no decode writes such a file"))
    }

    /// Sidecars, and what is told of all files.
    fn first(&mut self, path: &[u8], bytes: &mut Opened<'_>, visitor: &mut impl Visitor) -> Result<()> {
        match self.adapter(path) {
            None if path == CHECKSUMS.as_bytes() => return self.told(bytes),
            None if path == MANIFEST.as_bytes() => return self.found(path, bytes),
            None => return Ok(()),
            Some(adapter::REDIS) => {
                if self.redis.part(path) != Some(Part::Sidecar) {
                    return Ok(());
                }
                self.redis.sidecar(path, bytes)?;
            }
            Some(adapter::SQS) => {
                if self.sqs.part(path) != Some(Part::Sidecar) {
                    return Ok(());
                }
                self.sqs.sidecar(path, bytes, visitor)?;
            }
            Some(adapter::DYNAMODB) => {
                if self.dynamodb.part(path) != Some(Part::Sidecar) {
                    return Ok(());
                }
                self.dynamodb.sidecar(path, bytes, visitor)?;
            }
            Some(adapter::S3) => {
                // A body that looks like a sidecar is read again with the objects, and proven then.
                if self.s3.is_doubtful(path) {
                    return self.s3.sidecar(path, bytes, visitor);
                }
                if self.s3.part(path) != Some(Part::Sidecar) {
                    return Ok(());
                }
                self.s3.sidecar(path, bytes, visitor)?;
            }
            Some(_) => return Ok(()),
        }
        self.found(path, bytes)
    }

    /// Objects.
    fn second(&mut self, path: &[u8], bytes: &mut Opened<'_>, visitor: &mut impl Visitor) -> Result<()> {
        if [CHECKSUMS, MANIFEST].iter().any(|name| path == name.as_bytes()) || !self.is_wanted(path) {
            return Ok(());
        }
        match self.part(path)? {
            Part::Sidecar => return Ok(()),
            Part::Aside => self.seen.aside += 1,
            Part::Objects => match self.adapter(path) {
                Some(adapter::REDIS) => self.redis.objects(path, bytes, visitor)?,
                Some(adapter::DYNAMODB) => self.dynamodb.objects(path, bytes, visitor)?,
                Some(adapter::S3) => self.s3.objects(path, bytes, visitor)?,
                _ => self.sqs.objects(path, bytes, visitor)?,
            },
        }
        self.found(path, bytes)
    }

    fn told(&mut self, bytes: &mut Opened<'_>) -> Result<()> {
        self.is_listed = true;
        let failed = |e| broken(Path::new(CHECKSUMS), e);
        let mut lines = Lines::new(BufReader::with_capacity(1 << 20, bytes));
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

    /// A file was read: takes its digest.
    fn found(&mut self, path: &[u8], bytes: &mut Opened<'_>) -> Result<()> {
        io::copy(bytes, &mut io::sink()).map_err(|e| broken(Path::new(&*String::from_utf8_lossy(path)), e))?;
        self.seen.files += 1;
        self.seen.bytes += bytes.read;
        let digest = std::mem::take(&mut bytes.hash).finalize();
        self.sums.push(path, &row(FOUND, &digest.into()))
    }
}

fn adapter_of(path: &[u8]) -> Option<Adapter> {
    let (folder, _) = path.split_at_checked(memchr::memchr(b'/', path)?)?;
    adapter::named(folder)
}

fn row(mark: u8, digest: &Digest) -> Vec<u8> {
    [&[mark], &digest[..]].concat()
}

/// Requires that all files are as CHECKSUMS tells, and that no other ones were read.
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
                return Err(wrong(&path, "CHECKSUMS tells two digests of it"));
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

/// A file that is read: its digest is taken on the way.
struct Opened<'o> {
    bytes: &'o mut dyn Read,
    hash: Sha256,
    read: u64,
}

impl<'o> Opened<'o> {
    fn of(bytes: &'o mut dyn Read) -> Opened<'o> {
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
