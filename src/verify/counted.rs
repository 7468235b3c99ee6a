//! Counts the content of an output, by the names and lines of its files. MANIFEST.json must have the same counts. Adapters define how to
//! count ([`layouts::counted`](crate::layouts::counted)).

use std::collections::{BTreeMap, HashMap};

use crate::format::adapter::{self, Adapter};
use crate::layouts::counted::{Each, FileCount, Sum};
use crate::output::ERRORS;
use crate::output::manifest_read::ReadManifest;
use crate::output::parts;
use crate::registry;

/// The counts.
#[derive(Debug, Default)]
pub struct Counted {
    scopes: BTreeMap<Adapter, HashMap<Vec<u8>, BTreeMap<&'static str, Sum>>>,
    /// Files in parts: the number of parts, and the largest part number.
    parts: BTreeMap<Vec<u8>, (u32, u32)>,
    /// Lines of ERRORS.jsonl.
    errors: u64,
}

/// Counts lines while the bytes of a file are read.
#[derive(Debug, Default)]
pub struct LineCount {
    wanted: bool,
    /// What is counted instead, if objects are not lines.
    mark: Option<&'static [u8]>,
    lines: u64,
    marks: u64,
    /// The last bytes, for a match that is split between two reads.
    tail: Vec<u8>,
}

impl LineCount {
    /// Counts the lines of a file, if they matter.
    pub fn of(path: &[u8]) -> LineCount {
        let file = parts::joined(path);
        let each = registry::counted(file).map(|(_, count)| count.each);
        let wanted = file == ERRORS.as_bytes() || matches!(each, Some(Each::Line | Each::Occurrence(_)));
        let mark = if let Some(Each::Occurrence(mark)) = each { Some(mark) } else { None };
        LineCount { wanted, mark, ..LineCount::default() }
    }

    /// Adds the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        if !self.wanted {
            return;
        }
        self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        if let Some(mark) = self.mark {
            let most = mark.len().saturating_sub(1);
            let head = &bytes[..bytes.len().min(most)];
            self.tail.extend_from_slice(head);
            self.marks += memchr::memmem::find_iter(&self.tail, mark).count() as u64;
            self.marks += memchr::memmem::find_iter(bytes, mark).count() as u64;
            self.tail.truncate(self.tail.len() - head.len());
            self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(most)..]);
            let over = self.tail.len().saturating_sub(most);
            self.tail.drain(..over);
        }
    }
}

impl Counted {
    /// Adds a file.
    pub fn file(&mut self, path: &[u8], size: u64, lines: &LineCount) {
        let (file, part) = parts::of(path).map_or((path, None), |(file, number)| (file, Some(number)));
        if let Some(number) = part {
            self.part(file, (1, number));
        }
        if file == ERRORS.as_bytes() {
            self.errors += lines.lines;
        }
        let Some((adapter, FileCount { scope, kind, each })) = registry::counted(file) else { return };
        let objects = match each {
            Each::File => 1,
            Each::Line => lines.lines,
            Each::Occurrence(_) => lines.marks,
        };
        self.add(adapter, scope, kind, (objects, size));
    }

    fn part(&mut self, file: &[u8], (count, last): (u32, u32)) {
        let parts = self.parts.entry(file.to_vec()).or_default();
        *parts = (parts.0.saturating_add(count), parts.1.max(last));
    }

    /// Counts objects and their bytes.
    pub fn add(&mut self, adapter: Adapter, scope: &[u8], kind: &'static str, (objects, bytes): Sum) {
        let scopes = self.scopes.entry(adapter).or_default();
        let kinds = match scopes.get_mut(scope) {
            Some(kinds) => kinds,
            None => scopes.entry(scope.to_vec()).or_default(),
        };
        let sum = kinds.entry(kind).or_default();
        *sum = (sum.0 + objects, sum.1 + bytes);
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: Counted) {
        self.errors += other.errors;
        other.parts.iter().for_each(|(file, parts)| self.part(file, *parts));
        for (adapter, scopes) in other.scopes {
            for (scope, kinds) in scopes {
                kinds.into_iter().for_each(|(kind, sum)| self.add(adapter, &scope, kind, sum));
            }
        }
    }

