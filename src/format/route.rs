//! Which group a row belongs to: groups own ranges of *routes*, and the route of a row is a function of its user key (`restore.md` §3).
//!
//! | keys | route |
//! |---|---|
//! | locks, intents and records of transactions | that of the key after the prefix |
//! | lists and `!redis\|…` | the Redis key |
//! | DynamoDB | `!ddb\|route\|table\|` and the table |
//! | SQS | `!sqs\|route\|global` |
//! | objects, uploads and their bodies | `!s3route\|` and bucket, generation and object |
//! | chunks of files | `!fs\|route\|chk\|`, home and inode |
//! | others, such as hashes and streams | the key itself |

use super::cursor::Cursor;
use super::limits::TS_SUFFIX;
use super::ordered;

const DYNAMODB: &[u8] = b"!ddb|route|table|";
const SQS: &[u8] = b"!sqs|route|global";
const S3: &[u8] = b"!s3route|";
const FS_CHUNKS: &[u8] = b"!fs|route|chk|";
/// Bytes of the sequence number after the key of a list item or claim.
const SEQUENCE: usize = 8;
/// Bytes after the key of a list delta: commit timestamp and number.
const DELTA: usize = 12;

const OBJECTS: [&[u8]; 6] =
    [b"!s3|obj|head|", b"!s3|upload|meta|", b"!s3|upload|part|", b"!s3|blob|", b"!s3|chunkref|", b"!s3|gc|upload|"];
const MESSAGES: [&[u8]; 5] =
    [b"!sqs|msg|data|p|", b"!sqs|msg|vis|p|", b"!sqs|msg|dedup|p|", b"!sqs|msg|group|p|", b"!sqs|msg|byage|p|"];

/// The route of a user key; if it is not a part of the key, it is assembled in `scratch`.
pub fn route<'k>(user_key: &'k [u8], scratch: &'k mut Vec<u8>) -> &'k [u8] {
    let key = embedded(user_key).unwrap_or(user_key);
    if key.first() != Some(&b'!') {
        return key;
    }
    if let Some(redis) = of_list(key).or_else(|| of_redis(key)) {
        return redis;
    }
    scratch.clear();
    if of_table(key, scratch) || of_queue(key, scratch) || of_object(key, scratch) || of_file(key, scratch) {
        return scratch;
    }
    key
}

/// The key inside the key of a transaction's row.
fn embedded(key: &[u8]) -> Option<&[u8]> {
    let rest = key.strip_prefix(b"!txn|")?;
    let whole = [&b"lock|"[..], b"int|", b"meta|"].iter().find_map(|prefix| rest.strip_prefix(*prefix));
    if whole.is_some() {
        return whole;
    }
    let primary = rest.strip_prefix(b"cmt|").or_else(|| rest.strip_prefix(b"rb|"))?;
    primary.get(..primary.len().checked_sub(TS_SUFFIX)?)
}

fn of_list(key: &[u8]) -> Option<&[u8]> {
    let rest = key.strip_prefix(b"!lst|")?;
    if let Some(rest) = rest.strip_prefix(b"meta|d|") {
        return sized(rest, DELTA);
    }
    if let Some(rest) = rest.strip_prefix(b"claim|") {
        return sized(rest, SEQUENCE);
    }
    if let Some(rest) = rest.strip_prefix(b"meta|") {
        return Some(rest);
    }
    let item = rest.strip_prefix(b"itm|")?;
    item.get(..item.len().checked_sub(SEQUENCE)?)
}

/// A key after its length, followed by at least `behind` bytes or by none.
fn sized(rest: &[u8], behind: usize) -> Option<&[u8]> {
    let mut c = Cursor::new(rest);
    let len = c.u32_be()?;
    let key = c.take_u64(len.into())?;
    (c.is_empty() || c.len() >= behind).then_some(key)
}

fn of_redis(key: &[u8]) -> Option<&[u8]> {
    let rest = key.strip_prefix(b"!redis|")?;
    let bar = memchr::memchr(b'|', rest).filter(|bar| *bar > 0)?;
    rest.get(bar.saturating_add(1)..)
}

fn of_table(key: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(rest) = key.strip_prefix(b"!ddb|") else { return false };
    let named = rest.strip_prefix(b"meta|table|").or_else(|| rest.strip_prefix(b"meta|gen|"));
    let table = named.or_else(|| {
        let rest = rest.strip_prefix(b"item|").or_else(|| rest.strip_prefix(b"gsi|"))?;
        rest.get(..memchr::memchr(b'|', rest)?)
    });
    join(DYNAMODB, table.filter(|table| !table.is_empty()), out)
}

fn of_queue(key: &[u8], out: &mut Vec<u8>) -> bool {
    join(SQS, key.starts_with(b"!sqs|").then_some(b""), out)
}

fn of_object(key: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(rest) = OBJECTS.iter().find_map(|prefix| key.strip_prefix(*prefix)) else { return false };
    let mut c = Cursor::new(rest);
    let read = ordered::read(&mut c, 1).is_some() && c.u64_be().is_some() && ordered::read(&mut c, 1).is_some();
    let object = rest.get(..rest.len().saturating_sub(c.len()));
    join(S3, object.filter(|_| read), out)
}

