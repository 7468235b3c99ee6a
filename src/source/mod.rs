//! Sources of bytes: a mapped file, a read file, or standard input spooled to a temporary file. A bundle and a compressed file are unpacked
//! to a temporary file.

mod bundle;
mod compressed;
pub mod crc;
mod discover;
mod found;
mod identity;
pub mod keys;
mod map;
mod offload;
mod spill;
mod values;

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use bundle::{Bound, Missing};
pub use compressed::Compression;
pub(crate) use discover::refuse_doubles;
pub use discover::{find_inputs, group_of, index_of};
pub use found::{Found, PassedOver};
pub use identity::{Identity, settle};
#[cfg(feature = "cli")]
pub(crate) use map::return_large_buffers;
pub use map::survive_torn_maps;
pub(crate) use spill::{Spill, Spilled};
pub use values::Values;

pub(crate) use bundle::Unpacked;
use crc::Footer;

use crate::error::{Error, ErrorKind, Result};
use crate::format::keys::KeyRing;
use crate::format::limits::FOOTER;

/// How to bring a file's bytes into the address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Memory map, the default: nothing is copied, the page cache is the only copy.
    #[default]
    Map,
    /// Read the whole file into memory: for file systems where maps are slow or unsafe. Costs the file's size.
    Read,
}

/// The bytes of one input.
pub struct Source {
    path: PathBuf,
    real_path: Option<PathBuf>,
    bytes: Bytes,
    seen: Option<(File, Stamp)>,
    keys: Arc<KeyRing>,
    /// The decrypted rows, for a source with encrypted rows whose keys are known.
    copy: Option<Bytes>,
    access: Access,
    /// For a bundle: the stream of its rows.
    unpacked: OnceLock<(Bytes, Unpacked)>,
    /// An earlier index of these bytes.
    saved_index: Option<Vec<u8>>,
}

enum Bytes {
    Mapped(map::Map),
    Owned(Vec<u8>),
}

impl Bytes {
    fn of(file: &mut File, access: Access) -> io::Result<Bytes> {
        match access {
            Access::Map if file.metadata()?.len() > 0 => map::map(file).map(Bytes::Mapped),
            _ => read(file).map(Bytes::Owned),
        }
    }

    fn all(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map.bytes(),
            Bytes::Owned(vec) => vec,
        }
    }
}

/// What changes when a file is written to.
struct Stamp {
    len: u64,
    modified: (i64, i64),
    /// When anything of the inode changed: this time cannot be set back.
    changed: (i64, i64),
    /// Names, mode, owner and group: they can change without the content.
    attributes: (u64, u32, u32, u32),
}

impl Stamp {
    fn of(meta: &Metadata) -> Stamp {
        Stamp {
            len: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            attributes: (meta.nlink(), meta.mode(), meta.uid(), meta.gid()),
        }
    }

    /// Whether the content is the same. A server removes old snapshots while they are read, and a backup creates links to them: both change
    /// the inode's time.
    fn has_content_of(&self, before: &Stamp) -> bool {
        let written = (self.len, self.modified) != (before.len, before.modified);
        !written && (self.changed == before.changed || self.attributes != before.attributes)
    }
}

impl Source {
    /// Opens a snapshot file, or standard input for `-`.
    pub fn open(path: &Path, access: Access) -> Result<Source> {
        if path == Path::new("-") {
            return Source::stdin(access);
        }
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let kind = file.metadata().map_err(|e| Error::io("stat", path, e))?.file_type();
        // A pipe, such as a shell's `<(…)`, can be read only once.
        let source =
            if kind.is_fifo() { Source::spool(path, file, access) } else { Source::from_file(path, file, access) };
        Ok(Source { real_path: path.canonicalize().ok(), ..source? })
    }

    fn new(path: PathBuf, bytes: Bytes, seen: Option<(File, Stamp)>, access: Access) -> Source {
        let (keys, unpacked) = (Arc::default(), OnceLock::new());
        Source { path, real_path: None, bytes, seen, keys, copy: None, access, unpacked, saved_index: None }
    }

    /// Bytes that are already in memory, under a name for messages.
    pub fn from_bytes(name: impl Into<PathBuf>, bytes: Vec<u8>) -> Source {
        Source::new(name.into(), Bytes::Owned(bytes), None, Access::Map)
    }

    /// The same bytes under another name, which is used in outputs and messages.
    #[must_use]
    pub fn named(self, name: &Path) -> Source {
        Source { path: name.to_path_buf(), ..self }
    }

    fn stdin(access: Access) -> Result<Source> {
        Source::spool(Path::new("standard input"), io::stdin().lock(), access)
    }

