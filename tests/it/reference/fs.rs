//! The file system (`fs.md`), completely in maps: files on disk, metadata.jsonl and KEYMAP.jsonl. Without report.json.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::json::{Html, Json};
use super::names::{directory, keymap, segment};
use super::{Ask, Damage, Rows, Set, Tree, escaped, of};

/// Inode of the root.
const ROOT: u64 = 1;
/// The byte after a zero at the end of a name in a key (§1).
const END: u8 = 0;

#[derive(Default)]
struct Store {
    inodes: BTreeMap<u64, Value>,
    homes: BTreeMap<u64, Value>,
    /// Names of a directory, with their inodes.
    names: BTreeMap<u64, BTreeMap<Vec<u8>, Value>>,
    /// Chunks by home, inode and index.
    chunks: BTreeMap<(u64, u64, u64), Vec<u8>>,
    /// How many names lead to an inode.
    count: BTreeMap<u64, u64>,
}

/// The walk: the inodes that were met, and their places.
struct Walk<'s, 't> {
    store: &'s Store,
    tree: &'t mut Tree,
    met: BTreeMap<u64, String>,
    lines: String,
    keymap: String,
}

/// One meeting with an inode.
struct Visit<'v> {
    number: u64,
    /// Below the root; `None` outside the tree.
    path: Option<&'v [u8]>,
    /// The directory in which it was met, and its name there.
    met_in: Option<(u64, &'v [u8])>,
    place: &'v str,
    link: Option<&'v str>,
    notes: Vec<&'static str>,
}

/// Writes everything below `fs/` but report.json.
pub fn decode(set: &Set, ask: &Ask, tree: &mut Tree) -> Result<(), Damage> {
    if !set.live.keys().any(|key| key.starts_with(b"!fs|")) {
        return Ok(());
    }
    let store = gather(&set.live)?;
    let mut walk = Walk { store: &store, tree, met: BTreeMap::new(), lines: String::new(), keymap: String::new() };
    if store.inodes.contains_key(&ROOT) {
        walk.start(ROOT, Some(b""), "fs/tree", Vec::new());
    }
    let unmet: Vec<u64> = store.inodes.keys().copied().filter(|number| !walk.met.contains_key(number)).collect();
    let (orphans, lost): (Vec<u64>, Vec<u64>) =
        unmet.into_iter().partition(|number| is_unlinked(&store.inodes[number]));
    walk.lost(&lost);
    for number in orphans.into_iter().filter(|_| ask.orphans) {
        let visit = Visit {
            number,
            path: None,
            met_in: None,
            place: &format!("fs/orphans/{number}"),
            link: None,
            notes: vec!["orphan"],
        };
        walk.line(visit);
    }
    let Walk { lines, keymap, .. } = walk;
    tree.insert(b"fs/metadata.jsonl".to_vec(), lines.into());
    if !keymap.is_empty() {
        tree.insert(b"fs/KEYMAP.jsonl".to_vec(), keymap.into());
    }
    Ok(())
}

fn numbers<const N: usize>(rest: &[u8]) -> Result<[u64; N], Damage> {
    let (all, behind) = rest.as_chunks::<8>();
    let all: [[u8; 8]; N] = all.try_into().map_err(|_| "a key with too few numbers")?;
    if behind.is_empty() { Ok(all.map(u64::from_be_bytes)) } else { Err("a key that goes on".into()) }
}

fn gather(rows: &Rows) -> Result<Store, Damage> {
    let json = |body: &[u8]| serde_json::from_slice::<Value>(body).map_err(|e| e.to_string());
    let mut store = Store::default();
    for (rest, body) in of(rows, "!fs|ino|") {
        let [number] = numbers(rest)?;
        store.inodes.insert(number, json(body)?);
    }
    for (rest, body) in of(rows, "!fs|home|") {
        let [number] = numbers(rest)?;
        store.homes.insert(number, json(body)?);
    }
    for (rest, body) in of(rows, "!fs|dir|") {
        let [parent] = numbers(&rest[..8])?;
        let entry = json(body)?;
        *store.count.entry(entry["inode"].as_u64().unwrap_or(0)).or_default() += 1;
        let (name, behind) = escaped(&rest[8..], END)?;
        if !behind.is_empty() {
            return Err("a name that goes on behind its end".into());
        }
        store.names.entry(parent).or_default().insert(name, entry);
    }
    for (rest, body) in of(rows, "!fs|chk|") {
        let [home, number, index] = numbers(rest)?;
        store.chunks.insert((home, number, index), body.clone());
    }
    Ok(store)
}

fn number(value: &Value, member: &str) -> u64 {
    value[member].as_u64().unwrap_or(0)
}

fn is_directory(value: &Value) -> bool {
    value["type"] == "directory"
}

