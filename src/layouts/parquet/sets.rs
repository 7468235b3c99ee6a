//! The data sets for which a task has rows.

use std::borrow::BorrowMut;
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock};

use parquet::file::metadata::RowGroupMetaDataPtr;
use parquet::schema::types::SchemaDescPtr;

use super::chunk::{Writer, refused};
use super::group;
use super::rows::{Mark, Rows};
use super::schema::Schema;
use crate::error::Result;
use crate::format::Adapter;
use crate::layouts::rows::{Cell, Columns, Pairs, Sink, redis};
use crate::output::split::SplitOutput;
use crate::report::Finding;

/// Bytes of rows in a row group.
const GROUP: usize = 8 << 20;
/// Maximum rows of a row group: the number that DuckDB reads at once.
const GROUP_ROWS: usize = 122_880;
/// Bytes of rows in all data sets of a task above which the largest is written.
const ALL: usize = 16 << 20;
/// A row with a cell of this size is not kept in memory.
const LARGE: usize = 4 << 20;
/// Bytes of lengths and levels for each name or value of a pair.
const LEVELS: usize = 6;
/// Approximate bytes of the description of a column in a row group.
const DESCRIBED: usize = 768;

/// A run of row groups, which go to one file.
pub(super) struct Piece {
    pub descr: SchemaDescPtr,
    /// Each with its bytes; its positions are relative to its own start.
    pub groups: Vec<(RowGroupMetaDataPtr, u64)>,
    pub part_size: u64,
}

/// A data set.
struct Set {
    /// The folder of its files.
    name: String,
    schema: Schema,
    rows: Rows,
    /// The written pieces, each with its log.
    pieces: Vec<(usize, Vec<(RowGroupMetaDataPtr, u64)>)>,
    /// The start of the current object, which is not complete yet.
    began: Option<Began>,
}

/// The schemas of Redis, which every task needs: they are made once.
static KNOWN: LazyLock<Vec<Schema>> =
    LazyLock::new(|| redis::all_columns().filter_map(|columns| Schema::new(columns.clone()).ok()).collect());

fn schema_of(columns: Columns) -> Result<Schema> {
    let known = KNOWN.iter().find(|known| Arc::ptr_eq(&known.columns.all, &columns.all));
    known.map_or_else(|| Schema::new(columns).map_err(|error| refused(&error)), |known| Ok(known.clone()))
}

/// The start of an object: a position in the rows in memory, after this number of pieces.
struct Began {
    mark: Mark,
    pieces: Option<usize>,
}

/// All data sets of a task.
pub(super) struct Sets {
    all: Vec<Set>,
    to: Means,
}

/// The means for writing row groups.
struct Means {
    /// Made when it is needed.
    writer: Option<Writer>,
    part_size: u64,
}

impl Means {
    fn writer(&mut self) -> Result<&mut Writer> {
        match &mut self.writer {
            Some(writer) => Ok(writer),
            none => Ok(none.insert(Writer::new()?)),
        }
    }
}

impl Sets {
    /// Empty; files have about `part_size` bytes at most.
    pub fn new(part_size: u64) -> Sets {
        Sets { all: Vec::new(), to: Means { writer: None, part_size } }
    }

    /// The number of a data set.
    ///
    /// # Errors
    /// Columns that the format does not allow.
    pub fn number(&mut self, name: &str, columns: impl FnOnce() -> Columns) -> Result<usize> {
        match self.all.iter().position(|set| set.name == name) {
            Some(number) => Ok(number),
            None => {
                let schema = schema_of(columns())?;
                let (rows, name) = (Rows::new(&schema), name.to_owned());
                self.all.push(Set { name, schema, rows, pieces: Vec::new(), began: None });
                Ok(self.all.len() - 1)
            }
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// A failed write.
    #[inline]
    pub fn push(&mut self, set: usize, cells: &[Cell<'_>], out: &mut SplitOutput<'_>) -> Result<()> {
        let Some(set) = self.all.get_mut(set) else { return Ok(()) };
        if cells.iter().any(is_large) {
            return set.large(cells, &mut self.to, out);
        }
        set.rows.push(cells);
        if set.rows.held >= GROUP || set.rows.len >= GROUP_ROWS { set.flush(&mut self.to, out) } else { Ok(()) }
    }

    /// The next rows belong to one object, until it is complete.
    pub fn begin(&mut self, set: usize) {
        if let Some(set) = self.all.get_mut(set) {
            set.began = Some(Began { mark: set.rows.mark(), pieces: None });
        }
    }

    /// Completes the object.
    ///
    /// # Errors
    /// A failed write.
    pub fn complete(&mut self, set: usize, out: &mut SplitOutput<'_>) -> Result<()> {
        if let Some(set) = self.all.get_mut(set) {
            set.began = None;
        }
        self.relieve(out)
    }

    /// Writes the largest data set if all of them together are large.
    ///
    /// # Errors
    /// A failed write.
    pub fn relieve(&mut self, out: &mut SplitOutput<'_>) -> Result<()> {
        if self.all.iter().map(|set| set.rows.held).sum::<usize>() < ALL {
            return Ok(());
        }
        let largest = self.all.iter_mut().filter(|set| set.began.is_none()).max_by_key(|set| set.rows.held);
        largest.map_or(Ok(()), |set| set.flush(&mut self.to, out))
    }

    /// Removes the rows of the object.
    pub fn abandon(&mut self, set: usize, out: &mut SplitOutput<'_>) {
        let Some(set) = self.all.get_mut(set) else { return };
        let Some(Began { mark, pieces }) = set.began.take() else { return };
        match pieces {
            None => set.rows.truncate(&mark),
            Some(pieces) => {
                set.rows.clear();
                set.pieces.drain(pieces..).for_each(|(log, ..)| out.drop_piece(log));
            }
        }
    }

    /// Writes the rest, and passes everything on.
    ///
    /// # Errors
    /// A failed write.
    pub fn finish(mut self, out: &mut SplitOutput<'_>) -> Result<()> {
        for mut set in self.all {
            set.flush(&mut self.to, out)?;
            if set.pieces.is_empty() {
                set.add_piece(out);
            }
            for (log, groups) in set.pieces {
                let held = groups.len() * set.rows.leaves.len() * DESCRIBED;
                let piece = Piece { descr: Arc::clone(&set.schema.descr), groups, part_size: self.to.part_size };
                out.describe_piece(log, Box::new(piece), held);
            }
        }
        Ok(())
    }
}

/// The data sets of a task with the share of the output that receives them.
pub(crate) struct To<'t, O> {
    sets: Sets,
    out: O,
    share: PhantomData<SplitOutput<'t>>,
}

impl<'t, O: BorrowMut<SplitOutput<'t>>> To<'t, O> {
    /// Writes files of about `part_size` bytes at most.
    pub fn new(out: O, part_size: u64) -> Self {
        To { sets: Sets::new(part_size), out, share: PhantomData }
    }

    /// The names of all data sets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sets.all.iter().map(|set| set.name.as_str())
    }

