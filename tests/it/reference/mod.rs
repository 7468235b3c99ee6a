//! A second decoder, for comparison: slow, simple, on one thread, with complete copies of everything in ordered maps.
//!
//! It is written from the format pages alone and calls no code of the engine. If the two differ, one of them has misread the format.

mod container;
mod dynamodb;
pub mod fs;
mod json;
mod names;
mod proto;
mod redis;
mod s3;
mod sqs;
mod transactions;

use std::collections::BTreeMap;

use ekvsnap::format::adapter::{self, Adapter};

/// Path below the output to content; MANIFEST.json and CHECKSUMS are left out.
pub type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

/// What is wrong with the input, as text.
pub type Damage = String;

/// The newest live version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    pub ts: u64,
    pub body: Vec<u8>,
}

/// Every live key.
pub type Rows = BTreeMap<Vec<u8>, Live>;

/// The options of a decode.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask {
    pub as_of: Option<u64>,
    pub packed: bool,
    pub orphans: bool,
    pub drop_expired: Option<u64>,
    pub side_records: bool,
    pub preserve_visibility: bool,
    pub incomplete_uploads: bool,
}

/// The inputs as one set.
pub struct Set {
    /// Live keys with committed transactions applied.
    pub live: Rows,
    /// Every key that has any version, or gets one by a committed transaction.
    pub known: Vec<Vec<u8>>,
    /// Keys whose newest version of all is live and was committed after the requested moment.
    pub later: Rows,
}

/// Decodes the data of one adapter; the files are one data set.
pub fn decode(files: &[Vec<u8>], adapter: Adapter, ask: &Ask) -> Result<Tree, Damage> {
    let set = read(files, ask)?;
    let mut tree = Tree::new();
    match adapter {
        adapter::REDIS => redis::decode(&set, ask, &mut tree)?,
        adapter::DYNAMODB => dynamodb::decode(&set, ask, &mut tree)?,
        adapter::FS => fs::decode(&set, ask, &mut tree)?,
        adapter::S3 => s3::decode(&set, ask, &mut tree)?,
        adapter::SQS => sqs::decode(&set, ask, &mut tree)?,
        other => panic!("no second decoder of {}", other.name()),
    }
    Ok(tree)
}

/// Reads all versions of all files and takes the newest of each key (`container.md` §3.5, §8; `rules.md` §8).
fn read(files: &[Vec<u8>], ask: &Ask) -> Result<Set, Damage> {
    let mut last_commit = 0;
    let mut versions = Vec::new();
    for file in files {
        let stream = container::read(file)?;
        last_commit = stream.last_commit.max(last_commit);
        versions.extend(stream.versions.iter().filter_map(unstaged));
        versions.extend(stream.versions);
    }
    let time = ask.as_of.unwrap_or(last_commit);
    let mut known: Vec<Vec<u8>> = versions.iter().map(|version| version.key.clone()).collect();
    let as_of = ask.as_of.unwrap_or(u64::MAX);
    let behind =
        newest(&versions, u64::MAX).into_iter().filter(|(_, version)| version.ts > as_of && version.is_live(time));
    let later = behind.map(|(key, version)| (key, Live { ts: version.ts, body: version.body })).collect();
    let (live, touched) = transactions::apply(&newest(&versions, as_of), time, as_of)?;
    known.extend(touched);
    Ok(Set { live, known, later })
}

/// A staged row as a version of its inner key (`future.md` F4).
fn unstaged(version: &container::Version) -> Option<container::Version> {
    let key = version.key.strip_prefix(b"!dist|migstage|")?;
    let key = key.get(9..).filter(|_| key[8] == b'|')?.to_vec();
    Some(container::Version { key, ..version.clone() })
}

/// The newest version of each key, of those up to `as_of`.
fn newest(versions: &[container::Version], as_of: u64) -> BTreeMap<Vec<u8>, container::Version> {
    let mut newest: BTreeMap<Vec<u8>, container::Version> = BTreeMap::new();
    for version in versions.iter().filter(|version| version.ts <= as_of) {
        if newest.get(&version.key).is_none_or(|best| best.ts < version.ts) {
            newest.insert(version.key.clone(), version.clone());
        }
    }
    newest
}

/// Live rows whose key has this prefix, with the rest.
fn of<'r>(rows: &'r Rows, prefix: &'static str) -> impl Iterator<Item = (&'r [u8], &'r Vec<u8>)> {
    rows.iter().filter_map(move |(key, row)| Some((key.strip_prefix(prefix.as_bytes())?, &row.body)))
}

/// Takes a string from the start of a key: a zero in it is `00 FF`, and it ends in `00` and `end`.
fn escaped(mut rest: &[u8], end: u8) -> Result<(Vec<u8>, &[u8]), Damage> {
    let mut out = Vec::new();
    loop {
        match rest {
            [0, byte, behind @ ..] if *byte == end => return Ok((out, behind)),
            [0, 0xff, behind @ ..] => {
                out.push(0);
                rest = behind;
            }
            [0, ..] | [] => return Err("a string in a key has no end".into()),
            [byte, behind @ ..] => {
                out.push(*byte);
                rest = behind;
            }
        }
    }
}
