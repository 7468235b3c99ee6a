//! The kinds of errors.

use std::io;
use std::path::PathBuf;

use super::shown::Shown;
use crate::format::Fault;
use crate::format::envelope::{EnvelopeFault, OpenFault, Sealed};
use crate::format::offload::ManifestFault;
use crate::format::s3::chunk::ChunkFault;
use crate::format::sidecar::SidecarFault;
use crate::format::sst::SstFault;

/// The kind of an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input has no bytes at all.
    #[error("the file is empty (0 bytes); a snapshot of an empty store has at least its 4-byte footer")]
    EmptyFile,
    /// A plan or an index instead of a snapshot.
    #[error("this is a plan or a saved index of ekvsnap: name the snapshots that it was made of")]
    PlanGiven,
    /// The store stream has a magic that no server writes.
    #[error("this is no snapshot of elastickv: it begins with \"{}\", and not with EKVPBBL1, EKVMVCC2 or EKVSSTI1", .0.escape_ascii())]
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
    /// A key that is too short for its timestamp.
    #[error("encoded key shorter than timestamp suffix: {0} < 8 bytes")]
    ShortKey(usize),
    /// A value that is too short for its header.
    #[error("encoded value shorter than value-header: {0} < 9 bytes")]
    ShortValue(usize),
    /// An encrypted row whose key is not known.
    #[error("the row is encrypted with key id {}, which is missing: give the key file and keys.json of a node", .0.key_id)]
    Encrypted(Sealed),
    /// Encrypted rows whose keys are not known.
    #[error("{}", missing_keys(*.first, .used, .there))]
    MissingKeys {
        /// The first of those rows.
        first: Sealed,
        /// Key ids that visible rows use, with the number of those rows; the smallest ids, if there are very many.
        used: Vec<(u32, u64)>,
        /// Key ids that are known.
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
    #[error("encrypted row, key id {}: it has the tombstone bit, which no server sets on such a row: its header was changed", .0.key_id)]
    SealedTombstone(Sealed),
    /// A row that is marked as clear, but that a key opens.
    #[error("the row is stored as clear, but key id {0} opens it: its encryption state was changed")]
    StateChanged(u32),
    /// A side-car with keys that cannot be used.
    #[error("the file with the encrypted keys (keys.json) cannot be used: {0}")]
    Sidecar(SidecarFault),
    /// A key file that cannot be used.
    #[error("the key file cannot be used: {0}")]
    KeyFile(String),
    /// A row whose header says that it is encrypted, but whose body is not an envelope.
    #[error("encrypted row: {0}")]
    Envelope(EnvelopeFault),
    /// A flag byte that no writer uses.
    #[error("value header byte {0:#010b} carries reserved bits or a reserved encryption_state")]
    ReservedFlags(u8),
    /// An operational row of the store with a value of the wrong length.
    #[error("a row of the store itself has a value of {0} bytes, which is not the length of such a row")]
    OperationalValue(usize),
    /// Raw keys do not ascend.
    #[error("raw keys must ascend strictly: this one is not greater than the one before it")]
    KeyOrder,
    /// The footer does not match the bytes before it.
    #[error("CRC32C mismatch: the footer says {stored:08x}, but the bytes give {computed:08x}")]
    FooterCrc {
        /// The stored value.
        stored: u32,
        /// The value computed from the bytes.
        computed: u32,
    },
    /// The inner checksum of an `EKVMVCC2` stream does not match.
    #[error("EKVMVCC2 checksum mismatch: the stream says {stored:08x}, but the bytes give {computed:08x}")]
    Mvcc2Crc {
        /// The stored value.
        stored: u32,
        /// The value computed from the bytes.
        computed: u32,
    },
    /// An `EKVMVCC2` stream of another version.
    #[error("EKVMVCC2 version {0} is not known (only 1 and 2): the file was written by a newer server; update ekvsnap")]
    Mvcc2Version(u32),
    /// A damaged SST-ingest bundle (`EKVSSTI1`).
    #[error(transparent)]
    Sst(SstFault),
    /// Only snapshots of the timestamp group.
    #[error("the file has the state of the timestamp group and no user data: name the snapshots of the other groups")]
    TimestampGroup,
    /// An output instead of a snapshot.
    #[error(
        "it is an output of a decode, or an archive, but this command reads snapshots: get, diff, verify, encode and restore read outputs, and ls those of lines"
    )]
    OutputGiven,
    /// The manifest of a snapshot from an object store.
    #[error("the manifest of the offloaded snapshot is not valid: {0}")]
    Offload(ManifestFault),
    /// A manifest whose snapshot is missing.
    #[error("the file with its payload is missing: {}", .0.display())]
    OffloadMissing(PathBuf),
    /// A snapshot of an object store that is truncated, or longer than its manifest says.
    #[error("the offloaded snapshot has {is} bytes, but its manifest says {want}: copy it again")]
    OffloadLength {
        /// Its bytes.
        is: u64,
        /// The bytes according to its manifest.
        want: u64,
    },
    /// A snapshot of an object store that was changed.
    #[error("the offloaded snapshot does not match its manifest: SHA-256 or CRC32C differ; copy it again")]
    OffloadHash,
    /// A directory of snapshots, none of which is intact.
    #[error("none of its snapshot files is intact; the newest is {}: {why}", .newest.display())]
    NoneIntact {
        /// The newest file.
        newest: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A row that is invalid for its family.
    #[error("{}", fault_text(.0))]
    Row(Fault),
    /// An S3 object whose body cannot be assembled.
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
    #[error("the path of this directory has {0} bytes, which is more than 262144: the directory was not read")]
    FsPath(usize),
    /// A file that no file system can hold.
    #[error("the file of inode {inode} has {size} bytes, which is more than {most}: it cannot be written")]
    FsSize {
        /// The inode.
        inode: u64,
        /// Its size.
        size: u64,
        /// The possible maximum.
        most: &'static str,
    },
    /// An output in an archive that cannot be read to its end.
    #[error("the archive is damaged: {0}")]
    Archive(String),
    /// A compressed input that cannot be unpacked.
    #[error("the compressed file cannot be unpacked: {0}")]
    Compressed(String),
    /// The bytes that a lenient run leaves out up to the next position where entries begin.
    #[error("{why}; {bytes} bytes up to the next intact entry were not read")]
    Gap {
        /// What is wrong at the position.
        why: String,
        /// Bytes from there to the next entry.
        bytes: u64,
    },
    /// A row that a lenient run leaves out, because no entry follows at the end of its lengths.
    #[error("no valid entry follows this one, so its lengths may be wrong: it was left out")]
    BeforeBroken,
    /// A key that a lenient run leaves out, because there are damaged bytes before its versions.
    #[error("the damaged bytes before this key may have had a newer version of it: the key was left out")]
    PerhapsOlder,
    /// The bytes that a lenient run leaves out, because no entry can be found after them.
    #[error("{why}; {bytes} bytes up to the end of the file were not read")]
    RestLost {
        /// What is wrong at the position.
        why: String,
        /// Bytes from there to the end.
        bytes: u64,
    },
    /// A directory or archive that is not an output of a decode.
    #[error("not a valid output: {0}")]
    Output(String),
    /// An earlier state whose history is compacted away.
    #[error(
        "the snapshot no longer has the state at {as_of}, because older versions than those of {kept_from} were compacted away: take a snapshot from about that time"
    )]
    HistoryGone {
        /// The requested moment (HLC).
        as_of: u64,
        /// The first moment whose state is available.
        kept_from: u64,
    },
    /// A row that belongs to none of the restored groups: their ranges and partitions do not have its key.
    #[error(
        "no group has this row, so a server could not find it: extend the shard ranges, or the partitions of its queue"
    )]
    NoGroup,
    /// A version of a key that two inputs store with different values.
    #[error(
        "another input has a different value for the same version of this key: the inputs are of different clusters"
    )]
    Contradiction,
    /// A Raft data directory from which a server would not serve the snapshot.
    #[error("{0}")]
    DataDir(String),
    /// An encoded snapshot that does not contain its input.
    #[error(
        "the snapshot was written, read again and removed: {0}: an output was changed, or two outputs contradict each other; if neither, please report this"
    )]
    Encoded(String),
    /// A line of an output that no decode writes.
    #[error("line {0} is not in a form that a decode writes")]
    OutputLine(u64),
    /// The file changed while it was read.
    #[error("the file changed while it was being read: copy it first, or take it from fsm-snap/ once it is complete")]
    Changed,
    /// An operation of the operating system failed.
    #[error("cannot {doing} {}: {source}", .path.display())]
    Io {
        /// The operation.
        doing: &'static str,
        /// Its path.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A target of `load` that could not be reached, or that has rejected something.
    #[error("{0}")]
    Target(String),
    /// The requested object is not in the readable part of damaged inputs.
    #[error("{0}")]
    Unread(String),
    /// A request that cannot be fulfilled.
    #[error("{0}")]
    Usage(String),
    /// A bug in the program.
    #[error("internal error: {0}; please report this")]
    Internal(String),
    /// An invalid command line.
    #[error("{0}")]
    CommandLine(String),
}

/// Encryption keys that rows need: their ids, the number of rows, and their state. Only the first ones are named.
pub(crate) fn needed_keys(keys: impl Iterator<Item = (u32, u64, &'static str)>) -> String {
    const NAMED: usize = 16;
    let mut keys = keys.fuse();
    let named = keys.by_ref().take(NAMED).map(|(id, rows, state)| {
        let noun = if rows == 1 { "row" } else { "rows" };
        format!("key id {id} ({rows} {noun}, {state})")
    });
    let named: Vec<String> = named.collect();
    let more = if keys.next().is_some() { ", and other key ids" } else { "" };
    format!("{}{more}", named.join(", "))
}

fn missing_keys(first: Sealed, used: &[(u32, u64)], there: &[u32]) -> String {
    let state = |id| if there.contains(&id) { "given" } else { "missing" };
    format!(
        "the snapshot has encrypted rows whose keys are missing ({}): give the key file and the keys.json of a node of the \
         cluster, or the data keys themselves; the first has envelope version {}, key id {}",
        needed_keys(used.iter().map(|(id, rows)| (*id, *rows, state(*id)))),
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
