//! Which logical objects are wanted: `--scope`, `--exclude`, `--type`, `--min-size`, `--max-size`.
//!
//! | pattern | takes |
//! |---|---|
//! | `redis:GLOB` | keys that match |
//! | `dynamodb:TABLE` or `dynamodb:TABLE/PK` or `dynamodb:TABLE/PK/SK` | tables; items by their key values as text |
//! | `s3:BUCKET` or `s3:BUCKET/KEY` | buckets; objects whose key matches, or begins with KEY if that is no glob |
//! | `sqs:QUEUE` | queues |
//! | `fs:PATH` | files and directories of the file system, by their path, with all that is below them |
//!
//! `*` stands for any bytes (`/` too), `?` for one, `[…]` for one of several, `{a,b}` for alternatives, `\` takes a
//! special character as it is. Names and keys are matched as bytes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};

use crate::format::Adapter;

/// What a name must be: like a glob, or just that.
#[derive(Debug, Clone)]
enum Glob {
    Like(GlobMatcher),
    Exactly(Vec<u8>),
}

impl Glob {
    fn new(text: &str) -> Result<Glob, String> {
        let glob = GlobBuilder::new(text).literal_separator(false).backslash_escape(true).build();
        glob.map(|glob| Glob::Like(glob.compile_matcher())).map_err(|e| e.to_string())
    }

    fn matches(&self, bytes: &[u8]) -> bool {
        match self {
            Glob::Like(matcher) => matcher.is_match(Path::new(OsStr::from_bytes(bytes))),
            Glob::Exactly(name) => name == bytes,
        }
    }
}

/// Objects of one adapter, by the globs of its parts.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As it was written.
    text: String,
    adapter: Adapter,
    /// The key (Redis), table, bucket or queue.
    name: Glob,
    /// What follows: the object's key, or hash and range value.
    rest: Vec<Glob>,
    /// What the name begins with, up to its first special character; and whether that is all of it.
    literal: (Vec<u8>, bool),
}

/// A path without slashes at its ends.
fn trimmed(mut path: &[u8]) -> &[u8] {
    while let [b'/', rest @ ..] | [rest @ .., b'/'] = path {
        path = rest;
    }
    path
}

/// What begins something that stands for more than itself, in a glob.
const SPECIAL: [char; 5] = ['*', '?', '[', '{', '\\'];

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Pattern, String> {
        let (adapter, rest) =
            text.split_once(':').ok_or("want ADAPTER:NAME, such as redis:user:* or s3:photos/2026/")?;
        let adapter =
            Adapter::named(adapter.as_bytes()).ok_or("unknown adapter: want redis, dynamodb, s3, sqs or fs")?;
        let parts: Vec<&str> = match adapter {
            Adapter::DynamoDb => rest.splitn(3, '/').collect(),
            Adapter::S3 => rest.splitn(2, '/').collect(),
            // The root has an empty path.
            Adapter::Fs if !rest.is_empty() => vec![rest.trim_matches('/')],
            _ => vec![rest],
        };
        let (name, rest) = parts.split_first().ok_or("a name is missing")?;
        if name.is_empty() && !text.ends_with('/') {
            return Err("a name is missing behind the colon".into());
        }
        let open = |part: &&str| match adapter {
            // A prefix, as object stores know it.
            Adapter::S3 if !part.contains(SPECIAL) => Glob::new(&format!("{part}*")),
            _ => Glob::new(part),
        };
        let special = name.find(SPECIAL);
        let literal = (name.as_bytes()[..special.unwrap_or(name.len())].to_vec(), special.is_none());
        let rest = rest.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Pattern { text: text.to_owned(), adapter, name: Glob::new(name)?, rest, literal })
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// Takes exactly this Redis key, table, bucket, queue or path, and all that is in it.
    pub fn exactly(adapter: Adapter, name: &[u8]) -> Pattern {
        let text = format!("{}:{}", adapter.name(), String::from_utf8_lossy(name));
        let name = if adapter == Adapter::Fs { trimmed(name) } else { name };
        Pattern { text, adapter, name: Glob::Exactly(name.to_vec()), rest: Vec::new(), literal: (name.to_vec(), true) }
    }

    /// Whether it can take objects of this table, bucket or queue.
    fn takes_name(&self, adapter: Adapter, name: &[u8]) -> bool {
        self.adapter == adapter && self.name.matches(name)
    }

    fn takes(&self, adapter: Adapter, name: &[u8], keys: &[&[u8]]) -> bool {
        let rest = |(n, glob): (usize, &Glob)| keys.get(n).is_some_and(|key| glob.matches(key));
        self.takes_name(adapter, name) && self.rest.iter().enumerate().all(rest)
    }
}