    /// The share, complete.
    ///
    /// # Errors
    /// A failed write.
    pub fn finish(mut self) -> Result<O> {
        self.sets.finish(self.out.borrow_mut())?;
        Ok(self.out)
    }
}

impl<'t, O: BorrowMut<SplitOutput<'t>>> Sink for To<'t, O> {
    fn set(&mut self, name: &str, columns: impl FnOnce() -> Columns) -> Result<usize> {
        self.sets.number(name, columns)
    }

    #[inline]
    fn push(&mut self, set: usize, cells: &[Cell<'_>]) -> Result<()> {
        self.sets.push(set, cells, self.out.borrow_mut())
    }

    fn begin(&mut self, set: usize) {
        self.sets.begin(set);
    }

    fn complete(&mut self, set: usize) -> Result<()> {
        self.sets.complete(set, self.out.borrow_mut())
    }

    fn abandon(&mut self, set: usize) -> Result<()> {
        self.sets.abandon(set, self.out.borrow_mut());
        Ok(())
    }

    fn relieve(&mut self) -> Result<()> {
        self.sets.relieve(self.out.borrow_mut())
    }

    fn count(&mut self, adapter: Adapter, scope: &str, kind: &'static str, objects: u64, bytes: u64) {
        self.out.borrow_mut().tally.add(adapter, scope, kind, objects, bytes);
    }

    fn note(&mut self, finding: Finding) {
        self.out.borrow_mut().findings.add(finding);
    }
}

#[inline(always)]
fn is_large(cell: &Cell<'_>) -> bool {
    match cell {
        Cell::Bytes(bytes) => bytes.len() >= LARGE,
        Cell::Pairs(pairs) => are_large(*pairs),
        Cell::Rendered(_) => true,
        _ => false,
    }
}

fn are_large(pairs: &dyn Pairs) -> bool {
    pairs.iter().map(|(name, value)| name.len() + value.len() + 2 * LEVELS).sum::<usize>() >= LARGE
}

impl Set {
    /// Writes the rows in memory. Rows before an incomplete object are a separate row group, and the rows of the object go to separate
    /// pieces, so that they can be removed.
    fn flush(&mut self, to: &mut Means, out: &mut SplitOutput<'_>) -> Result<()> {
        if let Some(Began { mark, pieces: None }) = &self.began {
            let mut rest = self.rows.split_off(mark);
            self.write_rows(to, out)?;
            std::mem::swap(&mut self.rows, &mut rest);
            let pieces = Some(self.pieces.len());
            self.began = Some(Began { mark: Mark::default(), pieces });
            self.add_piece(out);
            if self.rows.held < GROUP && self.rows.len < GROUP_ROWS {
                return Ok(());
            }
        }
        self.write_rows(to, out)
    }

    fn add_piece(&mut self, out: &mut SplitOutput<'_>) -> usize {
        let log = out.piece(&self.name);
        self.pieces.push((log, Vec::new()));
        log
    }

    fn write_rows(&mut self, to: &mut Means, out: &mut SplitOutput<'_>) -> Result<()> {
        if self.rows.len == 0 {
            return Ok(());
        }
        let log = self.log(to, out);
        let mut file = out.grow_log(log);
        let written = group::write(&self.schema, &self.rows, to.writer()?, &mut file);
        self.rows.clear();
        self.wrote(out.end(file, written)?);
        Ok(())
    }

    fn large(&mut self, cells: &[Cell<'_>], to: &mut Means, out: &mut SplitOutput<'_>) -> Result<()> {
        self.flush(to, out)?;
        self.write_rows(to, out)?;
        let log = self.log(to, out);
        let mut file = out.grow_log(log);
        let written = group::write_large(&self.schema, cells, to.writer()?, &mut file);
        self.wrote(out.end(file, written)?);
        Ok(())
    }

    /// The log of the next row group: that of the last piece, unless that is long enough.
    fn log(&mut self, to: &Means, out: &mut SplitOutput<'_>) -> usize {
        match self.pieces.last() {
            Some((log, groups)) if groups.iter().map(|(_, bytes)| bytes).sum::<u64>() < to.part_size => *log,
            _ => self.add_piece(out),
        }
    }

    fn wrote(&mut self, group: (RowGroupMetaDataPtr, u64)) {
        if let Some((_, groups)) = self.pieces.last_mut() {
            groups.push(group);
        }
    }
}
