//! What other files contain about a key: its name, its expiry, and whether it is stored under its own name.

use std::cell::Cell;
use std::io::Read;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::format::b64::URL_SAFE;
use crate::layouts::reading::{Binary, Budget, Text, wrong};
use crate::layouts::redis::paths::{self, File};
use crate::model::redis::Type;
use crate::run::table::{Filling, Table};
use base64::Engine as _;

/// The tables of an output.
pub(in crate::layouts) struct Sidecars {
    scratch: PathBuf,
    /// Keys by the segments that cannot be decoded.
    names: Kept,
    /// Expiries by type and segment.
    expiries: Kept,
    /// Keys that are stored under their own names.
    bare: Kept,
}

/// A table, while it is filled and afterwards.
enum Kept {
    Empty,
    Filling(Filling),
    DecodeResult(Table),
}

impl Kept {
    fn push(&mut self, scratch: &Path, key: &[u8], value: &[u8]) -> Result<()> {
        if !matches!(self, Kept::Filling(_)) {
            *self = Kept::Filling(Filling::new(scratch));
        }
        let Kept::Filling(filling) = self else { return Ok(()) };
        filling.push(key, value)
    }

    fn settle(&mut self) -> Result<()> {
        if let Kept::Filling(filling) = std::mem::replace(self, Kept::Empty) {
            *self = Kept::DecodeResult(filling.finish()?);
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if let Kept::DecodeResult(table) = self { table.get(key) } else { Ok(None) }
    }

    fn unused(&self) -> Result<Option<Vec<u8>>> {
        if let Kept::DecodeResult(table) = self { table.unused() } else { Ok(None) }
    }
}

/// A line of KEYMAP.jsonl.
#[derive(Deserialize)]
struct Mapped {
    encoded: String,
    original: String,
    kind: String,
}

/// A line of a file of expiries.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expires {
    key: String,
    expire_at_ms: u64,
}

/// A line of the file of bare strings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bare {
    key: Binary,
}

impl Sidecars {
    pub fn new(scratch: &Path) -> Sidecars {
        let scratch = scratch.to_path_buf();
        Sidecars { scratch, names: Kept::Empty, expiries: Kept::Empty, bare: Kept::Empty }
    }

    /// Reads a file.
    pub(in crate::layouts::redis) fn read(&mut self, file: File<'_>, path: &[u8], bytes: &mut dyn Read) -> Result<()> {
        match file {
            File::KeyMap => each(path, bytes, |line: Mapped| {
                let original = URL_SAFE.decode(&line.original).ok().filter(|_| line.kind == "sha-fallback");
                let original = original.ok_or("it maps no key")?;
                Ok(self.names.push(&self.scratch, line.encoded.as_bytes(), &original))
            }),
            File::Expiries(kind) => each(path, bytes, |line: Expires| {
                let value = line.expire_at_ms.to_be_bytes();
                Ok(self.expiries.push(&self.scratch, &of_type(kind, &line.key), &value))
            }),
            File::Bare => each(path, bytes, |line: Bare| Ok(self.bare.push(&self.scratch, &line.key.0, b""))),
            File::Key(..) | File::Keys(_) | File::Aside => Err(wrong(path, "it is not a sidecar file")),
        }
    }

    pub fn settle(&mut self) -> Result<()> {
        [&mut self.names, &mut self.expiries, &mut self.bare].into_iter().try_for_each(Kept::settle)
    }

    /// The key of a segment that cannot be decoded.
    pub fn name(&self, segment: &str) -> Result<Option<Vec<u8>>> {
        self.names.get(segment.as_bytes())
    }

    /// The expiry of the string or HyperLogLog with this segment. The public tool has 0 for never.
    pub fn expiry(&self, kind: Type, segment: &str) -> Result<Option<u64>> {
        let found = self.expiries.get(&of_type(kind, segment))?;
        Ok(found.and_then(|ms| ms.try_into().ok()).map(u64::from_be_bytes).filter(|ms| *ms > 0))
    }

    /// Whether a string is stored under its own name.
    pub fn is_bare(&self, key: &[u8]) -> Result<bool> {
        Ok(self.bare.get(key)?.is_some())
    }

    /// Checks that every expiry and every mark belongs to a key that exists.
    pub fn all_are_used(&self) -> Result<()> {
        if let Some(unused) = self.expiries.unused()? {
            let (kind, segment) = unused.split_first().unwrap_or((&0, b""));
            let kind = if *kind == Type::Hll as u8 { Type::Hll } else { Type::String };
            return Err(left(&paths::file_of_expiries(kind), segment));
        }
        self.bare.unused()?.map_or(Ok(()), |key| Err(left(&paths::bare(), &key)))
    }
}

fn of_type(kind: Type, segment: &str) -> Vec<u8> {
    [&[kind as u8], segment.as_bytes()].concat()
}

fn left(path: &str, key: &[u8]) -> Error {
    wrong(path.as_bytes(), format_args!("it lists \"{}\", which is missing", key.escape_ascii()))
}

/// Gives every line of a file.
fn each<L: for<'de> Deserialize<'de>>(
    path: &[u8],
    bytes: &mut dyn Read,
    mut take: impl FnMut(L) -> std::result::Result<Result<()>, &'static str>,
) -> Result<()> {
    let (budget, failed) = (Budget::default(), Cell::new(None));
    let mut lines = Text::new(path, bytes).lines();
    while let Some(line) = lines.next(&budget, PhantomData::<L>, &failed)? {
        take(line).map_err(|why| lines.wrong(why))??;
    }
    Ok(())
}
