//! File-system rows as the server writes them, and their possible faults; decodes of files with holes.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ekvsnap::Error;
use ekvsnap::decode::{Options, Outcome, Silent, decode};
use ekvsnap::encode;
use ekvsnap::format::Family;
use ekvsnap::format::fs::{ROOT, key};
use ekvsnap::index::Granularity;
use ekvsnap::output::archive::Packing;
use ekvsnap::source::Source;
use serde_json::{Value, json};

use super::build::Snapshot;

/// Files up to this size are read.
const READ: u64 = 64 << 20;

/// A finished decode.
pub struct Fs {
    pub outcome: Outcome,
    /// Content of all files up to the limit.
    pub tree: super::Tree,
    /// Size and bytes on disk of all files.
    pub sizes: BTreeMap<Vec<u8>, (u64, u64)>,
    /// Directories.
    pub dirs: Vec<String>,
}

/// The files, directories and sizes that were found.
#[derive(Default)]
struct Files {
    tree: super::Tree,
    sizes: BTreeMap<Vec<u8>, (u64, u64)>,
    dirs: Vec<String>,
}

impl Fs {
    /// Lines of metadata.jsonl.
    pub fn lines(&self) -> Vec<Value> {
        let text = self.tree.get(&b"fs/metadata.jsonl"[..]).cloned().unwrap_or_default();
        text.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect()
    }

    /// The one line with this path.
    #[track_caller]
    pub fn line(&self, path: &str) -> Value {
        let lines: Vec<Value> = self.lines().into_iter().filter(|line| line["path"] == path).collect();
        assert_eq!(lines.len(), 1, "{path} in {:#?}", self.lines());
        lines[0].clone()
    }

    /// Notes in the line of a path.
    #[track_caller]
    pub fn notes(&self, path: &str) -> Vec<String> {
        let notes = self.line(path)["notes"].as_array().cloned().unwrap_or_default();
        notes.iter().map(|note| note.as_str().unwrap().to_owned()).collect()
    }

    /// Content of a file below the tree.
    #[track_caller]
    pub fn file(&self, path: &str) -> &[u8] {
        let path = format!("fs/{path}");
        self.tree.get(path.as_bytes()).unwrap_or_else(|| panic!("no {path} in {:#?}", self.paths()))
    }

    /// Paths of all files below `fs/`, except the three that always exist.
    pub fn paths(&self) -> Vec<String> {
        let always = ["metadata.jsonl", "report.json", "KEYMAP.jsonl"];
        let names = self.sizes.keys().map(|path| String::from_utf8_lossy(path).into_owned());
        let inside = names.filter_map(|path| path.strip_prefix("fs/").map(str::to_owned));
        inside.filter(|path| !always.contains(&path.as_str())).collect()
    }

    /// Codes of warnings with their counts.
    pub fn warnings(&self) -> Vec<(&str, u64)> {
        self.outcome.manifest.warnings.iter().map(|w| (code(w.event), w.count)).collect()
    }

    /// Codes of notes with their counts, without the note about a missing footer.
    pub fn noted(&self) -> Vec<(&str, u64)> {
        self.outcome.manifest.notes.iter().map(|w| (code(w.event), w.count)).collect()
    }
}

