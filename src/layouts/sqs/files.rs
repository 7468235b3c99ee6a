//! The files of lines: how chunks come together in them.
//!
//! One file is open at a time, whatever the number of queues.

use super::{Paths, Place};
use crate::adapters::sqs::{Queues, past_retention};
use crate::error::Result;
use crate::model::sqs::Records;
use crate::output::split::{Collector, SplitOutput, Writes};
use crate::run::engine::Done;

/// What a chunk gives.
pub struct Rendered<'t> {
    /// Lines, and what was noticed.
    pub out: SplitOutput<'t>,
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
    pub past_retention: u64,
}

/// Takes what the chunks give, in order.
pub struct Collected<'w, 'a, 't> {
    queues: &'w Queues<'a>,
    files: &'w [Records<'a>],
    paths: &'static dyn Paths,
    collector: &'w mut Collector<'t>,
    open: Option<Piece>,
}

impl<'w, 'a, 't> Collected<'w, 'a, 't> {
    /// Nothing taken yet.
    pub fn new(
        queues: &'w Queues<'a>,
        files: &'w [Records<'a>],
        paths: &'static dyn Paths,
        collector: &'w mut Collector<'t>,
    ) -> Self {
        Collected { queues, files, paths, collector, open: None }
    }

    /// Takes the lines of the next chunk; they are still to be written.
    ///
    /// # Errors
    /// A failed write.
    pub fn take(&mut self, rendered: Rendered<'t>) -> Result<Writes<'t>> {
        let writes = self.collector.place(rendered.out)?;
        for piece in rendered.pieces {
            match &mut self.open {
                Some(open) if open.file == piece.file => open.past_retention += piece.past_retention,
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
        let Some(piece) = self.open.take() else { return Ok(()) };
        let of = &self.files[piece.file as usize];
        if let Some(finding) = past_retention(of.queue, piece.past_retention) {
            self.collector.findings.add(finding);
        }
        let Place { path, .. } = self.paths.lines(self.queues, of);
        self.collector.close(&path);
        self.collector.complete_pieces(&path)
    }
}
