//! Checks that a row has the form of its family: its key, and the body of its value.
//!
//! The parsers are those of the decode, but here they check every version, not only those that a client could read. Bodies of internal rows
//! (routes, conflict fences) and of rows without a family are unknown and not checked. Old stream blobs, which the server never reads, are
//! not checked either, and neither are rows of auxiliary families, because a client can write any bytes there: the decode warns of those
//! that it cannot parse.

use bumpalo::Bump;
use sha2::{Digest as _, Sha256};

use crate::format::fault::Result;
use crate::format::redis::{element_key, key, list, meta, stream, string};
use crate::format::s3::{self, key as s3_key, record};
use crate::format::sqs::{self, counter, key as sqs_key};
use crate::format::staged::StagedKey;
use crate::format::{Family, Fault, dynamodb, fs, jsonval, redis::blob, txn};

/// Checks a row that is not a tombstone. Decoded values live in `arena`.
///
/// # Errors
/// What is wrong with the key or the value.
pub fn check(arena: &Bump, family: Family, user_key: &[u8], body: &[u8]) -> Result<()> {
    let suffix = family.suffix(user_key);
    match family {
        Family::DdbGsi | Family::DdbItem | Family::DdbGen | Family::DdbTable => dynamodb_row(family, suffix, body),
        Family::TxnCommit | Family::TxnIntent | Family::TxnLock | Family::TxnOk | Family::TxnRollback => {
            transaction(arena, family, suffix, body)
        }
        Family::Staged => staged(arena, user_key, body),
        _ if family.is_auxiliary() => Ok(()),
        _ if family.prefix().starts_with("!s3|") => s3_row(arena, family, suffix, body),
        _ if family.prefix().starts_with("!sqs|") => sqs_row(arena, family, suffix, body),
        _ if family.prefix().starts_with("!fs|") => fs::check(arena, family, user_key, body),
        _ => redis_row(family, suffix, body),
    }
}

fn redis_row(family: Family, suffix: &[u8], body: &[u8]) -> Result<()> {
    match family {
        Family::Str => string::string(body).map(drop),
        Family::Hll => string::hll(body).map(drop),
        Family::HashBlob => blob::hash(body, |_, _| ()),
        Family::SetBlob => blob::set(body, |_| ()),
        Family::ZsetBlob => blob::zset(body, |_, _| ()),
        Family::ListItem => list::item_key(suffix).map(drop),
        Family::ListMeta => list::ListMeta::parse(body).map(drop),
        _ if family.is_len_prefixed() => element(family, element_key(suffix)?.rest, body),
        _ => Ok(()),
    }
}

/// Rows that have the user key after its length; `rest` is what follows it.
fn element(family: Family, rest: &[u8], body: &[u8]) -> Result<()> {
    match family {
        Family::HashMeta | Family::SetMeta | Family::ZsetMeta => {
            key::no_rest(rest).and_then(|()| meta::CollectionMeta::parse(body).map(drop))
        }
        Family::StreamMeta => key::no_rest(rest).and_then(|()| stream::StreamMeta::parse(body).map(drop)),
        Family::ZsetMember => meta::score(body).map(drop),
        Family::StreamEntry => {
            stream::StreamId::from_key(rest).and_then(|_| stream::StreamEntry::parse(body).map(drop))
        }
        _ => Ok(()),
    }
}

fn dynamodb_row(family: Family, suffix: &[u8], body: &[u8]) -> Result<()> {
    match family {
        Family::DdbItem => dynamodb::ItemKey::parse(suffix).and_then(|_| dynamodb::Item::parse(body).map(drop)),
        Family::DdbGen => {
            dynamodb::keys::table_name(suffix).and_then(|_| dynamodb::keys::generation_counter(body).map(drop))
        }
        Family::DdbTable => {
            dynamodb::keys::table_name(suffix).and_then(|_| dynamodb::StoredSchema::parse(body).map(drop))
        }
        _ => index_row(suffix, body),
    }
}

