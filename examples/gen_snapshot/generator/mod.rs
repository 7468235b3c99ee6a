//! Generates snapshots from a few numbers. Tests and benches use this module too.
//!
//! A workload is a list of families; each makes its rows in key order, and families are written in order of their prefixes. So nothing is
//! in memory except the keys of collections in families with another order than their numbers.

mod files;
pub mod hostile;
mod objects;
mod random;
mod redis;
mod rows;
mod tables;

use std::io::{self, Write};

use objects::Sizes;
pub use rows::Written;
use rows::{Family, Rows};

/// The workloads.
pub const WORKLOADS: [&str; 18] = [
    "strings", "hashes", "one-hash", "lists", "sets", "zsets", "streams", "ttl", "versions", "dynamodb", "tables",
    "sqs", "s3", "s3-large", "s3-both", "fs", "fs-large", "mixed",
];

/// The prefix of the names of expensive snapshots; the kind follows: see [`hostile::kinds`].
pub const HOSTILE: &str = "hostile/";

const SMALL: usize = 4 << 10;
const LARGE: usize = 100 << 20;

/// Everything that determines the bytes of a snapshot.
#[derive(Clone, Copy)]
pub struct Spec<'s> {
    pub workload: &'s str,
    pub scale: u64,
    pub seed: u64,
    pub form: Form,
    pub object_size: Option<usize>,
}

/// The form of the file.
// Not all users of this module need all of them.
#[allow(dead_code)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As a stream (`EKVPBBL1`).
    Stream,
    /// The same with only what the public decoder can read.
    Bare,
    /// As tables (`EKVSSTI1`), compressed or not.
    Bundle { snappy: bool },
}

/// Writes a snapshot.
pub fn write(spec: Spec<'_>, out: &mut dyn Write) -> io::Result<Written> {
    if let Some(kind) = spec.workload.strip_prefix(HOSTILE) {
        let mut rows = Rows::begin(out, spec.form)?;
        let unknown = || Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{kind} is no hostile kind")));
        hostile::emit(kind, spec.scale, &mut rows).unwrap_or_else(unknown)?;
        return rows.finish();
    }
    let mut families = workload(spec);
    families.retain(|family| !(spec.form == Form::Bare && family.fence));
    families.sort_by_key(|family| family.prefix);
    let mut rows = Rows::begin(out, spec.form)?;
    for family in families {
        (family.emit)(&mut rows)?;
    }
    rows.finish()
}

fn workload(spec: Spec<'_>) -> Vec<Family> {
    let n = Amount { scale: spec.scale, seed: spec.seed };
    match spec.workload {
        "dynamodb" => tables::dynamodb(n),
        "tables" => tables::tables(n),
        "sqs" => tables::sqs(n),
        "s3" => objects::s3(n, Sizes::all(spec.object_size.unwrap_or(SMALL))),
        "s3-large" => objects::s3(n, Sizes::all(spec.object_size.unwrap_or(LARGE))),
        "s3-both" => objects::s3(n, Sizes { usual: SMALL, twelve: spec.object_size.unwrap_or(LARGE) }),
        "fs" => files::small(n, spec.object_size),
        "fs-large" => files::large(n, spec.object_size),
        "mixed" => mixed(spec),
        name => redis::families(name, n),
    }
}

/// Each of these has an eighth of the rows; a key with its versions counts as five rows, an object as 400.
fn mixed(spec: Spec<'_>) -> Vec<Family> {
    let shares = [
        ("strings", 8),
        ("hashes", 8),
        ("lists", 8),
        ("sets", 8),
        ("zsets", 16),
        ("streams", 8),
        ("dynamodb", 8),
        ("sqs", 16),
        ("versions", 80),
        ("s3", 400),
    ];
    let share = |(name, part)| workload(Spec { workload: name, scale: spec.scale / part, ..spec });
    shares.into_iter().flat_map(share).collect()
}

/// A number of rows, and a seed.
#[derive(Clone, Copy)]
struct Amount {
    scale: u64,
    seed: u64,
}

impl Amount {
    /// Number and size of each collection of at most `per` elements.
    fn shares(self, per: u64) -> impl Iterator<Item = (u64, u64)> {
        (0..self.scale.div_ceil(per)).map(move |c| (c, per.min(self.scale - c * per)))
    }

    /// A pseudo-random number that depends on these numbers.
    fn hash(self, a: u64, b: u64) -> u64 {
        random::mix(random::mix(self.seed, a), b)
    }

    /// A key: its number decides the order, its end depends on the seed.
    fn key(self, kind: &str, number: u64) -> String {
        format!("{kind}:{number}:{:04x}", self.hash(number, 0) & 0xffff)
    }

    /// A key for families that are in plain order of bytes: all have the same length.
    fn padded(self, kind: &str, number: u64) -> String {
        format!("{kind}:{number:09}:{:04x}", self.hash(number, 0) & 0xffff)
    }

    fn text(self, a: u64, b: u64, len: usize) -> Vec<u8> {
        random::text(self.hash(a, b), len)
    }
}
