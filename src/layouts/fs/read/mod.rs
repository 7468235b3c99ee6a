//! Reads files and directories of an output back into inodes, names and contents.
//!
//! `metadata.jsonl` is read first: it has everything except the contents. Their places go into a table on disk. Inodes that no name leads
//! to have lines too. Only a decode for a restore writes names in them; for other outputs only the inodes below `lost+found` are read back,
//! not the names in them.

mod line;
mod stack;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::Read;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::names::numbered;
use super::report::REPORT;
use super::write::KEYMAP;
use crate::error::{Error, Remedy, Result};
use crate::format::fs::{Inode, Kind, ROOT};
use crate::layouts::reading::{self, Budget, Part, Standing, Text, wrong};
use crate::model::fs::{InodeVisitor, Node};
use crate::output::checksums::Digest;
use crate::output::extents::ExtentsHash;
use crate::output::fs_metadata::METADATA;
use crate::output::reading::{Piece, Pieces, broken};
use crate::run::table::{Filling, Table};
use line::{Content, Line, Named, Told};
use stack::Stack;

/// Bytes of a file that are passed on at once.
const PIECE: usize = 256 << 10;
/// Folders of files.
const FOLDERS: [&[u8]; 4] = [b"fs/tree/", b"fs/apart/", b"fs/lost+found/", b"fs/orphans/"];

/// Reads the file system of one output.
pub struct Reader {
    scratch: PathBuf,
    filling: Option<Filling>,
    /// The file at each path.
    files: Option<Table>,
    /// Inodes whose content the decode could not read: as many as there are damaged files.
    unread: BTreeSet<u64>,
    /// Number of directories that no path leads to, and whose own directory is not given.
    nameless: u64,
    piece: Vec<u8>,
}

/// A record of the table.
enum Record {
    /// A file, with the digest of its extents if CHECKSUMS has none.
    File(Node, Option<Digest>),
    /// Another name of a file, and the place of that.
    Link(Vec<u8>),
    /// A file that is skipped, and whether CHECKSUMS has its digest.
    Aside(bool),
}

impl Reader {
    /// The table goes to the file system of `scratch`.
    pub fn new(scratch: &Path) -> Reader {
        Reader {
            scratch: scratch.to_path_buf(),
            filling: None,
            files: None,
            unread: BTreeSet::new(),
            nameless: 0,
            piece: vec![0; PIECE],
        }
    }

    fn take(
        &mut self,
        told: Told,
        stack: &mut Stack,
        visitor: &mut impl InodeVisitor,
    ) -> Result<std::result::Result<(), &'static str>> {
        let Told { node: Node { number, inode }, named, tree, content, .. } = told;
        let is_start = tree.as_ref().is_some_and(|tree| *tree == numbered("lost+found", number));
        if named == Named::Nowhere && !is_start {
            self.nameless += u64::from(inode.kind.is_dir());
            return match tree {
                Some(tree) if content == Content::Listed => self.push(&tree, &Record::Aside(true)).map(Ok),
                Some(tree) if matches!(content, Content::Extents(_)) => self.push(&tree, &Record::Aside(false)).map(Ok),
                _ => Ok(Ok(())),
            };
        }
        let place = match stack.take(named, number, inode.kind.is_dir()) {
            Ok(place) => place,
            Err(why) => return Ok(Err(why)),
        };
        let is_first = !matches!(content, Content::None(Some(_)));
        if content == Content::Unread {
            self.unread.insert(number);
        }
        if self.unread.contains(&number) {
            return Ok(Ok(()));
        }
        let parent = place.as_ref().map_or(ROOT, |(parent, _)| *parent);
        let node = Node { number, inode: Inode { parent, ..inode } };
        if is_first {
            visitor.inode(&node)?;
        }
        if let Some((parent, name)) = place {
            visitor.name(parent, &name, &node)?;
        }
        let record = match content {
            Content::Listed => Record::File(node, None),
            Content::Extents(digest) => Record::File(node, Some(digest)),
            Content::None(Some(link)) => Record::Link(link),
            Content::None(None) | Content::Unread => return Ok(Ok(())),
        };
        match (tree, &record) {
            (Some(tree), _) => self.push(&tree, &record).map(Ok),
            // On disk it has no file of its own.
            (None, Record::Link(_)) => Ok(Ok(())),
            (None, _) => Ok(Err("it has no path in the output")),
        }
    }

    fn push(&mut self, path: &[u8], record: &Record) -> Result<()> {
        let scratch = &self.scratch;
        self.filling.get_or_insert_with(|| Filling::new(scratch)).push(path, &record.bytes())
    }

    fn record(&self, path: &[u8]) -> Result<Record> {
        let bytes = self.files.as_ref().map_or(Ok(None), |files| files.get(path))?;
        let bytes = bytes.ok_or_else(|| wrong(path, "metadata.jsonl does not list it"))?;
        Record::of(&bytes).ok_or_else(|| Error::internal("a record of a table cannot be read"))
    }
}

