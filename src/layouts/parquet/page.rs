//! Pages: their headers in Thrift's compact protocol, and runs of equal numbers.
//!
//! The crate's own writer takes values one by one, each with its own reference count, and copies a page three times. Here values are stored
//! in the form of the file, so a page is a header and a compressed slice. A row of 256 MiB is not even compressed: it goes directly from
//! its source to the file.

/// The encodings that are used, with their numbers in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoded {
    /// Values one after the other.
    Plain = 0,
    /// Numbers as differences.
    Delta = 5,
    /// Positions in a dictionary.
    Dictionary = 8,
}

/// Runs of levels, and of positions in a dictionary.
const RLE: u32 = 3;
/// A field of 32 bits, right after the previous one.
const NUMBER: u8 = 0x15;
/// Field 5 after field 3: the header of a data page. The checksum, field 4, is left out.
const DATA_HEADER: u8 = 0x2c;
/// Field 7 after field 3: the header of a dictionary.
const DICTIONARY_HEADER: u8 = 0x4c;
const STOP: u8 = 0;

/// The bytes of a page before and after compression.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub raw: u32,
    pub stored: u32,
}

/// Appends the header of a data page with `values` values, including missing ones.
pub(super) fn data_header(sizes: Sizes, values: u32, encoded: Encoded, out: &mut Vec<u8>) {
    const DATA_PAGE: u32 = 0;
    numbers(&[DATA_PAGE, sizes.raw, sizes.stored], out);
    out.push(DATA_HEADER);
    numbers(&[values, encoded as u32, RLE, RLE], out);
    out.extend_from_slice(&[STOP, STOP]);
}

/// Appends the header of a dictionary.
pub(super) fn dictionary_header(sizes: Sizes, values: u32, out: &mut Vec<u8>) {
    const DICTIONARY_PAGE: u32 = 2;
    numbers(&[DICTIONARY_PAGE, sizes.raw, sizes.stored], out);
    out.push(DICTIONARY_HEADER);
    numbers(&[values, Encoded::Plain as u32], out);
    out.extend_from_slice(&[STOP, STOP]);
}

/// Fields one after the other. The numbers are below 2³¹; in zigzag encoding they are doubled.
fn numbers(all: &[u32], out: &mut Vec<u8>) {
    for n in all {
        out.push(NUMBER);
        varint(u64::from(*n) << 1, out);
    }
}

/// Appends levels: the length of their runs, then the runs.
pub(super) fn levels(runs: impl IntoIterator<Item = (u32, u64)>, out: &mut Vec<u8>) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    self::runs(runs, 1, out);
    let len = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&len.to_le_bytes());
}

/// Appends runs of equal numbers, which take `width` bytes each.
pub(super) fn runs(runs: impl IntoIterator<Item = (u32, u64)>, width: usize, out: &mut Vec<u8>) {
    for (n, count) in runs.into_iter().filter(|(_, count)| *count > 0) {
        varint(count << 1, out);
        out.extend_from_slice(&n.to_le_bytes()[..width]);
    }
}

/// The runs in a slice.
pub(super) fn runs_of(levels: &[u8]) -> impl Iterator<Item = (u32, u64)> {
    levels.chunk_by(|a, b| a == b).map(|run| (u32::from(run[0]), run.len() as u64))
}

/// Appends a number in bytes of seven bits, the lowest first.
pub(super) fn varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}
