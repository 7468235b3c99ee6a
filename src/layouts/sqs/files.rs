//! The files of lines: how they are assembled from chunks.
//!
//! One file is open at a time, whatever the number of queues.

use std::fs::File;
use std::sync::Arc;

use super::{Paths, Place};
use crate::adapters::sqs::{Queues, past_retention};
use crate::error::{Error, Result};
use crate::format::wire::{self, Reader};
use crate::model::sqs::Records;
use crate::output::record::Lines;
use crate::output::split::{Collector, SplitOutput, Writes};
use crate::output::tree::Tree;
use crate::run::engine::Done;
use crate::run::shards::Recordable;

/// The result of a chunk.
pub struct Rendered<'t> {
    /// Lines, and findings.
    pub out: SplitOutput<'t>,
    /// Their files, in order.
    pub pieces: Vec<Piece>,
}

impl Done for Rendered<'_> {
    fn held(&self) -> usize {
        self.out.held()
    }
}

impl<'t> Recordable<'t> for Rendered<'t> {
    fn record(self, lines: &mut Lines, out: &mut Vec<u8>) -> Result<()> {
        wire::number(self.pieces.len() as u64, out);
        for piece in &self.pieces {
            [u64::from(piece.file), piece.past_retention].iter().for_each(|n| wire::number(*n, out));
        }
        self.out.record(lines, out)
    }

    fn replay(reader: &mut Reader<'_>, lines: &Arc<File>, tree: &'t Tree) -> Option<Self> {
        let count = reader.count()?;
        let mut piece =
            || Some(Piece { file: u32::try_from(reader.number()?).ok()?, past_retention: reader.number()? });
        let pieces = (0..count).map(|_| piece()).collect::<Option<_>>()?;
        Some(Rendered { out: SplitOutput::replay(reader, lines, tree)?, pieces })
    }
}

/// Lines of one file.
pub struct Piece {
    /// Number of the file.
    pub file: u32,
    /// Messages past their retention.
    pub past_retention: u64,
}

/// Takes the results of the chunks, in order.
pub struct Collected<'w, 'a, 't> {
    queues: &'w Queues<'a>,
    files: &'w [Records<'a>],
    paths: &'static dyn Paths,
    collector: &'w mut Collector<'t>,
    open: Option<Piece>,
}

impl<'w, 'a, 't> Collected<'w, 'a, 't> {
    /// A collection without results.
    pub fn new(
        queues: &'w Queues<'a>,
        files: &'w [Records<'a>],
        paths: &'static dyn Paths,
        collector: &'w mut Collector<'t>,
    ) -> Self {
        Collected { queues, files, paths, collector, open: None }
    }

    /// Takes the lines of the next chunk; they must still be written.
    ///
    /// # Errors
    /// A failed write.
    pub fn take(&mut self, rendered: Rendered<'t>) -> Result<Writes<'t>> {
        let writes = self.collector.place(rendered.out)?;
        for piece in rendered.pieces {
            if self.files.get(piece.file as usize).is_none() {
                return Err(Error::internal("lines of a file that has no records"));
            }
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
