//! DynamoDB tables and an SQS queue.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::Digest as _;

use super::Amount;
use super::rows::{Family, NOW, Rows};

/// A length-delimited protobuf field of less than 2 MiB.
fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut len = bytes.len();
    while len >= 128 {
        out.push(len as u8 | 128);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend(bytes);
    out
}

/// An entry of a protobuf map.
fn entry(map: u8, key: &str, value: &[u8]) -> Vec<u8> {
    message(map, &[message(1, key.as_bytes()), message(2, value)].concat())
}

/// One row under a name that follows a prefix.
fn single(prefix: &'static str, name: &str, value: Vec<u8>) -> Family {
    let key = format!("{prefix}{name}");
    Family::new(prefix, move |rows| rows.put(key.as_bytes(), &value))
}

pub fn dynamodb(n: Amount) -> Vec<Family> {
    of_tables(n, &["bench"])
}

/// The same items in eight tables, an eighth in each.
pub fn tables(n: Amount) -> Vec<Family> {
    of_tables(n, &["bench1", "bench2", "bench3", "bench4", "bench5", "bench6", "bench7", "bench8"])
}

fn of_tables(n: Amount, names: &[&'static str]) -> Vec<Family> {
    let encoded = |name: &str| URL_SAFE_NO_PAD.encode(name);
    // Keys have the encoded names, and rows come in the order of keys.
    let mut names = names.to_vec();
    names.sort_by_key(|name| encoded(name));
    let count = names.len() as u64;
    let of = move |at: u64| n.scale * at / count..n.scale * (at + 1) / count;
    let generations = names.iter().map(|name| single("!ddb|meta|gen|", &encoded(name), b"1".to_vec()));
    let schemas = names.iter().map(|name| single("!ddb|meta|table|", &encoded(name), schema(name)));
    let mut families: Vec<Family> = generations.chain(schemas).collect();
    families.push(Family::new("!ddb|item|", move |rows| {
        (0..).zip(&names).try_for_each(|(at, name)| items(rows, n, of(at), &encoded(name)))
    }));
    families
}

fn schema(table: &str) -> Vec<u8> {
    let definitions = entry(2, "pk", b"S");
    let key = message(3, &message(1, b"pk"));
    let version_and_generation = vec![5 << 3, 2, 7 << 3, 1];
    [b"\0DS\x01".to_vec(), message(1, table.as_bytes()), definitions, key, version_and_generation].concat()
}

fn items(rows: &mut Rows<'_>, n: Amount, mut which: std::ops::Range<u64>, table: &str) -> io::Result<()> {
    which.try_for_each(|i| {
        let pk = n.padded("item", i);
        let number = message(2, n.hash(i, 2).to_string().as_bytes());
        let text = message(1, &n.text(i, 1, 60));
        let item =
            [entry(1, "n", &number), entry(1, "pk", &message(1, pk.as_bytes())), entry(1, "text", &text)].concat();
        let row = [format!("!ddb|item|{table}|1|{pk}").as_bytes(), &[0, 1]].concat();
        rows.put(&row, &[b"\0DI\x01", &item[..]].concat())
    })
}

pub fn sqs(n: Amount) -> Vec<Family> {
    let queue = URL_SAFE_NO_PAD.encode("bench");
    let record = "{\"name\":\"bench\",\"generation\":1,\"visibility_timeout_seconds\":30,\
                  \"message_retention_seconds\":345600,\"delay_seconds\":0,\"receive_message_wait_seconds\":0,\
                  \"maximum_message_size\":262144}";
    let generation = single("!sqs|queue|gen|", &queue, b"1".to_vec());
    let record = single("!sqs|queue|meta|", &queue, [b"\0SQ\x01", record.as_bytes()].concat());
    vec![Family::new("!sqs|msg|data|", move |rows| messages(rows, n, &queue)), generation, record]
}

/// Messages in order of their random IDs; the times of sending are a permutation of that order.
fn messages(rows: &mut Rows<'_>, n: Amount, queue: &str) -> io::Result<()> {
    let ids = Ids::new(n);
    let stride = coprime(n.scale);
    (0..n.scale).try_for_each(|i| {
        let id = ids.id(i);
        let nth = (u128::from(i) * u128::from(stride) % u128::from(n.scale)) as u64;
        let sent = (NOW >> 16) - n.scale + nth;
        let encoded = URL_SAFE_NO_PAD.encode(&id);
        let key = [b"!sqs|msg|data|", queue.as_bytes(), &1u64.to_be_bytes(), encoded.as_bytes()];
        rows.put(&key.concat(), &[b"\0SM\x01", message_json(&id, &n.text(i, 1, 100), sent).as_bytes()].concat())
    })
}

fn message_json(id: &str, body: &[u8], sent: u64) -> String {
    let md5 = hex(&md5::Md5::digest(body));
    let body = STANDARD.encode(body);
    format!(
        "{{\"message_id\":\"{id}\",\"body\":\"{body}\",\"md5_of_body\":\"{md5}\",\
         \"send_timestamp_millis\":{sent},\"available_at_millis\":{sent},\"visible_at_millis\":{sent},\
         \"receive_count\":0,\"current_receipt_token\":null,\"queue_generation\":1}}"
    )
}

pub fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from(b"0123456789abcdef"[usize::from(n)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// A number near the golden section of `n` without a common divisor.
fn coprime(n: u64) -> u64 {
    let gcd = |mut a: u64, mut b: u64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let from = (n as f64 * 0.618) as u64;
    (from.max(1)..).find(|&candidate| gcd(candidate, n) == 1).unwrap_or(1)
}

/// Message IDs of 32 hexadecimal digits in order of their base64, as in keys.
struct Ids {
    n: Amount,
    /// Three digits are four base64 letters: all triples, in order of those letters.
    triples: Vec<String>,
}

impl Ids {
    fn new(n: Amount) -> Ids {
        let mut triples: Vec<String> = (0..4096).map(|t| format!("{t:03x}")).collect();
        triples.sort_by_cached_key(|triple| URL_SAFE_NO_PAD.encode(triple));
        Ids { n, triples }
    }

    /// The ID of message `i`: five triples ascend with it, the rest depends on the seed.
    fn id(&self, i: u64) -> String {
        let step = (1 << 60) / self.n.scale;
        let place = i * step + self.n.hash(i, 3) % step;
        let triple = |t: u32| &*self.triples[(place >> (12 * t) & 0xfff) as usize];
        let rest = format!("{:016x}{:x}", self.n.hash(i, 4), self.n.hash(i, 5) & 15);
        [triple(4), triple(3), triple(2), triple(1), triple(0), &rest].concat()
    }
}
