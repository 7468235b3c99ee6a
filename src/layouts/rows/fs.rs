//! Files and directories as rows, in the order of a walk: depth first, names in the order of their bytes.

use super::{Cell, Columns, Kind, Sink, column, text};
use crate::error::{Error, Result};
use crate::layouts::fs::Paths;
use crate::model::fs::{Found, Name, Reference, Subject, Visitor};
use crate::run::Scratch;

/// The data set.
const SET: &str = "fs/files";
/// Maximum length of a path that is written completely: the paths of n nested directories would have n²/2 names.
const LONGEST: usize = 4096;
const NANOS: i64 = 1_000_000;

/// The columns.
pub fn columns() -> Columns {
    let time = |name: &str| [column(name, Kind::Millis).or_null(), column(&format!("{name}_ns"), Kind::I64)];
    let mut columns = vec![
        column("path", Kind::Bytes).or_null(),
        column("parent", Kind::U64).or_null(),
        column("name", Kind::Bytes).or_null(),
        column("inode", Kind::U64),
        column("type", Kind::Text).repeated(),
    ];
    columns.extend(["size", "mode", "uid", "gid", "nlink"].map(|name| column(name, Kind::U64)));
    columns.extend(["atime", "mtime", "ctime"].map(time).into_iter().flatten());
    columns.push(column("hardlink_to", Kind::Bytes).or_null());
    Columns::new(columns, 0)
}

/// Makes rows of the results of a walk.
pub struct Rows<'p, S> {
    /// The receiver of the rows.
    to: S,
    set: usize,
    /// The directories that the walk is in.
    above: Vec<u64>,
    /// Paths of files that can be met again.
    first: Paths<'p>,
    failed: Option<Error>,
}

impl<'p, S: Sink> Rows<'p, S> {
    /// Passes rows to a sink.
    ///
    /// # Errors
    /// As [`Sink::set`].
    pub fn new(mut to: S, scratch: &'p dyn Scratch) -> Result<Self> {
        let set = to.set(SET, columns)?;
        Ok(Rows { to, set, above: Vec::new(), first: Paths::new(scratch), failed: None })
    }

    /// The sink.
    pub fn into_sink(self) -> S {
        self.to
    }

    /// Reports the error of the sink, which the walk does not see.
    ///
    /// # Errors
    /// The error of the sink.
    pub fn check(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    fn row(&mut self, found: &Found<'_>, link: Option<&[u8]>) {
        if self.failed.is_some() {
            return;
        }
        let (path, name) = match found.name {
            Name::Root => (Some(&b""[..]), None),
            Name::Entry { name, path } => (path, Some(name)),
            Name::Lost | Name::Deleted => (None, None),
        };
        let inode = &found.node.inode;
        let [atime, atime_ns] = time(inode.atime);
        let [mtime, mtime_ns] = time(inode.mtime);
        let [ctime, ctime_ns] = time(inode.ctime);
        let row = [
            short(path),
            name.and(self.above.last()).map_or(Cell::Null, |parent| Cell::U64(*parent)),
            short(name),
            Cell::U64(found.node.number),
            text(if inode.kind.is_dir() { "directory" } else { "file" }),
            Cell::U64(inode.size),
            Cell::U64(inode.mode.into()),
            Cell::U64(inode.uid.into()),
            Cell::U64(inode.gid.into()),
            Cell::U64(inode.nlink.into()),
            atime,
            atime_ns,
            mtime,
            mtime_ns,
            ctime,
            ctime_ns,
            short(link),
        ];
        self.failed = self.to.push(self.set, &row).err();
    }
}

/// Bytes, if they exist and are not too long.
fn short(bytes: Option<&[u8]>) -> Cell<'_> {
    bytes.filter(|bytes| bytes.len() <= LONGEST).map_or(Cell::Null, Cell::Bytes)
}

/// A time and its nanoseconds: 64 bits of nanoseconds are the years 1677 to 2262, which all readers support.
fn time(ns: i64) -> [Cell<'static>; 2] {
    [Cell::I64(ns.div_euclid(NANOS)), Cell::I64(ns)]
}

/// The name of something in a finding: its path, or its last name.
pub(crate) fn shown(name: &Name<'_>) -> Vec<u8> {
    match *name {
        Name::Entry { name, path } => path.filter(|path| path.len() <= LONGEST).unwrap_or(name).to_vec(),
        Name::Root | Name::Lost | Name::Deleted => Vec::new(),
    }
}

impl<S: Sink> Visitor for Rows<'_, S> {
    fn enter(&mut self, directory: &Found<'_>, wanted: bool) {
        if wanted {
            self.row(directory, None);
        }
        self.above.push(directory.node.number);
    }

    fn enter_unreachable(&mut self, number: u64) {
        self.above.push(number);
    }

    fn leave(&mut self) {
        self.above.pop();
    }

    fn file(&mut self, file: &Found<'_>) {
        self.row(file, None);
    }

    fn further_name(&mut self, file: &Found<'_>, first: Reference) -> Result<()> {
        let first = self.first.get(first)?;
        self.row(file, Some(&first));
        Ok(())
    }

    fn refer(&mut self, found: &Found<'_>) -> Result<Reference> {
        self.first.add(&shown(&found.name))
    }

    fn path_of(&self, subject: &Subject<'_>) -> Result<Vec<u8>> {
        Ok(match subject {
            Subject::Found(found) => shown(&found.name),
            Subject::Entry { name, path } => shown(&Name::Entry { name, path: *path }),
            Subject::Directory(path) => path.unwrap_or_default().to_vec(),
            Subject::Reference(first) => self.first.get(*first)?,
        })
    }
}
