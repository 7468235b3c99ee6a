//! What one unit of work writes, and how the units come together.
//!
//! A unit writes its files at once, in any thread. What has an order over units (lines of shared files, checksums,
//! findings) is collected in the unit and handed over in unit order, so that every output is the same for any
//! number of threads.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checksums::{Checksums, Sums};
use super::tree::{Dir, OpenFile, Tree};
use crate::error::Result;
use crate::format::Adapter;
use crate::report::Findings;

/// Bytes that a growing file buffers before they are written.
const SPILL: usize = 1 << 20;

/// Pieces of this size are not worth a copy into the buffer.
const DIRECT: usize = 128 << 10;

/// One unit's share of the output.
pub struct UnitOut<'t> {
    tree: &'t Tree,
    sums: Sums,
    lines: BTreeMap<String, Vec<u8>>,
    spare: Vec<u8>,
    dirs: Vec<(String, Arc<Dir>)>,
    /// What the unit noticed.
    pub findings: Findings,
    /// What the unit emitted, by scope and kind.
    pub tally: Tally,
}

impl<'t> UnitOut<'t> {
    /// An empty share.
    pub fn new(tree: &'t Tree) -> Self {
        UnitOut {
            tree,
            sums: Sums::default(),
            lines: BTreeMap::new(),
            spare: Vec::new(),
            dirs: Vec::new(),
            findings: Findings::default(),
            tally: Tally::default(),
        }
    }

    /// The tree below.
    pub fn tree(&self) -> &'t Tree {
        self.tree
    }

    /// A directory whose number is bounded (a Redis type, a table): its handle is held.
    pub fn dir(&mut self, rel: &str) -> Result<Arc<Dir>> {
        if let Some((_, dir)) = self.dirs.iter().find(|(name, _)| name == rel) {
            return Ok(Arc::clone(dir));
        }
        let dir = self.tree.dir(rel.as_bytes())?;
        self.dirs.push((rel.to_owned(), Arc::clone(&dir)));
        Ok(dir)
    }

    /// Writes a whole file.
    pub fn put(&mut self, dir: &Dir, name: &[u8], body: &[u8]) -> Result<()> {
        self.tree.put(dir, name, body, &mut self.sums)
    }

    /// Writes a whole file unless the name is taken; tells whether it was free.
    pub fn try_put(&mut self, dir: &Dir, name: &[u8], body: &[u8]) -> Result<bool> {
        self.tree.try_put(dir, name, body, &mut self.sums)
    }

    /// The lines that this unit adds to a shared file.
    pub fn lines(&mut self, path: &str) -> &mut Vec<u8> {
        if !self.lines.contains_key(path) {
            self.lines.insert(path.to_owned(), Vec::new());
        }
        self.lines.entry(path.to_owned()).or_default()
    }

    /// Begins a file that may grow large: it is buffered, and written in pieces when it does.
    pub fn grow(&mut self, dir: &Arc<Dir>, name: &[u8]) -> Growing<'t> {
        let mut buffer = std::mem::take(&mut self.spare);
        buffer.clear();
        Growing { tree: self.tree, dir: Arc::clone(dir), name: name.to_vec(), buffer, file: None, bytes: 0 }
    }

    /// Completes a growing file; gives its size.
    pub fn finish(&mut self, mut growing: Growing<'_>) -> Result<u64> {
        let bytes = growing.bytes + growing.buffer.len() as u64;
        match growing.file.take() {
            None => self.tree.put(&growing.dir, &growing.name, &growing.buffer, &mut self.sums)?,
            Some(mut file) => {
                file.write(&growing.buffer)?;
                file.finish(&mut self.sums)?;
            }
        }
        self.spare = std::mem::take(&mut growing.buffer);
        Ok(bytes)
    }
}

/// A file that is written in pieces if it gets large. Dropped unfinished, it leaves nothing.
pub struct Growing<'t> {
    tree: &'t Tree,
    dir: Arc<Dir>,
    name: Vec<u8>,
    /// Where to append.
    pub buffer: Vec<u8>,
    file: Option<OpenFile<'t>>,
    bytes: u64,
}

impl Growing<'_> {
    /// Writes what is buffered once it is much: call it between elements.
    #[inline]
    pub fn spill(&mut self) -> Result<()> {
        if self.buffer.len() < SPILL { Ok(()) } else { self.write_out() }
    }

    /// Appends `bytes`; a large piece goes straight to the file.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() < DIRECT {
            self.buffer.extend_from_slice(bytes);
            return self.spill();
        }
        self.write_out()?;
        self.bytes += bytes.len() as u64;
        self.file.as_mut().map_or(Ok(()), |file| file.write(bytes))
    }

    fn write_out(&mut self) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(self.tree.create(&self.dir, &self.name)?),
        };
        file.write(&self.buffer)?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Objects and bytes by kind.