    /// Spools a stream to an unlinked temporary file: a snapshot is read more than once. A compressed one is unpacked.
    ///
    /// # Errors
    /// A failed read or write; a compressed stream that is damaged.
    pub fn spool(name: &Path, mut stream: impl Read, access: Access) -> Result<Source> {
        let file = to_temporary(&mut stream).map_err(|e| Error::io("spool", name, e))?;
        Source::from_file(name, file, access)
    }

    fn from_file(path: &Path, mut file: File, access: Access) -> Result<Source> {
        let meta = file.metadata().map_err(|e| Error::io("stat", path, e))?;
        if !meta.is_file() {
            return Err(Error::usage(format!("{} is not a regular file", path.display())));
        }
        let mut head = [0; 4];
        let read = file.read_at(&mut head, 0).map_err(|e| Error::io("read", path, e))?;
        if let Some(compression) = Compression::of(&head[..read]) {
            return Source::unpacked_from(path, file, compression, access);
        }
        let bytes = Bytes::of(&mut file, access).map_err(|e| Error::io("read", path, e))?;
        Ok(Source::new(path.to_path_buf(), bytes, Some((file, Stamp::of(&meta))), access))
    }

    /// The content of a compressed file, in an unlinked temporary file.
    fn unpacked_from(path: &Path, file: File, compression: Compression, access: Access) -> Result<Source> {
        let failed = |e: io::Error| match e.raw_os_error() {
            Some(_) => Error::io("unpack", path, e),
            None => Error::new(ErrorKind::Compressed(e.to_string())).input(path),
        };
        let mut stream = compression.unpack(io::BufReader::with_capacity(1 << 18, file)).map_err(failed)?;
        let mut unpacked = to_temporary(&mut stream).map_err(failed)?;
        let bytes = Bytes::of(&mut unpacked, access).map_err(|e| Error::io("read", path, e))?;
        Ok(Source::new(path.to_path_buf(), bytes, None, access))
    }

    /// The name as the user gave it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name without links, if the file is in the file system.
    pub fn real_path(&self) -> Option<&Path> {
        self.real_path.as_deref()
    }

    /// All bytes: if rows were decrypted, those of the private copy, in which every row has the same position.
    pub fn bytes(&self) -> &[u8] {
        match &self.copy {
            Some(copy) => copy.all().get(..self.stored().len()).unwrap_or_default(),
            None => self.stored(),
        }
    }

    /// All bytes of the rows as stored: for a bundle that was [unpacked](Source::unpack), the stream of its rows.
    pub fn stored(&self) -> &[u8] {
        self.unpacked.get().map_or(&self.bytes, |(stream, _)| stream).all()
    }

    /// All bytes of the file.
    pub fn file(&self) -> &[u8] {
        self.bytes.all()
    }

    /// Unpacks a bundle; does nothing for another file, or the second time. A lenient run continues after faults, which the index reports.
    ///
    /// # Errors
    /// What is wrong with the bundle; a temporary file that cannot be written.
    pub fn unpack(&self, lenient: bool) -> Result<()> {
        let done = self.unpacked.get().is_some_and(|(_, unpacked)| lenient || unpacked.lost().is_empty());
        if done || !bundle::is_bundle(self.file()) {
            return Ok(());
        }
        let (mut stream, unpacked) = bundle::unpack(self.file(), &self.path, lenient)?;
        let bytes = Bytes::of(&mut stream, self.access).map_err(|e| Error::io("read", "a temporary file", e))?;
        // Two threads that did this at the same time did the same.
        let _ = self.unpacked.set((bytes, unpacked));
        Ok(())
    }

    /// What the bundle was unpacked to, if the file is one.
    pub(crate) fn unpacked(&self) -> Option<&Unpacked> {
        self.unpacked.get().map(|(_, unpacked)| unpacked)
    }

    /// The footer of the file. `of_rows` reads it after the rows, if the rows are those of the file.
    pub(crate) fn footer(&self, of_rows: impl FnOnce() -> Option<Footer>) -> Option<Footer> {
        self.unpacked().map_or_else(of_rows, Unpacked::footer)
    }

    /// Adds the input to an error about its bytes, and for a bundle the block.
    #[cold]
    #[must_use]
    pub fn locate(&self, error: Error) -> Error {
        let placed = match (self.unpacked(), error.position()) {
            (Some(_), _) if matches!(error.kind(), ErrorKind::FooterCrc { .. }) => {
                let footer = (self.file().len() as u64).saturating_sub(FOOTER as u64);
                error.placed(footer, None)
            }
            (Some(unpacked), Some(position)) if error.place().is_none() => match unpacked.place(position) {
                Some((offset, place)) => error.placed(offset, Some(place)),
                None => error,
            },
            _ => error,
        };
        placed.input(&self.path)
    }

