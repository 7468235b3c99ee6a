//! Reading an output back: a directory, a tar archive or a compressed one, file by file.
//!
//! No link is followed: a directory is walked from one handle to the next with `O_NOFOLLOW`, and an entry that is
//! neither a directory nor a regular file is reported with its type. An archive is read once, from front to end.

mod folder;
mod pieces;
mod sparse;
mod tar;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use folder::{open_below, open_known_below};
pub use pieces::Pieces;
pub use sparse::{Piece, Sparse};

use crate::error::{Error, ErrorKind, Result};
use crate::source::Compression;

/// How an output is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A directory.
    Directory,
    /// A tar archive.
    Tar,
    /// A tar archive, compressed with Zstandard.
    TarZst,
    /// A tar archive, compressed with gzip.
    TarGz,
}

/// Bytes that show whether a file is an archive or a snapshot.
const HEAD: u64 = 512;
/// Position and value of the magic in a tar header.
const USTAR: (usize, &[u8]) = (257, b"ustar");
/// Compressed bytes that are enough to unpack the first bytes: a block of Zstandard has up to 128 KiB.
const COMPRESSED_HEAD: u64 = 160 << 10;

impl Form {
    /// The form of an archive by its first bytes; `None`: it is not an archive.
    fn of_head(head: &[u8]) -> Option<Form> {
        match Compression::of(head) {
            Some(Compression::Zstd) => return Some(Form::TarZst),
            Some(Compression::Gzip) => return Some(Form::TarGz),
            None => {}
        }
        let tar = !head.starts_with(b"EKV") && head.get(USTAR.0..).is_some_and(|rest| rest.starts_with(USTAR.1));
        tar.then_some(Form::Tar)
    }
}

/// What a name on the command line refers to.
pub enum Named {
    /// An output of a decode.
    Output(Output),
    /// A snapshot, or a directory with snapshots.
    Snapshot,
    /// A snapshot that comes through a pipe; its bytes.
    Piped(Box<dyn Read + Send>),
}

/// Looks at a path to see whether it is an output or a snapshot; `-` is standard input.
///
/// # Errors
/// A path that cannot be opened.
pub fn look(path: &Path) -> Result<Named> {
    let failed = |e| Error::io("open", path, e);
    if path.as_os_str() == "-" {
        return look_into(path, io::stdin());
    }
    let kind = std::fs::metadata(path).map_err(failed)?.file_type();
    if kind.is_dir() {
        let is_output = ["MANIFEST.json", "CHECKSUMS"].iter().any(|name| path.join(name).symlink_metadata().is_ok());
        return Ok(if is_output { Named::Output(Output::directory(path)?) } else { Named::Snapshot });
    }
    let file = File::open(path).map_err(failed)?;
    let once = kind.is_fifo();
    match look_into(path, file)? {
        Named::Piped(_) if !once => Ok(Named::Snapshot),
        named => Ok(named),
    }
}

/// The output at a path.
///
/// # Errors
/// As [`look`]; no output is at the path.
pub fn opened(path: &Path) -> Result<Output> {
    output_or(path, || {
        ErrorKind::Output(
            "it is not an output of a decode: name a directory with MANIFEST.json and CHECKSUMS, or an archive of one"
                .into(),
        )
    })
}

/// Opens again the output at a path that was opened before.
///
/// # Errors
/// As [`look`]; it is no longer an output.
pub fn reopened(path: &Path) -> Result<Output> {
    output_or(path, || ErrorKind::Changed)
}

fn output_or(path: &Path, other: impl FnOnce() -> ErrorKind) -> Result<Output> {
    match look(path)? {
        Named::Output(output) => Ok(output),
        _ => Err(Error::new(other()).input(path)),
    }
}

