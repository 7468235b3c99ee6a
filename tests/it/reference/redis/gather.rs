//! Collects the rows of each user key (`redis.md` §1).

use std::collections::BTreeMap;

use super::super::container::Take;
use super::super::{Damage, Rows};

/// Length deltas of a collection; a list's move its head too.
#[derive(Debug, Clone, Copy)]
pub struct Delta {
    pub head: i64,
    pub len: i64,
}

/// A hash, set or sorted set.
#[derive(Debug, Clone, Default)]
pub struct Wide {
    pub meta: Option<Vec<u8>>,
    pub deltas: Vec<Delta>,
    pub elements: BTreeMap<Vec<u8>, Vec<u8>>,
    pub blob: Option<Vec<u8>>,
}

impl Wide {
    pub fn is_wide(&self) -> bool {
        self.meta.is_some() || !self.deltas.is_empty() || !self.elements.is_empty()
    }
}

/// One user key.
#[derive(Debug, Clone, Default)]
pub struct Key {
    /// The expiry in the index row.
    pub ttl: Option<u64>,
    pub str: Option<Vec<u8>>,
    pub hll: Option<Vec<u8>>,
    pub bare: Option<Vec<u8>>,
    pub hash: Wide,
    pub set: Wide,
    pub zset: Wide,
    pub list_meta: Option<Vec<u8>>,
    pub list_deltas: Vec<Delta>,
    pub items: BTreeMap<i64, Vec<u8>>,
    pub stream_meta: Option<Vec<u8>>,
    pub entries: BTreeMap<(u64, u64), Vec<u8>>,
    pub stream_blob: Option<Vec<u8>>,
}

/// The kinds of rows below a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Str,
    Hll,
    Ttl,
    HashBlob,
    SetBlob,
    ZsetBlob,
    StreamBlob,
    HashDelta,
    HashMeta,
    HashField,
    SetDelta,
    SetMeta,
    SetMember,
    ZsetDelta,
    ZsetMeta,
    ZsetMember,
    ZsetScore,
    ListDelta,
    ListDeltaNew,
    ListMeta,
    ListItem,
    ListClaim,
    StreamMeta,
    StreamEntry,
}

const PREFIXES: [(&[u8], Row); 24] = [
    (b"!redis|str|", Row::Str),
    (b"!redis|hll|", Row::Hll),
    (b"!redis|ttl|", Row::Ttl),
    (b"!redis|hash|", Row::HashBlob),
    (b"!redis|set|", Row::SetBlob),
    (b"!redis|zset|", Row::ZsetBlob),
    (b"!redis|stream|", Row::StreamBlob),
    (b"!hs|meta|d|", Row::HashDelta),
    (b"!hs|meta|", Row::HashMeta),
    (b"!hs|fld|", Row::HashField),
    (b"!st|meta|d|", Row::SetDelta),
    (b"!st|meta|", Row::SetMeta),
    (b"!st|mem|", Row::SetMember),
    (b"!zs|meta|d|", Row::ZsetDelta),
    (b"!zs|meta|", Row::ZsetMeta),
    (b"!zs|mem|", Row::ZsetMember),
    (b"!zs|scr|", Row::ZsetScore),
    (b"!lst|delta|", Row::ListDeltaNew),
    (b"!lst|meta|d|", Row::ListDelta),
    (b"!lst|meta|", Row::ListMeta),
    (b"!lst|itm|", Row::ListItem),
    (b"!lst|claim|", Row::ListClaim),
    (b"!stream|meta|", Row::StreamMeta),
    (b"!stream|entry|", Row::StreamEntry),
];

fn classify(key: &[u8]) -> Option<(Row, &[u8])> {
    let known = PREFIXES.iter().find(|(prefix, _)| key.starts_with(prefix))?;
    Some((known.1, &key[known.0.len()..]))
}

/// Whether a key is a string from before the prefixes (`redis.md` §4.3).
fn is_bare(key: &[u8]) -> bool {
    let word = key.strip_prefix(b"!").and_then(|rest| {
        let len = rest.iter().position(|b| *b == b'|').filter(|len| *len > 0)?;
        rest[..len].iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_').then_some(&rest[..len])
    });
    word.is_none_or(|word| word == b"stream")
}

/// Whether a row belongs to the Redis interface.
pub fn is_redis(key: &[u8]) -> bool {
    classify(key).is_some() || is_bare(key)
}

/// Sorts all rows by their user keys.
pub fn gather(live: &Rows) -> Result<BTreeMap<Vec<u8>, Key>, Damage> {
    let mut keys: BTreeMap<Vec<u8>, Key> = BTreeMap::new();
    for (row, value) in live {
        let body = value.body.clone();
        match classify(row) {
            Some((kind, rest)) => {
                let placed = place(&mut keys, kind, rest, body);
                // A client can write anything below the names of these (§3.4): it is as if it were not there.
                if !is_auxiliary(kind) {
                    placed?;
                }
            }
            None if is_bare(row) => keys.entry(row.clone()).or_default().bare = Some(body),
            None => {}
        }
    }
    Ok(keys)
}