impl<V: InodeVisitor> reading::Reader<V> for Reader {
    /// The role of the file at a path; `None`: no decode writes it.
    fn part(&self, path: &[u8]) -> Option<Part> {
        Some(match path {
            _ if [METADATA, KEYMAP, REPORT].iter().any(|name| path == name.as_bytes()) => Part::Sidecar,
            _ if FOLDERS.iter().any(|folder| path.starts_with(folder)) => Part::Objects,
            // A file system whose root is not a directory.
            b"fs/tree" => Part::Objects,
            _ => return None,
        })
    }

    /// Reads the metadata, and passes on inodes and names. The other files of this kind contain nothing else.
    ///
    /// # Errors
    /// A failed read, a line that no decode writes, or the error of the visitor.
    fn sidecar(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()> {
        if path != METADATA.as_bytes() {
            return Ok(());
        }
        let (budget, failed, mut stack) = (Budget::default(), Cell::new(None), Stack::default());
        let mut lines = Text::new(path, bytes).lines();
        while let Some(line) = lines.next(&budget, PhantomData::<Line>, &failed)? {
            let told = line.told().map_err(|why| lines.wrong(why))?;
            if matches!(&told.named, Named::Path(_, None, _)) && told.has_bad_name {
                let why = "its path may differ from its name, because the server never creates such a name";
                return Err(lines.wrong(why).with_remedy(Remedy::ForRestore));
            }
            self.take(told, &mut stack, visitor)?.map_err(|why| lines.wrong(why))?;
        }
        Ok(())
    }

    /// Called after all metadata.
    ///
    /// # Errors
    /// A failed spill.
    fn settle(&mut self) -> Result<()> {
        self.files = self.filling.take().map(Filling::finish).transpose()?;
        Ok(())
    }

    fn aside(&self) -> u64 {
        self.nameless
    }

    /// The status of the file at a path.
    ///
    /// # Errors
    /// The metadata does not list it; a failed read.
    fn standing(&self, path: &[u8]) -> Result<Standing> {
        Ok(match self.record(path)? {
            Record::File(_, None) => Standing::Listed,
            Record::File(_, Some(_)) => Standing::Unlisted,
            Record::Link(_) => Standing::Copy,
            Record::Aside(true) => Standing::Aside,
            Record::Aside(false) => Standing::UnlistedAside,
        })
    }

    /// Checks a member of an archive that is another name of the file at `target`.
    ///
    /// # Errors
    /// The metadata does not list it; a failed read.
    fn link(&self, path: &[u8], target: &[u8]) -> Result<()> {
        match self.record(path)? {
            Record::Link(told) if told == target => Ok(()),
            _ => Err(wrong(path, "metadata.jsonl does not list this link")),
        }
    }

    fn objects(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()> {
        self.unlisted(path, Pieces::Stream(bytes), visitor)
    }

    /// Passes on the content of a file, whether CHECKSUMS lists it or not.
    ///
    /// # Errors
    /// A failed read, a content with another size or other extents than listed, or the error of the visitor.
    fn unlisted(&mut self, path: &[u8], mut pieces: Pieces<'_>, visitor: &mut V) -> Result<()> {
        let Record::File(node, digest) = self.record(path)? else { return Err(wrong(path, "it is not a file")) };
        let (mut hash, mut at) = (digest.map(|_| ExtentsHash::default()), 0u64);
        let failed = |e| broken(Path::new(&*String::from_utf8_lossy(path)), e);
        while let Some(piece) = pieces.next(&mut self.piece).map_err(failed)? {
            match piece {
                Piece::Hole(zeros) => {
                    hash.iter_mut().for_each(|hash| hash.skip(zeros));
                    at = at.saturating_add(zeros);
                }
                Piece::Data(bytes) => {
                    hash.iter_mut().for_each(|hash| hash.add(bytes));
                    if bytes.iter().any(|byte| *byte != 0) {
                        visitor.content(&node, at, bytes)?;
                    }
                    at = at.saturating_add(bytes.len() as u64);
                }
            }
            if at > node.inode.size {
                return Err(wrong(path, "it has more bytes than metadata.jsonl says"));
            }
        }
        if at < node.inode.size {
            return Err(wrong(path, "it has fewer bytes than metadata.jsonl says"));
        }
        if hash.map(ExtentsHash::finish) != digest {
            return Err(wrong(path, "it differs from its sha256_extents in metadata.jsonl"));
        }
        visitor.end_content(&node)
    }

    /// Called after all files.
    ///
    /// # Errors
    /// A file that is listed and missing.
    fn finish(&self) -> Result<()> {
        match self.files.as_ref().map_or(Ok(None), Table::unused)? {
            Some(path) => Err(wrong(&path, "metadata.jsonl lists it, but it is missing")),
            None => Ok(()),
        }
    }
}

impl Record {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Record::Aside(is_listed) => vec![if *is_listed { b'a' } else { b'u' }],
            Record::Link(target) => [&b"l"[..], target].concat(),
            Record::File(Node { number, inode }, digest) => {
                let numbers = [*number, inode.home_slot, inode.chunk_size, inode.size].map(u64::to_le_bytes);
                [&b"f"[..], numbers.as_flattened(), digest.as_ref().map_or(&[], |digest| &digest[..])].concat()
            }
        }
    }

