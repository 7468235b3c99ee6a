//! The files of data sets: the row groups of all tasks, one after the other, in parts of a given size.

use std::any::Any;
use std::collections::BTreeMap;

use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData, RowGroupMetaDataPtr,
};
use parquet::schema::types::SchemaDescPtr;

use super::chunk::refused;
use super::recorded;
use super::sets::Piece;
use crate::error::{Error, Result};
use crate::format::wire::Reader;
use crate::output::split::{Assembler, Placed, StoredTold, Told};

/// The bytes before the first row group of a file; the footer has them too.
const MAGIC: &[u8] = b"PAR1";
/// Maximum number of row groups of a file: readers count them with sixteen bits.
const MOST_GROUPS: usize = 32_000;
/// The writer of the file, in the form that readers expect. The number is that of the schemas (`docs/format/parquet.md`), so that the bytes
/// of an output do not change with every version of the program.
const CREATED_BY: &str = "ekvsnap version 1";
/// The name of the schemas' version in the metadata of each file.
pub(super) const VERSION: (&str, &str) = ("ekvsnap.schema_version", "1");

/// The data sets over all tasks.
#[derive(Default)]
pub(crate) struct Parts {
    sets: BTreeMap<String, Part>,
}

/// The current file of a data set.
struct Part {
    number: u32,
    path: String,
    descr: SchemaDescPtr,
    groups: Vec<RowGroupMetaData>,
    bytes: u64,
}

impl Part {
    fn new(name: &str, number: u32, descr: SchemaDescPtr) -> Part {
        let path = format!("{name}/part-{number:05}.parquet");
        Part { number, path, descr, groups: Vec::new(), bytes: MAGIC.len() as u64 }
    }

    /// Adds row groups after the present ones.
    fn add(&mut self, groups: Vec<(RowGroupMetaDataPtr, u64)>) -> Result<()> {
        for (group, bytes) in groups {
            let group = moved(&group, self.bytes, self.groups.len()).map_err(|error| refused(&error))?;
            self.groups.push(group);
            self.bytes += bytes;
        }
        Ok(())
    }

    /// The path, and the bytes after the last row group.
    fn end(self) -> Result<(String, Vec<u8>)> {
        let rows = self.groups.iter().map(RowGroupMetaData::num_rows).sum();
        let told = vec![KeyValue::new(VERSION.0.to_owned(), VERSION.1.to_owned())];
        let file = FileMetaData::new(1, rows, Some(CREATED_BY.to_owned()), Some(told), self.descr, None);
        let mut footer = Vec::new();
        let metadata = ParquetMetaData::new(file, self.groups);
        ParquetMetaDataWriter::new(&mut footer, &metadata).finish().map_err(|error| refused(&error))?;
        Ok((self.path, footer))
    }
}

/// The row group moved to another position: its own positions are relative to its start.
fn moved(group: &RowGroupMetaData, by: u64, ordinal: usize) -> parquet::errors::Result<RowGroupMetaData> {
    let by = by.cast_signed();
    let columns = group.columns().iter().map(|column| {
        let dictionary = column.dictionary_page_offset().map(|at| at + by);
        let data = column.data_page_offset() + by;
        column.clone().into_builder().set_data_page_offset(data).set_dictionary_page_offset(dictionary).build()
    });
    let columns = columns.collect::<parquet::errors::Result<_>>()?;
    let at = group.file_offset().unwrap_or(0) + by;
    let builder = group.clone().into_builder().set_column_metadata(columns);
    builder.set_file_offset(at).set_ordinal(ordinal as i32).build()
}

/// The piece, from this process or another one.
fn piece_of(piece: Box<dyn Told>) -> Result<Piece> {
    let piece: Box<dyn Any> = match (piece as Box<dyn Any>).downcast::<Piece>() {
        Ok(piece) => return Ok(*piece),
        Err(other) => other,
    };
    let stored = piece.downcast::<StoredTold>().ok();
    let piece = stored.and_then(|stored| recorded::decode(&mut Reader::new(&stored.0)));
    piece.ok_or_else(|| Error::internal("a piece that is not of Parquet"))
}

impl Assembler for Parts {
    fn place(&mut self, name: &str, piece: Box<dyn Told>) -> Result<Placed> {
        let Piece { descr, groups, part_size } = piece_of(piece)?;
        let bytes: u64 = groups.iter().map(|(_, bytes)| bytes).sum();
        let mut ended = None;
        let full = |part: &Part| {
            !part.groups.is_empty()
                && !groups.is_empty()
                && (part.bytes + bytes > part_size || part.groups.len() + groups.len() > MOST_GROUPS)
        };
        let mut head: &[u8] = b"";
        let number = match self.sets.get(name) {
            Some(part) if full(part) => Some(part.number + 1),
            Some(_) => None,
            None => Some(1),
        };
        if let Some(number) = number {
            head = MAGIC;
            let before = self.sets.insert(name.to_owned(), Part::new(name, number, descr));
            ended = before.map(Part::end).transpose()?;
        }
        let part = self.sets.get_mut(name).ok_or_else(|| Error::internal("a part that is not there"))?;
        part.add(groups)?;
        Ok(Placed { ended, path: part.path.clone(), head })
    }

    fn complete(&mut self, name: &str) -> Result<Option<(String, Vec<u8>)>> {
        self.sets.remove(name).map(Part::end).transpose()
    }

    fn finish(&mut self) -> Result<Vec<(String, Vec<u8>)>> {
        std::mem::take(&mut self.sets).into_values().map(Part::end).collect()
    }
}
