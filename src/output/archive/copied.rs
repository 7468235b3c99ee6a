//! Files on disk as members of an archive.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use tar::Builder;

use super::tarball::{self, Source};
use super::{Copied, Packing};
use crate::error::{Error, Result};
use crate::output::checksums::Place;
use crate::output::extents::OnDisk;
use crate::output::members::{Attributes, Member, MemberKind};
use crate::output::pax;
use crate::output::reading::Piece;
use crate::output::single::SingleFile;
use crate::output::spool::{HOLE, Pieces, Spool};

/// Bytes of files that one temporary file takes.
const MOST_SPOOLED: u64 = 64 << 20;
/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// Gives all members.
type Give<'g> = dyn FnMut(&mut dyn Copied) -> Result<()> + 'g;

/// See [`super::write_copied`].
pub(super) fn write(
    out: &mut SingleFile,
    give: &mut Give<'_>,
    (mtime, scratch): (u64, &Path),
    packing: Packing,
    threads: usize,
) -> Result<()> {
    let target = out.target().to_path_buf();
    let mut file = out.file().ok_or_else(|| Error::internal("a file was asked for"))?;
    let source = Members { give, mtime, scratch: scratch.to_path_buf(), target: target.clone() };
    let written = tarball::compressed(&mut file, packing, threads, source);
    written.map_err(|e| match e.downcast::<Error>() {
        Ok(error) => error,
        Err(e) => Error::io("write", &target, e),
    })
}

struct Members<'m, 'g> {
    give: &'m mut Give<'g>,
    mtime: u64,
    scratch: PathBuf,
    target: PathBuf,
}

impl Source for Members<'_, '_> {
    fn write<W: Write>(self, out: W) -> io::Result<W> {
        let Members { give, mtime, scratch, target } = self;
        let mut writer = Writer { builder: Builder::new(out), mtime, scratch, target, spool: None, spooled: 0 };
        give(&mut writer).map_err(io::Error::other)?;
        writer.builder.into_inner()
    }
}

struct Writer<W: Write> {
    builder: Builder<W>,
    mtime: u64,
    scratch: PathBuf,
    target: PathBuf,
    /// Files of the file system: they are written from here, where their holes are known.
    spool: Option<Spool>,
    spooled: u64,
}

impl<W: Write> Copied for Writer<W> {
    fn directory(&mut self, path: &[u8], attributes: Option<&Attributes>) -> Result<()> {
        match attributes {
            Some(attributes) => self.of_fs(path, MemberKind::Directory, *attributes, b""),
            None => self.plain(path, None),
        }
    }

    fn file(&mut self, path: &[u8], file: &File, attributes: Option<&Attributes>) -> Result<()> {
        match attributes {
            Some(attributes) => {
                let place = self.place(file)?;
                self.of_fs(path, MemberKind::File(place), *attributes, b"")
            }
            None => self.plain(path, Some(file)),
        }
    }

    fn link(&mut self, path: &[u8], target: &[u8], attributes: &Attributes) -> Result<()> {
        self.of_fs(path, MemberKind::Link, *attributes, target)
    }
}

impl<W: Write> Writer<W> {
    #[cold]
    fn failed(&self, e: io::Error) -> Error {
        Error::io("write", &self.target, e)
    }

    fn plain(&mut self, path: &[u8], file: Option<&File>) -> Result<()> {
        let size = match file {
            Some(file) => file.metadata().map_err(|e| self.failed(e))?.len(),
            None => 0,
        };
        let mut header = tarball::plain_header(file.is_none(), self.mtime, size);
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        let written = match file {
            // A file that grows is cut here. One that shrinks makes an incomplete member, which its digest reveals.
            Some(file) => self.builder.append_data(&mut header, path, file.take(size)),
            None => self.builder.append_data(&mut header, path, io::empty()),
        };
        written.map_err(|e| self.failed(e))
    }

    fn of_fs(&mut self, path: &[u8], kind: MemberKind, attributes: Attributes, link: &[u8]) -> Result<()> {
        let member = Member { path: path.to_vec(), kind, attributes, link: link.to_vec(), late: false };
        let spool = match self.spool.take() {
            Some(spool) => spool,
            None => Spool::new(&self.scratch)?,
        };
        let written = pax::write(&member, &spool, self.builder.get_mut());
        self.spool = Some(spool);
        written.map_err(|e| self.failed(e))
    }

    /// The place of a file in the spool, with its holes.
    fn place(&mut self, file: &File) -> Result<Place> {
        if self.spooled > MOST_SPOOLED {
            (self.spool, self.spooled) = (None, 0);
        }
        let spool = match self.spool.take() {
            Some(spool) => spool,
            None => Spool::new(&self.scratch)?,
        };
        let (mut all, mut buffer, mut size) = (Pieces::default(), vec![0; PIECE], 0u64);
        let mut pieces = OnDisk::new(file).map_err(|e| self.failed(e))?;
        while let Some(piece) = pieces.next(&mut buffer).map_err(|e| self.failed(e))? {
            let (place, len) = match piece {
                Piece::Data(bytes) => (spool.put(bytes)?, bytes.len() as u64),
                Piece::Hole(zeros) => (Place { at: HOLE, len: zeros, pieces: 0 }, zeros),
            };
            spool.add(&mut all, place)?;
            size += len;
            self.spooled += if place.at == HOLE { 0 } else { len };
        }
        let place = spool.join(&mut all)?;
        self.spool = Some(spool);
        Ok(if place.pieces > 0 { Place { len: size, ..place } } else { place })
    }
}