fn is_unlinked(inode: &Value) -> bool {
    inode["orphaned"] == true || number(inode, "nlink") == 0
}

/// The segment of a name, and the kind of its KEYMAP line.
fn placed(name: &[u8]) -> (String, Option<&'static str>) {
    let kind = match name {
        b"" => Some("empty-segment"),
        b"." | b".." => Some("dot-segment"),
        _ => segment(name).1.then_some("sha-fallback"),
    };
    (directory(name), kind)
}

impl Store {
    fn is_directory(&self, number: u64) -> bool {
        self.inodes.get(&number).is_some_and(is_directory)
    }

    /// The anomalies of an inode; `name` and the entry that led to it (§4).
    fn oddities(&self, at: u64, entry: Option<(&[u8], &Value)>) -> Vec<&'static str> {
        let inode = &self.inodes[&at];
        let (is_dir, unlinked) = (is_directory(inode), is_unlinked(inode));
        let known = matches!(inode["type"].as_str(), Some("file" | "directory"));
        let mut all = vec![
            (number(inode, "inode") != at, "ino_key_mismatch"),
            (!known, "unknown_type"),
            (unlinked, "unlinked_but_named"),
        ];
        if let Some((name, entry)) = entry {
            let bad = matches!(name, b"" | b"." | b"..") || name.contains(&b'/') || name.contains(&0);
            let links = number(inode, "nlink") != self.count.get(&at).copied().unwrap_or(0);
            all.push((bad, "bad_name"));
            all.push((is_directory(entry) != is_dir, "type_mismatch"));
            all.push((!is_dir && !unlinked && links, "nlink_mismatch"));
        }
        all.into_iter().filter(|(odd, _)| *odd).map(|(_, code)| code).collect()
    }

    /// The state of the home (§4, §5).
    fn home(&self, at: u64) -> Option<&'static str> {
        let inode = &self.inodes[&at];
        let Some(home) = self.homes.get(&at) else { return Some("home_missing") };
        let same = |member: &str| number(home, member) == number(inode, member);
        match home["state"].as_str() {
            Some("active" | "migrating") if !same("home_slot") || !same("epoch") => Some("home_stale"),
            Some("migrating") => Some("move_pending"),
            Some("active") => None,
            _ => Some("home_stale"),
        }
    }

    /// The stored data of a file: offsets and bytes, within the file and each within its chunk (§3).
    fn extents(&self, at: u64) -> Vec<(u64, &[u8])> {
        let inode = &self.inodes[&at];
        let (size, slot) = (number(inode, "size"), number(inode, "home_slot"));
        let chunk = Some(number(inode, "chunk_size")).filter(|n| *n != 0).unwrap_or(4 << 20);
        let rows = self.chunks.range((slot, at, 0)..=(slot, at, u64::MAX));
        let clipped = rows.filter_map(|((.., index), bytes)| {
            let offset = index.checked_mul(chunk).filter(|offset| *offset < size)?;
            let most = chunk.min(size - offset) as usize;
            Some((offset, &bytes[..bytes.len().min(most)]))
        });
        clipped.filter(|(_, bytes)| !bytes.is_empty()).collect()
    }
}

impl Walk<'_, '_> {
    fn start(&mut self, number: u64, path: Option<&[u8]>, place: &str, mut notes: Vec<&'static str>) {
        notes.extend(self.store.oddities(number, None));
        self.met.insert(number, place.to_owned());
        self.line(Visit { number, path, met_in: None, place, link: None, notes });
        if self.store.is_directory(number) {
            self.directory(number, path, place);
        }
    }

    /// Names in something that is not a directory; then inodes that no name leads to, directories that only lead to each other, the rest.
    fn lost(&mut self, lost: &[u64]) {
        for number in self.store.names.keys().filter(|number| !self.store.is_directory(**number)) {
            self.directory(*number, None, &format!("fs/lost+found/{number}.dir"));
        }
        let named = |number: &u64| self.store.count.contains_key(number);
        let store = self.store;
        let rounds = [
            lost.iter().filter(|number| !named(number)).copied().collect::<Vec<_>>(),
            lost.iter().filter(|number| store.is_directory(**number)).copied().collect(),
            lost.to_vec(),
        ];
        for number in rounds.concat() {
            if !self.met.contains_key(&number) {
                self.start(number, None, &format!("fs/lost+found/{number}"), vec!["lost_inode"]);
            }
        }
    }