fn of_file(key: &[u8], out: &mut Vec<u8>) -> bool {
    if let Some(rest) = key.strip_prefix(b"!fs|usage|route|") {
        let mut c = Cursor::new(rest);
        let route = ordered::read(&mut c, 0).filter(|route| !route.is_empty() && c.is_empty());
        return join(b"", route.as_deref(), out);
    }
    let chunk = key.strip_prefix(b"!fs|chk|").filter(|rest| rest.len() >= 24);
    join(FS_CHUNKS, chunk.and_then(|rest| rest.get(..16)), out)
}

fn join(prefix: &[u8], rest: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    let Some(rest) = rest else { return false };
    out.extend_from_slice(prefix);
    out.extend_from_slice(rest);
    true
}

/// Queue, in base64url, and partition of a row of a partitioned queue: servers can route such rows by a separate table.
pub fn partition(user_key: &[u8]) -> Option<(&[u8], u32)> {
    let rest = MESSAGES.iter().find_map(|prefix| user_key.strip_prefix(*prefix))?;
    let bar = memchr::memchr(b'|', rest).filter(|bar| *bar > 0)?;
    let (queue, rest) = rest.split_at_checked(bar)?;
    let (partition, _) = rest.get(1..)?.split_first_chunk()?;
    Some((queue, u32::from_be_bytes(*partition)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &[u8]) -> Vec<u8> {
        route(key, &mut b"left over".to_vec()).to_vec()
    }

    #[test]
    fn routes() {
        for (key, want) in [
            (&b"bare"[..], &b"bare"[..]),
            (b"", b""),
            (b"!redis|str|k|x", b"k|x"),
            (b"!redis|str|", b""),
            (b"!redis||x", b"!redis||x"),
            (b"!redis|ttl", b"!redis|ttl"),
            (b"!lst|meta|k", b"k"),
            (b"!lst|itm|k12345678", b"k"),
            (b"!lst|itm|1234567", b"!lst|itm|1234567"),
            (b"!lst|meta|d|\0\0\0\x01k123456789abc", b"k"),
            (b"!lst|meta|d|\0\0\0\x01k", b"k"),
            (b"!lst|meta|d|\0\0\0\x01k12345678", b"!lst|meta|d|\0\0\0\x01k12345678"),
            (b"!lst|meta|d|\0\0\0\x0ak12345678", b"!lst|meta|d|\0\0\0\x0ak12345678"),
            (b"!lst|claim|\0\0\0\x01k12345678", b"k"),
            (b"!hs|fld|\0\0\0\x01kf", b"!hs|fld|\0\0\0\x01kf"),
            (b"!ddb|meta|table|dA", b"!ddb|route|table|dA"),
            (b"!ddb|meta|gen|dA", b"!ddb|route|table|dA"),
            (b"!ddb|item|dA|1|x", b"!ddb|route|table|dA"),
            (b"!ddb|gsi|dA|1|x", b"!ddb|route|table|dA"),
            (b"!ddb|item||1", b"!ddb|item||1"),
            (b"!sqs|queue|meta|x", b"!sqs|route|global"),
            (b"!s3|bucket|meta|b\0\x01", b"!s3|bucket|meta|b\0\x01"),
            (b"!s3|obj|head|b\0\x0112345678o\0\xffx\0\x01", b"!s3route|b\0\x0112345678o\0\xffx\0\x01"),
            (b"!s3|blob|b\0\x0112345678o\0\x01u\0\x01", b"!s3route|b\0\x0112345678o\0\x01"),
            (b"!s3|blob|b\0\x01123", b"!s3|blob|b\0\x01123"),
            (b"!s3|chunkblob|x", b"!s3|chunkblob|x"),
            (b"!fs|chk|hhhhhhhhiiiiiiiicccccccc", b"!fs|route|chk|hhhhhhhhiiiiiiii"),
            (b"!fs|chk|short", b"!fs|chk|short"),
            (b"!fs|usage|route|ab\0\0", b"ab"),
            (b"!fs|usage", b"!fs|usage"),
            (b"!fs|ino|12345678", b"!fs|ino|12345678"),
            (b"!txn|lock|!redis|str|k", b"k"),
            (b"!txn|int|!lst|meta|k", b"k"),
            (b"!txn|cmt|!redis|str|k12345678", b"k"),
            (b"!txn|rb|!sqs|q12345678", b"!sqs|route|global"),
            (b"!txn|rb|1234567", b"!txn|rb|1234567"),
            (b"!txn|lock|", b""),
        ] {
            assert_eq!(of(key).escape_ascii().to_string(), want.escape_ascii().to_string(), "{}", key.escape_ascii());
        }
    }

    #[test]
    fn partitions() {
        assert_eq!(partition(b"!sqs|msg|vis|p|cQ|\0\0\0\x03rest"), Some((&b"cQ"[..], 3)));
        for not in [&b"!sqs|msg|vis|cQ|\0\0\0\x03"[..], b"!sqs|msg|data|p||\0\0\0\x03", b"!sqs|msg|data|p|cQ|\0\0\0"] {
            assert_eq!(partition(not), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(prefix in 0..OBJECTS.len() + MESSAGES.len(), key: Vec<u8>) {
            let prefixes: Vec<_> = OBJECTS.iter().chain(&MESSAGES).collect();
            let key = [prefixes[prefix], &key[..]].concat();
            of(&key);
            of(&[b"!txn|cmt|", &key[..]].concat());
        }
    }
}