/// Which objects are wanted; the default wants all.
#[derive(Debug, Clone)]
pub struct Filter {
    /// If there are any, an object must match one.
    pub include: Vec<Pattern>,
    /// An object that matches one is left out.
    pub exclude: Vec<Pattern>,
    /// Redis types, by the name of their folder; empty: all.
    pub types: Vec<String>,
    /// Least size in bytes of a Redis key, an S3 object or a file as it is written, of a DynamoDB item as it is stored;
    /// messages are taken whatever their size.
    pub min_size: u64,
    /// Largest size.
    pub max_size: u64,
}

impl Default for Filter {
    fn default() -> Self {
        Filter { include: Vec::new(), exclude: Vec::new(), types: Vec::new(), min_size: 0, max_size: u64::MAX }
    }
}

impl Filter {
    /// Whether anything is left out.
    pub fn is_trivial(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty() && self.types.is_empty() && !self.has_sizes()
    }

    /// Whether sizes matter.
    pub fn has_sizes(&self) -> bool {
        self.min_size > 0 || self.max_size < u64::MAX
    }

    /// Whether any object of an adapter can be wanted.
    pub fn takes_adapter(&self, adapter: Adapter) -> bool {
        self.include.is_empty() || self.include.iter().any(|pattern| pattern.adapter == adapter)
    }

    /// Whether any object of this table, bucket or queue can be wanted.
    pub fn takes_scope(&self, adapter: Adapter, name: &[u8]) -> bool {
        let included = self.include.is_empty() || self.include.iter().any(|p| p.takes_name(adapter, name));
        included && !self.exclude.iter().any(|p| p.rest.is_empty() && p.takes_name(adapter, name))
    }

    /// Whether an object is wanted, by its table, bucket or queue and its key values. A Redis key or SQS queue is a name
    /// without keys.
    pub fn takes(&self, adapter: Adapter, name: &[u8], keys: &[&[u8]]) -> bool {
        let included = self.include.is_empty() || self.include.iter().any(|p| p.takes(adapter, name, keys));
        included && !self.exclude.iter().any(|p| p.takes(adapter, name, keys))
    }

    /// Whether a file or directory of the file system is asked for by its own path: whatever is below one that is asked
    /// for is asked for too, and the caller knows what is above.
    pub fn takes_path(&self, path: &[u8]) -> bool {
        self.include.is_empty() || self.include.iter().any(|p| p.takes_name(Adapter::Fs, path))
    }

    /// Whether a file or directory of the file system is left out, with all that is below it.
    pub fn excludes_path(&self, path: &[u8]) -> bool {
        self.exclude.iter().any(|p| p.takes_name(Adapter::Fs, path))
    }

    /// Whether anything below a directory of the file system can be asked for, though the directory is not.
    pub fn may_take_below(&self, path: &[u8]) -> bool {
        let leads = |(literal, whole): &(Vec<u8>, bool)| match path.len() < literal.len() {
            true => literal.starts_with(path) && literal[path.len()] == b'/',
            false => !whole && path.starts_with(literal),
        };
        self.include.iter().any(|p| p.adapter == Adapter::Fs && (path.is_empty() || leads(&p.literal)))
    }

