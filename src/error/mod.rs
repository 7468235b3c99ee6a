//! Errors: what is wrong, in which input, in which row, and what to do about it.

mod faults;
mod kind;
mod place;
mod remedy;
mod shown;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::format::{Family, Fault};

pub use kind::ErrorKind;
pub(crate) use kind::needed_keys;
pub use place::SstPlace;
pub use remedy::Remedy;
pub use shown::{Brief, Shown, Start};

/// Shorthand for fallible calls of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate: one pointer wide, with its [`ErrorKind`] and where it happened.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    input: Option<PathBuf>,
    offset: Option<u64>,
    row: Option<(Family, Brief)>,
    /// For a bundle: the place of the fault in the input. `offset` is the position among its unpacked rows.
    place: Option<(u64, Option<SstPlace>)>,
    also: Option<Error>,
    remedy: Option<Remedy>,
}

/// The name of standard output in messages.
const STDOUT: &str = "standard output";

impl Error {
    /// An error without a place in an input.
    #[cold]
    pub fn new(kind: ErrorKind) -> Error {
        Error(Box::new(Inner { kind, input: None, offset: None, row: None, place: None, also: None, remedy: None }))
    }

    /// A request that cannot be fulfilled; `words` say what to do.
    #[cold]
    pub fn usage(words: impl Into<String>) -> Error {
        Error::new(ErrorKind::Usage(words.into()))
    }

    /// A broken invariant of the program: no input and no request of the user may cause it.
    pub fn internal(words: impl Into<String>) -> Error {
        Error::new(ErrorKind::Internal(words.into()))
    }

    /// An invalid command line, or one with flags that exclude each other; `words` say what to do.
    #[cold]
    pub fn command_line(words: impl Into<String>) -> Error {
        Error::new(ErrorKind::CommandLine(words.into()))
    }

    /// A failed operation on a path.
    ///
    /// `EFAULT` is the system's error for bytes that it cannot read. All bytes passed to it are valid, except those of a map whose file was
    /// truncated.
    #[cold]
    pub fn io(doing: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Error {
        let (path, source) = (path.as_ref().to_path_buf(), source.into());
        match source.raw_os_error() {
            Some(libc::EFAULT) => Error::new(ErrorKind::Changed),
            _ => Error::new(ErrorKind::Io { doing, path, source }),
        }
    }

    /// Standard output that cannot be written.
    #[cold]
    pub fn stdout(source: io::Error) -> Error {
        Error::io("write to", STDOUT, source)
    }

    /// Whether standard output cannot be written.
    pub fn is_stdout(&self) -> bool {
        matches!(&self.0.kind, ErrorKind::Io { path, .. } if path == Path::new(STDOUT))
    }

    /// Whether the reader of the output has closed the pipe: there is nobody to report to.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(&self.0.kind, ErrorKind::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether the file system of the output cannot store a file of this size, not even with holes.
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

    /// Adds the row of another error.
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

    /// Adds the input's name if the error names none yet.
    #[cold]
    #[must_use]
    pub(crate) fn or_input(self, input: &Path) -> Error {
        if self.path().is_none() { self.input(input) } else { self }
    }

    /// Adds the place in a bundle: the byte offset in the input, with file and block.
    #[cold]
    #[must_use]
    pub(crate) fn placed(mut self, offset: u64, place: Option<SstPlace>) -> Error {
        self.0.place = Some((offset, place));
        self
    }

    /// Adds a second error, such as a CRC mismatch with a damaged row.
    #[cold]
    #[must_use]
    pub fn also(mut self, other: Error) -> Error {
        self.0.also = Some(other);
        self
    }

    /// Adds a remedy.
    #[cold]
    #[must_use]
    pub fn with_remedy(mut self, remedy: Remedy) -> Error {
        self.0.remedy = Some(remedy);
        self
    }

    /// A remedy, if one is known.
    pub fn remedy(&self) -> Option<Remedy> {
        match self.0.kind {
            ErrorKind::NoneIntact { .. } => Some(Remedy::SkipDamage),
            ErrorKind::Encrypted(_) | ErrorKind::MissingKeys { .. } => Some(Remedy::Keys),
            ErrorKind::HistoryGone { .. } => Some(Remedy::OlderSnapshot),
            _ => self.0.remedy,
        }
    }

    /// The kind of the error.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Byte offset of the damaged entry in the input; in a bundle, of its block.
    pub fn offset(&self) -> Option<u64> {
        self.0.place.map(|(offset, _)| offset).or(self.0.offset)
    }

    /// Byte offset among the rows in reading order: in the input, or in the unpacked stream of a bundle.
    pub(crate) fn position(&self) -> Option<u64> {
        self.0.offset
    }

    /// File and block, if the input is a bundle.
    pub fn place(&self) -> Option<SstPlace> {
        self.0.place.and_then(|(_, place)| place)
    }

    /// Family of the damaged row.
    pub fn family(&self) -> Option<Family> {
        self.0.row.as_ref().map(|(family, _)| *family)
    }

    /// User key of the damaged row, with its prefix, or its start: see [`Brief`].
    pub fn key(&self) -> Option<&[u8]> {
        self.brief().map(|key| &*key.head)
    }

    /// The same with the length of the complete key.
    pub fn brief(&self) -> Option<&Brief> {
        self.0.row.as_ref().map(|(_, key)| key)
    }

    /// The input's name as given.
    pub fn path(&self) -> Option<&Path> {
        self.0.input.as_deref()
    }

    /// The reason, without the place.
    pub fn reason(&self) -> String {
        self.0.kind.to_string()
    }

    /// The second error, if there is one.
    pub fn second(&self) -> Option<&Error> {
        self.0.also.as_ref()
    }

    /// Whether the command line is wrong (exit code 64): it contradicts itself, or it describes groups that do not fit the inputs.
    pub fn is_misuse(&self) -> bool {
        matches!(self.0.kind, ErrorKind::CommandLine(_) | ErrorKind::NoGroup)
    }

    /// Whether the input is damaged (exit code 2), and not the request or the environment at fault (1), nor the command line (64).
    pub fn is_damage(&self) -> bool {
        !matches!(
            self.0.kind,
            ErrorKind::Io { .. }
                | ErrorKind::Usage(_)
                | ErrorKind::HistoryGone { .. }
                | ErrorKind::CommandLine(_)
                | ErrorKind::NoGroup
                | ErrorKind::Encoded(_)
                | ErrorKind::Internal(_)
                | ErrorKind::MissingKeys { .. }
                | ErrorKind::Sidecar(_)
                | ErrorKind::KeyFile(_)
                | ErrorKind::Target(_)
        )
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
