//! Counts logical objects in bounded memory: sums by scope and kind, the largest, common prefixes, sizes, expiries.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use serde::Serialize;

use super::prefixes::Prefixes;
pub use super::sum::Sum;
use crate::format::Adapter;
use crate::objects::{Object, name_of};
use crate::report::Value;

/// Bytes of a prefix that are compared.
const LONGEST_PREFIX: usize = 256;
/// Minimum number of prefixes in a report.
const SHOWN_PREFIXES: usize = 100;
/// Maximum bytes of a key whose object is named completely.
const LONGEST_NAME: usize = 1024;
/// Number of powers of two by which sizes are counted.
const SIZES: usize = 65;

/// Ends of the intervals of remaining time, in seconds: an hour, a day, a week, 30 days, a year.
const SPANS: [u64; 5] = [3600, 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400];

/// Objects of one kind in one scope.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scope {
    /// The front end.
    pub adapter: &'static str,
    /// `db_0`, the table, the bucket, the queue.
    pub scope: String,
    /// `strings`, `items`, `objects`, `messages`, ….
    pub kind: &'static str,
    /// Their number and bytes.
    #[serde(flatten)]
    pub sum: Sum,
}

/// A large object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Large {
    /// The front end.
    pub adapter: &'static str,
    /// As in [`Scope`].
    pub scope: String,
    /// As in [`Scope`].
    pub kind: &'static str,
    /// The name by which `get` finds it; missing if its key is too long to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its key, truncated if necessary.
    pub key: Value,
    /// The value of its range attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<Value>,
    /// Its size.
    pub bytes: u64,
    /// When it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_at_ms: Option<u64>,
}

/// Objects whose keys have the same prefix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prefix {
    /// The front end.
    pub adapter: &'static str,
    /// As in [`Scope`].
    pub scope: String,
    /// The common prefix of the keys; empty: keys without a separator.
    pub prefix: Value,
    /// Their number and bytes.
    #[serde(flatten)]
    pub sum: Sum,
}

/// Objects of an adapter whose size is in an interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Size {
    /// The front end.
    pub adapter: &'static str,
    /// Minimum size.
    pub from: u64,
    /// The size after the maximum.
    pub below: u64,
    /// Their number and bytes.
    #[serde(flatten)]
    pub sum: Sum,
}

/// Redis keys by the time that remains at the snapshot's commit time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expiry {
    /// They do not expire.
    pub never: u64,
    /// They had expired, but still existed.
    pub expired: u64,
    /// `(seconds, keys)`: they expire within this many seconds, but after the end of the previous interval.
    pub within: Vec<(u64, u64)>,
    /// They expire later.
    pub later: u64,
}

/// The whole report about objects.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Sums, ordered by adapter, scope, kind.
    pub scopes: Vec<Scope>,
    /// The largest objects, the largest first.
    pub largest: Vec<Large>,
    /// Common prefixes, those with the most bytes first.
    pub prefixes: Vec<Prefix>,
    /// All other prefixes. If there were more than 65,536, one that was dropped and came again has only what came since.
    pub other_prefixes: Sum,
    /// Sizes, by adapter; intervals without objects are left out.
    pub sizes: Vec<Size>,
    /// Expiries of Redis keys.
    pub expiry: Expiry,
}