fn code(event: &'static str) -> &'static str {
    event.strip_prefix("fs_").unwrap_or(event)
}

/// Decodes snapshots that may have large files with holes: the output is the same for any number of threads and any cuts.
pub fn run_with(inputs: &[Vec<u8>], options: &Options) -> Result<Fs, Error> {
    let mut first: Option<Fs> = None;
    let tiny = Granularity { checkpoint_interval: 1, read_size: 1, task_size: 1 };
    for (threads, granularity) in [(1, Granularity::default()), (3, tiny)] {
        let next = once(inputs, &Options { threads, granularity, ..options.clone() })?;
        match &first {
            Some(first) => {
                assert!(first.tree == next.tree, "threads or cuts change the output");
                assert_eq!((&first.sizes, &first.dirs), (&next.sizes, &next.dirs));
            }
            None => first = Some(next),
        }
    }
    Ok(first.unwrap())
}

/// Decodes with the default options.
pub fn run(inputs: &[Vec<u8>]) -> Result<Fs, Error> {
    run_with(inputs, &Options::default())
}

/// Decodes one intact snapshot; encoding the output and decoding it again gives the same.
#[track_caller]
pub fn decoded(snapshot: &Snapshot) -> Fs {
    comes_back(&snapshot.build());
    run(&[snapshot.build()]).unwrap_or_else(|e| panic!("{e}"))
}

/// Requires that an output for a restore, encoded and decoded again, is the same, as a directory and as an archive.
#[track_caller]
pub fn comes_back(snapshot: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let [before, after, tar, file, of_tar] =
        ["before", "after", "x.tar", "x.fsm", "tar.fsm"].map(|name| dir.path().join(name));
    let options = Options { fsync: Some(false), ..Options::default().for_restore() };
    let packed = Options { archive: Some(Packing::Tar), ..options.clone() };
    let source = |bytes: &[u8]| [Source::from_bytes("input.fsm", bytes.to_vec())];
    decode(&source(snapshot), &before, &options, &Silent).unwrap();
    decode(&source(snapshot), &tar, &packed, &Silent).unwrap();
    let asked = encode::Options { fsync: Some(false), ..encode::Options::default() };
    encode::encode(std::slice::from_ref(&before), &file, &asked, &Silent).unwrap();
    encode::encode(&[tar], &of_tar, &asked, &Silent).unwrap();
    let written = std::fs::read(&file).unwrap();
    assert!(std::fs::read(&of_tar).unwrap() == written, "the archive gives another snapshot");
    decode(&source(&written), &after, &options, &Silent).unwrap();
    let [before, after] = [before, after].map(|out| normal(&out));
    let differs: Vec<_> =
        before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
    let show = |tree: &super::Tree| {
        differs
            .iter()
            .map(|path| {
                let bytes = tree.get(*path).map(|bytes| bytes.escape_ascii().to_string().replace("\\n", "\n"));
                format!("{}\n{}", path.escape_ascii(), bytes.unwrap_or_default())
            })
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(differs.is_empty(), "before: {}\nafter: {}", show(&before), show(&after));
}

/// The files of an output without what an encode does not keep: anomalies of rows, and zeros that are stored.
fn normal(out: &Path) -> super::Tree {
    let mut files = Files::default();
    read(out, &mut files);
    let mut tree = files.tree;
    normalize(&mut tree);
    for (path, (size, _)) in files.sizes {
        if size > READ {
            tree.insert(path, size.to_string().into());
        }
    }
    tree
}

/// Files below a directory that are not too large.
pub fn read_files(root: &Path) -> super::Tree {
    let mut files = Files::default();
    read(root, &mut files);
    files.tree
}

/// Removes these from the files of an output.
pub fn normalize(tree: &mut super::Tree) {
    tree.retain(|path, _| !ASIDE.iter().any(|name| path.ends_with(name.as_bytes())));
    let Some(text) = tree.get_mut(&b"fs/metadata.jsonl"[..]) else { return };
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.map(|line| {
        let mut line: Value = serde_json::from_slice(line).unwrap();
        let members = line.as_object_mut().unwrap();
        members.remove("stored_bytes");
        members.remove("holes");
        if let Some(Value::Array(notes)) = members.get_mut("notes") {
            notes.retain(|note| note == "apart" || note == "sha256_of_extents");
            if notes.is_empty() {
                members.remove("notes");
            }
        }
        line
    });
    // The names in a deleted directory are not written, and inodes without a name come in another order.
    let (mut lost, named): (Vec<Value>, Vec<Value>) =
        lines.partition(|line| line["path"].is_null() && line["name"].is_null());
    lost.sort_by_key(|line| line["tree"].to_string());
    let all = named.into_iter().chain(lost);
    *text = all.map(|line| line.to_string() + "\n").collect::<String>().into_bytes();
    tree.retain(|path, text| path != b"fs/metadata.jsonl" || !text.is_empty());
}

/// Files about inputs.
const ASIDE: [&str; 3] = ["MANIFEST.json", "CHECKSUMS", "fs/report.json"];

fn once(inputs: &[Vec<u8>], options: &Options) -> Result<Fs, Error> {
    let source = |(i, bytes): (usize, &Vec<u8>)| Source::from_bytes(format!("input-{i}.fsm"), bytes.clone());
    let sources: Vec<Source> = inputs.iter().enumerate().map(source).collect();
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out");
    let outcome = decode(&sources, &target, options, &Silent);
    if outcome.is_err() {
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert!(left.is_empty(), "a failed run left {left:?}");
    }
    let outcome = outcome?;
    let mut files = Files::default();
    read(&target, &mut files);
    let Files { tree, sizes, dirs } = files;
    Ok(Fs { outcome, tree, sizes, dirs })
}

/// Everything below `root`; depth costs no stack.
fn read(root: &Path, fs: &mut Files) {
    let mut todo = vec![root.to_path_buf()];
    while let Some(path) = todo.pop() {
        let meta = std::fs::symlink_metadata(&path).unwrap();
        let rel = path.strip_prefix(root).unwrap();
        if meta.is_dir() {
            fs.dirs.push(rel.to_string_lossy().into_owned());
            todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        assert!(meta.is_file(), "{path:?} is neither file nor directory");
        let rel = rel.as_os_str().as_bytes().to_vec();
        fs.sizes.insert(rel.clone(), (meta.len(), meta.blocks() * 512));
        if meta.len() <= READ {
            fs.tree.insert(rel, std::fs::read(&path).unwrap());
        }
    }
    fs.dirs.sort();
}

/// An inode's value: of a file with one name, at its own home.
pub fn inode(number: u64, size: u64) -> Value {
    json!({"inode": number, "parent": 1, "type": "file", "mode": 0o644, "uid": 0, "gid": 0, "size": size,
        "atime_nsec": 1, "mtime_nsec": 2, "ctime_nsec": 3, "chunk_size": 16, "home_slot": number, "epoch": 1, "nlink": 1,
        "generation": 1})
}

/// A value with changed or further members.
pub fn with(mut value: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("members") };
    value.as_object_mut().unwrap().extend(members);
    value
}

/// Rows of an inode: itself and its home.
pub fn put(s: Snapshot, number: u64, value: &Value) -> Snapshot {
    let home = json!({"home_slot": value["home_slot"], "state": "active", "epoch": value["epoch"]});
    put_alone(s, number, value).put(key::numbers(Family::FsHome, &[number]), home.to_string())
}

/// The row of an inode without its home.
pub fn put_alone(s: Snapshot, number: u64, value: &Value) -> Snapshot {
    s.put(key::numbers(Family::FsInode, &[number]), value.to_string())
}

/// A directory with this number of child directories.
pub fn dir(s: Snapshot, number: u64, children: u64) -> Snapshot {
    put(s, number, &with(inode(number, 0), json!({"type": "directory", "mode": 0o755, "nlink": 2 + children})))
}

/// A name.
pub fn name(s: Snapshot, parent: u64, name: impl AsRef<[u8]>, number: u64, kind: &str) -> Snapshot {
    s.put(key::entry(parent, name.as_ref()), json!({"inode": number, "type": kind}).to_string())
}

/// A chunk at the home of its inode.
pub fn chunk(s: Snapshot, number: u64, index: u64, bytes: impl AsRef<[u8]>) -> Snapshot {
    s.put(key::numbers(Family::FsChunk, &[number, number, index]), bytes)
}

/// A root with this number of child directories, and nothing in it.
pub fn base(children: u64) -> Snapshot {
    dir(Snapshot::new(), ROOT, children)
}

/// A file in the root, in chunks of 16 bytes.
pub fn file(s: Snapshot, path: impl AsRef<[u8]>, number: u64, body: &[u8]) -> Snapshot {
    let mut s = name(put(s, number, &inode(number, body.len() as u64)), ROOT, path, number, "file");
    for (index, bytes) in body.chunks(16).enumerate() {
        s = chunk(s, number, index as u64, bytes);
    }
    s
}

/// Bytes in the form of the server's JSON.
pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}
