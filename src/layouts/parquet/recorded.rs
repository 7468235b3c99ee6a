//! The record of a piece in a shard: the Parquet metadata of a file with only its row groups.

use std::sync::Arc;

use parquet::file::metadata::{
    FileMetaData, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetMetaDataWriter,
};

use super::chunk::refused;
use super::sets::Piece;
use crate::error::Result;
use crate::format::wire::{self, Reader};
use crate::output::split::Told;

/// Bytes after the metadata: its length, and the magic.
const TAIL: usize = 8;

impl Told for Piece {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let groups = self.groups.iter().map(|(group, _)| (**group).clone()).collect();
        let rows = self.groups.iter().map(|(group, _)| group.num_rows()).sum();
        let file = FileMetaData::new(1, rows, None, None, Arc::clone(&self.descr), None);
        let mut footer = Vec::new();
        let metadata = ParquetMetaData::new(file, groups);
        ParquetMetaDataWriter::new(&mut footer, &metadata).finish().map_err(|error| refused(&error))?;
        footer.truncate(footer.len().saturating_sub(TAIL));
        wire::bytes(&footer, out);
        wire::number(self.groups.len() as u64, out);
        self.groups.iter().for_each(|(_, bytes)| wire::number(*bytes, out));
        wire::number(self.part_size, out);
        Ok(())
    }
}

/// Reads a piece; `None`: the bytes are invalid.
pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Piece> {
    // Read completely: a summary of the encodings would give other bytes.
    let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
    let metadata = ParquetMetaDataReader::decode_metadata_with_options(reader.bytes()?, Some(&options)).ok()?;
    let count = reader.count()?;
    let sizes = (0..count).map(|_| reader.number()).collect::<Option<Vec<_>>>()?;
    let groups: Vec<_> = metadata.row_groups().iter().cloned().map(Arc::new).zip(sizes).collect();
    let is_all = groups.len() == count && metadata.num_row_groups() == count;
    let descr = metadata.file_metadata().schema_descr_ptr();
    is_all.then_some(Piece { descr, groups, part_size: reader.number()? })
}
