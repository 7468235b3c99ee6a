//! Which logical objects are requested: `--scope`, `--exclude`, `--type`, `--min-size`, `--max-size`.
//!
//! | pattern | matches |
//! |---|---|
//! | `redis:GLOB` | keys that match |
//! | `dynamodb:TABLE` or `dynamodb:TABLE/PK` or `dynamodb:TABLE/PK/SK` | tables; items by their key values as text |
//! | `s3:BUCKET` or `s3:BUCKET/KEY` | buckets; objects whose key matches, or begins with KEY if that ends in `/` or is not a glob |
//! | `sqs:QUEUE` or `sqs:QUEUE/ID` | queues; messages by their ID |
//! | `fs:PATH` | files and directories of the file system, by their path, with everything below them |
//!
//! `*` matches any bytes (`/` too), `?` one, `[…]` one of several, `{a,b}` alternatives, `\` makes a special character literal; braces
//! without a comma are literal. Names and keys are matched as bytes. `base64:` and base64 stand for exactly these bytes. A name printed by
//! `ls` is a pattern that matches its object, whatever characters it has.
//!
//! A pattern records whether it matched anything. This is reported at the end of a run, because a mistyped pattern means an empty backup.

mod glob;
mod matched;

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::changes::Found;
use crate::format::adapter::{self, Adapter, Naming};
use glob::Glob;
pub(crate) use glob::is_pattern;
pub use matched::Matched;

/// Objects of one adapter, by the globs of its parts.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The text as given.
    text: String,
    adapter: Adapter,
    /// The key (Redis), table, bucket or queue.
    name: Glob,
    /// The rest: the object's key, or hash and range value.
    rest: Vec<Glob>,
    /// The same as one text, if it has slashes: a key value can contain some, and a printed name does not show which.
    joined: Vec<u8>,
    met: Met,
}

/// Whether a pattern matched anything. A copy starts without a match.
#[derive(Debug, Default)]
struct Met(AtomicBool);

impl Clone for Met {
    fn clone(&self) -> Met {
        Met::default()
    }
}

