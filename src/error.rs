//! Errors: what is wrong, in which input, in which row, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::format::envelope::{EnvelopeFault, OpenFault, Sealed};
use crate::format::frame::FrameFault;
use crate::format::header::HeaderFault;
use crate::format::mvcc::MvccFault;
use crate::format::offload::ManifestFault;
use crate::format::s3::chunk::ChunkFault;
use crate::format::sidecar::SidecarFault;
use crate::format::sst::{SstFault, bundle};
use crate::format::{Family, Fault};

/// Shorthand for fallible calls of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate: one pointer wide, with its [`ErrorKind`] and where it happened.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    input: Option<PathBuf>,
    offset: Option<u64>,
    row: Option<(Family, Brief)>,
    /// Of a bundle: where the input has what is wrong. `offset` is the position among its unpacked rows.
    place: Option<(u64, Option<SstPlace>)>,
    also: Option<Error>,
    remedy: Option<Remedy>,
}

/// What a run would have to be asked for, to get over an error. Who asks in words of its own, as a command line does, can name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// To replace what is there.
    Replace,
    /// To load into what is there.
    Merge,
    /// To decode for a restore.
    ForRestore,
    /// For a line for each file.
    Lines,
    /// For objects of one kind.
    OneKind,
    /// To pass over damage.
    SkipDamage,
    /// To read with keys.
    Keys,
}

/// A place in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct SstPlace {
    /// The file of the bundle, by its position.
    #[serde(rename = "sst_file", serialize_with = "sst_file")]
    pub file: u32,
    /// Where the block begins in that file, if it is one of a block.
    #[serde(rename = "sst_block", skip_serializing_if = "Option::is_none")]
    pub block: Option<u64>,
}

// Serde gives a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn sst_file<S: serde::Serializer>(file: &u32, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&bundle::name_of(*file as usize))
}

