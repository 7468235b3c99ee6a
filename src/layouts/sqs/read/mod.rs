//! Reads queues of an output back into objects.
//!
//! The documents are read first: names of files do not always show those of queues.

mod canonical;
mod document;
mod lines;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read;
use std::marker::PhantomData;

use serde::Deserialize;

use super::names;
use super::paths::File;
use crate::error::Result;
use crate::format::sqs::key::encode_queue;
use crate::layouts::reading::{self, Binary, Budget, Lines, Part, Text, wrong};
use crate::model::sqs::{QueueVisitor, RecordKind, Records};
use crate::options::Layout;
use crate::output::names::unsegment;

/// Reads the queues of one output.
pub struct Reader {
    layout: Layout,
    /// Names of queues by those of their files.
    queues: BTreeMap<String, Vec<u8>>,
}

/// A line of the file of generations.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Counter {
    name: Binary,
    generation: u64,
}

impl Reader {
    /// Reads an output of some layout.
    pub fn new(layout: Layout) -> Reader {
        Reader { layout, queues: BTreeMap::new() }
    }

    /// The name of the queue whose files have this one; `told`: the name in its record.
    fn name(&self, file: &str, told: &str) -> Option<Vec<u8>> {
        let file_of = |name: &[u8]| match self.layout {
            Layout::JSONL => names::queue_stem(name),
            _ => names::queue_directory(name),
        };
        let by_file = || if file == "%" { Some(Vec::new()) } else { unsegment(file) };
        let all = [Some(told.as_bytes().to_vec()), by_file()];
        all.into_iter().flatten().find(|name| file_of(name) == file)
    }
}

impl<V: QueueVisitor> reading::Reader<V> for Reader {
    /// The role of the file at a path, after the documents were read; `None`: no decode writes it.
    fn part(&self, path: &[u8]) -> Option<Part> {
        Some(match File::of(self.layout, path)? {
            File::Document(_) | File::Generations => Part::Sidecar,
            File::Side(queue) if self.layout == Layout::TREE && !self.queues.contains_key(queue) => {
                return queue.ends_with(".orphan").then_some(Part::Aside);
            }
            File::Messages(_) | File::Side(_) => Part::Objects,
            File::Aside => Part::Aside,
        })
    }

    /// Reads the document of a queue, or the generations of deleted queues, and passes them on.
    ///
    /// # Errors
    /// A failed read, a file that is not what a decode writes, or the error of the visitor.
    fn sidecar(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()> {
        match File::of(self.layout, path) {
            Some(File::Document(file)) => {
                let document = document::read(path, bytes)?;
                let name = self.name(file, document.name());
                let name = name.ok_or_else(|| wrong(path, "its path is not that of its queue"))?;
                document.give(&name, &encode_queue(&name), visitor)?;
                self.queues.insert(file.to_owned(), name);
                Ok(())
            }
            Some(File::Generations) => generations(path, bytes, visitor),
            _ => Err(wrong(path, "no decode writes such a file")),
        }
    }

    /// Every file with objects has lines.
    fn objects(&mut self, path: &[u8], _: &mut dyn Read, _: &mut V) -> Result<()> {
        Err(wrong(path, "no decode writes such a file"))
    }

    /// Passes on what the lines belong to.
    ///
    /// # Errors
    /// A queue without a document, or the error of the visitor.
    fn begin_lines(&mut self, path: &[u8], visitor: &mut V) -> Result<bool> {
        let of = |file: &str| {
            let name = self.queues.get(file).ok_or_else(|| wrong(path, "its queue has no document"))?;
            Ok::<_, crate::Error>(encode_queue(name))
        };
        match File::of(self.layout, path) {
            Some(File::Messages(file)) => {
                visitor.records(&Records { queue: &of(file)?, kind: RecordKind::Messages })?;
            }
            Some(File::Side(file)) => {
                visitor.records(&Records { queue: &of(file)?, kind: RecordKind::Side })?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Passes on the records of some lines.
    ///
    /// # Errors
    /// A failed read, lines that are not what a decode writes, or the error of the visitor.
    fn lines(&self, path: &[u8], lines: &mut Lines<'_>, visitor: &mut V) -> Result<()> {
        match File::of(self.layout, path) {
            Some(File::Messages(_)) => lines::messages(lines, visitor),
            Some(File::Side(_)) => lines::side_records(lines, visitor),
            _ => Err(wrong(path, "no decode writes such a file")),
        }
    }
}

fn generations(path: &[u8], bytes: &mut dyn Read, visitor: &mut impl QueueVisitor) -> Result<()> {
    let (budget, failed) = (Budget::default(), Cell::new(None));
    let mut lines = Text::new(path, bytes).lines();
    while let Some(Counter { name, generation }) = lines.next(&budget, PhantomData::<Counter>, &failed)? {
        visitor.generation(&encode_queue(&name.0), generation)?;
    }
    Ok(())
}
