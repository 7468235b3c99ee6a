//! Compares what was found in an output with its metadata, and with a fresh decode.

use std::collections::HashMap;

use super::against::{Difference, Fresh};
use super::attributes;
use super::join::{DigestJoin, Known, Tag};
use super::problem::{Kind, Problems};
use super::promised::{Promised, is_of_file_system};
use super::told;
use crate::error::Result;
use crate::format::hex;
use crate::output::checksums::Digest;
use crate::output::fs_metadata::METADATA;
use crate::output::manifest_read::ReadManifest;
use crate::output::{CHECKSUMS, MANIFEST};

/// What is known before paths are compared.
pub(super) struct Classify<'j> {
    pub promised: &'j Promised,
    pub in_archive: bool,
    /// Whether CHECKSUMS exists.
    pub said: bool,
    pub manifest: Option<&'j ReadManifest>,
    pub fresh: Option<&'j Fresh>,
}

impl Classify<'_> {
    /// Judges every path; returns in words how the snapshots of the output and of the comparison differ.
    pub fn all(&self, join: &mut DigestJoin, problems: &mut Problems) -> Result<Option<String>> {
        let (mut folders, mut copies, mut origin) = (Folders::default(), Copies::of(self.promised), None);
        let lenient = self.manifest.is_some_and(told::leaves_folders);
        join.classify(|path, known| {
            let is_told = [Tag::Said, Tag::ToldDir, Tag::ToldLink].into_iter().any(|tag| known.has(tag))
                || self.promised.copy_of(path).is_some();
            folders.step(path, is_told, known.has(Tag::HasDir), |path| foreign_folder(path, lenient, problems));
            if self.said {
                self.integrity(path, known, problems);
                copies.take(path, known, self.promised);
            }
            self.attributes(path, known, problems);
            if let Some(fresh) = self.fresh {
                origin = self.equality(path, known, fresh, problems).or(origin.take());
            }
            Ok(())
        })?;
        folders.end(|path| foreign_folder(path, lenient, problems));
        join.shared(|path, here, all| {
            let outside = all.saturating_sub(here);
            let why = format!(
                "it is a hard link: {outside} of its names are outside of the output, and the file can be changed there"
            );
            problems.add(Kind::Shared, path, why);
        })?;
        copies.classify(self.promised, problems);
        if let Some(manifest) = self.manifest.filter(|manifest| told::is_ours(manifest)) {
            let differences = join.counted.differences(manifest).into_iter().chain(told::contradictions(manifest));
            differences.for_each(|why| problems.add(Kind::Counts, MANIFEST.as_bytes(), why));
        }
        Ok(origin)
    }

    fn integrity(&self, path: &[u8], known: &Known, problems: &mut Problems) {
        if known.doubled {
            problems.add(Kind::Doubled, path, "it is there twice");
        }
        match (known.digest(Tag::Said), known.digest(Tag::Found)) {
            (Some(_), None) => problems.add(Kind::Missing, path, "CHECKSUMS lists it, but it is missing"),
            (None, Some(_)) if self.promised.copy_of(path).is_some() => {}
            (None, Some(_)) => problems.add(Kind::Foreign, path, "it is not in CHECKSUMS"),
            (Some(_), Some(_)) => {
                if self.manifest.is_some_and(|manifest| told::is_ours(manifest) && !told::can_be(path, manifest)) {
                    problems.add(Kind::Foreign, path, "no decode writes a file there");
                }
                self.bytes(path, known, problems);
            }
            (None, None) => {}
        }
        if known.has(Tag::ToldDir) && !known.has(Tag::HasDir) {
            problems.add(Kind::Missing, path, "the output must have this directory, but it is missing");
        }
        match (known.digest(Tag::ToldLink), known.digest(Tag::HasLink)) {
            (Some(_), None) => {
                problems.add(Kind::Missing, path, format!("{METADATA} lists this link, but it is missing"))
            }
            (None, Some(_)) => {
                problems.add(Kind::NotAFile, path, format!("it is a link that {METADATA} does not list"))
            }
            (Some(want), Some(have)) if want != have => {
                problems.add(Kind::Differs, path, format!("it is a link to another file than {METADATA} says"));
            }
            _ => {}
        }
        if known.has(Tag::Found) && known.linked_at.is_some_and(|link| link < known.at) {
            problems.add(Kind::Odd, path, "links to it come before it in the archive, and cannot be extracted");
        }
    }

    fn bytes(&self, path: &[u8], known: &Known, problems: &mut Problems) {
        let extents = self.promised.extents(path);
        let by_extents = known.digest(Tag::FoundExtents).filter(|_| extents.is_some());
        let (Some(want), Some(have)) = (known.digest(Tag::Said), by_extents.or(known.digest(Tag::Found))) else {
            return;
        };
        if want != have {
            let (what, who) = if extents.is_some() { ("sha256_extents", METADATA) } else { ("SHA-256", CHECKSUMS) };
            problems.add(
                Kind::Differs,
                path,
                format!("{what} is {}, {who} says {}", hex::text(&have), hex::text(&want)),
            );
        }
    }

    /// In an archive, files of the file system have their own modes, owners and times, and all other members have fixed ones. On files on disk
    /// a decode sets no bit that gives a program the rights of another user or group.
    fn attributes(&self, path: &[u8], known: &Known, problems: &mut Problems) {
        let Some(have) = known.digest(Tag::HasAttributes) else { return };
        let raw = self.manifest.is_some_and(|manifest| manifest.options.fs_names == "raw");
        let told = known.digest(Tag::ToldAttributes).filter(|_| raw);
        let is_plain = || !(raw && is_of_file_system(path));
        let ours = self.manifest.filter(|manifest| told::is_ours(manifest) && is_plain());
        let plain = ours.map(|manifest| attributes::plain_as(&have, manifest.archive_nanos()));
        if let Some(want) = told.or(plain).filter(|_| self.in_archive) {
            if let Some(why) = attributes::differences(&have, &want) {
                problems.add(Kind::Attributes, path, why);
            }
            return;
        }
        let allowed = told.and_then(|told| attributes::special(&told)).unwrap_or(0);
        if let Some(mode) = attributes::special(&have).filter(|mode| mode & attributes::SPECIAL & !allowed != 0) {
            let why = format!(
                "its mode is {mode:04o}: a program gets the rights of its owner or group, and no decode sets such a mode"
            );
            problems.add(Kind::Attributes, path, why);
        }
    }

    fn equality(&self, path: &[u8], known: &Known, fresh: &Fresh, problems: &mut Problems) -> Option<String> {
        // Its digest is in the metadata, and those are compared.
        if self.promised.extents(path).is_some() || self.promised.copy_of(path).is_some() {
            return None;
        }
        match (known.digest(Tag::Found), known.digest(Tag::Fresh)) {
            (Some(_), None) => problems.add(Kind::OnlyHere, path, "a fresh decode does not have it"),
            (None, Some(_)) => problems.add(Kind::OnlyInDecode, path, "a fresh decode has it, the output does not"),
            (Some(have), Some(want)) if want != have && path != MANIFEST.as_bytes() => {
                problems.add(
                    Kind::NotEqual,
                    path,
                    format!("SHA-256 is {}, that of a fresh decode is {}", hex::text(&have), hex::text(&want)),
                );
            }
            (Some(have), Some(want)) if want != have => {
                let Difference { origin, data, words } = fresh.differs_from(self.manifest?);
                if !origin.is_empty() {
                    let why = format!("its origin differs from that of the fresh decode: {}", origin.join(", "));
                    problems.add(Kind::Origin, path, why);
                }
                if !data.is_empty() {
                    let why = format!("these members differ from a fresh decode: {}", data.join(", "));
                    problems.add(Kind::NotEqual, path, why);
                }
                return words;
            }
            _ => {}
        }
        None
    }
}

