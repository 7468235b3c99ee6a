//! Files and directories (`docs/format/fs.md` §3 and §4).
//!
//! A directory is *entered* and *left*: everything between is in it. So a visitor knows its position, and depth costs only the memory that
//! the visitor uses. Contents are not included: they are read by inode when they are needed.

use crate::error::Result;
use crate::format::fs::Inode;
use crate::report::Kind;

/// An inode: plain data that any thread can keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Its number in its key.
    pub number: u64,
    /// The content of its row.
    pub inode: Inode,
}

/// How an inode was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'n> {
    /// It is the root directory.
    Root,
    /// By a name in the last directory that was entered.
    Entry {
        /// The name: any bytes.
        name: &'n [u8],
        /// All names that lead to it from the root, separated by slashes; `None`: none do.
        path: Option<&'n [u8]>,
    },
    /// By its number: no name leads to it, or only names in something that is not reached either.
    Lost,
    /// By its number: it was deleted, but is still open or not freed yet. Only on request.
    Deleted,
}

/// A file or directory.
#[derive(Debug, Clone, Copy)]
pub struct Found<'f> {
    /// What it is.
    pub node: Node,
    /// How it was found.
    pub name: Name<'f>,
    /// Its anomalies.
    pub notes: &'f [&'static Kind],
}

/// A visitor's reference to something that was found: only the visitor can use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference(pub u64);

/// The subject of a finding.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'s> {
    /// A file or directory, in the last directory that was entered.
    Found(&'s Found<'s>),
    /// A name in the last directory that was entered; nothing exists there. The path is that of [`Name::Entry`].
    Entry {
        /// The name.
        name: &'s [u8],
        /// All names from the root.
        path: Option<&'s [u8]>,
    },
    /// The last directory that was entered, with all names from the root.
    Directory(Option<&'s [u8]>),
    /// Something for which the visitor gave a reference.
    Reference(Reference),
}

/// Takes the results of a walk, depth first, in the byte order of names.
pub trait Visitor {
    /// A directory: everything that follows is in it, until it is left. If it is not `wanted`, it only leads to something that is.
    fn enter(&mut self, directory: &Found<'_>, wanted: bool);

    /// An inode that has names in it but is not a directory, or does not exist.
    fn enter_unreachable(&mut self, number: u64);

    /// Leaves the last directory that was entered.
    fn leave(&mut self);

    /// A file; or a deleted directory, which is empty.
    fn file(&mut self, file: &Found<'_>);

    /// Another name of a file.
    ///
    /// # Errors
    /// The reference cannot be followed.
    fn further_name(&mut self, file: &Found<'_>, first: Reference) -> Result<()>;

    /// Returns a reference to something that comes next and may be met again.
    ///
    /// # Errors
    /// It cannot be stored.
    fn refer(&mut self, found: &Found<'_>) -> Result<Reference>;

    /// The path with which a finding names its subject for readers of the output.
    ///
    /// # Errors
    /// A reference cannot be followed.
    fn path_of(&self, subject: &Subject<'_>) -> Result<Vec<u8>>;
}

/// Takes files and directories one by one: all inodes and names first, in no order, then the contents of files.
pub trait InodeVisitor {
    /// A file or directory; each comes once.
    ///
    /// # Errors
    /// The error of the visitor.
    fn inode(&mut self, node: &Node) -> Result<()>;

    /// A name of it, in a directory.
    ///
    /// # Errors
    /// As [`inode`](InodeVisitor::inode).
    fn name(&mut self, parent: u64, name: &[u8], node: &Node) -> Result<()>;

    /// Bytes of a file, from start to end; bytes between two pieces, and after the last one, are zeros.
    ///
    /// # Errors
    /// As [`inode`](InodeVisitor::inode).
    fn content(&mut self, file: &Node, offset: u64, bytes: &[u8]) -> Result<()>;

    /// The end of a file. It comes for each file, also for empty ones.
    ///
    /// # Errors
    /// As [`inode`](InodeVisitor::inode).
    fn end_content(&mut self, file: &Node) -> Result<()>;
}
