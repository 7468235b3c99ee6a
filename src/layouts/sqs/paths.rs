//! Paths of queues in both layouts.

use super::names::{ORPHANS, PACKED_DOCUMENT};
use crate::layouts;
use crate::options::Layout;
use crate::output::names::GENERATIONS;

/// The folder of all queues.
const FOLDER: &str = "sqs";
/// The file of a queue's record in its own directory, in a tree.
pub(in crate::layouts) const DOCUMENT: &str = "_queue.json";
pub(in crate::layouts) const MESSAGES: &str = "messages.jsonl";
pub(in crate::layouts) const SIDE: &str = "_internals/side_records.jsonl";

/// The file of generations that are not in any record, in both layouts.
pub(in crate::layouts) fn generations() -> String {
    format!("{FOLDER}/{GENERATIONS}")
}

/// A file of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File<'p> {
    /// The document of the queue with this file name.
    Document(&'p str),
    /// Its messages.
    Messages(&'p str),
    /// Its bookkeeping rows.
    Side(&'p str),
    /// Generations that are not in any record.
    Generations,
    /// Messages and rows of no live queue.
    Aside,
}

impl File<'_> {
    /// The file at a path; `None`: no decode writes it.
    pub fn of(layout: Layout, path: &[u8]) -> Option<File<'_>> {
        let path = layouts::joined(layout, path);
        let below = std::str::from_utf8(path).ok()?.strip_prefix(FOLDER)?.strip_prefix('/')?;
        if below == GENERATIONS {
            return Some(File::Generations);
        }
        let (queue, name) = match layout {
            Layout::TREE => below.split_once('/')?,
            Layout::JSONL => match below.split_once('/') {
                Some(parts) => parts,
                None => return File::packed(below),
            },
            _ => return None,
        };
        match name {
            DOCUMENT if layout == Layout::TREE => Some(File::Document(queue)),
            MESSAGES if layout == Layout::TREE => Some(File::Messages(queue)),
            SIDE if layout == Layout::TREE => Some(File::Side(queue)),
            _ if queue == ORPHANS && name.contains(".orphan/") => Some(File::Aside),
            _ => None,
        }
    }

    fn packed(name: &str) -> Option<File<'_>> {
        if let Some(stem) = name.strip_suffix(PACKED_DOCUMENT) {
            return Some(File::Document(stem));
        }
        let stem = name.strip_suffix(".jsonl")?;
        // The messages of a queue X.side have another name.
        Some(stem.strip_suffix(".side").map_or(File::Messages(stem), File::Side))
    }
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_written() {
        for name in ["q", "f.fifo", "a.side", "_orphans", "x.orphan", "_generations", "a.queue", "", ".."] {
            let tree = |rest: &str| names::queue_path(&format!("{}/{rest}", names::queue_directory(name.as_bytes())));
            let directory = names::queue_directory(name.as_bytes());
            for (rest, want) in [
                (DOCUMENT, File::Document(&directory)),
                (MESSAGES, File::Messages(&directory)),
                (SIDE, File::Side(&directory)),
            ] {
                assert_eq!(File::of(Layout::TREE, tree(rest).as_bytes()), Some(want));
            }
            let stem = names::queue_stem(name.as_bytes());
            for (path, want) in [
                (format!("{stem}.queue.json"), File::Document(&stem)),
                (names::packed_messages(&stem), File::Messages(&stem)),
                (names::packed_side(&stem), File::Side(&stem)),
            ] {
                assert_eq!(File::of(Layout::JSONL, names::queue_path(&path).as_bytes()), Some(want));
            }
        }
        for layout in [Layout::TREE, Layout::JSONL] {
            assert_eq!(File::of(layout, generations().as_bytes()), Some(File::Generations));
            let stale = format!("{}/generation-3.jsonl", names::stale_path(b"q"));
            assert_eq!(File::of(layout, stale.as_bytes()), Some(File::Aside));
            assert_eq!(File::of(layout, b"sqs/q/other"), None);
        }
    }
}