fn foreign_folder(path: &[u8], lenient: bool, problems: &mut Problems) {
    // The server's own tool leaves an empty directory of this name.
    if !lenient && path != b".scratch" {
        problems.add(Kind::Foreign, path, "it is a directory without any file that the output lists");
    }
}

/// Open directories for which no expected content was found yet: each is a prefix of the next.
#[derive(Default)]
struct Folders {
    last: Vec<u8>,
    open: Vec<usize>,
}

impl Folders {
    /// Adds the next path. `is_told`: the metadata or CHECKSUMS list it.
    fn step(&mut self, path: &[u8], is_told: bool, is_folder: bool, mut foreign: impl FnMut(&[u8])) {
        while let Some(len) = self.open.last() {
            let folder = &self.last[..*len];
            if path.strip_prefix(folder).is_some_and(|rest| rest.starts_with(b"/")) {
                break;
            }
            foreign(folder);
            self.open.pop();
        }
        if is_told {
            self.open.clear();
        } else if is_folder {
            self.open.push(path.len());
            self.last.clear();
            self.last.extend_from_slice(path);
        }
    }

    fn end(self, foreign: impl FnMut(&[u8])) {
        self.open.iter().rev().map(|len| &self.last[..*len]).for_each(foreign);
    }
}

/// Further names of files in an extracted archive: the metadata lists them, and they have the bytes of the first name.
struct Copies {
    found: HashMap<Vec<u8>, Digest>,
    said: HashMap<Vec<u8>, Option<Digest>>,
}

impl Copies {
    fn of(promised: &Promised) -> Copies {
        Copies { found: HashMap::new(), said: promised.copies().map(|(_, first)| (first.to_vec(), None)).collect() }
    }

    fn take(&mut self, path: &[u8], known: &Known, promised: &Promised) {
        if let Some(said) = self.said.get_mut(path) {
            *said = known.digest(Tag::Said);
        } else if let Some(found) = known.digest(Tag::Found)
            && promised.copy_of(path).is_some()
        {
            self.found.insert(path.to_vec(), found);
        }
    }

    fn classify(&self, promised: &Promised, problems: &mut Problems) {
        let mut all: Vec<_> = promised.copies().collect();
        all.sort_unstable();
        for (path, first) in all {
            match (self.found.get(path), self.said.get(first).copied().flatten()) {
                (None, _) => {
                    problems.add(Kind::Missing, path, format!("{METADATA} lists this name, but it is missing"))
                }
                (Some(have), Some(want)) if *have != want => {
                    let why = format!("it should be another name of {}, but has other bytes", first.escape_ascii());
                    problems.add(Kind::Differs, path, why);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders() {
        let mut foreign = Vec::new();
        let mut folders = Folders::default();
        // Path, whether it is listed, whether it is a directory; in the order of the sorter.
        for (path, is_told, is_folder) in [
            ("a", false, true),
            ("a/b", false, true),
            ("a/b/f", true, false),
            ("a/c", false, true),
            ("a-b", false, true),
            ("d", false, true),
            ("d/e", false, true),
            ("d.x", true, false),
            ("g", true, true),
            ("h", false, true),
        ] {
            folders.step(path.as_bytes(), is_told, is_folder, |path| foreign.push(path.to_vec()));
        }
        folders.end(|path| foreign.push(path.to_vec()));
        assert_eq!(foreign, ["a/c", "a-b", "d/e", "d", "h"].map(|path| path.as_bytes().to_vec()));
    }
}
