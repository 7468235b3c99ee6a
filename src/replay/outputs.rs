//! Outputs that are read back: the files of each layout, and archives.
//!
//! [`outputs`] takes files, so that a fuzzer need not produce valid archives and checksums. The first byte gives the layout (bit 0: lines)
//! and whether the output was made for a restore (bit 1); then comes each file:
//!
//! | field | bytes |
//! |---|---|
//! | length of the path, length of the content | 1 + 2, little endian |
//! | path, content | with these lengths |

use std::io::{Cursor, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::adapters::sqs::encode::Told;
use crate::encode::shift::Shift;
use crate::encode::{Objects, RowForm, Rows};
use crate::error::{Error, Result};
use crate::format::{adapter, hex};
use crate::layouts::reading::{BlockSize, output};
use crate::options::Layout;
use crate::output::CHECKSUMS;
use crate::output::reading::{Content, Entry, Form, Output, Piece, Pieces};
use crate::registry;

/// Bytes before path and content.
const HEAD: usize = 3;
const LINES: u8 = 1;
const FOR_RESTORE: u8 = 2;
/// A block of a tar archive, and the longest path of a member without more headers.
const BLOCK: usize = 512;
const LONGEST: usize = 100;

/// Lines in tiny blocks, some of which are too long for one.
const BLOCKS: BlockSize = BlockSize { bytes: 20, longest: 200, small: 0 };

/// Reads the files as an output of a decode and makes rows of their objects: one after the other, and in blocks on several threads, with
/// the same result, which must not be an internal error.
pub fn outputs(data: &[u8]) {
    let Some((flags, files)) = data.split_first() else { return };
    let archive = archive_of(files);
    let (once, again) = (rows(*flags, &archive, None), rows(*flags, &archive, Some(BLOCKS)));
    assert_eq!(once, again, "the same files give the same rows");
}

/// A digest of all rows, or the error.
fn rows(flags: u8, archive: &[u8], blocks: Option<BlockSize>) -> std::result::Result<(u64, [u8; 32]), String> {
    let layout = if flags & LINES == 0 { Layout::TREE } else { Layout::JSONL };
    let all = flags & FOR_RESTORE != 0;
    let told = Told { all, side_records: all, visibility: all, now_ms: 0 };
    let scratch = std::env::temp_dir();
    let rows = Rows::new(&RowForm::new(0, None), &scratch).map_err(|error| words(&error))?;
    let mut objects = Objects::new(rows.clone(), told, Shift(0), None, &scratch);
    let mut open = || Ok(Output::of_stream(Path::new("fuzz"), Form::Tar, Box::new(Cursor::new(archive.to_vec()))));
    let readers = registry::readers(layout, &scratch);
    let adapters = &adapter::BUILT_IN;
    let read = match blocks {
        None => output::read(&mut open, readers, adapters, &scratch, &mut objects),
        Some(blocks) => output::read_in_blocks(blocks, &mut open, readers, adapters, &scratch, &mut objects),
    };
    let finished = read.and_then(|_| objects.finish());
    finished.and_then(|_| digest_of(rows)).map_err(|error| words(&error))
}

fn words(error: &Error) -> String {
    assert!(error.is_damage(), "{error}");
    error.to_string()
}

/// The number of rows, and a digest of them in the order of their keys.
fn digest_of(rows: Rows) -> Result<(u64, [u8; 32])> {
    let (count, mut digest) = (rows.count(), Sha256::new());
    let mut sorted = rows.finish(0, None)?.all()?;
    while let Some((key, value)) = sorted.next()? {
        for bytes in [key, value] {
            digest.update((bytes.len() as u64).to_le_bytes());
            digest.update(bytes);
        }
    }
    Ok((count, digest.finalize().into()))
}

/// An archive of the files, with correct checksums.
fn archive_of(mut data: &[u8]) -> Vec<u8> {
    let (mut archive, mut sums) = (Vec::new(), Vec::new());
    while let Some(([path_len, low, high], rest)) = data.split_first_chunk::<HEAD>() {
        let (path, rest) = rest.split_at(rest.len().min(usize::from(*path_len)));
        let (content, rest) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes([*low, *high]))));
        data = rest;
        // Other paths would have another form in CHECKSUMS, which is not tested here.
        if path.len() > LONGEST || path.iter().any(|byte| matches!(byte, 0 | b'\n' | b'\r' | b'\\')) {
            continue;
        }
        sums.extend_from_slice(hex::text(&Sha256::digest(content)).as_bytes());
        sums.extend_from_slice(b"  ");
        sums.extend_from_slice(path);
        sums.push(b'\n');
        member(path, content, &mut archive);
    }
    member(CHECKSUMS.as_bytes(), &sums, &mut archive);
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

