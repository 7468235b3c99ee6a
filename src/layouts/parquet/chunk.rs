//! The values of a leaf as a column chunk: pages, compressed, appended to the task's share.

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::{ParquetError, Result as Parquet};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use super::delta;
use super::page::{self, Encoded, Sizes};
use super::rows::{LENGTH, Leaf, Shape};
use super::statistics;
use crate::error::{Error, Result};
use crate::layouts::rows::{Pairs, Rendered};
use crate::output::split::SpillWriter;

/// Approximate bytes of a page before compression: a reader keeps one page of each column.
const PAGE: usize = 1 << 20;
/// Bytes of values by which it is decided whether many are compressed.
const SAMPLE: usize = 64 << 10;
/// Values are not compressed if less than this part is saved: a fifth.
const LEAST_SAVED: usize = 5;
/// Bytes of a large value that are appended to the share at once.
const PIECE: usize = 256 << 10;
/// Maximum number of distinct values in which a value is searched for; above it, only runs are found.
const FEW: usize = 16;
/// The fastest compression level that is not one of the negative levels.
const LEVEL: i32 = 1;

/// Writes column chunks; reuses its memory.
pub(super) struct Writer {
    zstd: Compressor<'static>,
    raw: Vec<u8>,
    stored: Vec<u8>,
}

/// The result of a chunk.
struct Written {
    values: u64,
    encoded: Encoded,
    raw: u64,
    stored: u64,
    /// Bytes of the dictionary, if there is one: data follows it.
    dictionary: Option<u64>,
    compressed: bool,
}

impl Writer {
    /// A writer.
    ///
    /// # Errors
    /// The compressor cannot allocate memory.
    pub fn new() -> Result<Writer> {
        Ok(Writer { zstd: Compressor::new(LEVEL).map_err(failed)?, raw: Vec::new(), stored: Vec::new() })
    }

    /// Writes the values of a leaf; positions in the description are relative to `at`.
    ///
    /// # Errors
    /// A failed write.
    pub fn chunk(
        &mut self,
        leaf: &Leaf,
        descr: ColumnDescPtr,
        at: u64,
        to: &mut SpillWriter<'_>,
    ) -> Result<ColumnChunkMetaData> {
        let written = match Dictionary::of(leaf) {
            Some(dictionary) => self.with_dictionary(&dictionary, leaf, to)?,
            None => self.without_dictionary(leaf, to)?,
        };
        described(descr, at, &written, statistics::of(leaf)).map_err(|error| refused(&error))
    }

    fn without_dictionary(&mut self, leaf: &Leaf, to: &mut SpillWriter<'_>) -> Result<Written> {
        let values = leaf.levels() as u64;
        let is_delta = leaf.is_of_integers() && leaf.count > 0;
        let encoded = if is_delta { Encoded::Delta } else { Encoded::Plain };
        let compressed = is_delta || self.is_compressible(&leaf.values)?;
        let mut written = Written { values, encoded, raw: 0, stored: 0, dictionary: None, compressed };
        let mut from = Place::default();
        while from.level < leaf.levels() {
            let end = from.end_of_page(leaf);
            self.raw.clear();
            for levels in [&leaf.reps, &leaf.defs].into_iter().flatten() {
                page::levels(page::runs_of(&levels[from.level..end.level]), &mut self.raw);
            }
            let mut values = &leaf.values[from.byte..end.byte];
            if is_delta || leaf.shape == Shape::Bool {
                let append = if is_delta { delta::append } else { pack };
                append(std::mem::take(&mut values), &mut self.raw);
            }
            let levels = (end.level - from.level) as u32;
            let header = |sizes, out: &mut Vec<u8>| page::data_header(sizes, levels, encoded, out);
            let sizes = match compressed {
                true => self.page(values, header, to)?,
                false => self.uncompressed_page(values, header, to)?,
            };
            written.raw += sizes.0;
            written.stored += sizes.1;
            from = end;
        }
        Ok(written)
    }

    /// Whether compression saves enough of some values. Of many, a sample from their middle decides: random text is slow to compress, and
    /// little is saved.
    fn is_compressible(&mut self, values: &[u8]) -> Result<bool> {
        if values.len() < 4 * SAMPLE {
            return Ok(true);
        }
        let from = (values.len() - SAMPLE) / 2;
        self.compress(&values[from..from + SAMPLE])?;
        Ok(self.stored.len() < SAMPLE - SAMPLE / LEAST_SAVED)
    }

