//! Names of items (`dynamodb.md` §4.3, `rules.md` §2).

use std::collections::BTreeSet;

use super::super::Damage;
use super::super::json::base64url;
use super::super::names::{fallback, keymap, percent, segment};
use super::value::{Item, Value};
use super::{LiveRow, Schema};
use sha2::{Digest as _, Sha256};

/// Values of the hash and the range attribute.
pub struct Primary(Vec<Value>);

/// Kind and value of each key attribute, numbers by [`canon`].
pub type Identity = Vec<(&'static str, Vec<u8>)>;

impl Primary {
    pub fn of(schema: &Schema, item: &Item) -> Result<Primary, Damage> {
        let names = [&schema.key.0, &schema.key.1].into_iter().filter(|name| !name.is_empty());
        let value = |name: &String| item.0.get(name).cloned().ok_or_else(|| format!("no key attribute {name}"));
        Ok(Primary(names.map(value).collect::<Result<_, _>>()?))
    }

    pub fn identity(&self) -> Identity {
        let one = |value: &Value| match value {
            Value::S(text) => ("S", text.as_bytes().to_vec()),
            Value::N(text) => ("N", canon(text).into_bytes()),
            Value::B(bytes) => ("B", bytes.clone()),
            _ => ("", Vec::new()),
        };
        self.0.iter().map(one).collect()
    }

    /// Whether key attributes have their declared types, and numbers the form of `canon`.
    fn is_regular(&self, schema: &Schema) -> bool {
        let declared = [&schema.key.0, &schema.key.1].map(|name| schema.types.get(name).map(String::as_str));
        self.0.iter().zip(declared).all(|(value, declared)| match value {
            Value::S(_) => declared == Some("S"),
            Value::N(text) => declared == Some("N") && canon(text) == *text,
            Value::B(_) => declared == Some("B"),
            _ => false,
        })
    }
}

/// A segment in the form of the path, and the line that it needs, if any.
type Named = (String, Option<String>);

fn named(value: &Value, directory: bool) -> Named {
    let plain = match value {
        Value::S(text) => segment(text.as_bytes()).0,
        Value::N(text) => segment(canon(text).as_bytes()).0,
        Value::B(bytes) => binary(bytes),
        _ => String::new(),
    };
    match plain.as_str() {
        "." => ("%2E".into(), Some(keymap("%2E", b".", "dot-segment"))),
        ".." => ("%2E%2E".into(), Some(keymap("%2E%2E", b"..", "dot-segment"))),
        "" if directory => ("%".into(), Some(keymap("%", b"", "empty-segment"))),
        _ => (plain, None),
    }
}

fn binary(bytes: &[u8]) -> String {
    let name = format!("b64.{}", base64url(bytes));
    if name.len() > 240 { fallback(bytes) } else { name }
}

/// The path of each row below its table, and KEYMAP.jsonl.
pub fn paths(schema: &Schema, live: &[LiveRow]) -> (Vec<String>, String) {
    let mut taken = BTreeSet::new();
    let mut paths = vec![String::new(); live.len()];
    let mut collided = BTreeSet::new();
    let regular = |(_, (_, primary)): &(usize, &LiveRow)| primary.is_regular(schema);
    let (first, then): (Vec<_>, Vec<_>) = live.iter().enumerate().partition(regular);
    for (n, (row, primary)) in first.into_iter().chain(then) {
        let plain = path(&names(primary));
        if taken.insert(plain.clone()) {
            paths[n] = plain;
        } else {
            paths[n] = path(&collided_names(primary, &row.user_key));
            collided.insert(n);
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for (n, (row, primary)) in live.iter().enumerate() {
        let mut own: Vec<String> = names(primary).into_iter().filter_map(|(_, line)| line).collect();
        if collided.contains(&n) {
            own = collided_names(primary, &row.user_key).into_iter().filter_map(|(_, line)| line).collect();
            own.push(keymap(&paths[n], &row.user_key, "ddb-name-collision"));
        }
        own.into_iter().for_each(|line| {
            if !lines.contains(&line) {
                lines.push(line);
            }
        });
    }
    (paths, lines.concat())
}

fn names(Primary(values): &Primary) -> Vec<Named> {
    let last = values.len().saturating_sub(1);
    values.iter().enumerate().map(|(n, value)| named(value, n < last)).collect()
}

fn collided_names(primary: &Primary, user_key: &[u8]) -> Vec<Named> {
    let mut all = names(primary);
    all.pop();
    let raw = match primary.0.last() {
        Some(Value::S(text) | Value::N(text)) => text.as_bytes(),
        Some(Value::B(bytes)) => bytes,
        _ => b"",
    };
    let hash: String = Sha256::digest(user_key).iter().take(16).map(|b| format!("{b:02x}")).collect();
    all.push((format!("{hash}__{}", percent(&raw[..raw.len().min(64)])), None));
    all
}

fn path(names: &[Named]) -> String {
    let all: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    format!("items/{}.json", all.join("/"))
}

/// A number in lowest terms, or the text itself (§4.3); as far as 128 bits go.
pub fn canon(text: &str) -> String {
    let text = text.trim();
    rational(text).map_or_else(
        || text.to_owned(),
        |(negative, p, q)| {
            let sign = if negative && p != 0 { "-" } else { "" };
            if q == 1 { format!("{sign}{p}") } else { format!("{sign}{p}/{q}") }
        },
    )
}

fn rational(text: &str) -> Option<(bool, u128, u128)> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    if let Some((p, q)) = digits.split_once('/') {
        return lowest(negative, whole(p)?, whole(q)?);
    }
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().ok()?;
    let ten = |n: i64| 10u128.checked_pow(u32::try_from(n).ok()?);
    let shift = exponent - behind.len() as i64;
    let p = whole(&[before, behind].concat())?;
    if shift < 0 { lowest(negative, p, ten(-shift)?) } else { lowest(negative, p.checked_mul(ten(shift)?)?, 1) }
}

fn whole(digits: &str) -> Option<u128> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

fn lowest(negative: bool, p: u128, q: u128) -> Option<(bool, u128, u128)> {
    let (mut a, mut b) = (p, q);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    (q != 0).then(|| (negative, p / a, q / a))
}