impl fmt::Display for SstPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bundle::name_of(self.file as usize))?;
        match self.block {
            Some(block) => write!(f, ", block at {block}"),
            None => Ok(()),
        }
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input has no bytes at all.
    #[error("the file is empty (0 bytes); a snapshot of an empty store has at least its 4-byte footer")]
    EmptyFile,
    /// The store stream has a magic that no server writes.
    #[error("snapshot magic header \"{}\" is none of EKVPBBL1, EKVMVCC2, EKVSSTI1", .0.escape_ascii())]
    BadMagic([u8; 8]),
    /// An FSM header of a newer server.
    #[error("FSM header version '{}' is not known: the file was written by a newer server; update ekvsnap", .0.escape_ascii())]
    HeaderVersion(u8),
    /// The payload length of an `EKVTHLC2` header is out of bounds.
    #[error("FSM header payload of {0} bytes is not between 16 and 1024")]
    HeaderLength(u16),
    /// The file ends where more must follow.
    #[error("snapshot truncated: the file ends inside {0}")]
    Truncated(&'static str),
    /// A key length over the limit.
    #[error("snapshot key length exceeds limit: {0} > 1048584")]
    KeyTooLarge(u64),
    /// A value length (or, in `EKVMVCC2`, a version count) over the limit.
    #[error("snapshot value length exceeds limit: {0} > 268435499")]
    ValueTooLarge(u64),
    /// A number or length in the state of migrations over the limit.
    #[error("EKVMVCC2 state of migrations exceeds limit: {0} > 1048576")]
    StateTooLarge(u64),
    /// A key without room for its timestamp.
    #[error("encoded key shorter than timestamp suffix: {0} < 8 bytes")]
    ShortKey(usize),
    /// A value without room for its header.
    #[error("encoded value shorter than value-header: {0} < 9 bytes")]
    ShortValue(usize),
    /// An encrypted row whose key is not there.
    #[error("the row is encrypted with key id {}, which is not among the keys: give the key file and keys.json of a node", .0.key_id)]
    Encrypted(Sealed),
    /// Encrypted rows whose keys are not there.
    #[error("{}", missing_keys(*.first, .used, .there))]
    MissingKeys {
        /// The first of those rows.
        first: Sealed,
        /// Key ids that visible rows use, with the number of those rows.
        used: Vec<(u32, u64)>,
        /// Key ids that are there.
        there: Vec<u32>,
    },
    /// An encrypted row that its key does not open.
    #[error("encrypted row, key id {key_id}: {fault}")]
    Sealed {
        /// The id of the key.
        key_id: u32,
        /// What is wrong.
        fault: OpenFault,
    },
    /// An encrypted row with the mark of a tombstone.
    #[error("encrypted row, key id {}, with the tombstone bit, which no server writes: the header was changed", .0.key_id)]
    SealedTombstone(Sealed),
    /// A row that is stored as clear, but that a key opens.
    #[error("the row is stored as clear, but key id {0} opens it: its encryption state was changed")]
    StateChanged(u32),
    /// A side-car with keys that cannot be used.
    #[error("the side-car of keys: {0}")]
    Sidecar(SidecarFault),
    /// A key file that cannot be used.
    #[error("the key file: {0}")]
    KeyFile(String),
    /// A row whose header says that it is encrypted, but whose body is no envelope.
    #[error("encrypted row: {0}")]
    Envelope(EnvelopeFault),
    /// A flag byte that no writer uses.
    #[error("value header byte {0:#010b} carries reserved bits or a reserved encryption_state")]
    ReservedFlags(u8),
    /// An operational row of the store with a value of the wrong length.
    #[error("operational row has a value of {0} bytes")]
    OperationalValue(usize),
    /// Raw keys do not ascend.
    #[error("raw keys must ascend strictly: this one is not above the one before it")]
    KeyOrder,
    /// The footer does not match the bytes before it.
    #[error("CRC32C mismatch: the footer says {stored:08x}, the bytes give {computed:08x}")]
    FooterCrc {
        /// The footer's value.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// The inner checksum of an `EKVMVCC2` stream does not match.
    #[error("EKVMVCC2 checksum mismatch: the stream says {stored:08x}, the bytes give {computed:08x}")]
    Mvcc2Crc {
        /// The stream's value.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// An `EKVMVCC2` stream of another version.
    #[error("EKVMVCC2 version {0} is not known (only 1 and 2): the file was written by a newer server; update ekvsnap")]
    Mvcc2Version(u32),
    /// An SST-ingest bundle (`EKVSSTI1`) that is not sound.
    #[error(transparent)]
    Sst(SstFault),
    /// Only snapshots of the timestamp group.
    #[error("the file is the state of the timestamp group, no user data: name the snapshots of the other groups")]
    TimestampGroup,
    /// An output where a snapshot should be.
    #[error(
        "it is an output of ekvsnap, and this command reads snapshots: get, ls, diff, verify, encode and restore take outputs"
    )]
    OutputGiven,
    /// The manifest of a snapshot from an object store.
    #[error("the manifest of an offloaded snapshot: {0}")]
    Offload(ManifestFault),
    /// A manifest whose snapshot is not there.
    #[error("its payload is not there: {}", .0.display())]
    OffloadMissing(PathBuf),
    /// A snapshot of an object store that is cut, or longer than its manifest says.
    #[error("the offloaded snapshot has {is} bytes, and its manifest says {want}: copy it again")]
    OffloadLength {
        /// Its bytes.
        is: u64,
        /// What its manifest says.
        want: u64,
    },
    /// A snapshot of an object store that was changed.
    #[error("the offloaded snapshot is not the one of its manifest: SHA-256 or CRC32C are others; copy it again")]
    OffloadHash,
    /// A directory of snapshots of which none is intact.
    #[error("none of its snapshot files is intact; the newest is {}: {why}", .newest.display())]
    NoneIntact {
        /// The newest file.
        newest: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A row that its family cannot accept.
    #[error("{}", fault_text(.0))]
    Row(Fault),
    /// An S3 object whose body cannot be put together.
    #[error("object \"{}\" of bucket \"{}\": {fault}", Shown(.object), Shown(.bucket))]
    Body {
        /// The bucket.
        bucket: Vec<u8>,
        /// The object's key.
        object: Vec<u8>,
        /// What is wrong; the row of the error is the manifest.
        fault: ChunkFault,
    },
    /// A directory of the file system that is too deep to be entered.
    #[error("the path of this directory has {0} bytes, more than 262144: it was not entered")]
    FsPath(usize),
    /// A file that no file system can hold.
    #[error("the file of inode {inode} has {size} bytes, more than {most}: it cannot be written")]
    FsSize {
        /// The inode.
        inode: u64,
        /// Its size.
        size: u64,
        /// What would be possible.
        most: &'static str,
    },
    /// An output in an archive that cannot be read to its end.
    #[error("the archive is damaged: {0}")]
    Archive(String),
    /// A compressed input that cannot be unpacked.
    #[error("the compressed file cannot be unpacked: {0}")]
    Compressed(String),
    /// What a lenient run leaves out up to the next place where entries begin.
    #[error("{why}; {bytes} bytes up to the next intact entry were not read")]
    Gap {
        /// What is wrong at the place.
        why: String,
        /// Bytes from there to the next entry.
        bytes: u64,
    },
    /// A row that a lenient run leaves out, because its lengths lead to no entry.
    #[error("no entry follows this one: its lengths may be wrong, so it was left out")]
    BeforeBroken,
    /// A key that a lenient run leaves out, because damaged bytes stand before its versions.
    #[error("a newer version of this key may have stood in the damaged bytes before it: the key was left out")]
    PerhapsOlder,
    /// What a lenient run leaves out, because nothing behind it can be found.
    #[error("{why}; {bytes} bytes up to the end of the file were not read")]
    RestLost {
        /// What is wrong at the place.
        why: String,
        /// Bytes from there to the end.
        bytes: u64,
    },
    /// A directory or archive that is no output of a decode.
    #[error("not a valid output: {0}")]
    Output(String),
    /// A row that has no place in the groups that are restored.
    #[error("{0}")]
    Placement(&'static str),
    /// A Raft data directory that a server would not serve the snapshot from.
    #[error("{0}")]
    DataDir(String),
    /// A snapshot that was encoded, and does not hold what it was made of.
    #[error("the snapshot was written, read again and removed: {0}; please report this")]
    Encoded(String),
    /// A line of an output that is not one of a decode.
    #[error("line {0} is not what a decode writes there")]
    OutputLine(u64),
    /// The file changed while it was read.
    #[error("the file changed while it was being read: copy it first, or take it from fsm-snap/ once it is complete")]
    Changed,
    /// An operation of the operating system failed.
    #[error("cannot {doing} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A system that objects are loaded into could not be reached, or has refused something.
    #[error("{0}")]
    Target(String),
    /// What was asked for is not in what can be read of damaged inputs.
    #[error("{0}")]
    Unread(String),
    /// A request that cannot be met.
    #[error("{0}")]
    Usage(String),
    /// Something that the program itself must not let happen.
    #[error("internal error: {0}; please report this")]
    Internal(String),
    /// A command line that is not understood.
    #[error("{0}")]
    CommandLine(String),
}

/// What standard output is called.
const STDOUT: &str = "standard output";

fn missing_keys(first: Sealed, used: &[(u32, u64)], there: &[u32]) -> String {
    let uses = used.iter().map(|(id, rows)| {
        let state = if there.contains(id) { "there" } else { "missing" };
        format!("key id {id} ({rows} rows, {state})")
    });
    let uses: Vec<String> = uses.collect();
    format!(
        "the snapshot has encrypted rows whose keys are missing ({}): give the key file and the keys.json of a node of the \
         cluster, or the data keys themselves; the first has envelope version {}, key id {}",
        uses.join(", "),
        first.version,
        first.key_id,
    )
}

fn fault_text(fault: &Fault) -> String {
    match fault {
        Fault::Key(reason) => format!("malformed key: {reason}"),
        Fault::Value(reason) => format!("invalid value: {reason}"),
        Fault::ValueLen { got, want } => format!("invalid value: its length is {got}, not {want}"),
    }
}

impl Error {
    /// An error that is about no place in an input.
    #[cold]
    pub fn new(kind: ErrorKind) -> Error {
        Error(Box::new(Inner { kind, input: None, offset: None, row: None, place: None, also: None, remedy: None }))
    }

    /// A request that cannot be met; `words` say what to do.
    #[cold]
    pub fn usage(words: impl Into<String>) -> Error {
        Error::new(ErrorKind::Usage(words.into()))
    }

    /// A broken invariant of the program: no input and no wish of the user may lead to it.
    pub fn internal(words: impl Into<String>) -> Error {
        Error::new(ErrorKind::Internal(words.into()))
    }

    /// A command line that is not understood, or whose flags exclude each other; `words` say what to do.
    #[cold]
    pub fn command_line(words: impl Into<String>) -> Error {
        Error::new(ErrorKind::CommandLine(words.into()))
    }

    /// A failed operation on a path.
    ///
    /// `EFAULT` is the system's answer to bytes that it cannot read. All bytes that we give it are ours, but for those of
    /// a map whose file was cut.
    #[cold]
    pub fn io(doing: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Error {
        let (path, source) = (path.as_ref().to_path_buf(), source.into());
        match source.raw_os_error() {
            Some(libc::EFAULT) => Error::new(ErrorKind::Changed),
            _ => Error::new(ErrorKind::Io { doing, path, source }),
        }
    }

    /// Standard output that takes nothing more.
    #[cold]
    pub fn stdout(source: io::Error) -> Error {
        Error::io("write to", STDOUT, source)
    }

    /// Whether standard output takes nothing more.
    pub fn is_stdout(&self) -> bool {
        matches!(&self.0.kind, ErrorKind::Io { path, .. } if path == Path::new(STDOUT))
    }

    /// Whether whoever read our output has gone away: nobody is left to be told.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(&self.0.kind, ErrorKind::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether the file system of the output has no room for a file of that size, not even with holes.
    pub fn is_too_big(&self) -> bool {
        matches!(&self.0.kind, ErrorKind::Io { source, .. } if source.kind() == io::ErrorKind::FileTooLarge)
    }

    /// Adds the byte offset in the input.
    #[cold]
    #[must_use]
    pub fn at(mut self, offset: usize) -> Error {
        self.0.offset = Some(offset as u64);
        self
    }

    /// Adds the row: its family and user key, of which the first [`Brief::MOST`] bytes are kept.
    #[cold]
    #[must_use]
    pub fn row(mut self, family: Family, user_key: &[u8]) -> Error {
        self.0.row = Some((family, Brief::of(user_key)));
        self
    }

    /// Names the row that another error names.
    #[cold]
    #[must_use]
    pub(crate) fn row_of(mut self, other: &Error) -> Error {
        self.0.row.clone_from(&other.0.row);
        self
    }

    /// Adds the input's name.
    #[cold]
    #[must_use]
    pub fn input(mut self, input: &Path) -> Error {
        self.0.input = Some(input.to_path_buf());
        self
    }

    /// Adds where a bundle has it: the byte offset in the input, with file and block.
    #[cold]
    #[must_use]
    pub(crate) fn placed(mut self, offset: u64, place: Option<SstPlace>) -> Error {
        self.0.place = Some((offset, place));
        self
    }

    /// Names a second error beside this one, such as a CRC mismatch beside a damaged row.
    #[cold]
    #[must_use]
    pub fn also(mut self, other: Error) -> Error {
        self.0.also = Some(other);
        self
    }

    /// Adds what would get over it.
    #[cold]
    #[must_use]
    pub fn with_remedy(mut self, remedy: Remedy) -> Error {
        self.0.remedy = Some(remedy);
        self
    }

    /// What would get over it, if something is known to.
    pub fn remedy(&self) -> Option<Remedy> {
        match self.0.kind {
            ErrorKind::NoneIntact { .. } => Some(Remedy::SkipDamage),
            ErrorKind::Encrypted(_) | ErrorKind::MissingKeys { .. } => Some(Remedy::Keys),
            _ => self.0.remedy,
        }
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Byte offset in the input, of the entry that is at fault; in a bundle, of its block.
    pub fn offset(&self) -> Option<u64> {
        self.0.place.map(|(offset, _)| offset).or(self.0.offset)
    }

    /// Byte offset among the rows as they are read: that in the input, or in what a bundle was unpacked to.
    pub(crate) fn position(&self) -> Option<u64> {
        self.0.offset
    }

    /// File and block, if the input is a bundle.
    pub fn place(&self) -> Option<SstPlace> {
        self.0.place.and_then(|(_, place)| place)
    }

    /// Family of the row at fault.
    pub fn family(&self) -> Option<Family> {
        self.0.row.as_ref().map(|(family, _)| *family)
    }

    /// User key of the row at fault, with its prefix, or what it begins with: see [`Brief`].
    pub fn key(&self) -> Option<&[u8]> {
        self.brief().map(|key| &*key.head)
    }

    /// The same with the length of the whole key.
    pub fn brief(&self) -> Option<&Brief> {
        self.0.row.as_ref().map(|(_, key)| key)
    }

    /// The input, as it was named.
    pub fn path(&self) -> Option<&Path> {
        self.0.input.as_deref()
    }

    /// What is wrong, without the place.
    pub fn reason(&self) -> String {
        self.0.kind.to_string()
    }

    /// The second error, if there is one.
    pub fn second(&self) -> Option<&Error> {
        self.0.also.as_ref()
    }

    /// Whether the command line is at fault, whatever the inputs hold (exit code 64).
    pub fn is_misuse(&self) -> bool {
        matches!(self.0.kind, ErrorKind::CommandLine(_))
    }

    /// Whether the input is at fault (exit code 2), and not the request or the environment (1), nor the command line (64).
    pub fn is_damage(&self) -> bool {
        !matches!(
            self.0.kind,
            ErrorKind::Io { .. }
                | ErrorKind::Usage(_)
                | ErrorKind::CommandLine(_)
                | ErrorKind::Internal(_)
                | ErrorKind::MissingKeys { .. }
                | ErrorKind::Sidecar(_)
                | ErrorKind::KeyFile(_)
                | ErrorKind::Target(_)
        )
    }
}

impl From<HeaderFault> for Error {
    #[cold]
    fn from(fault: HeaderFault) -> Error {
        Error::new(match fault {
            HeaderFault::UnknownVersion(v) => ErrorKind::HeaderVersion(v),
            HeaderFault::BadLength(n) => ErrorKind::HeaderLength(n),
            HeaderFault::Truncated => ErrorKind::Truncated("the FSM header"),
        })
    }
}

impl From<FrameFault> for Error {
    #[cold]
    fn from(fault: FrameFault) -> Error {
        Error::new(match fault {
            FrameFault::Truncated => ErrorKind::Truncated("an entry"),
            FrameFault::KeyTooLarge(n) => ErrorKind::KeyTooLarge(n),
            FrameFault::ValueTooLarge(n) => ErrorKind::ValueTooLarge(n),
            FrameFault::StateTooLarge(n) => ErrorKind::StateTooLarge(n),
        })
    }
}

impl From<MvccFault> for Error {
    #[cold]
    fn from(fault: MvccFault) -> Error {
        Error::new(match fault {
            MvccFault::ShortKey(n) => ErrorKind::ShortKey(n),
            MvccFault::ShortValue(n) => ErrorKind::ShortValue(n),
            MvccFault::Encrypted(Ok(sealed)) => ErrorKind::Encrypted(sealed),
            MvccFault::Encrypted(Err(fault)) => ErrorKind::Envelope(fault),
            MvccFault::SealedTombstone(sealed) => ErrorKind::SealedTombstone(sealed),
            MvccFault::ReservedFlags(flags) => ErrorKind::ReservedFlags(flags),
            MvccFault::OperationalValue(n) => ErrorKind::OperationalValue(n),
        })
    }
}

impl From<SstFault> for Error {
    #[cold]
    fn from(fault: SstFault) -> Error {
        Error::new(ErrorKind::Sst(fault))
    }
}

impl From<Fault> for Error {
    #[cold]
    fn from(fault: Fault) -> Error {
        Error::new(ErrorKind::Row(fault))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, input, row, also, .. } = &*self.0;
        if let Some(input) = input {
            write!(f, "{}: ", input.display())?;
        }
        match (kind, row) {
            (ErrorKind::Row(fault), Some((family, _))) => write_fault(f, *family, fault)?,
            _ => write!(f, "{kind}")?,
        }
        if let Some((_, key)) = row {
            write!(f, ", key \"{key}\"")?;
        }
        if let Some(offset) = self.offset() {
            write!(f, ", at byte offset {offset}")?;
        }
        if let Some(place) = self.place() {
            write!(f, " ({place})")?;
        }
        match also {
            Some(also) => write!(f, "; also: {also}"),
            None => Ok(()),
        }
    }
}

fn write_fault(f: &mut fmt::Formatter<'_>, family: Family, fault: &Fault) -> fmt::Result {
    let prefix = if family.prefix().is_empty() { "bare" } else { family.prefix() };
    match fault {
        Fault::Key(reason) => write!(f, "malformed {prefix} key: {reason}"),
        Fault::Value(reason) => write!(f, "invalid {prefix} value: {reason}"),
        Fault::ValueLen { got, want } => write!(f, "invalid {prefix} value: its length is {got}, not {want}"),
    }
}

/// What a key begins with, and its length: errors can be many and keys a megabyte long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// The first bytes, or all.
    pub head: Box<[u8]>,
    /// How many there are.
    pub len: usize,
}

impl Brief {
    /// Bytes that are kept.
    pub const MOST: usize = 512;

    /// The start of a key.
    pub fn of(key: &[u8]) -> Brief {
        Brief { head: key[..key.len().min(Brief::MOST)].into(), len: key.len() }
    }
}

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Start { head: &self.head, len: self.len }.fmt(f)
    }
}

/// A key as people read it: printable ASCII as is, the rest escaped, long ones cut.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Start { head: self.0, len: self.0.len() }.fmt(f)
    }
}

/// What a key of so many bytes begins with, as [`Shown`].
pub struct Start<'a> {
    /// The first bytes, or all.
    pub head: &'a [u8],
    /// How many there are.
    pub len: usize,
}

impl fmt::Display for Start<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 120;
        let head = &self.head[..self.head.len().min(MOST)];
        write!(f, "{}", head.escape_ascii())?;
        if self.len > head.len() {
            write!(f, "… ({} bytes)", self.len)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
