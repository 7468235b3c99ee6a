//! The value of a key for a client, and its expiry (`redis.md` §2, §3).

use std::collections::BTreeMap;

use super::super::container::Take;
use super::super::{Damage, proto};
use super::Type;
use super::gather::{Key, Wide};

/// A logical value.
#[derive(Debug, Clone)]
pub enum Object {
    Str(Vec<u8>),
    Hll(Vec<u8>),
    Hash(Vec<(Vec<u8>, Vec<u8>)>),
    Set(Vec<Vec<u8>>),
    Zset(Vec<(Vec<u8>, f64)>),
    List(Vec<Vec<u8>>),
    Stream { entries: Vec<Entry>, length: i64, last: (u64, u64) },
}

/// An entry of a stream: its ID, names and values.
pub type Entry = ((u64, u64), Vec<(Vec<u8>, Vec<u8>)>);

/// Reads the object of one type.
pub fn read(key: &Key, kind: Type) -> Result<Object, Damage> {
    match kind {
        Type::Str => string(key.str.as_ref().unwrap(), 1).map(Object::Str),
        Type::Hll => string(key.hll.as_ref().unwrap(), 2).map(Object::Hll),
        Type::Bare => Ok(Object::Str(key.bare.clone().unwrap())),
        Type::List => list(key),
        Type::Hash | Type::HashBlob => wide(&key.hash, hash_of),
        Type::Set | Type::SetBlob => wide(&key.set, set_of),
        Type::Zset | Type::ZsetBlob => wide(&key.zset, zset_of),
        Type::Stream => stream(key),
        Type::StreamBlob => Ok(without_meta(Vec::new())),
    }
}

/// The value without its envelope.
fn string(value: &[u8], kind: u8) -> Result<Vec<u8>, Damage> {
    if !value.starts_with(&[0xff, kind]) {
        return Ok(value.to_vec());
    }
    let mut take = Take(&value[2..]);
    if take.byte()? & 1 == 1 {
        take.be()?;
    }
    Ok(take.0.to_vec())
}

fn length(take: &mut Take<'_>) -> Result<i64, Damage> {
    take.be()?.try_into().map_err(|_| "length".to_owned())
}

fn wide(wide: &Wide, object: impl Fn(&Wide) -> Result<Object, Damage>) -> Result<Object, Damage> {
    if let Some(meta) = &wide.meta {
        let mut take = Take(meta);
        length(&mut take)?;
        rest_of_meta(&mut take)?;
    }
    object(wide)
}

/// Metas of the current form end in an expiry.
fn rest_of_meta(take: &mut Take<'_>) -> Result<(), Damage> {
    if !take.0.is_empty() {
        take.be()?;
    }
    take.end()
}

/// The messages in the fields 1 of a blob; an empty blob is an empty collection.
fn blob(wide: &Wide, magic: &[u8; 4]) -> Result<Vec<Vec<u8>>, Damage> {
    let Some(blob) = wide.blob.as_ref().filter(|blob| wide.elements.is_empty() && !blob.is_empty()) else {
        return Ok(Vec::new());
    };
    proto::strings(blob.strip_prefix(magic).ok_or("magic")?, 1)
}

fn hash_of(wide: &Wide) -> Result<Object, Damage> {
    let mut all = wide.elements.clone();
    for entry in blob(wide, b"\0RH\x01")? {
        all.insert(proto::string(&entry, 1)?, proto::string(&entry, 2)?);
    }
    Ok(Object::Hash(all.into_iter().collect()))
}

fn set_of(wide: &Wide) -> Result<Object, Damage> {
    let mut all: BTreeMap<Vec<u8>, ()> = wide.elements.keys().map(|member| (member.clone(), ())).collect();
    all.extend(blob(wide, b"\0RS\x01")?.into_iter().map(|member| (member, ())));
    Ok(Object::Set(all.into_keys().collect()))
}