/// Rank of an object among the largest: by size, then by identity, so that the order of arrival has no effect.
type Rank = (u64, Reverse<(Adapter, String, &'static str, Vec<u8>, Option<Vec<u8>>)>, Option<u64>);

/// The data of a scope.
#[derive(Debug)]
struct Found {
    adapter: Adapter,
    scope: String,
    kinds: Vec<(&'static str, Sum)>,
}

impl Found {
    fn new(adapter: Adapter, scope: &str) -> Found {
        Found { adapter, scope: scope.to_owned(), kinds: Vec::new() }
    }

    fn kind(&mut self, kind: &'static str) -> &mut Sum {
        let at = self.kinds.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
            self.kinds.reserve_exact(1);
            self.kinds.push((kind, Sum::default()));
            self.kinds.len() - 1
        });
        &mut self.kinds[at].1
    }
}

/// Takes objects.
#[derive(Debug)]
pub struct Census {
    top: usize,
    depth: usize,
    /// Unix milliseconds from which remaining time is counted.
    now: u64,
    scopes: BTreeMap<(Adapter, String), usize>,
    /// The data of each scope; objects of one scope mostly come together.
    found: Vec<Found>,
    /// The scope of the last object.
    at: usize,
    largest: BinaryHeap<Reverse<Rank>>,
    prefixes: Prefixes,
    sizes: BTreeMap<Adapter, Box<[Sum; SIZES]>>,
    never: u64,
    expired: u64,
    spans: [u64; SPANS.len() + 1],
}

impl Census {
    /// Empty: the `top` largest are kept, prefixes have at most `depth` separators.
    pub fn new(top: usize, depth: usize, now: u64) -> Census {
        Census {
            top,
            depth,
            now,
            scopes: BTreeMap::new(),
            found: Vec::new(),
            at: 0,
            largest: BinaryHeap::new(),
            prefixes: Prefixes::default(),
            sizes: BTreeMap::new(),
            never: 0,
            expired: 0,
            spans: [0; SPANS.len() + 1],
        }
    }

    /// Adds an object.
    pub fn add(&mut self, object: &Object<'_>) {
        let Object { adapter, scope, kind, key, size, .. } = *object;
        let holds = match kind {
            "tables" => Some("items"),
            "buckets" => Some("objects"),
            "queues" => Some("messages"),
            _ => None,
        };
        let found = self.scope(adapter, scope);
        let sum = found.kind(holds.unwrap_or(kind));
        if holds.is_some() {
            return;
        }
        sum.add(size);
        let sizes = self.sizes.entry(adapter).or_insert_with(|| Box::new([Sum::default(); SIZES]));
        sizes[(u64::BITS - size.leading_zeros()) as usize].add(size);
        self.rank(object);
        self.prefixes.add(self.at, prefix_of(adapter, key, self.depth), size);
        if adapter.spec().beside == "expiry" {
            self.expiry(object.expire_at_ms);
        }
    }

    fn rank(&mut self, object: &Object<'_>) {
        let least = self.largest.peek().map_or(0, |Reverse(rank)| rank.0);
        if self.top == 0 || (self.largest.len() == self.top && object.size < least) {
            return;
        }
        let Object { adapter, scope, kind, key, range, size, expire_at_ms, .. } = *object;
        let id = (adapter, scope.to_owned(), kind, key.to_vec(), range.map(<[u8]>::to_vec));
        self.largest.push(Reverse((size, Reverse(id), expire_at_ms)));
        if self.largest.len() > self.top {
            self.largest.pop();
        }
    }

    /// The data of a scope, which becomes the current one.
    #[inline]
    fn scope(&mut self, adapter: Adapter, scope: &str) -> &mut Found {
        if self.found.get(self.at).is_none_or(|found| found.adapter != adapter || found.scope != scope) {
            self.at = self.find(adapter, scope);
        }
        &mut self.found[self.at]
    }

    #[cold]
    fn find(&mut self, adapter: Adapter, scope: &str) -> usize {
        let found = &mut self.found;
        *self.scopes.entry((adapter, scope.to_owned())).or_insert_with(|| {
            found.push(Found::new(adapter, scope));
            found.len() - 1
        })
    }

    fn expiry(&mut self, at: Option<u64>) {
        match at {
            None => self.never += 1,
            Some(at) if at <= self.now => self.expired += 1,
            Some(at) => {
                let left = (at - self.now).div_ceil(1000);
                self.spans[SPANS.partition_point(|span| *span < left)] += 1;
            }
        }
    }

    /// The report.
    pub fn report(mut self) -> Report {
        let (known, mut other_prefixes) = self.prefixes.finish();
        let of_scope = |(at, prefix, sum): (usize, Vec<u8>, Sum)| {
            let Found { adapter, scope, .. } = &self.found[at];
            ((*adapter, scope.clone(), prefix), sum)
        };
        let mut prefixes: Vec<_> = known.map(of_scope).collect();
        let mut scopes = Vec::new();
        for ((adapter, scope), at) in self.scopes {
            let mut kinds = std::mem::take(&mut self.found[at].kinds);
            kinds.sort_unstable_by_key(|(kind, _)| *kind);
            let of_kind = |(kind, sum)| Scope { adapter: adapter.name(), scope: scope.clone(), kind, sum };
            scopes.extend(kinds.into_iter().map(of_kind));
        }
        let mut largest = self.largest.into_vec();
        largest.sort_unstable();
        prefixes.sort_by(|(a, x), (b, y)| (y.bytes, a).cmp(&(x.bytes, b)));
        let shown = prefixes.len().min(self.top.max(SHOWN_PREFIXES));
        prefixes.drain(shown..).for_each(|(_, sum)| other_prefixes.merge(sum));
        let within = SPANS.into_iter().zip(self.spans).collect();
        Report {
            scopes,
            largest: largest.into_iter().map(|Reverse(rank)| large(rank)).collect(),
            prefixes: prefixes.into_iter().map(prefix).collect(),
            other_prefixes,
            sizes: self.sizes.into_iter().flat_map(|(adapter, sums)| sizes(adapter, &sums)).collect(),
            expiry: Expiry { never: self.never, expired: self.expired, within, later: self.spans[SPANS.len()] },
        }
    }
}

fn large((bytes, Reverse((adapter, scope, kind, key, range)), expire_at_ms): Rank) -> Large {
    let object = Object { key: &key, range: range.as_deref(), ..Object::scope(adapter, kind, &scope, bytes, None) };
    let is_short = key.len() + range.as_ref().map_or(0, Vec::len) <= LONGEST_NAME;
    let name = is_short.then(|| name_of(&object));
    let value = |key: &[u8]| Value::from(key).cut();
    let (key, range) = (value(&key), range.as_deref().map(value));
    Large { adapter: adapter.name(), scope, kind, name, key, range, bytes, expire_at_ms }
}

fn prefix(((adapter, scope, prefix), sum): ((Adapter, String, Vec<u8>), Sum)) -> Prefix {
    Prefix { adapter: adapter.name(), scope, prefix: Value::from(prefix.as_slice()).cut(), sum }
}

fn sizes(adapter: Adapter, sums: &[Sum; SIZES]) -> Vec<Size> {
    let interval =
        |n: usize| if n == 0 { (0, 1) } else { (1 << (n - 1), 1u64.checked_shl(n as u32).unwrap_or(u64::MAX)) };
    let some = sums.iter().enumerate().filter(|(_, sum)| sum.objects > 0);
    let sizes = some.map(|(n, sum)| {
        let (from, below) = interval(n);
        Size { adapter: adapter.name(), from, below, sum: *sum }
    });
    sizes.collect()
}

/// A key up to its separator number `depth`, or up to the last one if there are fewer.
fn prefix_of(adapter: Adapter, key: &[u8], depth: usize) -> &[u8] {
    let key = &key[..key.len().min(LONGEST_PREFIX)];
    let separators = adapter.spec().separators;
    let next = |rest: &[u8]| match separators {
        [one] => memchr::memchr(*one, rest),
        _ => rest.iter().position(|byte| separators.contains(byte)),
    };
    let mut end = 0;
    for _ in 0..depth {
        let Some(at) = next(&key[end..]) else { break };
        end += at + 1;
    }
    &key[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::adapter;

    fn object<'a>(key: &'a [u8], size: u64, expire_at_ms: Option<u64>) -> Object<'a> {
        let (adapter, scope, kind) = (adapter::REDIS, "db_0", "strings");
        Object { adapter, scope, kind, key, range: None, size, expire_at_ms, value: None, rest: None }
    }

    #[test]
    fn prefixes() {
        for (adapter, key, depth, want) in [
            (adapter::REDIS, "user:1:x", 1, "user:"),
            (adapter::REDIS, "user:1:x", 2, "user:1:"),
            (adapter::REDIS, "user:1:x", 9, "user:1:"),
            (adapter::REDIS, "user:1:x", 0, ""),
            (adapter::REDIS, "user", 1, ""),
            (adapter::S3, "a:b/c", 1, "a:b/"),
            (adapter::DYNAMODB, "ORDER#1", 1, "ORDER#"),
        ] {
            assert_eq!(prefix_of(adapter, key.as_bytes(), depth), want.as_bytes(), "{key} {depth}");
        }
    }

    #[test]
    fn the_largest_whatever_the_order() {
        let mut keys: Vec<(String, u64)> = (0..50).map(|n| (format!("k{n:02}"), n % 7)).collect();
        let report = |keys: &[(String, u64)]| {
            let mut census = Census::new(10, 1, 0);
            keys.iter().for_each(|(key, size)| census.add(&object(key.as_bytes(), *size, None)));
            census.report()
        };
        let first = report(&keys);
        let got: Vec<(u64, Value)> = first.largest.iter().map(|large| (large.bytes, large.key.clone())).collect();
        let want = [(6, "k06"), (6, "k13"), (6, "k20"), (6, "k27"), (6, "k34"), (6, "k41"), (6, "k48")];
        assert_eq!(got[..7], want.map(|(bytes, key)| (bytes, Value::from(key.as_bytes()))));
        assert_eq!(got.len(), 10);
        keys.reverse();
        assert_eq!(report(&keys), first);
    }

    #[test]
    fn expiries() {
        let mut census = Census::new(0, 1, 10_000);
        for at in [None, Some(10_000), Some(10_001), Some(10_000 + 3_600_000), Some(10_000 + 3_600_001), Some(u64::MAX)]
        {
            census.add(&object(b"k", 1, at));
        }
        let expiry = census.report().expiry;
        assert_eq!((expiry.never, expiry.expired, expiry.later), (1, 1, 1));
        assert_eq!(expiry.within[..2], [(3600, 2), (86_400, 1)]);
    }

    #[test]
    fn intervals_of_sizes() {
        let mut census = Census::new(0, 1, 0);
        [0, 1, 2, 3, 4, u64::MAX].into_iter().for_each(|size| census.add(&object(b"k", size, None)));
        let sizes = census.report().sizes;
        let got: Vec<(u64, u64, u64)> = sizes.iter().map(|s| (s.from, s.below, s.sum.objects)).collect();
        assert_eq!(got, [(0, 1, 1), (1, 2, 1), (2, 4, 2), (4, 8, 1), (1 << 63, u64::MAX, 1)]);
    }
}