    /// Differences from a manifest written by ekvsnap, in words.
    pub fn differences(&self, manifest: &ReadManifest) -> Vec<String> {
        let (packed, mut words) = (manifest.options.layout == "jsonl", Vec::new());
        // The content of files in other layouts is not counted: they have digests like all others.
        if packed || manifest.options.layout.is_empty() {
            self.different_counts(manifest, packed, &mut words);
        }
        for (file, (count, last)) in self.parts.iter().filter(|(_, (count, last))| count != last) {
            let file = String::from_utf8_lossy(file);
            words.push(format!("{file} has {count} parts, but the last one has number {last}"));
        }
        if self.errors != manifest.skipped {
            let (errors, skipped) = (self.errors, manifest.skipped);
            words.push(format!("ERRORS.jsonl has {errors} places, but the manifest says {skipped}"));
        }
        words
    }

    fn different_counts(&self, manifest: &ReadManifest, packed: bool, words: &mut Vec<String>) {
        let (have, told) = (self.objects(packed), told(manifest));
        for place in have.keys().chain(told.keys().filter(|key| !have.contains_key(*key))) {
            let (objects, bytes) = have.get(place).copied().unwrap_or((0, Some(0)));
            let (told_objects, told_bytes) = told.get(place).copied().unwrap_or_default();
            if (objects, bytes.unwrap_or(told_bytes)) != (told_objects, told_bytes) {
                let bytes = bytes.map_or(String::new(), |bytes| format!(" with {bytes} bytes"));
                let (scope, kind) = place;
                words.push(format!(
                    "{scope} has {objects} {kind}{bytes}, but the manifest says {told_objects} with {told_bytes} bytes"
                ));
            }
        }
    }

    /// Objects by scope and kind, and their bytes, if these are known.
    fn objects(&self, packed: bool) -> BTreeMap<Place, (u64, Option<u64>)> {
        let mut all = BTreeMap::new();
        for (adapter, scopes) in &self.scopes {
            let Some(counts) = registry::counts(*adapter) else { continue };
            for (scope, kinds) in scopes {
                let scope = scope_of(*adapter, &String::from_utf8_lossy(scope));
                let objects = counts.objects(kinds, packed).into_iter();
                all.extend(objects.map(|(kind, sum)| ((scope.clone(), kind.to_owned()), sum)));
            }
        }
        all
    }
}

/// Scope and kind.
type Place = (String, String);

/// The counts in the manifest.
fn told(manifest: &ReadManifest) -> BTreeMap<Place, Sum> {
    let mut told: BTreeMap<Place, Sum> = BTreeMap::new();
    for adapter in adapter::all() {
        let Some(counts) = registry::counts(adapter) else { continue };
        for count in manifest.counts(adapter).into_iter().flatten().filter(|count| counts.kinds().contains(&count.kind))
        {
            let place = (scope_of(adapter, counts.scope(count.scope)), count.kind.to_owned());
            let sum = told.entry(place).or_default();
            *sum = (sum.0.saturating_add(count.objects), sum.1.saturating_add(count.bytes));
        }
    }
    told
}

/// A scope as a path below the output.
fn scope_of(adapter: Adapter, scope: &str) -> String {
    if scope.is_empty() { adapter.name().to_owned() } else { format!("{}/{scope}", adapter.name()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_counted_however_the_bytes_are_cut() {
        let line = "{\"key\":\"a\",\"id\":\"1-0\",\"fields\":[\"x\",\",\\\"_meta\\\":true,\"]}\n{\"key\":\"a\",\"_meta\":true,\"length\":1}\n";
        let text = line.repeat(3);
        for size in 1..text.len() {
            let mut count = LineCount::of(b"redis/db_0/streams.jsonl");
            text.as_bytes().chunks(size).for_each(|piece| count.add(piece));
            assert_eq!((count.lines, count.marks), (6, 3), "{size}");
        }
    }
}