    /// How its values are read.
    pub fn values(&self) -> Values<'_> {
        match &self.copy {
            Some(copy) => Values::of_copy(&self.keys, self.stored(), copy.all()),
            None => Values::stored(&self.keys),
        }
    }

    /// The keys of its encrypted rows.
    pub fn keys(&self) -> &Arc<KeyRing> {
        &self.keys
    }

    /// Adds keys; rows are decrypted by [`index::decrypt`](crate::index::decrypt).
    #[must_use]
    pub fn with_keys(self, keys: Arc<KeyRing>) -> Source {
        Source { keys, ..self }
    }

    /// Adds the copy of its bytes with decrypted rows; bodies that do not fit into their rows may follow.
    ///
    /// # Errors
    /// A file that cannot be mapped or read.
    pub(crate) fn with_copy(self, mut copy: File, access: Access) -> Result<Source> {
        let path = self.path.clone();
        let failed = |e| Error::io("read the decrypted copy of", &path, e);
        copy.rewind().map_err(failed)?;
        let copy = Bytes::of(&mut copy, access).map_err(failed)?;
        Ok(Source { copy: Some(copy), ..self })
    }

    /// The identity of the file, to recognise it later, if it has one: not for streams, compressed files, bundles and decrypted copies.
    pub fn identity(&self) -> Option<Identity> {
        let (_, stamp) = self.seen.as_ref()?;
        let is_plain = self.copy.is_none() && !bundle::is_bundle(self.file());
        is_plain.then(|| Identity::of(stamp, self.file()))
    }

    /// Adds an earlier index of these bytes: see [`index::saved`](crate::index::saved).
    pub(crate) fn set_saved_index(&mut self, index: Vec<u8>) {
        self.saved_index = Some(index);
    }

    /// An earlier index of these bytes.
    pub(crate) fn saved_index(&self) -> Option<&[u8]> {
        self.saved_index.as_deref()
    }

    /// Fails if the file changed since it was opened, or a part of it was lost: what was read may be a mixture.
    pub fn check_unchanged(&self) -> Result<()> {
        let Some((file, before)) = &self.seen else { return Ok(()) };
        let now = file.metadata().map_err(|e| Error::io("stat", &self.path, e))?;
        let torn = matches!(&self.bytes, Bytes::Mapped(map) if map.is_torn());
        if !torn && Stamp::of(&now).has_content_of(before) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Changed).input(&self.path))
    }
}

/// A whole stream, in an unlinked temporary file.
fn to_temporary(stream: &mut impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(stream, &mut file)?;
    file.rewind()?;
    Ok(file)
}

/// Reads everything; the stated size of the file reserves no memory.
fn read(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a few bytes at a time, is interrupted every other time, and fails at a given call.
    struct Faulty<'b> {
        bytes: &'b [u8],
        at_a_time: usize,
        calls: usize,
        fails_at: usize,
    }

    impl Read for Faulty<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls == self.fails_at {
                return Err(io::Error::from_raw_os_error(5));
            } else if self.calls.is_multiple_of(2) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let n = self.at_a_time.min(out.len());
            Read::read(&mut self.bytes, &mut out[..n])
        }
    }

    fn faulty(bytes: &[u8], at_a_time: usize, fails_at: usize) -> Faulty<'_> {
        Faulty { bytes, at_a_time, calls: 0, fails_at }
    }

    /// Each read fails once, into memory and through a spooled stream: the error is one of the environment and names the operation.
    #[test]
    #[cfg_attr(miri, ignore = "it has no maps of files")]
    fn reads_that_fail() {
        let bytes = vec![7; 100];
        for fails_at in 1..40 {
            let mut stream = faulty(&bytes, 7, fails_at);
            match read(&mut stream) {
                Ok(got) => assert!(stream.calls < fails_at && got == bytes, "{fails_at}"),
                Err(error) => assert_eq!((error.raw_os_error(), stream.calls), (Some(5), fails_at)),
            }
            for access in [Access::Map, Access::Read] {
                match Source::spool(Path::new("pipe"), faulty(&bytes, 7, fails_at), access) {
                    Ok(source) => assert_eq!(source.bytes(), bytes),
                    Err(error) => {
                        assert!(!error.is_damage());
                        assert!(error.to_string().starts_with("cannot spool pipe: "), "{error}");
                    }
                }
            }
        }
    }

    /// Short reads lose nothing.
    #[test]
    #[cfg_attr(miri, ignore = "it has no maps of files")]
    fn short_reads() {
        let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
        for at_a_time in [1, 2, 4096] {
            assert_eq!(read(&mut faulty(&bytes, at_a_time, 0)).unwrap(), bytes);
            let spooled = Source::spool(Path::new("pipe"), faulty(&bytes, at_a_time, 0), Access::Map).unwrap();
            assert_eq!(spooled.bytes(), bytes);
        }
    }
}
