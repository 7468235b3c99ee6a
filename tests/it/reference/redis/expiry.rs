//! When a key expires (`redis.md` §3.4): the first step with a result decides.

use super::super::Damage;
use super::super::container::Take;
use super::Type;
use super::gather::Key;

/// The expiry of a key served as `kind`, in Unix milliseconds.
pub fn of_key(key: &Key, kind: Type) -> Result<Option<u64>, Damage> {
    // One before 1970 is kept, as 1.
    let index = key.ttl.map(|ms| ms.max(1));
    if matches!(kind, Type::Str | Type::Hll | Type::Bare) {
        if let Some(stated) = key.str.as_ref().map(|value| in_value(value, 1)).transpose()?.flatten() {
            return Ok(stated);
        }
        // An HLL of the old format leaves it to the index.
        if let Some(value) = &key.hll {
            return Ok(in_value(value, 2)?.unwrap_or(index));
        }
    }
    let all = [Type::List, Type::Hash, Type::Set, Type::Zset, Type::Stream];
    Ok(all.into_iter().find_map(|kind| in_meta(key, kind)).unwrap_or(index))
}

/// The expiry in the rows of a type.
pub fn of_type(key: &Key, kind: Type) -> Result<Option<u64>, Damage> {
    Ok(match kind {
        Type::Str => in_value(key.str.as_ref().unwrap(), 1)?.flatten(),
        Type::Hll => in_value(key.hll.as_ref().unwrap(), 2)?.flatten(),
        _ => in_meta(key, kind).flatten(),
    })
}

fn in_value(value: &[u8], kind: u8) -> Result<Option<Option<u64>>, Damage> {
    if !value.starts_with(&[0xff, kind]) {
        return Ok(None);
    }
    let mut take = Take(&value[2..]);
    Ok(Some(if take.byte()? & 1 == 1 { Some(take.be()?.clamp(1, i64::MAX as u64)) } else { None }))
}

/// The meta of a type, if it has room for an expiry: 0 is never.
fn in_meta(key: &Key, kind: Type) -> Option<Option<u64>> {
    let (meta, lengths, at) = match kind {
        Type::List => (&key.list_meta, &[32][..], 24),
        Type::Hash | Type::HashBlob => (&key.hash.meta, &[16][..], 8),
        Type::Set | Type::SetBlob => (&key.set.meta, &[16][..], 8),
        Type::Zset | Type::ZsetBlob => (&key.zset.meta, &[16][..], 8),
        Type::Stream => (&key.stream_meta, &[32, 48][..], 24),
        Type::Str | Type::Hll | Type::Bare | Type::StreamBlob => return None,
    };
    let meta = meta.as_ref().filter(|meta| lengths.contains(&meta.len()))?;
    let ms = u64::from_be_bytes(meta[at..at + 8].try_into().unwrap());
    Some(Some(ms).filter(|ms| *ms > 0))
}
