//! Complete decodes of snapshots that are valid except for the content of their rows.
//!
//! Bytes are read as rows, so that a fuzzer need not produce valid frames, order and checksums:
//!
//! | field | bytes |
//! |---|---|
//! | family | 1, by its position in [`Family::ALL`] |
//! | flags | 1: bit 0 a tombstone; bit 1: the key is preceded by its length if the family has one |
//! | commit time | 1 |
//! | length of the key, length of the value | 1 + 2, little endian |
//! | key after the family's prefix, value | with these lengths |

use crate::decode::{Layout, Options, Silent, fill_nowhere};
use crate::error::Error;
use crate::format::header::FsmHeader;
use crate::format::mvcc::{self, ValueHeader};
use crate::format::{Family, container, frame};
use crate::index::Granularity;
use crate::source::Source;

/// Bytes before key and value.
const HEAD: usize = 6;
/// A time in 2026, so that inverted timestamps begin like real ones.
const TIME: u64 = 1_767_225_600_000 << 16;
const TOMBSTONE: u8 = 1;
const BEHIND_LENGTH: u8 = 2;

/// Digests of all files, or the error.
type Outcome = Result<Vec<(Vec<u8>, [u8; 32])>, String>;

/// Decodes the rows: in one piece and in the smallest ones, with the same result; and leniently, without an error.
pub fn whole(data: &[u8]) {
    let file = snapshot(data);
    let tiny = Granularity { checkpoint_interval: 1, read_size: 1, task_size: 1 };
    for layout in [Layout::TREE, Layout::JSONL] {
        let options = Options { layout, ..Options::default() };
        let (large, small) =
            (decoded(&file, &options), decoded(&file, &Options { granularity: tiny, ..options.clone() }));
        // Any of several damaged rows may come first.
        assert_eq!(large.is_ok(), small.is_ok(), "pieces make no difference");
        assert_eq!(large.ok(), small.ok(), "pieces make no difference");
        let lenient = decoded(&file, &Options { skip_damage: true, include_orphans: true, ..options });
        assert!(lenient.is_ok(), "damage in rows can be skipped: {lenient:?}");
    }
}

fn decoded(file: &[u8], options: &Options) -> Outcome {
    let sources = [Source::from_bytes("fuzz.fsm", file.to_vec())];
    let mut filled = fill_nowhere(&sources, options, &Silent).map_err(|error| words(&error))?;
    let mut files = Vec::new();
    let merged = filled.checksums.merge(|path, entry| {
        files.push((path.to_vec(), entry.digest));
        Ok(())
    });
    merged.map_err(|e| e.to_string())?;
    Ok(files)
}

fn words(error: &Error) -> String {
    assert!(error.is_damage(), "{error}");
    error.to_string()
}

/// A snapshot of the rows, with header and footer.
fn snapshot(data: &[u8]) -> Vec<u8> {
    let mut rows = rows(data);
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows.dedup_by(|a, b| a.0 == b.0);
    let mut file = Vec::new();
    FsmHeader { version: 1, ..FsmHeader::default() }.encode(&mut file);
    frame::stream_header_into(TIME + 256, &mut file);
    rows.iter().for_each(|(key, value)| frame::entry_into(key, value, &mut file));
    container::footer_into(&mut file);
    file
}

/// Raw keys and values.
fn rows(mut data: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    while let Some((head, rest)) = data.split_first_chunk::<HEAD>() {
        let [family, flags, time, key_len, low, high] = *head;
        let (suffix, rest) = rest.split_at(rest.len().min(usize::from(key_len)));
        let (body, rest) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes([low, high]))));
        data = rest;
        let family = Family::ALL[usize::from(family) % Family::ALL.len()];
        let mut key = family.prefix().as_bytes().to_vec();
        if family.is_len_prefixed() && flags & BEHIND_LENGTH != 0 {
            // The key ends at the first NUL; the rest is field, member, number or time.
            let len = suffix.iter().position(|byte| *byte == 0).unwrap_or(suffix.len());
            key.extend_from_slice(&(len as u32).to_be_bytes());
        }
        key.extend_from_slice(suffix);
        let mut raw_key = Vec::new();
        mvcc::raw_key_into(&key, TIME + u64::from(time), &mut raw_key);
        let tombstone = flags & TOMBSTONE != 0;
        let mut value = Vec::new();
        ValueHeader { tombstone, expire_at: 0, body: if tombstone { b"" } else { body } }.encode(&mut value);
        rows.push((raw_key, value));
    }
    rows
}

/// Rows in the form of [`whole`], for seeds: user keys and values; those that do not fit are left out.
pub fn encode_rows<'r>(rows: impl Iterator<Item = (&'r [u8], &'r [u8])>) -> Vec<u8> {
    let mut data = Vec::new();
    for (user_key, body) in rows {
        let family = Family::of(user_key);
        let suffix = family.suffix(user_key);
        let (Ok(key_len), Ok(len)) = (u8::try_from(suffix.len()), u16::try_from(body.len())) else { continue };
        let [low, high] = len.to_le_bytes();
        data.extend_from_slice(&[family as u8, 0, 1, key_len, low, high]);
        data.extend_from_slice(suffix);
        data.extend_from_slice(body);
    }
    data
}
