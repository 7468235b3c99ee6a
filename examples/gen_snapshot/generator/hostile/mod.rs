//! Snapshots that are expensive on purpose: each kind puts its load on one place of a decoder.
//!
//! Rows are collected in any order and sorted before they are written, so the code of a kind is short.

mod files;
mod objects;
mod queues;
mod redis;
mod tables;

use std::io;

use super::rows::{Damage, NOW, Rows};

/// A kind of hostile snapshot: its name, and the rows for a size.
pub type Kind = (&'static str, fn(u64) -> Pile);

/// All of them.
pub fn kinds() -> impl Iterator<Item = Kind> {
    [redis::KINDS, tables::KINDS, objects::KINDS, queues::KINDS, files::KINDS].into_iter().flatten().copied()
}

/// Writes the rows of a kind; `None` if it is not known.
pub fn emit(name: &str, scale: u64, rows: &mut Rows<'_>) -> Option<io::Result<()>> {
    let (_, make) = kinds().find(|(kind, _)| *kind == name)?;
    Some(make(scale).write(rows))
}

/// Rows in any order.
#[derive(Default)]
pub struct Pile {
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    /// One row in this number of rows is damaged in this way.
    damaged: Option<(usize, Damage)>,
}

impl Pile {
    /// A key with one version.
    fn put(&mut self, key: impl Into<Vec<u8>>, body: impl Into<Vec<u8>>) {
        self.put_at(key, NOW, body);
    }

    /// A version of a key.
    fn put_at(&mut self, key: impl Into<Vec<u8>>, ts: u64, body: impl Into<Vec<u8>>) {
        let mut key = key.into();
        key.extend((!ts).to_be_bytes());
        self.rows.push((key, body.into()));
    }

    /// Damages one row in `every` rows, after sorting.
    fn damaged(self, every: usize, damage: Damage) -> Pile {
        Pile { damaged: Some((every, damage)), ..self }
    }

    fn write(mut self, rows: &mut Rows<'_>) -> io::Result<()> {
        self.rows.sort_unstable();
        self.rows.iter().enumerate().try_for_each(|(n, (key, body))| {
            let (key, version) = key.split_last_chunk::<8>().expect("put_at appended it");
            let ts = !u64::from_be_bytes(*version);
            match self.damaged {
                Some((every, damage)) if n % every == every / 2 => rows.damaged(key, ts, Some(body), damage),
                _ => rows.version(key, ts, Some(body)),
            }
        })
    }
}

/// Calls `put` for each number below `n`.
fn each(n: u64, mut put: impl FnMut(&mut Pile, u64)) -> Pile {
    let mut pile = Pile::default();
    (0..n).for_each(|i| put(&mut pile, i));
    pile
}

/// `part` repeated `n` times, separated by commas.
fn list(part: &str, n: u64) -> String {
    let mut out = format!("{part},").repeat(n as usize);
    out.pop();
    out
}

/// A part of an ordered key, with its end.
fn part(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 2);
    for byte in bytes {
        out.push(*byte);
        out.extend((*byte == 0).then_some(0xff));
    }
    out.extend([0, 1]);
    out
}

fn varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 128 {
        out.push(n as u8 | 128);
        n >>= 7;
    }
    out.push(n as u8);
}

/// A length-delimited protobuf field.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    varint(bytes.len() as u64, &mut out);
    out.extend(bytes);
    out
}
