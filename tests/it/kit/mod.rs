//! Shared by the tests: fixtures, a builder of snapshots, and a decode whose output is read back.

pub mod build;
pub mod bundle;
pub mod command;
pub mod ddb;
pub mod fixtures;
pub mod fs;
pub mod golden;
pub mod paused;
pub mod s3;
pub mod sealed;
pub mod thin;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ekvsnap::Error;
use ekvsnap::decode::{Layout, Options, Outcome, Silent, decode};
use ekvsnap::output::archive::Packing;
use ekvsnap::source::Source;

/// Path below the output, with slashes, to content.
pub type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

/// A finished decode with its output.
pub struct Decoded {
    pub outcome: Outcome,
    pub tree: Tree,
}

impl Decoded {
    /// The text of a file.
    #[track_caller]
    pub fn text(&self, path: &str) -> &str {
        let names = || self.tree.keys().map(|k| String::from_utf8_lossy(k)).collect::<Vec<_>>();
        let Some(bytes) = self.tree.get(path.as_bytes()) else { panic!("no {path} in {:#?}", names()) };
        std::str::from_utf8(bytes).unwrap()
    }

    /// Whether a file is there.
    pub fn has(&self, path: &str) -> bool {
        self.tree.contains_key(path.as_bytes())
    }

    /// Warnings with their counts.
    pub fn warnings(&self) -> Vec<(&str, u64)> {
        self.outcome.manifest.warnings.iter().map(|w| (w.event, w.count)).collect()
    }

    /// Notes with their counts.
    pub fn notes(&self) -> Vec<(&str, u64)> {
        self.outcome.manifest.notes.iter().map(|w| (w.event, w.count)).collect()
    }

    /// Files whose path begins with `prefix`.
    pub fn below(&self, prefix: &str) -> Vec<String> {
        let inside = self.tree.keys().filter(|k| k.starts_with(prefix.as_bytes()));
        inside.map(|k| String::from_utf8_lossy(k).into_owned()).collect()
    }
}

/// The default options with `--layout jsonl`.
pub fn packed() -> Options {
    Options { layout: Layout::JSONL, ..Options::default() }
}

/// Decodes snapshots in memory with the default options.
pub fn run(inputs: &[Vec<u8>]) -> Result<Decoded, Error> {
    run_with(inputs, &Options::default())
}

/// Decodes snapshots in memory; an archive of the output must have the same content.
pub fn run_with(inputs: &[Vec<u8>], options: &Options) -> Result<Decoded, Error> {
    let name = |i: usize| format!("input-{i}.fsm");
    let sources: Vec<Source> =
        inputs.iter().enumerate().map(|(i, bytes)| Source::from_bytes(name(i), bytes.clone())).collect();
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out");
    // Nothing here outlives the test.
    let options = &Options { fsync: Some(false), ..options.clone() };
    let outcome = decode(&sources, &target, options, &Silent);
    if outcome.is_err() {
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert!(left.is_empty(), "a failed run left {left:?}");
    }
    let decoded = Decoded { outcome: outcome?, tree: read_tree(&target) };
    if options.archive.is_none() {
        let archive = dir.path().join("out.tar");
        let packed = Options { archive: Some(Packing::Tar), ..options.clone() };
        decode(&sources, &archive, &packed, &Silent).unwrap();
        let (tree, _) = read_archive(std::fs::File::open(&archive).unwrap());
        // For a file system the manifest records that names are raw.
        let told = |path: &[u8]| decoded.has("fs/metadata.jsonl") && matches!(path, b"MANIFEST.json" | b"CHECKSUMS");
        let files = |tree: &Tree| -> Tree {
            let files = tree.iter().filter(|(path, _)| !told(path));
            files.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
        };
        assert!(files(&tree) == files(&decoded.tree), "the archive is not the directory");
    }
    Ok(decoded)
}

/// Files of a tar archive, and the paths of all members in their order.
pub fn read_archive(archive: impl std::io::Read) -> (Tree, Vec<Vec<u8>>) {
    let (mut tree, mut members) = (Tree::new(), Vec::new());
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path_bytes().into_owned();
        members.push(path.clone());
        let header = entry.header();
        let (mode, dir) = (header.mode().unwrap(), header.entry_type().is_dir());
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        assert_eq!(mode, if dir { 0o755 } else { 0o600 });
        if !dir {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            tree.insert(path, bytes);
        }
    }
    (tree, members)
}

/// Files of a tar archive, according to its members.
pub fn read_members(path: &Path) -> Tree {
    let mut tree = Tree::new();
    for entry in tar::Archive::new(std::fs::File::open(path).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        tree.insert(entry.path_bytes().into_owned(), bytes);
    }
    tree
}

/// Decodes one intact snapshot.
#[track_caller]
pub fn decoded(snapshot: Vec<u8>) -> Decoded {
    run(&[snapshot]).unwrap_or_else(|e| panic!("{e}"))
}

/// Every regular file below `root`; anything else except directories fails the test.
pub fn read_tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let (path, kind) = entry.map(|e| (e.path(), e.file_type().unwrap())).unwrap();
            if kind.is_dir() {
                todo.push(path);
            } else {
                assert!(kind.is_file(), "{path:?} is neither file nor directory");
                let rel = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
                tree.insert(rel, std::fs::read(&path).unwrap());
            }
        }
    }
    tree
}
