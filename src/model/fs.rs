//! Files and directories (`docs/format/fs.md` §3 and §4).
//!
//! A directory is *entered* and *left*: what comes between is in it. So a visitor knows where it is, and depth costs it what it
//! keeps for itself. Contents are not part of this: they are read by inode, when and by whom they are wanted.

use crate::error::Result;
use crate::format::fs::Inode;
use crate::report::Kind;

/// An inode: plain data that any thread can keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Its number, as its key has it.
    pub number: u64,
    /// What its row says.
    pub inode: Inode,
}

/// How an inode was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'n> {
    /// It is the root directory.
    Root,
    /// By a name in the directory that was entered last.
    Entry {
        /// The name: any bytes.
        name: &'n [u8],
        /// All names that lead to it from the root, with slashes between; `None`: none do.
        path: Option<&'n [u8]>,
    },
    /// By its number: no name leads to it, or only names in what is not reached either.
    Lost,
    /// By its number: it was deleted, but is still open or not freed yet. Given only on request.
    Deleted,
}

/// A file or directory.
#[derive(Debug, Clone, Copy)]
pub struct Found<'f> {
    /// What it is.
    pub node: Node,
    /// How it was found.
    pub name: Name<'f>,
    /// What is odd about it.
    pub notes: &'f [&'static Kind],
}

/// What a visitor calls something that was found: of use to the visitor alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference(pub u64);

/// What a finding is about.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'s> {
    /// A file or directory, in the directory that was entered last.
    Found(&'s Found<'s>),
    /// A name in the directory that was entered last; nothing is there. The path is that of [`Name::Entry`].
    Entry {
        /// The name.
        name: &'s [u8],
        /// All names from the root.
        path: Option<&'s [u8]>,
    },
    /// The directory that was entered last, with all names from the root.
    Directory(Option<&'s [u8]>),
    /// What the visitor gave a reference to.
    Reference(Reference),
}

/// Takes what a walk finds, depth first, in the byte order of names.
pub trait Visitor {
    /// A directory: what follows is in it, until it is left. Where it is not `wanted` it only leads to what is.
    fn enter(&mut self, directory: &Found<'_>, wanted: bool);

    /// An inode that has names in it but is no directory, or is not there at all.
    fn enter_unreachable(&mut self, number: u64);

    /// What was entered last is left.
    fn leave(&mut self);

    /// A file; or a deleted directory, in which there is nothing.
    fn file(&mut self, file: &Found<'_>);

    /// Another name of a file.
    ///
    /// # Errors
    /// The reference cannot be followed.
    fn further_name(&mut self, file: &Found<'_>, first: Reference) -> Result<()>;

    /// A reference to what is about to be given, and may be met again.
    ///
    /// # Errors
    /// It cannot be remembered.
    fn refer(&mut self, found: &Found<'_>) -> Result<Reference>;

    /// The path by which a finding names its subject to whoever reads the output.
    ///
    /// # Errors
    /// A reference cannot be followed.
    fn path_of(&self, subject: &Subject<'_>) -> Result<Vec<u8>>;
}

/// Takes files and directories one by one: all inodes and names first, in no order, then what is in the files.
pub trait InodeVisitor {
    /// A file or directory; each comes once.
    ///
    /// # Errors
    /// What the visitor gives.
    fn inode(&mut self, node: &Node) -> Result<()>;

    /// A name of it, in a directory.
    ///
    /// # Errors
    /// As [`inode`](InodeVisitor::inode).
    fn name(&mut self, parent: u64, name: &[u8], node: &Node) -> Result<()>;

    /// Bytes of a file, front to end; what lies between two pieces, and behind the last one, is zeros.
    ///
    /// # Errors
    /// As [`inode`](InodeVisitor::inode).
    fn content(&mut self, file: &Node, offset: u64, bytes: &[u8]) -> Result<()>;

    /// That was all of a file. It comes for each of them, empty ones too.
    ///
    /// # Errors
    /// As [`inode`](InodeVisitor::inode).
    fn end_content(&mut self, file: &Node) -> Result<()>;
}