    fn with_dictionary(
        &mut self,
        dictionary: &Dictionary<'_>,
        leaf: &Leaf,
        to: &mut SpillWriter<'_>,
    ) -> Result<Written> {
        self.raw.clear();
        dictionary.values.iter().for_each(|value| self.raw.extend_from_slice(value));
        let values = dictionary.values.len() as u32;
        let first = self.page(b"", |sizes, out| page::dictionary_header(sizes, values, out), to)?;
        self.raw.clear();
        let bits = (u32::BITS - values.saturating_sub(1).leading_zeros()).max(1);
        self.raw.push(bits as u8);
        page::runs(dictionary.runs.iter().copied(), bits.div_ceil(8) as usize, &mut self.raw);
        let count = leaf.count as u32;
        let header = |sizes, out: &mut Vec<u8>| page::data_header(sizes, count, Encoded::Dictionary, out);
        let second = self.page(b"", header, to)?;
        let (raw, stored) = (first.0 + second.0, first.1 + second.1);
        let encoded = Encoded::Dictionary;
        Ok(Written { values: count.into(), encoded, raw, stored, dictionary: Some(first.1), compressed: true })
    }

    /// Compresses and writes a page: the content of `raw`, and `values`. Returns its bytes before and after compression, with the header.
    fn page(
        &mut self,
        values: &[u8],
        header: impl Fn(Sizes, &mut Vec<u8>),
        to: &mut SpillWriter<'_>,
    ) -> Result<(u64, u64)> {
        let mut raw = std::mem::take(&mut self.raw);
        let content = match values {
            [] => &raw[..],
            _ if raw.is_empty() => values,
            _ => {
                raw.extend_from_slice(values);
                &raw
            }
        };
        self.compress(content)?;
        let len = content.len();
        self.raw = raw;
        write_page(len, &[&self.stored], header, to)
    }

    /// The same without compression.
    fn uncompressed_page(
        &mut self,
        values: &[u8],
        header: impl Fn(Sizes, &mut Vec<u8>),
        to: &mut SpillWriter<'_>,
    ) -> Result<(u64, u64)> {
        write_page(self.raw.len() + values.len(), &[&self.raw, values], header, to)
    }

    /// Compresses bytes to `stored`.
    fn compress(&mut self, bytes: &[u8]) -> Result<()> {
        self.stored.clear();
        self.stored.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        self.zstd.compress_to_buffer(bytes, &mut self.stored).map(drop).map_err(failed)
    }
}

/// Writes a page: its header, and its content in parts. `raw`: the length of the content without compression. Returns the bytes of the page
/// before and after compression.
fn write_page(
    raw: usize,
    content: &[&[u8]],
    header: impl Fn(Sizes, &mut Vec<u8>),
    to: &mut SpillWriter<'_>,
) -> Result<(u64, u64)> {
    let stored: usize = content.iter().map(|part| part.len()).sum();
    let mut head = Vec::with_capacity(64);
    header(Sizes { raw: raw as u32, stored: stored as u32 }, &mut head);
    to.write(&head)?;
    content.iter().try_for_each(|part| to.write(part))?;
    Ok(((head.len() + raw) as u64, (head.len() + stored) as u64))
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    level: usize,
    byte: usize,
}

impl Place {
    /// The end of the page: between rows, after it has enough bytes.
    fn end_of_page(self, leaf: &Leaf) -> Place {
        let Place { mut level, mut byte } = self;
        if let (None, Shape::Fixed(width)) = (&leaf.defs, leaf.shape) {
            let rows = (leaf.count - level).min(PAGE / width);
            return Place { level: level + rows, byte: byte + rows * width };
        }
        let begins_row = |level: usize| leaf.reps.as_ref().is_none_or(|reps| reps[level] == 0);
        let is_there = |level: usize| leaf.defs.as_ref().is_none_or(|defs| defs[level] == 1);
        while level < leaf.levels() && (byte - self.byte < PAGE || !begins_row(level)) {
            if is_there(level) {
                byte += leaf.shape.width(&leaf.values[byte..]);
            }
            level += 1;
        }
        Place { level, byte }
    }
}

/// Values that come in runs, each stored once.
struct Dictionary<'l> {
    values: Vec<&'l [u8]>,
    /// Positions of the distinct values, and the length of each run.
    runs: Vec<(u32, u64)>,
}