/// A path without slashes at its ends.
fn trimmed(mut path: &[u8]) -> &[u8] {
    while let [b'/', rest @ ..] | [rest @ .., b'/'] = path {
        path = rest;
    }
    path
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Pattern, String> {
        let (adapter, rest) =
            text.split_once(':').ok_or("want ADAPTER:NAME, such as redis:user:* or s3:photos/2026/")?;
        let unknown = || format!("unknown adapter: want {}", adapter::names());
        let adapter = adapter::named(adapter.as_bytes()).ok_or_else(unknown)?;
        let parts: Vec<&str> = match adapter.spec().naming {
            Naming::Scoped(scoped) => glob::split(rest, scoped.parts),
            // The root has an empty path.
            Naming::Path if !rest.is_empty() => vec![rest.trim_matches('/')],
            Naming::Path | Naming::Key => vec![rest],
        };
        let takes_prefixes = adapter.scoped().is_some_and(|scoped| scoped.prefixes);
        let joined = match (&parts[..], glob::split(rest, 2).as_slice()) {
            ([_, _, _, ..], [_, joined]) => joined.as_bytes().to_vec(),
            _ => Vec::new(),
        };
        let (name, rest) = parts.split_first().ok_or("a name is missing")?;
        if name.is_empty() && !text.ends_with('/') {
            return Err("there is no name after the colon".into());
        }
        let open = |part: &&str| {
            let glob = Glob::new(part)?;
            // A prefix, as in object stores.
            let is_prefix = takes_prefixes && (glob.is_plain() || part.ends_with('/'));
            if is_prefix { glob.and_below(part) } else { Ok(glob) }
        };
        let rest = rest.iter().map(open).collect::<Result<_, String>>()?;
        Ok(Pattern { text: text.to_owned(), adapter, name: Glob::new(name)?, rest, joined, met: Met::default() })
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// Matches exactly this Redis key, table, bucket, queue or path, and everything in it.
    pub fn exactly(adapter: Adapter, name: &[u8]) -> Pattern {
        let text = format!("{}:{}", adapter.name(), String::from_utf8_lossy(name));
        let name = if adapter.has_paths() { trimmed(name) } else { name };
        let name = Glob::exactly(name);
        Pattern { text, adapter, name, rest: Vec::new(), joined: Vec::new(), met: Met::default() }
    }

    /// The key, table, bucket or queue, if only one matches.
    pub fn plain_name(&self) -> Option<&[u8]> {
        self.name.only()
    }

    /// Whether it can match objects of this table, bucket or queue.
    fn takes_name(&self, adapter: Adapter, name: &[u8]) -> bool {
        self.adapter == adapter && self.name.matches(name)
    }

    /// Whether it can match this path.
    fn takes_path(&self, path: &[u8]) -> bool {
        self.adapter.has_paths() && self.name.matches(path)
    }

    fn takes(&self, adapter: Adapter, name: &[u8], keys: &[&[u8]]) -> bool {
        let rest = |(n, glob): (usize, &Glob)| keys.get(n).is_some_and(|key| glob.matches(key));
        self.takes_name(adapter, name) && (self.rest.iter().enumerate().all(rest) || self.is_joined(keys))
    }

    /// Whether the key values with slashes between them are the text of the pattern.
    fn is_joined(&self, keys: &[&[u8]]) -> bool {
        let (Some(first), rest) = (keys.first(), keys.get(1..).unwrap_or_default()) else { return false };
        let behind = rest.iter().fold(self.joined.strip_prefix(*first), |text, key| {
            text.and_then(|text| text.strip_prefix(b"/")).and_then(|text| text.strip_prefix(*key))
        });
        !self.joined.is_empty() && behind == Some(b"")
    }
}

/// Which objects are requested; the default requests all.
#[derive(Debug, Clone)]
pub struct Filter {
    /// If there are any, an object must match one.
    pub include: Vec<Pattern>,
    /// An object that matches one is left out.
    pub exclude: Vec<Pattern>,
    /// Redis types, by the name of their folder; empty: all.
    pub types: Vec<String>,
    /// Minimum size in bytes: of a Redis key, an S3 object or a file as written, of a DynamoDB item as stored; messages are taken whatever
    /// their size.
    pub min_size: u64,
    /// Maximum size.
    pub max_size: u64,
    /// If there are any, an object must be among them.
    pub changes: Option<Found>,
}

impl Default for Filter {
    fn default() -> Self {
        let (include, exclude, types) = (Vec::new(), Vec::new(), Vec::new());
        Filter { include, exclude, types, min_size: 0, max_size: u64::MAX, changes: None }
    }
}

/// Whether any pattern matches. Of the patterns to be marked, all that match are marked, not only the first.
fn any(patterns: &[Pattern], marks: impl Fn(&Pattern) -> bool, takes: impl Fn(&Pattern) -> bool) -> bool {
    let mut taken = false;
    for pattern in patterns {
        let marks = marks(pattern) && !pattern.met.0.load(Relaxed);
        if (marks || !taken) && takes(pattern) {
            taken = true;
            if marks {
                pattern.met.0.store(true, Relaxed);
            }
        }
    }
    taken
}

impl Filter {
    /// Whether objects in the scopes of an adapter are chosen by their keys.
    pub(crate) fn chooses_by_key(&self, adapter: Adapter) -> bool {
        self.include.iter().chain(&self.exclude).any(|pattern| pattern.adapter == adapter && !pattern.rest.is_empty())
    }

    /// Whether nothing is left out.
    pub fn is_trivial(&self) -> bool {
        let has_patterns = !self.include.is_empty() || !self.exclude.is_empty() || !self.types.is_empty();
        !has_patterns && !self.has_sizes() && self.changes.is_none()
    }

    /// Whether sizes matter.
    pub fn has_sizes(&self) -> bool {
        self.min_size > 0 || self.max_size < u64::MAX
    }

    /// Whether any object of an adapter can be requested.
    pub fn takes_adapter(&self, adapter: Adapter) -> bool {
        self.include.is_empty() || self.include.iter().any(|pattern| pattern.adapter == adapter)
    }

    /// Whether any object of this table, bucket or queue can be requested.
    pub fn takes_scope(&self, adapter: Adapter, name: &[u8]) -> bool {
        self.judge_scope(adapter, name, false)
    }

    /// As [`takes_scope`](Filter::takes_scope), for one that exists: patterns of the whole scope have matched.
    pub fn meets_scope(&self, adapter: Adapter, name: &[u8]) -> bool {
        self.judge_scope(adapter, name, true)
    }

    /// As one or the other, depending on `met`.
    pub(crate) fn judge_scope(&self, adapter: Adapter, name: &[u8], met: bool) -> bool {
        let included = any(&self.include, |p| met && p.rest.is_empty(), |p| p.takes_name(adapter, name));
        let excludes = |p: &Pattern| p.rest.is_empty() && p.takes_name(adapter, name);
        (self.include.is_empty() || included) && !any(&self.exclude, |_| met, excludes)
    }

    /// Whether an object is requested, by its table, bucket or queue and its key values. A Redis key or SQS queue is a name without keys.
    pub fn takes(&self, adapter: Adapter, name: &[u8], keys: &[&[u8]]) -> bool {
        self.classify(adapter, name, keys, false)
    }

    /// As [`takes`](Filter::takes), for one that exists: the patterns that match are marked.
    pub fn meets(&self, adapter: Adapter, name: &[u8], keys: &[&[u8]]) -> bool {
        self.classify(adapter, name, keys, true)
    }

    /// Whether an object changed, if only changed ones are requested: called for those that the patterns match.
    #[inline]
    pub fn takes_change(&self, adapter: Adapter, name: &[u8], keys: &[&[u8]]) -> bool {
        self.changes.as_ref().is_none_or(|Found(changes)| changes.has(adapter, name, keys))
    }

    /// As one or the other, depending on `met`.
    pub(crate) fn classify(&self, adapter: Adapter, name: &[u8], keys: &[&[u8]], met: bool) -> bool {
        let included = any(&self.include, |_| met, |p| p.takes(adapter, name, keys));
        (self.include.is_empty() || included) && !any(&self.exclude, |_| met, |p| p.takes(adapter, name, keys))
    }

    /// Whether a file or directory of the file system is requested by its own path. Everything below a requested one is requested too; the
    /// caller knows what is above.
    pub fn meets_path(&self, path: &[u8]) -> bool {
        self.include.is_empty() || any(&self.include, |_| true, |p| p.takes_path(path))
    }

    /// Whether a file or directory of the file system is left out, with everything below it.
    pub fn excludes_path(&self, path: &[u8]) -> bool {
        any(&self.exclude, |_| true, |p| p.takes_path(path))
    }

    /// Whether anything below a directory of the file system can be requested, although the directory is not.
    pub fn may_take_below(&self, path: &[u8]) -> bool {
        let leads = |name: &Glob, head: &[u8]| match path.len() < head.len() {
            true => head.starts_with(path) && head[path.len()] == b'/',
            false => !name.is_plain() && path.starts_with(head),
        };
        let takes = |name: &Glob| path.is_empty() || name.heads().any(|head| leads(name, head));
        self.include.iter().any(|pattern| pattern.adapter.has_paths() && takes(&pattern.name))
    }

    /// A byte for each pattern: whether it matched anything.
    pub(crate) fn marks(&self) -> Vec<u8> {
        self.include.iter().chain(&self.exclude).map(|pattern| u8::from(pattern.met.0.load(Relaxed))).collect()
    }

    /// Marks the patterns that matched in another process, as returned by [`marks`](Filter::marks).
    pub(crate) fn mark(&self, marks: &[u8]) {
        for (pattern, _) in self.include.iter().chain(&self.exclude).zip(marks).filter(|(_, mark)| **mark == 1) {
            pattern.met.0.store(true, Relaxed);
        }
    }

    /// Patterns without a match, each after its kind: `scope redis:a*`.
    pub(super) fn unmet(&self) -> impl Iterator<Item = String> {
        let of = |what: &'static str, patterns: &'_ [Pattern]| -> Vec<String> {
            let unmet = patterns.iter().filter(|pattern| !pattern.met.0.load(Relaxed));
            unmet.map(|pattern| format!("{what} {pattern}")).collect()
        };
        of("scope", &self.include).into_iter().chain(of("exclude", &self.exclude))
    }

    /// Whether anything is requested, or exists and is left out.
    pub(super) fn asks_or_met_exclusions(&self) -> bool {
        let excluded = self.exclude.iter().any(|pattern| pattern.met.0.load(Relaxed));
        excluded || !self.include.is_empty() || !self.types.is_empty() || self.has_sizes()
    }

    /// Whether there are patterns of requested objects, and none of them matched.
    pub(super) fn met_nothing(&self) -> bool {
        !self.include.is_empty() && self.include.iter().all(|pattern| !pattern.met.0.load(Relaxed))
    }

    /// Whether a Redis type is requested.
    pub fn takes_type(&self, folder: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|t| t == folder)
    }

    /// Whether an object of this size is requested.
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
        use adapter::{DYNAMODB, REDIS, S3, SQS};
        type Case<'c> = (&'c [&'c str], &'c [&'c str], Adapter, &'c [u8], &'c [&'c [u8]], bool);
        let cases: &[Case<'_>] = &[
            (&[], &[], REDIS, b"a", &[], true),
            (&["redis:user:*"], &[], REDIS, b"user:1/x", &[], true),
            (&["redis:user:*"], &[], REDIS, b"user", &[], false),
            (&["redis:user:?"], &["redis:*9"], REDIS, b"user:9", &[], false),
            (&["redis:\\*"], &[], REDIS, b"x", &[], false),
            (&["redis:a[1]*"], &[], REDIS, b"a[1]*", &[], true),
            (&["redis:a[1]*"], &[], REDIS, b"a[1]*b", &[], false),
            (&["redis:base64:_w"], &[], REDIS, b"\xff", &[], true),
            (&["redis:base64:_w"], &[], REDIS, b"base64:_w", &[], false),
            (&["redis:base64:"], &[], REDIS, b"", &[], true),
            (&["redis:base64:*"], &[], REDIS, b"base64:_w", &[], true),
            (&["redis:base64:_w"], &[], REDIS, b"\xff\xff", &[], false),
            (&["s3:b/base64:_w"], &[], S3, b"b", &[b"\xff\xff"], true),
            (&["s3:b/a[1]/"], &[], S3, b"b", &[b"a[1]/x"], true),
            (&["dynamodb:t/base64:_w/2"], &[], DYNAMODB, b"t", &[b"\xff", b"2"], true),
            (&["dynamodb:t/a/b"], &[], DYNAMODB, b"t", &[b"a/b"], true),
            (&["dynamodb:t/a/b/c"], &[], DYNAMODB, b"t", &[b"a/b", b"c"], true),
            (&["dynamodb:t/a/b/c"], &[], DYNAMODB, b"t", &[b"a/b", b"d"], false),
            (&["dynamodb:t/a/b"], &[], DYNAMODB, b"t", &[b"a", b"c"], false),
            (&["dynamodb:t/a/b"], &[], DYNAMODB, b"t", &[b"a/b", b""], false),
            (&["redis:*"], &[], REDIS, b"\xff\n", &[], true),
            (&["redis:*"], &[], SQS, b"q", &[], false),
            (&[], &["redis:*"], SQS, b"q", &[], true),
            (&["sqs:q"], &[], SQS, b"q", &[b"id"], true),
            (&["sqs:q/id"], &[], SQS, b"q", &[b"id"], true),
            (&["sqs:q/id"], &[], SQS, b"q", &[b"other"], false),
            (&["sqs:a\\/b"], &[], SQS, b"a/b", &[b"id"], true),
            (&["sqs:q"], &["sqs:q/i*"], SQS, b"q", &[b"id"], false),
            (&["s3:b/2026/"], &[], S3, b"b", &[b"2026/x"], true),
            (&["s3:b/2026/"], &[], S3, b"b", &[b"2025/x"], false),
            (&["s3:b/*.jpg"], &[], S3, b"b", &[b"a/b.jpg"], true),
            (&["s3:b/*.jpg"], &[], S3, b"b", &[b"a/b.jpg2"], false),
            (&["s3:b"], &["s3:b/tmp"], S3, b"b", &[b"tmp/1"], false),
            (&["dynamodb:t/p?/2"], &[], DYNAMODB, b"t", &[b"p1", b"2"], true),
            (&["dynamodb:t/p?/2"], &[], DYNAMODB, b"t", &[b"p1"], false),
            (&["dynamodb:{t,u}"], &[], DYNAMODB, b"u", &[b"p1"], true),
            (&["dynamodb:a\\/b"], &[], DYNAMODB, b"a/b", &[b"p1"], true),
            (&["dynamodb:t/p\\/1"], &[], DYNAMODB, b"t", &[b"p/1"], true),
            (&["redis:{user1}:*"], &[], REDIS, b"{user1}:a", &[], true),
            (&["redis:{user1}:*"], &[], REDIS, b"user1:a", &[], false),
            (&["s3:b/2026-*/"], &[], S3, b"b", &[b"2026-11/x"], true),
            (&["s3:b/2026-*/"], &[], S3, b"b", &[b"2026-11"], false),
            (&["s3:b/"], &[], S3, b"b", &[b"x"], true),
            (&["s3:b/{x}"], &[], S3, b"b", &[b"{x}y"], true),
            (&["s3:b/a\\*"], &[], S3, b"b", &[b"a*b"], true),
        ];
        for (include, exclude, adapter, name, keys, want) in cases {
            let got = filter(include, exclude).takes(*adapter, name, keys);
            assert_eq!(got, *want, "{include:?} {exclude:?} {}", name.escape_ascii());
        }
    }

    #[test]
    fn scopes_that_can_be_passed_over() {
        let f = filter(&["s3:b*/x"], &["s3:bad", "s3:bb/x"]);
        assert!(f.takes_scope(adapter::S3, b"bb"));
        assert!(!f.takes_scope(adapter::S3, b"bad"));
        assert!(!f.takes_scope(adapter::S3, b"c"));
        assert!(!f.takes_adapter(adapter::REDIS));
    }

    #[test]
    fn what_took_nothing() {
        let unmet = |f: &Filter| f.unmet().collect::<Vec<_>>();
        let f = filter(&["redis:a*", "redis:ab", "redis:x", "s3:b", "s3:b/k"], &["redis:abc", "redis:y"]);
        let all = ["scope redis:a*", "scope redis:ab", "scope redis:x", "scope s3:b", "scope s3:b/k"];
        assert!(f.met_nothing());
        assert!(f.takes(adapter::REDIS, b"ab", &[]) && f.takes_scope(adapter::S3, b"b"));
        assert_eq!(unmet(&f)[..5], all);
        assert!(f.meets(adapter::REDIS, b"ab", &[]) && !f.meets(adapter::REDIS, b"abc", &[]));
        assert!(f.meets_scope(adapter::S3, b"b"));
        assert!(!f.met_nothing());
        assert_eq!(unmet(&f), ["scope redis:x", "scope s3:b/k", "exclude redis:y"]);
        assert_eq!(unmet(&f.clone())[..5], all);
    }

    #[test]
    fn paths() {
        // Pattern, path, whether the path itself matches, whether something below it can match.
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
            ("fs:[a]/b", "[a]/b", true, true),
            ("fs:[a]/b", "[a]", false, true),
            ("fs:base64:eC_vv70", "x/\u{fffd}", true, false),
            ("fs:base64:eC_vv70", "x", false, true),
            ("redis:a", "a", false, false),
        ] {
            let f = filter(&[pattern], &[]);
            assert_eq!(
                (f.meets_path(path.as_bytes()), f.may_take_below(path.as_bytes())),
                (takes, below),
                "{pattern} {path}"
            );
            assert_eq!(filter(&[], &[pattern]).excludes_path(path.as_bytes()), takes, "{pattern} {path}");
        }
        assert!(filter(&[], &[]).meets_path(b"x"));
    }

    #[test]
    fn what_is_no_pattern() {
        for text in ["", "redis", "redis:", "fs:", "nfs:x", "redis:[", "s3:b/[", "sqs:a\\"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