    fn of(bytes: &[u8]) -> Option<Record> {
        match bytes.split_first()? {
            (kind @ (b'a' | b'u'), _) => Some(Record::Aside(*kind == b'a')),
            (b'l', target) => Some(Record::Link(target.to_vec())),
            (_, rest) => {
                let (numbers, digest) = rest.split_first_chunk::<32>()?;
                let (numbers, _) = numbers.as_chunks::<8>();
                let [number, home_slot, chunk_size, size] =
                    <[[u8; 8]; 4]>::try_from(numbers).ok()?.map(u64::from_le_bytes);
                let inode = Inode { number, kind: Kind::File, home_slot, chunk_size, size, ..Inode::default() };
                Some(Record::File(Node { number, inode }, digest.first_chunk().copied()))
            }
        }
    }
}

/// Takes a path, its inode, and the file that it is another name of.
#[cfg(feature = "archive")]
type Placed<'p> = &'p mut dyn FnMut(&[u8], &Inode, Option<&[u8]>) -> Result<()>;

/// Calls `each` for everything that has a place, by path, with the file that it is another name of.
///
/// # Errors
/// A failed read, a line that no decode writes, or the error of `each`.
#[cfg(feature = "archive")]
pub(crate) fn places_of(path: &[u8], bytes: &mut dyn Read, each: Placed<'_>) -> Result<()> {
    let (budget, failed) = (Budget::default(), Cell::new(None));
    let mut lines = Text::new(path, bytes).lines();
    while let Some(line) = lines.next(&budget, PhantomData::<Line>, &failed)? {
        let Told { node, tree, content, .. } = line.told().map_err(|why| lines.wrong(why))?;
        if let Some(tree) = tree {
            let link = if let Content::None(link) = &content { link.as_deref() } else { None };
            each(&tree, &node.inode, link)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let inode =
            Inode { number: 7, kind: Kind::File, home_slot: 8, chunk_size: 9, size: u64::MAX, ..Inode::default() };
        for digest in [None, Some([5; 32])] {
            let read = Record::of(&Record::File(Node { number: 7, inode }, digest).bytes());
            assert!(
                matches!(read, Some(Record::File(node, told)) if node == Node { number: 7, inode } && told == digest)
            );
        }
        assert!(
            matches!(Record::of(&Record::Link(b"fs/tree/a".to_vec()).bytes()), Some(Record::Link(to)) if to == b"fs/tree/a")
        );
        for listed in [false, true] {
            assert!(matches!(Record::of(&Record::Aside(listed).bytes()), Some(Record::Aside(told)) if told == listed));
        }
        assert!(Record::of(b"f1").is_none() && Record::of(b"").is_none());
    }
}