/// Whether rows of a kind have no data of a client.
fn is_auxiliary(kind: Row) -> bool {
    use Row::{HashDelta, ListClaim, ListDelta, ListDeltaNew, SetDelta, Ttl, ZsetDelta, ZsetScore};
    matches!(kind, Ttl | HashDelta | SetDelta | ZsetDelta | ListDelta | ListDeltaNew | ListClaim | ZsetScore)
}

/// The user key after its length, and the rest.
fn sized(rest: &[u8]) -> Result<(Vec<u8>, Take<'_>), Damage> {
    let mut take = Take(rest);
    let len = u32::from_be_bytes(take.array()?);
    let key = take.bytes(len.into())?.to_vec();
    Ok((key, take))
}

/// A meta of a list named `d|…` is below the prefix of deltas; its length distinguishes it (`redis.md` §1.5).
fn is_list_meta(body: &[u8]) -> bool {
    matches!(body.len(), 24 | 32)
}

fn place(keys: &mut BTreeMap<Vec<u8>, Key>, kind: Row, rest: &[u8], body: Vec<u8>) -> Result<(), Damage> {
    match kind {
        Row::Str | Row::Hll | Row::Ttl | Row::HashBlob | Row::SetBlob | Row::ZsetBlob | Row::StreamBlob => {
            simple(keys.entry(rest.to_vec()).or_default(), kind, body)
        }
        Row::ListDelta if is_list_meta(&body) => {
            keys.entry([b"d|", rest].concat()).or_default().list_meta = Some(body);
            Ok(())
        }
        Row::ListMeta => {
            keys.entry(rest.to_vec()).or_default().list_meta = Some(body);
            Ok(())
        }
        Row::ListItem => {
            let cut = rest.len().checked_sub(8).ok_or("item without a number")?;
            let seq = u64::from_be_bytes(rest[cut..].try_into().unwrap()) ^ (1 << 63);
            keys.entry(rest[..cut].to_vec()).or_default().items.insert(seq as i64, body);
            Ok(())
        }
        _ => {
            let (name, behind) = sized(rest)?;
            let key = keys.entry(name).or_default();
            element(key, kind, behind, body)
        }
    }
}

fn simple(key: &mut Key, kind: Row, body: Vec<u8>) -> Result<(), Damage> {
    let slot = match kind {
        Row::Ttl => {
            let mut take = Take(&body);
            let ms = take.be()?.min(i64::MAX as u64);
            take.end()?;
            key.ttl = Some(ms);
            return Ok(());
        }
        Row::Str => &mut key.str,
        Row::Hll => &mut key.hll,
        Row::HashBlob => &mut key.hash.blob,
        Row::SetBlob => &mut key.set.blob,
        Row::ZsetBlob => &mut key.zset.blob,
        _ => &mut key.stream_blob,
    };
    *slot = Some(body);
    Ok(())
}

fn element(key: &mut Key, kind: Row, mut behind: Take<'_>, body: Vec<u8>) -> Result<(), Damage> {
    let wide = match kind {
        Row::HashDelta | Row::HashMeta | Row::HashField => &mut key.hash,
        Row::SetDelta | Row::SetMeta | Row::SetMember => &mut key.set,
        _ => &mut key.zset,
    };
    match kind {
        Row::HashMeta | Row::SetMeta | Row::ZsetMeta => {
            behind.end()?;
            wide.meta = Some(body);
        }
        Row::HashField | Row::SetMember | Row::ZsetMember => {
            wide.elements.insert(behind.0.to_vec(), body);
        }
        Row::HashDelta | Row::SetDelta | Row::ZsetDelta => wide.deltas.push(delta(behind, &body, false)?),
        Row::ListDelta | Row::ListDeltaNew => key.list_deltas.push(delta(behind, &body, true)?),
        Row::StreamMeta => {
            behind.end()?;
            key.stream_meta = Some(body);
        }
        Row::StreamEntry => {
            let id = (behind.be()?, behind.be()?);
            behind.end()?;
            key.entries.insert(id, body);
        }
        Row::ListClaim => {
            behind.bytes(8)?;
            behind.end()?;
        }
        _ => {
            behind.bytes(8)?;
        }
    }
    Ok(())
}

fn delta(mut behind: Take<'_>, body: &[u8], list: bool) -> Result<Delta, Damage> {
    behind.bytes(12)?;
    behind.end()?;
    let mut take = Take(body);
    let head = if list { take.int()? } else { 0 };
    let len = take.int()?;
    take.end()?;
    Ok(Delta { head, len })
}