    fn directory(&mut self, number: u64, path: Option<&[u8]>, place: &str) {
        let store = self.store;
        for (name, entry) in store.names.get(&number).into_iter().flatten() {
            let child = entry["inode"].as_u64().unwrap_or(0);
            let Some(inode) = store.inodes.get(&child) else { continue };
            let in_root = path.is_some_and(<[u8]>::is_empty);
            let path = path.map(|above| if above.is_empty() { name.clone() } else { [above, b"/", name].concat() });
            let (segment, kind) = placed(name);
            let place = format!("{place}/{segment}");
            let first = self.met.get(&child).cloned();
            if first.is_some() && is_directory(inode) {
                continue;
            }
            if first.is_none() {
                self.met.insert(child, place.clone());
                if let Some(kind) = kind {
                    self.keymap.push_str(&keymap(place.strip_prefix("fs/").unwrap_or(&place), name, kind));
                }
            }
            let notes = store.oddities(child, Some((name, entry)));
            let (path_of, met_in) = (path.as_deref(), (!in_root).then_some((number, name.as_slice())));
            self.line(Visit { number: child, path: path_of, met_in, place: &place, link: first.as_deref(), notes });
            if is_directory(inode) {
                self.directory(child, path.as_deref(), &place);
            }
        }
    }

    /// Writes a file, and the line of any inode (§7).
    fn line(&mut self, mut visit: Visit<'_>) {
        let (store, inode) = (self.store, &self.store.inodes[&visit.number]);
        visit.notes.extend(store.home(visit.number));
        let text = |member: &str| Json::text(number(inode, member).to_string());
        let signed = |member: &str| Json::text(inode[member].as_i64().unwrap_or(0).to_string());
        let mut all = Vec::new();
        match (visit.path, visit.met_in) {
            (Some(path), Some((above, name))) if path.len() > 4096 => {
                all.push(("parent_ino".to_owned(), Json::text(above.to_string())));
                all.push(path_member("name", name));
            }
            (Some(path), _) => all.push(path_member("path", path)),
            (None, _) => all.push(("path".to_owned(), Json::Raw("null".into()))),
        }
        if visit.link.is_none() {
            all.push(path_member("tree", visit.place.as_bytes()));
        }
        let kind = if is_directory(inode) { "directory" } else { "file" };
        let plain = [
            ("ino", Json::text(visit.number.to_string())),
            ("type", Json::text(kind)),
            ("mode", Json::text(format!("{:04o}", number(inode, "mode")))),
            ("uid", Json::number(number(inode, "uid"))),
            ("gid", Json::number(number(inode, "gid"))),
            ("size", text("size")),
            ("atime_ns", signed("atime_nsec")),
            ("mtime_ns", signed("mtime_nsec")),
            ("ctime_ns", signed("ctime_nsec")),
            ("nlink", Json::number(number(inode, "nlink"))),
            ("generation", text("generation")),
            ("chunk_size", text("chunk_size")),
            ("home_slot", text("home_slot")),
            ("epoch", text("epoch")),
        ];
        all.extend(plain.into_iter().map(|(name, value)| (name.to_owned(), value)));
        if !is_directory(inode) && visit.link.is_none() {
            all.extend(self.file(visit.number, visit.place));
        }
        all.extend(visit.link.map(|link| path_member("hardlink_to", link.as_bytes())));
        if !visit.notes.is_empty() {
            all.push(("notes".to_owned(), Json::List(visit.notes.iter().map(|note| Json::text(*note)).collect())));
        }
        self.lines.push_str(&(Json::Object(all).line(Html::Plain) + "\n"));
    }

    fn file(&mut self, at: u64, place: &str) -> Vec<(String, Json)> {
        let (extents, size) = (self.store.extents(at), number(&self.store.inodes[&at], "size") as usize);
        let mut body = vec![0; size];
        let (mut holes, mut end, mut stored) = (Vec::new(), 0, 0);
        let hole = |from: usize, to: usize| Json::List(vec![Json::number(from), Json::number(to - from)]);
        for (offset, bytes) in extents {
            let offset = offset as usize;
            body[offset..offset + bytes.len()].copy_from_slice(bytes);
            holes.extend((offset > end).then(|| hole(end, offset)));
            (end, stored) = (offset + bytes.len(), stored + bytes.len());
        }
        holes.extend((size > end).then(|| hole(end, size)));
        let digest: String = Sha256::digest(&body).iter().map(|b| format!("{b:02x}")).collect();
        self.tree.insert(place.into(), body);
        let mut all =
            vec![("sha256".to_owned(), Json::Text(digest)), ("stored_bytes".to_owned(), Json::number(stored))];
        all.extend((!holes.is_empty()).then(|| ("holes".to_owned(), Json::List(holes))));
        all
    }
}

fn path_member(name: &str, path: &[u8]) -> (String, Json) {
    match std::str::from_utf8(path) {
        Ok(path) => (name.to_owned(), Json::text(path)),
        Err(_) => (format!("{name}_b64"), Json::Text(STANDARD.encode(path))),
    }
}

/// A further file of the engine: counts, which have separate tests.
pub const REPORT: &[u8] = b"fs/report.json";
