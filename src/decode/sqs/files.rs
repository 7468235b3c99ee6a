//! The files of lines: where they are, and how chunks come together in them.
//!
//! One file is open at a time, whatever the number of queues.

use std::sync::Arc;

use super::findings;
use super::index::{Lines, Target};
use super::names;
use super::queues::Queues;
use crate::error::Result;
use crate::format::Adapter;
use crate::format::sqs::key;
use crate::output::tree::Tree;
use crate::output::unit::{Collector, Growing, UnitOut};
use crate::report::Finding;

/// What a chunk gives.
pub struct Rendered<'t> {
    /// Lines in the order of the files.
    pub pieces: Vec<Piece>,
    /// What was noticed.
    pub out: UnitOut<'t>,
}

/// Lines of one file.
pub struct Piece {
    /// Number of the file.
    pub file: u32,
    /// The lines.
    pub lines: Vec<u8>,
    /// How many.
    pub rows: u64,
    /// Messages past their retention.
    pub expired: u64,
}

/// Where a file is, and as what it is counted.
struct Place {
    dir: String,
    name: String,
    scope: String,
    kind: &'static str,
}

fn place(queues: &Queues<'_>, target: &Target<'_>) -> Place {
    let name = name_of(target.queue);
    let directory = names::queue_directory(&name);
    let live = queues.get(target.queue).is_some_and(|known| known.record.is_some());
    match target.lines {
        Lines::Messages => Place {
            dir: names::queue_path(&directory),
            name: "messages.jsonl".into(),
            scope: directory,
            kind: "messages",
        },
        Lines::Left(generation) => Place {
            dir: names::left_path(&name),
            name: format!("generation-{generation}.jsonl"),
            scope: names::ORPHANS.into(),
            kind: "orphans",
        },
        Lines::Side if live => side_records(&directory, directory.clone()),
        Lines::Side => side_records(&queues.orphan_directory(target.queue), names::ORPHANS.into()),
    }
}

fn side_records(directory: &str, scope: String) -> Place {
    let dir = format!("{}/_internals", names::queue_path(directory));
    Place { dir, name: "side_records.jsonl".into(), scope, kind: "side_records" }
}

/// The name of a queue. Q was checked when its row was read; should it not decode, it stands for itself.
pub fn name_of(queue: &[u8]) -> Vec<u8> {
    key::queue_name(queue).unwrap_or_else(|_| queue.to_vec())
}

/// Takes what the chunks give, in order.
pub struct Writer<'w, 'a, 't> {
    tree: &'t Tree,
    queues: &'w Queues<'a>,
    files: &'w [Target<'a>],
    collector: &'w mut Collector<'t>,
    open: Option<Open<'t>>,
}

/// The file that is being written.
struct Open<'t> {
    number: u32,
    place: Place,
    out: UnitOut<'t>,
    file: Growing<'t>,
    rows: u64,
    expired: u64,
}

impl<'w, 'a, 't> Writer<'w, 'a, 't> {
    /// Nothing written yet.
    pub fn new(
        tree: &'t Tree,
        queues: &'w Queues<'a>,
        files: &'w [Target<'a>],
        collector: &'w mut Collector<'t>,
    ) -> Self {
        Writer { tree, queues, files, collector, open: None }
    }

    /// Appends the lines of the next chunk.
    ///
    /// # Errors
    /// A failed write.
    pub fn take(&mut self, rendered: Rendered<'t>) -> Result<()> {
        rendered.pieces.iter().try_for_each(|piece| self.append(piece))?;
        self.collector.take(rendered.out)
    }

    fn append(&mut self, piece: &Piece) -> Result<()> {
        if self.open.as_ref().is_some_and(|open| open.number != piece.file) {
            self.close()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open::begin(self.tree, self.queues, self.files, piece.file)?),
        };
        open.rows += piece.rows;
        open.expired += piece.expired;
        open.file.buffer.extend_from_slice(&piece.lines);
        open.file.spill()
    }

    /// Completes the open file.
    ///
    /// # Errors
    /// A failed write.
    pub fn close(&mut self) -> Result<()> {
        let Some(Open { number, place, mut out, file, rows, expired }) = self.open.take() else { return Ok(()) };
        let bytes = out.finish(file)?;
        out.tally.add(Adapter::Sqs, &place.scope, place.kind, rows, bytes);
        if expired > 0 {
            let name = name_of(self.files[number as usize].queue);
            let finding = Finding::new(&findings::RETENTION).with("queue", name.as_slice());
            out.findings.add(finding.with("messages", expired));
        }
        self.collector.take(out)
    }
}

impl<'t> Open<'t> {
    fn begin(tree: &'t Tree, queues: &Queues<'_>, files: &[Target<'_>], number: u32) -> Result<Open<'t>> {
        let place = place(queues, &files[number as usize]);
        let mut out = UnitOut::new(tree);
        let dir = Arc::new(tree.make_dir(place.dir.as_bytes())?);
        let file = out.grow(&dir, place.name.as_bytes());
        Ok(Open { number, place, out, file, rows: 0, expired: 0 })
    }
}
