//! Locks, intents and their outcomes (`container.md` §8).

use std::collections::BTreeMap;

use super::container::{Take, Version};
use super::{Damage, Live, Rows};

const LOCK: &[u8] = b"!txn|lock|";
const INTENT: &[u8] = b"!txn|int|";
const COMMIT: &[u8] = b"!txn|cmt|";
const MARKER: &[u8] = b"!txn|ok|";
const ROLLBACK: &[u8] = b"!txn|rb|";

struct Lock {
    start: u64,
    expire_at: u64,
    primary: Vec<u8>,
}

struct Intent {
    start: u64,
    /// `None`: a delete.
    body: Option<Vec<u8>>,
}

/// The live keys after the intents of committed transactions are applied; also returns the keys of those.
pub fn apply(newest: &BTreeMap<Vec<u8>, Version>, time: u64, as_of: u64) -> Result<(Rows, Vec<Vec<u8>>), Damage> {
    let mut live = Rows::new();
    for (key, version) in newest.iter().filter(|(_, version)| version.is_live(time)) {
        live.insert(key.clone(), Live { ts: version.ts, body: version.body.clone() });
    }
    let mut changes = Vec::new();
    for (row, held) in below(&live, LOCK) {
        let (key, lock) = (&row[LOCK.len()..], read_lock(&held.body)?);
        let Some(commit) = committed_at(&live, &lock)? else { continue };
        let Some(intent) = live.get(&[INTENT, key].concat()) else { continue };
        let intent = read_intent(&intent.body)?;
        if intent.start == lock.start && commit <= as_of {
            changes.push((key.to_vec(), commit, intent.body));
        }
    }
    let touched = changes.iter().map(|(key, ..)| key.clone()).collect();
    for (key, commit, body) in changes {
        if newest.get(&key).is_some_and(|version| version.ts >= commit) {
            continue;
        }
        match body {
            Some(body) => live.insert(key, Live { ts: commit, body }),
            None => live.remove(&key),
        };
    }
    Ok((live, touched))
}

fn committed_at(live: &Rows, lock: &Lock) -> Result<Option<u64>, Damage> {
    let id = |prefix: &[u8]| [prefix, &lock.primary, &lock.start.to_be_bytes()].concat();
    if let Some(record) = live.get(&id(COMMIT)) {
        let mut take = Take(&record.body);
        one(take.byte()?)?;
        let ts = take.be()?;
        take.end()?;
        return Ok(Some(ts));
    }
    for (row, _) in below(live, MARKER) {
        let (start, commit, primary) = read_marker(&row[MARKER.len()..])?;
        if start == lock.start && primary == lock.primary {
            return Ok(Some(commit));
        }
    }
    // Rolled back, expired and pending come to the same here: the intent does not count.
    let _ = (live.get(&id(ROLLBACK)), lock.expire_at);
    Ok(None)
}

/// Start and commit timestamp and primary key of a success marker (`future.md` F5).
fn read_marker(key: &[u8]) -> Result<(u64, u64, Vec<u8>), Damage> {
    let mut take = Take(key);
    one(take.byte()?)?;
    let len = uvarint(&mut take)?;
    take.bytes(len)?;
    let (start, commit) = (take.be()?, take.be()?);
    let len = uvarint(&mut take)?;
    let primary = take.bytes(len)?.to_vec();
    take.end()?;
    Ok((start, commit, primary))
}

fn uvarint(take: &mut Take<'_>) -> Result<u64, Damage> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take.byte()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err("a number without an end".into())
}

fn below<'r>(live: &'r Rows, prefix: &'static [u8]) -> impl Iterator<Item = (&'r Vec<u8>, &'r Live)> {
    live.iter().filter(move |(key, _)| key.starts_with(prefix))
}

fn one(version: u8) -> Result<(), Damage> {
    if version == 1 { Ok(()) } else { Err(format!("version {version}")) }
}

fn read_lock(body: &[u8]) -> Result<Lock, Damage> {
    let mut take = Take(body);
    one(take.byte()?)?;
    let (start, expire_at, _flags, len) = (take.be()?, take.be()?, take.byte()?, take.be()?);
    let primary = take.bytes(len)?.to_vec();
    take.end()?;
    Ok(Lock { start, expire_at, primary })
}

fn read_intent(body: &[u8]) -> Result<Intent, Damage> {
    let mut take = Take(body);
    one(take.byte()?)?;
    let (start, op, len) = (take.be()?, take.byte()?, take.be()?);
    let value = take.bytes(len)?.to_vec();
    take.end()?;
    Ok(Intent { start, body: (op == 0).then_some(value) })
}