type Kinds = BTreeMap<&'static str, (u64, u64)>;

/// Objects and bytes by scope (`db_0`, a table, a bucket, a queue) and kind (`hashes`, `items`, …).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    scopes: BTreeMap<(Adapter, String), Kinds>,
}

impl Tally {
    /// Makes a scope known, even without objects.
    pub fn scope(&mut self, adapter: Adapter, scope: &str) {
        self.scopes.entry((adapter, scope.to_owned())).or_default();
    }

    /// Counts `objects` of a kind with their bytes.
    pub fn add(&mut self, adapter: Adapter, scope: &str, kind: &'static str, objects: u64, bytes: u64) {
        let kinds = self.scopes.entry((adapter, scope.to_owned())).or_default();
        let (n, size) = kinds.entry(kind).or_default();
        *n += objects;
        *size += bytes;
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: Tally) {
        for ((adapter, scope), kinds) in other.scopes {
            self.scope(adapter, &scope);
            for (kind, (objects, bytes)) in kinds {
                self.add(adapter, &scope, kind, objects, bytes);
            }
        }
    }

    /// The scopes of an adapter with their kinds: `(name, [(kind, objects, bytes)])`.
    pub fn of(&self, adapter: Adapter) -> impl Iterator<Item = (&str, Vec<(&'static str, u64, u64)>)> {
        self.scopes.iter().filter(move |((a, _), _)| *a == adapter).map(|((_, scope), kinds)| {
            (scope.as_str(), kinds.iter().map(|(kind, (objects, bytes))| (*kind, *objects, *bytes)).collect())
        })
    }
}

/// Takes the shares of all units, in unit order.
pub struct Collector<'t> {
    tree: &'t Tree,
    checksums: Checksums,
    shared: BTreeMap<String, OpenFile<'t>>,
    /// What was noticed.
    pub findings: Findings,
    /// What was emitted.
    pub tally: Tally,
}

impl<'t> Collector<'t> {
    /// Nothing taken yet.
    pub fn new(tree: &'t Tree, scratch: &std::path::Path) -> Self {
        Collector {
            tree,
            checksums: Checksums::new(scratch),
            shared: BTreeMap::new(),
            findings: Findings::default(),
            tally: Tally::default(),
        }
    }

    /// The tree below.
    pub fn tree(&self) -> &'t Tree {
        self.tree
    }

    /// Takes the next unit's share.
    pub fn take(&mut self, unit: UnitOut<'_>) -> Result<()> {
        self.checksums.add(&unit.sums)?;
        self.findings.merge(unit.findings);
        self.tally.merge(unit.tally);
        for (path, bytes) in unit.lines {
            self.append(&path, &bytes)?;
        }
        Ok(())
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        if let Some(file) = self.shared.get_mut(path) {
            return file.write(bytes);
        }
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut file = self.tree.create(&self.tree.dir(dir.as_bytes())?, name.as_bytes())?;
        file.write(bytes)?;
        self.shared.insert(path.to_owned(), file);
        Ok(())
    }

    /// Closes the shared files and gives the checksums of everything.
    pub fn finish(mut self) -> Result<(Checksums, Findings, Tally)> {
        let mut sums = Sums::default();
        for (_, file) in std::mem::take(&mut self.shared) {
            file.finish(&mut sums)?;
        }
        self.checksums.add(&sums)?;
        Ok((self.checksums, self.findings, self.tally))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_never_held() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        let mut out = UnitOut::new(&tree);
        let dir = out.dir("d").unwrap();
        let mut file = out.grow(&dir, b"f");
        let pieces = [1, DIRECT - 1, DIRECT, SPILL, 3 * SPILL, 7];
        let mut want = Vec::new();
        for (n, len) in pieces.iter().cycle().take(60).enumerate() {
            let piece = vec![n as u8; *len];
            file.write(&piece).unwrap();
            assert!(file.buffer.capacity() <= 2 * (SPILL + DIRECT), "piece {n}: {}", file.buffer.capacity());
            want.extend(piece);
        }
        assert_eq!(out.finish(file).unwrap(), want.len() as u64);
        assert!(std::fs::read(root.path().join("d/f")).unwrap() == want);
    }

    #[test]
    fn an_unfinished_file_removes_itself() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        let mut out = UnitOut::new(&tree);
        let dir = out.dir("d").unwrap();
        let mut file = out.grow(&dir, b"f");
        file.write(&[0; SPILL]).unwrap();
        assert!(root.path().join("d/f").exists());
        drop(file);
        assert!(!root.path().join("d/f").exists());
    }
}
