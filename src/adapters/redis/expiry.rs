//! When a key expires: the sources that the server's reads use, in their order (`redis.md` §3.4).
//!
//! The first source is the value of a string. Then come the metas of all types, whatever type the key has: a meta that
//! was left behind when the key expired and was created again still counts. The last source is the TTL index, however
//! old its row is.

use super::key::{Found, Kind, parse};
use crate::dataset::{DataSet, Row};
use crate::error::Result;
use crate::format::Family;
use crate::format::redis::list::ListMeta;
use crate::format::redis::meta::CollectionMeta;
use crate::format::redis::stream::StreamMeta;
use crate::format::redis::string::{self, InlineTtl};

/// An expiry as a row states it, if it states one; `Some(None)`: the key never expires.
type Stated = Option<Option<u64>>;

/// The expiry in Unix milliseconds of a key that the server serves as `kind`, unless it is a string that states its own.
///
/// # Errors
/// A damaged HLL value beside a string of the old format.
pub(super) fn of_key(set: &DataSet<'_>, found: &Found<'_>, kind: Kind) -> Result<Option<u64>> {
    let index = || found.ttl.map(|(_, ms)| ms.max(1));
    let stated = match kind {
        Kind::Hll => Some(index()),
        Kind::Str => beside_string(set, found)?.map(|stated| stated.unwrap_or_else(index)),
        _ => None,
    };
    Ok(stated.or_else(|| in_metas(found)).unwrap_or_else(index))
}

/// The expiry in the rows of one type, for a type that the key is not served as.
pub(super) fn of_type(found: &Found<'_>, kind: Kind) -> Option<u64> {
    let stated = match kind {
        Kind::List => in_list(found),
        Kind::Hash | Kind::HashBlob => in_meta(found.hash.meta),
        Kind::Set | Kind::SetBlob => in_meta(found.set.meta),
        Kind::Zset | Kind::ZsetBlob => in_meta(found.zset.meta),
        Kind::Stream | Kind::StreamBlob => in_stream(found),
        Kind::Str | Kind::Hll | Kind::Bare => None,
    };
    stated.flatten()
}

/// An expiry in the envelope of a string. A time before 1970 becomes 1, because a restore takes 0 for "never".
pub(super) fn in_envelope(ttl: InlineTtl) -> Stated {
    match ttl {
        InlineTtl::Legacy => None,
        InlineTtl::Never => Some(None),
        InlineTtl::At(ms) => Some(Some(ms.max(1))),
    }
}

/// The expiry that an HLL beside a string of the old format states. If the HLL has the old format too, the index decides.
fn beside_string(set: &DataSet<'_>, found: &Found<'_>) -> Result<Option<Stated>> {
    let is_old = |row: &Row<'_>| string::string(row.body).is_ok_and(|value| value.ttl == InlineTtl::Legacy);
    let row = found.hll.filter(|_| found.str.as_ref().is_some_and(is_old));
    row.map(|row| parse(set, Family::Hll, &row, string::hll).map(|value| in_envelope(value.ttl))).transpose()
}

/// The first meta with a field for an expiry decides, even if it says that there is none (0).
fn in_metas(found: &Found<'_>) -> Stated {
    let simple = || in_meta(found.hash.meta).or_else(|| in_meta(found.set.meta)).or_else(|| in_meta(found.zset.meta));
    in_list(found).or_else(simple).or_else(|| in_stream(found))
}

fn in_meta(row: Option<Row<'_>>) -> Stated {
    CollectionMeta::parse(row?.body).ok().and_then(|meta| stated(meta.expire_ms))
}

fn in_list(found: &Found<'_>) -> Stated {
    ListMeta::parse(found.list_meta?.body).ok().and_then(|meta| stated(meta.expire_ms))
}

fn in_stream(found: &Found<'_>) -> Stated {
    StreamMeta::parse(found.stream_meta?.body).ok().and_then(|meta| stated(meta.expire_ms))
}

/// In a meta, 0 means "never".
fn stated(expire_ms: Option<u64>) -> Stated {
    expire_ms.map(|ms| (ms > 0).then_some(ms))
}
