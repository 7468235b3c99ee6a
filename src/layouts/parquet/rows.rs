//! Rows of a data set, stored by column, until they are a row group.
//!
//! Values are stored in the form of the file (PLAIN): a page only has to be compressed.

use super::schema::Schema;
use crate::layouts::rows::{Cell, Column, Kind, Pairs, SHORT_DECIMAL};

/// Length field before each value of type bytes.
pub(super) const LENGTH: usize = 4;

/// The form of a leaf's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Each after its length.
    Bytes,
    /// Each with this many bytes.
    Fixed(usize),
    /// Each one byte; the file has a bit.
    Bool,
}

impl Shape {
    fn of(kind: Kind) -> Shape {
        match kind {
            Kind::Bytes | Kind::Text | Kind::Json | Kind::Pairs => Shape::Bytes,
            Kind::Decimal(digits, _) if i32::from(digits) > SHORT_DECIMAL => Shape::Fixed(16),
            Kind::Bool => Shape::Bool,
            _ => Shape::Fixed(8),
        }
    }

    /// Bytes of the first value in `values`.
    #[inline]
    pub fn width(self, values: &[u8]) -> usize {
        match self {
            Shape::Bytes => values.first_chunk().map_or(LENGTH, |len| LENGTH + u32::from_le_bytes(*len) as usize),
            Shape::Fixed(width) => width,
            Shape::Bool => 1,
        }
    }
}

/// One leaf of the schema.
#[derive(Debug)]
pub(super) struct Leaf {
    pub kind: Kind,
    pub shape: Shape,
    /// Whether equal values often follow one another.
    pub repeats: bool,
    /// Whether rows are sorted by it.
    pub sorted: bool,
    /// The values that are not null.
    pub values: Vec<u8>,
    /// Their number.
    pub count: usize,
    /// For a leaf that can be null: whether the value is present (1), for each row or pair.
    pub defs: Option<Vec<u8>>,
    /// For a leaf in a list: whether the value belongs to the previous row (1).
    pub reps: Option<Vec<u8>>,
}

impl Leaf {
    fn new(column: &Column, sorted: bool) -> Leaf {
        let in_list = column.kind == Kind::Pairs;
        let levels = |there: bool| there.then(Vec::new);
        Leaf {
            kind: column.kind,
            shape: Shape::of(column.kind),
            repeats: column.repeats,
            sorted,
            values: Vec::new(),
            count: 0,
            defs: levels(column.optional || in_list),
            reps: levels(in_list),
        }
    }

    /// Adds the levels of a value; returns their bytes.
    #[inline]
    fn level(&mut self, def: u8, rep: u8) -> usize {
        let mut added = 0;
        for (levels, level) in [(&mut self.defs, def), (&mut self.reps, rep)] {
            if let Some(levels) = levels {
                levels.push(level);
                added += 1;
            }
        }
        added
    }

    /// Adds a value of type bytes; returns the bytes that it takes.
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) -> usize {
        self.values.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.values.extend_from_slice(bytes);
        self.count += 1;
        LENGTH + bytes.len()
    }

    /// Adds a value of the column's kind; one of another kind would be a bug of the caller. Returns the bytes that it takes.
    #[inline]
    fn push(&mut self, cell: &Cell<'_>) -> usize {
        match (self.shape, cell) {
            (Shape::Bytes, Cell::Bytes(bytes)) => return self.bytes(bytes),
            (Shape::Fixed(8), Cell::U64(n)) => self.values.extend_from_slice(&n.to_le_bytes()),
            (Shape::Fixed(8), Cell::I64(n)) => self.values.extend_from_slice(&n.to_le_bytes()),
            (Shape::Fixed(8), Cell::F64(n)) => self.values.extend_from_slice(&n.to_le_bytes()),
            (Shape::Fixed(8), Cell::Decimal(n)) => self.values.extend_from_slice(&(*n as i64).to_le_bytes()),
            (Shape::Fixed(16), Cell::Decimal(n)) => self.values.extend_from_slice(&n.to_be_bytes()),
            (Shape::Bool, Cell::Bool(flag)) => self.values.push((*flag).into()),
            _ => debug_assert!(false, "a cell that is not of its column's kind"),
        }
        self.count += 1;
        match self.shape {
            Shape::Fixed(width) => width,
            Shape::Bytes | Shape::Bool => 1,
        }
    }

    /// Whether its values are integers of 64 bits.
    pub fn is_of_integers(&self) -> bool {
        self.shape == Shape::Fixed(8) && self.kind != Kind::F64
    }

    /// Number of rows or pairs, including those without a value.
    pub fn levels(&self) -> usize {
        self.defs.as_ref().map_or(self.count, Vec::len)
    }

    fn mark(&self) -> LeafMark {
        LeafMark { bytes: self.values.len(), count: self.count, levels: self.defs.as_ref().map_or(0, Vec::len) }
    }

    fn truncate(&mut self, mark: &LeafMark) {
        self.values.truncate(mark.bytes);
        self.defs.iter_mut().chain(&mut self.reps).for_each(|all| all.truncate(mark.levels));
        self.count = mark.count;
    }

    fn split_off(&mut self, mark: &LeafMark) -> Leaf {
        let split = |all: &mut Option<Vec<u8>>| all.as_mut().map(|all| all.split_off(mark.levels));
        let (defs, reps) = (split(&mut self.defs), split(&mut self.reps));
        let (values, count) = (self.values.split_off(mark.bytes), self.count - mark.count);
        self.count = mark.count;
        Leaf { values, count, defs, reps, ..*self }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct LeafMark {
    bytes: usize,
    count: usize,
    levels: usize,
}

/// A position between rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Mark {
    rows: usize,
    held: usize,
    leaves: Vec<LeafMark>,
}