/// An index row has the form of an item's key, with the index before it; its value is the key of the item.
fn index_row(suffix: &[u8], body: &[u8]) -> Result<()> {
    dynamodb::ItemKey::parse(suffix)?;
    let item = body.strip_prefix(Family::DdbItem.prefix().as_bytes());
    match item.map(dynamodb::ItemKey::parse) {
        Some(Ok(_)) => Ok(()),
        _ => Err(Fault::Value("it is not the key of an item")),
    }
}

fn s3_row(arena: &Bump, family: Family, suffix: &[u8], body: &[u8]) -> Result<()> {
    match family {
        Family::S3Blob => s3::ChunkKey::parse(suffix).map(drop),
        Family::S3BucketGen => s3_key::bucket(suffix).and_then(|_| record::generation(body).map(drop)),
        Family::S3BucketMeta => s3_key::bucket(suffix).and_then(|_| s3::BucketRecord::parse(arena, body).map(drop)),
        Family::S3ChunkBlob => payload(suffix, body),
        Family::S3ChunkRef => s3::ChunkKey::parse(suffix).and_then(|_| s3::ChunkRef::parse(body).map(drop)),
        Family::S3GcUpload | Family::S3Upload => {
            s3::UploadKey::parse(suffix).and_then(|_| s3::UploadRecord::parse(arena, body).map(drop))
        }
        Family::S3Object => s3::ObjectKey::parse(suffix).and_then(|_| s3::Manifest::parse(arena, body).map(drop)),
        Family::S3UploadPart => s3::PartKey::parse(suffix).and_then(|_| s3::Part::parse(arena, body).map(drop)),
        _ => Ok(()),
    }
}

fn payload(suffix: &[u8], body: &[u8]) -> Result<()> {
    let same = s3_key::digest(suffix)? == <[u8; 32]>::from(Sha256::digest(body));
    if same { Ok(()) } else { Err(Fault::Value("its SHA-256 is not the one in its key")) }
}

fn sqs_row(arena: &Bump, family: Family, suffix: &[u8], body: &[u8]) -> Result<()> {
    match family {
        Family::SqsData => sqs_key::DataKey::parse(suffix).and_then(|_| sqs::Message::parse(arena, body).map(drop)),
        Family::SqsVis | Family::SqsByAge => sqs_key::TimedKey::parse(suffix).map(drop),
        Family::SqsDedup => sqs_key::DedupKey::parse(suffix).and_then(|_| jsonval::parse(arena, body).map(drop)),
        Family::SqsGroup => sqs_key::GroupKey::parse(suffix).and_then(|_| jsonval::parse(arena, body).map(drop)),
        Family::SqsQueue => sqs_key::queue_row(suffix).and_then(|_| sqs::Queue::parse(arena, body).map(drop)),
        Family::SqsGen | Family::SqsSeq => sqs_key::queue_row(suffix).and_then(|_| counter::decimal(body).map(drop)),
        Family::SqsTombstone => sqs_key::TombstoneKey::parse(suffix).map(drop),
        _ => Ok(()),
    }
}

/// A copy made by a migration: it has the form of its inner key's family.
fn staged(arena: &Bump, user_key: &[u8], body: &[u8]) -> Result<()> {
    match StagedKey::parse(user_key) {
        Some(StagedKey { inner, .. }) => check(arena, Family::of(inner), inner, body),
        None => Err(Fault::Key("no key follows the job")),
    }
}

/// Rows of transactions; the value of an intent must have the form of its own family.
fn transaction(arena: &Bump, family: Family, suffix: &[u8], body: &[u8]) -> Result<()> {
    match family {
        Family::TxnCommit => txn::commit_ts(body).map(drop),
        Family::TxnLock => txn::Lock::parse(body).map(drop),
        Family::TxnOk => txn::Marker::parse(suffix).map(drop),
        Family::TxnIntent => match txn::Intent::parse(body)?.body {
            Some(body) if Family::of(suffix) != Family::TxnIntent => check(arena, Family::of(suffix), suffix, body),
            _ => Ok(()),
        },
        _ if body == [1] => Ok(()),
        _ => Err(Fault::Value("it is not the single byte 01")),
    }
}