fn zset_of(wide: &Wide) -> Result<Object, Damage> {
    let mut all = BTreeMap::new();
    for (member, bits) in &wide.elements {
        let mut take = Take(bits);
        all.insert(member.clone(), f64::from_bits(take.be()?));
        take.end()?;
    }
    for entry in blob(wide, b"\0RZ\x01")? {
        all.insert(proto::string(&entry, 1)?, f64::from_bits(proto::number(&entry, 2)?));
    }
    Ok(Object::Zset(all.into_iter().collect()))
}

/// First sequence number and length of a list.
fn window(key: &Key) -> Result<(i128, i128), Damage> {
    let (mut head, mut len) = (0, 0);
    if let Some(meta) = &key.list_meta {
        let mut take = Take(meta);
        head = take.int()?.into();
        take.int()?;
        len = length(&mut take)?.into();
        rest_of_meta(&mut take)?;
    }
    for delta in &key.list_deltas {
        (head, len) = (head + i128::from(delta.head), len + i128::from(delta.len));
    }
    Ok((head, len.max(0)))
}

fn list(key: &Key) -> Result<Object, Damage> {
    let (head, len) = window(key)?;
    let inside = key.items.iter().filter(|(seq, _)| (head..head + len).contains(&i128::from(**seq)));
    Ok(Object::List(inside.map(|(_, item)| item.clone()).collect()))
}

/// Items that the list, if there is one, does not reach.
pub fn items_outside(key: &Key, is_list: bool) -> Result<Vec<Vec<u8>>, Damage> {
    let (head, len) = if is_list { window(key)? } else { (0, 0) };
    let outside = key.items.iter().filter(|(seq, _)| !(head..head + len).contains(&i128::from(**seq)));
    Ok(outside.map(|(_, item)| item.clone()).collect())
}

fn stream(key: &Key) -> Result<Object, Damage> {
    let mut take = Take(key.stream_meta.as_ref().unwrap());
    let length = length(&mut take)?;
    let last = (take.be()?, take.be()?);
    if !take.0.is_empty() {
        take.be()?;
    }
    let trimmed = if take.0.is_empty() { (0, 0) } else { (take.be()?, take.be()?) };
    take.end()?;
    let served = key.entries.iter().filter(|(id, _)| trimmed == (0, 0) || **id > trimmed);
    let entries = served.map(|(id, value)| entry(*id, value)).collect::<Result<_, _>>()?;
    Ok(Object::Stream { entries, length, last })
}

fn entry(id: (u64, u64), value: &[u8]) -> Result<Entry, Damage> {
    Ok((id, pairs(value.strip_prefix(b"\0RXE\x01").ok_or("magic")?)?))
}

type Pair = (Vec<u8>, Vec<u8>);

fn pairs(message: &[u8]) -> Result<Vec<Pair>, Damage> {
    let texts = proto::strings(message, 2)?;
    if texts.len() % 2 == 1 {
        return Err("odd number of fields".into());
    }
    Ok(texts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}

fn without_meta(entries: Vec<Entry>) -> Object {
    let last = entries.last().map_or((0, 0), |(id, _)| *id);
    Object::Stream { length: entries.len() as i64, entries, last }
}

/// Entries whose stream has no meta.
pub fn stream_without_meta(entries: BTreeMap<(u64, u64), Vec<u8>>) -> Result<Object, Damage> {
    let entries = entries.into_iter().map(|(id, value)| entry(id, &value)).collect::<Result<_, _>>()?;
    Ok(without_meta(entries))
}

/// An old stream in one value.
pub fn stream_of_blob(blob: &[u8]) -> Result<Object, Damage> {
    let message = if blob.is_empty() { blob } else { blob.strip_prefix(b"\0RX\x01").ok_or("magic")? };
    let mut entries = Vec::new();
    for one in proto::strings(message, 1)? {
        let id = String::from_utf8(proto::string(&one, 1)?).map_err(|_| "ID")?;
        let (ms, seq) = id.split_once('-').ok_or("ID")?;
        let id = (ms.parse().map_err(|_| "ID")?, seq.parse().map_err(|_| "ID")?);
        entries.push((id, pairs(&one)?));
    }
    entries.sort_by_key(|(id, _)| *id);
    Ok(without_meta(entries))
}
