//! One place that could not be read.

use std::cmp::Ordering;
use std::io::{self, Read, Write};

use serde::Serialize;

use super::findings::{Cut, Value, exact_path};
use crate::error::{Brief, Error, ErrorKind, SstPlace};
use crate::format::Family;

/// One loss: a line of `ERRORS.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lost {
    /// The input's name as given.
    pub input: String,
    /// The same in base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_b64: Option<String>,
    /// Byte offset of the entry; in a bundle, of its block.
    pub offset: u64,
    /// Its position among the rows in reading order: for a bundle, in its unpacked stream.
    #[serde(skip)]
    pub(crate) position: u64,
    /// File and block of a bundle.
    #[serde(flatten)]
    pub place: Option<SstPlace>,
    /// Prefix of the row's family.
    pub family: Option<&'static str>,
    /// User key of the row, with its prefix; a long one is truncated.
    pub key: Option<Value>,
    /// The bucket, if the body of an S3 object cannot be assembled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Value>,
    /// The object of that bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Value>,
    /// What is wrong.
    pub reason: String,
    /// In a decode: number of live rows that are left out, which is the row with all others of the object that needs it. Missing if it is
    /// not known, as for bytes that were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

impl Lost {
    /// The loss for an error.
    pub fn of(error: &Error) -> Lost {
        let of_body =
            |part: fn(&ErrorKind) -> Option<&[u8]>| part(error.kind()).map(|name| Value::from(&Brief::of(name)));
        Lost {
            input: error.path().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
            input_b64: error.path().and_then(exact_path),
            offset: error.offset().unwrap_or_default(),
            position: error.position().unwrap_or_default(),
            place: error.place(),
            family: error.family().map(|family| family.prefix()),
            key: error.brief().map(Value::from),
            bucket: of_body(|kind| if let ErrorKind::Body { bucket, .. } = kind { Some(bucket) } else { None }),
            object: of_body(|kind| if let ErrorKind::Body { object, .. } = kind { Some(object) } else { None }),
            reason: error.reason(),
            rows: None,
        }
    }
}

/// Whether an error is about a row, and not about bytes that may contain any number of rows.
pub(crate) fn is_of_a_row(error: &Error) -> bool {
    use ErrorKind::{FooterCrc, Gap, Mvcc2Crc, RestLost, Sst};
    !matches!(error.kind(), Gap { .. } | RestLost { .. } | FooterCrc { .. } | Mvcc2Crc { .. } | Sst(_))
}

/// In a temporary file: the first byte of an optional member.
const NONE: u8 = 0;
const TEXT: u8 = 1;
const CUT: u8 = 2;
const BINARY: u8 = 3;
const CUT_BINARY: u8 = 4;

impl Lost {
    /// The order in which losses are reported; those that are equal in it are one.
    pub(super) fn order(&self, other: &Lost) -> Ordering {
        let key = |lost: &Lost| (lost.position, lost.offset);
        (&self.input, &self.input_b64, key(self), &self.reason).cmp(&(
            &other.input,
            &other.input_b64,
            key(other),
            &other.reason,
        ))
    }

    /// Its approximate bytes.
    pub(super) fn weight(&self) -> usize {
        let keys = [&self.key, &self.bucket, &self.object].into_iter().filter(|value| value.is_some()).count();
        size_of::<Lost>() + self.input.len() + self.reason.len() + keys * Brief::MOST
    }

    /// Writes it to a temporary file.
    pub(super) fn store(&self, out: &mut impl Write) -> io::Result<()> {
        put_text(out, &self.input)?;
        out.write_all(&self.offset.to_le_bytes())?;
        out.write_all(&self.position.to_le_bytes())?;
        put_place(out, self.place)?;
        put_text(out, &self.reason)?;
        put_value(out, self.input_b64.clone().map(Value::Text).as_ref())?;
        put_value(out, self.family.map(Value::from).as_ref())?;
        [&self.key, &self.bucket, &self.object].into_iter().try_for_each(|value| put_value(out, value.as_ref()))?;
        out.write_all(&[u8::from(self.rows.is_some())])?;
        out.write_all(&self.rows.unwrap_or(0).to_le_bytes())
    }

