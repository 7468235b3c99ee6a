//! Writes rows as a row group: a chunk for each leaf, one after the other.

use std::sync::Arc;

use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData, RowGroupMetaDataPtr};

use super::chunk::{LargeLeaf, Writer, refused};
use super::rows::Rows;
use super::schema::Schema;
use crate::error::{Error, Result};
use crate::layouts::rows::Cell;
use crate::output::split::SpillWriter;

/// Writes the rows as a row group; its positions are relative to its own start.
///
/// # Errors
/// A failed write.
pub(super) fn write(
    schema: &Schema,
    rows: &Rows,
    writer: &mut Writer,
    to: &mut SpillWriter<'_>,
) -> Result<RowGroupMetaDataPtr> {
    let (start, mut chunks) = (to.size(), Vec::with_capacity(rows.leaves.len()));
    for (n, leaf) in rows.leaves.iter().enumerate() {
        chunks.push(writer.chunk(leaf, schema.descr.column(n), to.size() - start, to)?);
    }
    described(schema, rows.len, chunks)
}

/// Writes one row that is too large for memory.
///
/// # Errors
/// A failed write, or bytes that Parquet cannot store.
pub(super) fn write_large(
    schema: &Schema,
    cells: &[Cell<'_>],
    writer: &mut Writer,
    to: &mut SpillWriter<'_>,
) -> Result<RowGroupMetaDataPtr> {
    let mut small = Rows::new(schema);
    small.push(&cells.iter().map(|cell| without_bytes(*cell)).collect::<Vec<_>>());
    let (start, mut chunks) = (to.size(), Vec::with_capacity(small.leaves.len()));
    for cell in cells {
        let leaves = match *cell {
            Cell::Bytes(bytes) => [Some(LargeLeaf::One(bytes)), None],
            Cell::Rendered(bytes) => [Some(LargeLeaf::Rendered(bytes)), None],
            Cell::Pairs(pairs) => [Some(LargeLeaf::Names(pairs)), Some(LargeLeaf::Values(pairs))],
            _ => {
                let (n, at) = (chunks.len(), to.size() - start);
                let leaf = small.leaves.get(n).ok_or_else(|| Error::internal("a row with too many cells"))?;
                chunks.push(writer.chunk(leaf, schema.descr.column(n), at, to)?);
                continue;
            }
        };
        for large in leaves.into_iter().flatten() {
            let at = to.size() - start;
            chunks.push(large.chunk(schema.descr.column(chunks.len()), at, to)?);
        }
    }
    described(schema, 1, chunks)
}

const NO_PAIRS: [(&[u8], &[u8]); 0] = [];

/// Bytes are written directly from their source.
fn without_bytes(cell: Cell<'_>) -> Cell<'_> {
    match cell {
        Cell::Bytes(_) | Cell::Rendered(_) => Cell::Bytes(b""),
        Cell::Pairs(_) => Cell::Pairs(&NO_PAIRS),
        small => small,
    }
}

fn described(schema: &Schema, rows: usize, chunks: Vec<ColumnChunkMetaData>) -> Result<RowGroupMetaDataPtr> {
    let raw = chunks.iter().map(ColumnChunkMetaData::uncompressed_size).sum();
    let group = RowGroupMetaData::builder(schema.descr.clone())
        .set_column_metadata(chunks)
        .set_total_byte_size(raw)
        .set_num_rows(rows as i64)
        .set_sorting_columns(Some(schema.sorting()))
        .set_file_offset(0)
        .build();
    group.map(Arc::new).map_err(|error| refused(&error))
}