/// A file of an archive: its header, and its content in whole blocks.
fn member(path: &[u8], content: &[u8], archive: &mut Vec<u8>) {
    let start = archive.len();
    archive.extend_from_slice(path);
    let mut put = |at: usize, field: &[u8]| {
        archive.resize(start + at, 0);
        archive.extend_from_slice(field);
    };
    put(100, b"0000644\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    // The checksum field counts as spaces while the checksum is computed.
    put(148, b"        0");
    put(257, b"ustar\x0000");
    put(BLOCK, content);
    let header = start..start + BLOCK;
    let sum: u64 = archive.get(header.clone()).unwrap_or_default().iter().map(|byte| u64::from(*byte)).sum();
    let digits = format!("{sum:06o}\0 ");
    if let Some(field) = archive.get_mut(start + 148..start + 156) {
        field.copy_from_slice(digits.as_bytes());
    }
    let blocks = (archive.len() - start).next_multiple_of(BLOCK);
    archive.resize(start + blocks, 0);
}

/// Files in the form of [`outputs`], for seeds; those that do not fit are left out.
pub fn encode_files<'f>(lines: bool, for_restore: bool, files: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Vec<u8> {
    let mut data = vec![if lines { LINES } else { 0 } | if for_restore { FOR_RESTORE } else { 0 }];
    for (path, content) in files {
        let (Ok(path_len), Ok(len)) = (u8::try_from(path.len()), u16::try_from(content.len())) else { continue };
        let [low, high] = len.to_le_bytes();
        data.extend_from_slice(&[path_len, low, high]);
        data.extend_from_slice(path);
        data.extend_from_slice(content);
    }
    data
}

/// Reads any bytes as an archive: whatever its headers say about lengths and holes, it has no more bytes than that.
pub fn archive(data: &[u8]) {
    let mut output = Output::of_stream(Path::new("fuzz"), Form::Tar, Box::new(Cursor::new(data.to_vec())));
    let (mut read, mut buffer) = (0, vec![0; 1 << 10]);
    // An invalid archive gives an error.
    let _ = output.each(&mut |entry| {
        match entry {
            Entry::File(_, Content::InArchive(bytes, len)) => {
                read += stored(Pieces::Stream(&mut bytes.take(len)), &mut buffer);
            }
            Entry::File(_, Content::SparseInArchive(file)) => read += stored(Pieces::Sparse(file), &mut buffer),
            _ => {}
        }
        Ok(())
    });
    assert!(read <= data.len(), "{read} bytes of members in an archive of {}", data.len());
}

/// Bytes of a file without its holes, up to the first read error.
fn stored(mut pieces: Pieces<'_>, buffer: &mut [u8]) -> usize {
    let mut stored = 0;
    while let Ok(Some(piece)) = pieces.next(buffer) {
        if let Piece::Data(bytes) = piece {
            stored += bytes.len();
        }
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fuzzer that begins with rejected inputs finds little.
    #[test]
    fn seeds_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/outputs");
        let mut read = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            match rows(data[0], &archive_of(&data[1..]), None) {
                Ok((count, _)) => read += u64::from(count > 0),
                // A file system can only be read completely.
                Err(words) => assert!(path.to_string_lossy().contains("fs-small"), "{}: {words}", path.display()),
            }
        }
        assert!(read >= 8, "{read}");
    }
}