    /// Reads it back; `None` at the end.
    pub(super) fn restore(stored: &mut impl Read) -> io::Result<Option<Lost>> {
        let input = match take_text(stored) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            input => input?,
        };
        let (offset, position, place) = (take_number(stored)?, take_number(stored)?, take_place(stored)?);
        let reason = take_text(stored)?;
        let input_b64 = take_value(stored)?.map(text_of);
        let family = take_value(stored)?.map(text_of).and_then(|prefix| {
            let family = Family::ALL.iter().find(|family| family.prefix() == prefix);
            family.map(|family| family.prefix())
        });
        let (key, bucket, object) = (take_value(stored)?, take_value(stored)?, take_value(stored)?);
        let [any] = take(stored)?;
        let rows = take_number(stored)?;
        let rows = (any > 0).then_some(rows);
        Ok(Some(Lost { input, input_b64, offset, position, place, family, key, bucket, object, reason, rows }))
    }
}

fn put_text(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(&(text.len() as u64).to_le_bytes())?;
    out.write_all(text.as_bytes())
}

/// One more than the file, and than the block: 0 means none.
fn put_place(out: &mut impl Write, place: Option<SstPlace>) -> io::Result<()> {
    let file = place.map_or(0, |place| u64::from(place.file) + 1);
    let block = place.and_then(|place| place.block).map_or(0, |block| block.saturating_add(1));
    out.write_all(&file.to_le_bytes())?;
    out.write_all(&block.to_le_bytes())
}

fn take_place(stored: &mut impl Read) -> io::Result<Option<SstPlace>> {
    let (file, block) = (take_number(stored)?, take_number(stored)?);
    Ok(file.checked_sub(1).map(|file| SstPlace { file: file as u32, block: block.checked_sub(1) }))
}

fn put_value(out: &mut impl Write, value: Option<&Value>) -> io::Result<()> {
    let (kind, text, bytes) = match value {
        None | Some(Value::Int(_) | Value::Exact(_)) => return out.write_all(&[NONE]),
        Some(Value::Text(text)) => (TEXT, text, 0),
        Some(Value::Cut(Cut { head, bytes })) => (CUT, head, *bytes),
        Some(Value::Binary { base64, cut_from_bytes: None }) => (BINARY, base64, 0),
        Some(Value::Binary { base64, cut_from_bytes: Some(bytes) }) => (CUT_BINARY, base64, *bytes),
    };
    out.write_all(&[kind])?;
    out.write_all(&(bytes as u64).to_le_bytes())?;
    put_text(out, text)
}

fn take<const N: usize>(stored: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stored.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn take_number(stored: &mut impl Read) -> io::Result<u64> {
    take(stored).map(u64::from_le_bytes)
}

fn take_text(stored: &mut impl Read) -> io::Result<String> {
    let len = take_number(stored)?;
    let mut text = String::new();
    if stored.take(len).read_to_string(&mut text)? as u64 == len {
        Ok(text)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn take_value(stored: &mut impl Read) -> io::Result<Option<Value>> {
    let [kind] = take(stored)?;
    if kind == NONE {
        return Ok(None);
    }
    let bytes = take_number(stored)? as usize;
    let text = take_text(stored)?;
    Ok(Some(match kind {
        CUT => Value::Cut(Cut { head: text, bytes }),
        BINARY => Value::Binary { base64: text, cut_from_bytes: None },
        CUT_BINARY => Value::Binary { base64: text, cut_from_bytes: Some(bytes) },
        _ => Value::Text(text),
    }))
}

fn text_of(value: Value) -> String {
    if let Value::Text(text) = value { text } else { String::new() }
}