/// Rows that are not written yet.
#[derive(Debug)]
pub(super) struct Rows {
    pub leaves: Vec<Leaf>,
    /// Their number.
    pub len: usize,
    /// Bytes in memory.
    pub held: usize,
}

impl Rows {
    /// Empty.
    pub fn new(schema: &Schema) -> Rows {
        let mut leaves = Vec::new();
        for (n, column) in schema.columns.all.iter().enumerate() {
            let of_column = if column.kind == Kind::Pairs { 2 } else { 1 };
            leaves.extend((0..of_column).map(|_| Leaf::new(column, n < schema.columns.sorted)));
        }
        Rows { leaves, len: 0, held: 0 }
    }

    /// Adds a row: a cell for each column.
    #[inline]
    pub fn push(&mut self, cells: &[Cell<'_>]) {
        let mut leaves = self.leaves.iter_mut();
        for cell in cells {
            let Some(leaf) = leaves.next() else { return };
            self.held += match cell {
                Cell::Null => leaf.level(0, 0),
                Cell::Pairs(pairs) => {
                    let Some(second) = leaves.next() else { return };
                    push_pairs(leaf, second, *pairs)
                }
                cell => leaf.level(1, 0) + leaf.push(cell),
            };
        }
        self.len += 1;
    }

    /// The current end of the rows.
    pub fn mark(&self) -> Mark {
        Mark { rows: self.len, held: self.held, leaves: self.leaves.iter().map(Leaf::mark).collect() }
    }

    /// Removes the rows after a mark.
    pub fn truncate(&mut self, mark: &Mark) {
        self.leaves.iter_mut().zip(&mark.leaves).for_each(|(leaf, mark)| leaf.truncate(mark));
        (self.len, self.held) = (mark.rows, mark.held);
    }

    /// Takes the rows after a mark.
    pub fn split_off(&mut self, mark: &Mark) -> Rows {
        let leaves = self.leaves.iter_mut().zip(&mark.leaves).map(|(leaf, mark)| leaf.split_off(mark)).collect();
        let (len, held) = (self.len - mark.rows, self.held - mark.held);
        (self.len, self.held) = (mark.rows, mark.held);
        Rows { leaves, len, held }
    }

    /// Removes all rows; the memory is reused.
    pub fn clear(&mut self) {
        self.leaves.iter_mut().for_each(|leaf| leaf.truncate(&LeafMark::default()));
        (self.len, self.held) = (0, 0);
    }
}

/// Adds the pairs of a row to their two leaves; returns their bytes.
fn push_pairs(names: &mut Leaf, values: &mut Leaf, pairs: &dyn Pairs) -> usize {
    let (mut rep, mut added) = (0, 0);
    for (name, value) in pairs.iter() {
        for (leaf, part) in [(&mut *names, name), (&mut *values, value)] {
            added += leaf.level(1, rep) + leaf.bytes(part);
        }
        rep = 1;
    }
    if rep == 0 {
        added += names.level(0, 0) + values.level(0, 0);
    }
    added
}
