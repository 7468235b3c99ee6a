//! Redis keys (`redis.md`, `rules.md` §6, §7).

mod expiry;
mod gather;
mod object;
mod write;

use super::{Ask, Damage, Set, Tree};
use gather::{Key, Wide, gather};
use object::Object;
use write::Out;

/// Writes everything below `redis/`.
pub fn decode(set: &Set, ask: &Ask, tree: &mut Tree) -> Result<(), Damage> {
    let mut out = Out::new(*ask, tree);
    if set.known.iter().any(|key| gather::is_redis(key) && !key.starts_with(b"!lst|itm|")) {
        out.exist();
    }
    for (name, key) in gather(&set.live)? {
        one_key(&name, &key, ask, &mut out)?;
    }
    Ok(())
}

/// The types in the server's probe order (`redis.md` §3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Str,
    Hll,
    Bare,
    List,
    Hash,
    Set,
    Zset,
    HashBlob,
    SetBlob,
    ZsetBlob,
    Stream,
    StreamBlob,
}

fn types_of(key: &Key) -> Vec<Type> {
    let legacy = |wide: &Wide| !wide.is_wide() && wide.blob.is_some();
    let all = [
        (Type::Str, key.str.is_some()),
        (Type::Hll, key.hll.is_some()),
        (Type::Bare, key.bare.is_some()),
        (Type::List, key.list_meta.is_some() || !key.list_deltas.is_empty()),
        (Type::Hash, key.hash.is_wide()),
        (Type::Set, key.set.is_wide()),
        (Type::Zset, key.zset.is_wide()),
        (Type::HashBlob, legacy(&key.hash)),
        (Type::SetBlob, legacy(&key.set)),
        (Type::ZsetBlob, legacy(&key.zset)),
        (Type::Stream, key.stream_meta.is_some()),
        (Type::StreamBlob, key.stream_meta.is_none() && key.stream_blob.is_some()),
    ];
    all.into_iter().filter(|(_, there)| *there).map(|(kind, _)| kind).collect()
}

fn one_key(name: &[u8], key: &Key, ask: &Ask, out: &mut Out<'_>) -> Result<(), Damage> {
    let types = types_of(key);
    if let Some((winner, others)) = types.split_first() {
        out.object("redis/db_0", name, &object::read(key, *winner)?, expiry::of_key(key, *winner)?);
        for other in others.iter().filter(|other| ask.orphans && **other != Type::StreamBlob) {
            out.object(write::ORPHANS, name, &object::read(key, *other)?, expiry::of_type(key, *other)?);
        }
    } else if let Some(ms) = key.ttl
        && ask.orphans
    {
        out.orphan_ttl(name, ms);
    }
    if ask.orphans {
        headless_stream(name, key, out)?;
        let homeless = object::items_outside(key, types.contains(&Type::List))?;
        if !homeless.is_empty() {
            out.orphan_items(name, &Object::List(homeless));
        }
    }
    Ok(())
}

/// Entries or an old blob without a meta.
fn headless_stream(name: &[u8], key: &Key, out: &mut Out<'_>) -> Result<(), Damage> {
    if key.stream_meta.is_some() {
        return Ok(());
    }
    if !key.entries.is_empty() {
        out.object(write::ORPHANS, name, &object::stream_without_meta(key.entries.clone())?, None);
    } else if let Some(blob) = &key.stream_blob
        && let Ok(object) = object::stream_of_blob(blob)
    {
        out.object(write::ORPHANS, name, &object, None);
    }
    Ok(())
}