impl<'l> Dictionary<'l> {
    /// The dictionary of a leaf, if it saves anything.
    fn of(leaf: &'l Leaf) -> Option<Dictionary<'l>> {
        if !leaf.repeats || leaf.defs.is_some() {
            return None;
        }
        let mut dictionary = Dictionary { values: Vec::new(), runs: Vec::new() };
        let mut at = 0;
        while at < leaf.values.len() {
            let value = &leaf.values[at..at + leaf.shape.width(&leaf.values[at..])];
            at += value.len();
            dictionary.add(value);
            if dictionary.runs.len() > leaf.count / 2 + FEW {
                return None;
            }
        }
        Some(dictionary)
    }

    #[inline]
    fn add(&mut self, value: &'l [u8]) {
        if let Some((last, count)) = self.runs.last_mut()
            && self.values.get(*last as usize) == Some(&value)
        {
            *count += 1;
            return;
        }
        let known = self.values.iter().take(FEW).position(|known| *known == value);
        let place = known.unwrap_or_else(|| {
            self.values.push(value);
            self.values.len() - 1
        });
        self.runs.push((place as u32, 1));
    }
}

/// Flags as bits, the first one is the lowest.
fn pack(flags: &[u8], out: &mut Vec<u8>) {
    let byte = |eight: &[u8]| eight.iter().rev().fold(0, |bits, flag| bits << 1 | flag);
    out.extend(flags.chunks(8).map(byte));
}

/// The values of one leaf in one row that is too large for memory.
#[derive(Clone, Copy)]
pub(super) enum LargeLeaf<'c> {
    /// One value.
    One(&'c [u8]),
    /// One value that is rendered when it is written.
    Rendered(&'c dyn Rendered),
    /// The names of pairs.
    Names(&'c dyn Pairs),
    /// The values of pairs.
    Values(&'c dyn Pairs),
}

impl<'c> LargeLeaf<'c> {
    fn values(self) -> Box<dyn Iterator<Item = &'c [u8]> + 'c> {
        match self {
            LargeLeaf::One(value) => Box::new(std::iter::once(value)),
            LargeLeaf::Rendered(_) => Box::new(std::iter::empty()),
            LargeLeaf::Names(pairs) => Box::new(pairs.iter().map(|(name, _)| name)),
            LargeLeaf::Values(pairs) => Box::new(pairs.iter().map(|(_, value)| value)),
        }
    }

    /// Writes it as a chunk of one page, uncompressed: so the length of the page is known before its first byte.
    ///
    /// # Errors
    /// A failed write, or a page of more than 2 GiB, which the format does not allow.
    pub fn chunk(self, descr: ColumnDescPtr, at: u64, to: &mut SpillWriter<'_>) -> Result<ColumnChunkMetaData> {
        let (mut count, mut bytes) = (0u64, 0u64);
        for value in self.values() {
            count += 1;
            bytes += (LENGTH + value.len()) as u64;
        }
        if let LargeLeaf::Rendered(rendered) = self {
            (count, bytes) = (1, LENGTH as u64 + rendered.len());
        }
        let mut levels = Vec::new();
        if descr.max_rep_level() > 0 {
            page::levels([(0, 1), (1, count.saturating_sub(1))], &mut levels);
        }
        if descr.max_def_level() > 0 {
            page::levels(if count > 0 { [(1, count)] } else { [(0, 1)] }, &mut levels);
        }
        let len = levels.len() as u64 + bytes;
        if len > i32::MAX as u64 {
            return Err(refused(&ParquetError::General(format!("a value of {len} bytes"))));
        }
        let mut head = Vec::new();
        let sizes = Sizes { raw: len as u32, stored: len as u32 };
        page::data_header(sizes, count.max(1) as u32, Encoded::Plain, &mut head);
        head.append(&mut levels);
        to.write(&head)?;
        for value in self.values() {
            to.write(&(value.len() as u32).to_le_bytes())?;
            value.chunks(PIECE).try_for_each(|piece| to.write(piece))?;
        }
        if let LargeLeaf::Rendered(rendered) = self {
            to.write(&((bytes - LENGTH as u64) as u32).to_le_bytes())?;
            rendered.write(to);
            to.spill()?;
        }
        let stored = head.len() as u64 + bytes;
        let encoded = Encoded::Plain;
        let written =
            Written { values: count.max(1), encoded, raw: stored, stored, dictionary: None, compressed: false };
        described(descr, at, &written, None).map_err(|error| refused(&error))
    }
}

fn described(
    descr: ColumnDescPtr,
    at: u64,
    written: &Written,
    statistics: Option<Statistics>,
) -> Parquet<ColumnChunkMetaData> {
    let at = at.cast_signed();
    let data = at + written.dictionary.unwrap_or(0).cast_signed();
    let encodings = match written.encoded {
        Encoded::Plain => vec![Encoding::PLAIN, Encoding::RLE],
        Encoded::Delta => vec![Encoding::DELTA_BINARY_PACKED, Encoding::RLE],
        Encoded::Dictionary => vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY],
    };
    let compression = match written.compressed {
        true => Compression::ZSTD(ZstdLevel::try_new(LEVEL)?),
        false => Compression::UNCOMPRESSED,
    };
    let builder = ColumnChunkMetaData::builder(descr)
        .set_encodings(encodings)
        .set_compression(compression)
        .set_num_values(written.values.cast_signed())
        .set_total_uncompressed_size(written.raw.cast_signed())
        .set_total_compressed_size(written.stored.cast_signed())
        .set_data_page_offset(data)
        .set_dictionary_page_offset(written.dictionary.map(|_| at));
    match statistics {
        Some(statistics) => builder.set_statistics(statistics).build(),
        None => builder.build(),
    }
}

/// The error for data that the format does not allow.
#[cold]
pub(super) fn refused(error: &ParquetError) -> Error {
    Error::usage(format!("Parquet cannot hold this: {error}; lines can"))
}

#[cold]
fn failed(error: std::io::Error) -> Error {
    Error::internal(format!("zstd: {error}"))
}