    /// Whether a Redis type is wanted.
    pub fn takes_type(&self, folder: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|t| t == folder)
    }

    /// Whether an object of this size is wanted.
    pub fn takes_size(&self, bytes: u64) -> bool {
        (self.min_size..=self.max_size).contains(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let all = |list: &[&str]| list.iter().map(|p| p.parse().unwrap()).collect();
        Filter { include: all(include), exclude: all(exclude), ..Filter::default() }
    }

    #[test]
    fn what_is_taken() {
        use Adapter::{DynamoDb, Redis, S3, Sqs};
        type Case<'c> = (&'c [&'c str], &'c [&'c str], Adapter, &'c [u8], &'c [&'c [u8]], bool);
        let cases: &[Case<'_>] = &[
            (&[], &[], Redis, b"a", &[], true),
            (&["redis:user:*"], &[], Redis, b"user:1/x", &[], true),
            (&["redis:user:*"], &[], Redis, b"user", &[], false),
            (&["redis:user:?"], &["redis:*9"], Redis, b"user:9", &[], false),
            (&["redis:\\*"], &[], Redis, b"x", &[], false),
            (&["redis:*"], &[], Redis, b"\xff\n", &[], true),
            (&["redis:*"], &[], Sqs, b"q", &[], false),
            (&[], &["redis:*"], Sqs, b"q", &[], true),
            (&["s3:b/2026/"], &[], S3, b"b", &[b"2026/x"], true),
            (&["s3:b/2026/"], &[], S3, b"b", &[b"2025/x"], false),
            (&["s3:b/*.jpg"], &[], S3, b"b", &[b"a/b.jpg"], true),
            (&["s3:b/*.jpg"], &[], S3, b"b", &[b"a/b.jpg2"], false),
            (&["s3:b"], &["s3:b/tmp"], S3, b"b", &[b"tmp/1"], false),
            (&["dynamodb:t/p?/2"], &[], DynamoDb, b"t", &[b"p1", b"2"], true),
            (&["dynamodb:t/p?/2"], &[], DynamoDb, b"t", &[b"p1"], false),
            (&["dynamodb:{t,u}"], &[], DynamoDb, b"u", &[b"p1"], true),
        ];
        for (include, exclude, adapter, name, keys, want) in cases {
            let got = filter(include, exclude).takes(*adapter, name, keys);
            assert_eq!(got, *want, "{include:?} {exclude:?} {}", name.escape_ascii());
        }
    }

    #[test]
    fn scopes_that_can_be_passed_over() {
        let f = filter(&["s3:b*/x"], &["s3:bad", "s3:bb/x"]);
        assert!(f.takes_scope(Adapter::S3, b"bb"));
        assert!(!f.takes_scope(Adapter::S3, b"bad"));
        assert!(!f.takes_scope(Adapter::S3, b"c"));
        assert!(!f.takes_adapter(Adapter::Redis));
    }

    #[test]
    fn paths() {
        // Pattern, path, whether it is taken by itself, whether something below it can be.
        for (pattern, path, takes, below) in [
            ("fs:/", "", true, true),
            ("fs:/a/b", "", false, true),
            ("fs:/a/b", "a", false, true),
            ("fs:a/b/", "a/b", true, false),
            ("fs:a/b", "a/bc", false, false),
            ("fs:a/b", "b", false, false),
            ("fs:ab/c", "a", false, false),
            ("fs:a/*.md", "a", false, true),
            ("fs:a/*.md", "a/x/y.md", true, true),
            ("fs:a/*.md", "a/x/y", false, true),
            ("fs:a/*.md", "b/x", false, false),
            ("fs:a*", "ab", true, true),
            ("redis:a", "a", false, false),
        ] {
            let f = filter(&[pattern], &[]);
            assert_eq!(
                (f.takes_path(path.as_bytes()), f.may_take_below(path.as_bytes())),
                (takes, below),
                "{pattern} {path}"
            );
            assert_eq!(filter(&[], &[pattern]).excludes_path(path.as_bytes()), takes, "{pattern} {path}");
        }
        assert!(filter(&[], &[]).takes_path(b"x"));
    }

    #[test]
    fn what_is_no_pattern() {
        for text in ["", "redis", "redis:", "fs:", "nfs:x", "redis:[", "s3:{"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