/// Gives the members of the archive at a path. If it is not compressed, contents that `each` does not read are not read at all.
///
/// # Errors
/// As [`look`] and [`Output::each`].
pub fn each_member(path: &Path, each: &mut dyn FnMut(Entry<'_>) -> Result<()>) -> Result<()> {
    let mut output = opened(path)?;
    if output.form != Form::Tar {
        return output.each(each);
    }
    let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    tar::members_of_file(path, file, each)
}

fn look_into(path: &Path, mut stream: impl Read + Send + 'static) -> Result<Named> {
    let mut head = Vec::new();
    stream.by_ref().take(HEAD).read_to_end(&mut head).map_err(|e| Error::io("read", path, e))?;
    let mut form = Form::of_head(&head);
    if let Some(compression) = Compression::of(&head) {
        stream.by_ref().take(COMPRESSED_HEAD).read_to_end(&mut head).map_err(|e| Error::io("read", path, e))?;
        // If it cannot be unpacked, reading it will report that.
        form = form.filter(|_| may_hold_archive(compression, &head));
    }
    let whole: Box<dyn Read + Send> = Box::new(io::Cursor::new(head).chain(stream));
    let name = path.to_path_buf();
    Ok(match form {
        Some(form) => Named::Output(Output::of_stream(&name, form, whole)),
        None => Named::Piped(whole),
    })
}

/// Whether the unpacked bytes begin like an archive, or cannot be unpacked far enough to tell.
fn may_hold_archive(compression: Compression, head: &[u8]) -> bool {
    let mut inner = Vec::new();
    // `head` may end in the middle of the stream: the bytes before the error count.
    let unpacked = compression.unpack(head).and_then(|stream| stream.take(HEAD).read_to_end(&mut inner));
    match Form::of_head(&inner) {
        Some(_) => true,
        None => unpacked.is_err() && !inner.starts_with(b"EKV"),
    }
}

/// An output that can be read.
pub struct Output {
    name: PathBuf,
    form: Form,
    bytes: Bytes,
}

enum Bytes {
    Root(Arc<OwnedFd>),
    Stream(Box<dyn Read + Send>),
}

/// Something in an output.
pub enum Entry<'e> {
    /// A regular file, by its path.
    File(&'e [u8], Content<'e>),
    /// A directory below the output.
    Directory(&'e [u8]),
    /// Attributes of the file, directory or link of an archive that comes next.
    Attributes(&'e [u8], &'e Attributes),
    /// Another name of a file, and the path of that file: only in an archive.
    Link(&'e [u8], &'e [u8]),
    /// An entry that is neither file nor directory, and its type.
    NonRegular(&'e [u8], &'static str),
    /// Something in an archive besides files and directories, and what it is: no decode writes it. An empty path means the archive itself.
    Odd(&'e [u8], &'static str),
}

/// Attributes that the headers of a member set; `None`: not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Last change, Unix nanoseconds.
    pub mtime: Option<i64>,
    /// Whether the owner has a name. An extractor prefers it to the number.
    pub named: bool,
}

/// The bytes of a file.
pub enum Content<'e> {
    /// A file of this name in a directory.
    OnDisk(&'e Arc<OwnedFd>, &'e [u8]),
    /// This many bytes that come next in an archive.
    InArchive(&'e mut (dyn Read + Send), u64),
    /// A file with holes that comes next in an archive.
    SparseInArchive(Sparse<'e>),
}

impl Output {
    /// An archive whose bytes come from a stream.
    pub(crate) fn of_stream(name: &Path, form: Form, stream: Box<dyn Read + Send>) -> Output {
        Output { name: name.to_path_buf(), form, bytes: Bytes::Stream(stream) }
    }

    fn directory(path: &Path) -> Result<Output> {
        let root = folder::open_root(path).map_err(|e| Error::io("open", path, e))?;
        Ok(Output { name: path.to_path_buf(), form: Form::Directory, bytes: Bytes::Root(Arc::new(root)) })
    }

    /// As the user named it.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// How it is stored.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The handle of a directory.
    pub fn root(&self) -> Option<&Arc<OwnedFd>> {
        if let Bytes::Root(root) = &self.bytes { Some(root) } else { None }
    }

    /// Gives every file and every other entry that is not a directory, in no particular order. An archive can be read only once.
    ///
    /// # Errors
    /// The error of `each`, a failed read, or an archive that is damaged.
    pub fn each(&mut self, each: &mut dyn FnMut(Entry<'_>) -> Result<()>) -> Result<()> {
        let (name, form) = (&self.name, self.form);
        match &mut self.bytes {
            Bytes::Root(root) => folder::walk(name, root, each),
            Bytes::Stream(stream) => {
                let compression = match form {
                    Form::TarGz => Compression::Gzip,
                    Form::TarZst => Compression::Zstd,
                    _ => return tar::members(name, io::BufReader::with_capacity(1 << 20, stream), each),
                };
                let unpacked = compression.unpack(io::BufReader::with_capacity(1 << 18, stream));
                let unpacked = unpacked.map_err(|e| broken(name, e))?;
                tar::members(name, io::BufReader::with_capacity(1 << 20, unpacked), each)
            }
        }
    }
}

/// An archive that cannot be read further: it is damaged, unless the system reports another reason.
#[cold]
pub fn broken(name: &Path, e: io::Error) -> Error {
    match e.raw_os_error() {
        Some(_) => Error::io("read", name, e),
        None => Error::new(ErrorKind::Archive(e.to_string())).input(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let mut tar = [0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(Form::of_head(&tar), Some(Form::Tar));
        assert_eq!(Form::of_head(b"\x28\xb5\x2f\xfdrest"), Some(Form::TarZst));
        assert_eq!(Form::of_head(b"\x1f\x8b\x08\0rest"), Some(Form::TarGz));
        tar[..8].copy_from_slice(b"EKVTHLC1");
        for other in [&tar[..], b"", b"\0\0\0\0", b"EKVPBBL1"] {
            assert_eq!(Form::of_head(other), None);
        }
    }
}
