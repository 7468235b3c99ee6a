//! The files of lines: where they are, and how chunks come together in them.
//!
//! One file is open at a time, whatever the number of queues.

use super::findings;
use super::index::{Lines, Target};
use super::names;
use super::queues::Queues;
use crate::decode::Layout;
use crate::decode::engine::Done;
use crate::error::Result;
use crate::format::sqs::key;
use crate::output::unit::{Collector, UnitOut, Writes};
use crate::report::Finding;

/// What a chunk gives.
pub struct Rendered<'t> {
    /// Lines, and what was noticed.
    pub out: UnitOut<'t>,
    /// The files that they go to, in order.
    pub pieces: Vec<Piece>,
}

impl Done for Rendered<'_> {
    fn held(&self) -> usize {
        self.out.held()
    }
}

/// Lines of one file.
pub struct Piece {
    /// Number of the file.
    pub file: u32,
    /// Messages past their retention.
    pub expired: u64,
}

/// Where a file is, and as what it is counted.
pub struct Place {
    /// Below the root.
    pub path: String,
    /// Scope in the manifest.
    pub scope: String,
    /// Kind in the manifest.
    pub kind: &'static str,
}

impl Place {
    /// Where the lines of a target go.
    pub fn of(queues: &Queues<'_>, target: &Target<'_>, layout: Layout) -> Place {
        let name = name_of(target.queue);
        match (target.lines, layout) {
            (Lines::Messages, Layout::Tree) => {
                let scope = names::queue_directory(&name);
                Place { path: format!("{}/messages.jsonl", names::queue_path(&scope)), scope, kind: "messages" }
            }
            (Lines::Messages, Layout::Packed) => {
                let scope = names::queue_stem(&name);
                Place { path: names::queue_path(&names::packed_messages(&scope)), scope, kind: "messages" }
            }
            (Lines::Left(generation), _) => {
                let path = format!("{}/generation-{generation}.jsonl", names::left_path(&name));
                Place { path, scope: names::ORPHANS.into(), kind: "orphans" }
            }
            (Lines::Side, Layout::Tree) => Place::side_in_tree(queues, target.queue, &name),
            (Lines::Side, Layout::Packed) => Place::side_packed(queues.has_record(target.queue), &name),
        }
    }

    fn side_in_tree(queues: &Queues<'_>, queue: &[u8], name: &[u8]) -> Place {
        let (directory, scope) = if queues.has_record(queue) {
            let directory = names::queue_directory(name);
            (directory.clone(), directory)
        } else {
            (queues.orphan_directory(queue), names::ORPHANS.into())
        };
        let path = format!("{}/_internals/side_records.jsonl", names::queue_path(&directory));
        Place { path, scope, kind: "side_records" }
    }

    fn side_packed(has_record: bool, name: &[u8]) -> Place {
        if !has_record {
            let path = format!("{}/side.jsonl", names::left_path(name));
            return Place { path, scope: names::ORPHANS.into(), kind: "side_records" };
        }
        let stem = names::queue_stem(name);
        Place { path: names::queue_path(&names::packed_side(&stem)), scope: stem, kind: "side_records" }
    }
}

/// The name of a queue. Q was checked when its row was read; should it not decode, it stands for itself.
pub fn name_of(queue: &[u8]) -> Vec<u8> {
    key::queue_name(queue).unwrap_or_else(|_| queue.to_vec())
}

/// Takes what the chunks give, in order.
pub struct Writer<'w, 'a, 't> {
    queues: &'w Queues<'a>,
    files: &'w [Target<'a>],
    layout: Layout,
    collector: &'w mut Collector<'t>,
    open: Option<Piece>,
}

impl<'w, 'a, 't> Writer<'w, 'a, 't> {
    /// Nothing written yet.
    pub fn new(
        queues: &'w Queues<'a>,
        files: &'w [Target<'a>],
        layout: Layout,
        collector: &'w mut Collector<'t>,
    ) -> Self {
        Writer { queues, files, layout, collector, open: None }
    }

    /// Takes the lines of the next chunk; they are still to be written.
    ///
    /// # Errors
    /// A failed write.
    pub fn take(&mut self, rendered: Rendered<'t>) -> Result<Writes<'t>> {
        let writes = self.collector.place(rendered.out)?;
        for piece in rendered.pieces {
            match &mut self.open {
                Some(open) if open.file == piece.file => open.expired += piece.expired,
                _ => {
                    self.close()?;
                    self.open = Some(piece);
                }
            }
        }
        Ok(writes)
    }

    /// Completes the open file.
    ///
    /// # Errors
    /// A failed write.
    pub fn close(&mut self) -> Result<()> {
        let Some(Piece { file, expired }) = self.open.take() else { return Ok(()) };
        let target = &self.files[file as usize];
        if expired > 0 {
            let name = name_of(target.queue);
            let finding = Finding::new(&findings::RETENTION).with("queue", name.as_slice());
            self.collector.findings.add(finding.with("messages", expired));
        }
        self.collector.close(&Place::of(self.queues, target, self.layout).path)
    }
}
