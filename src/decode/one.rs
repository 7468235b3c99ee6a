//! One logical object, without decoding the rest.

use std::path::Path;

use super::filter::{Filter, Pattern};
use super::{Job, Options, Progress};
use crate::adapters::{dynamodb, fs, redis, s3, sqs};
use crate::dataset::{DataSet, RowsOf};
use crate::error::{Result, Shown};
use crate::format::Adapter;
use crate::layouts;
use crate::options::spellings;
use crate::output::tree::Tree;
use crate::output::unit::Collector;
use crate::report::Findings;

/// What is asked for: `redis:KEY`, `dynamodb:TABLE/PK[/SK]`, `s3:BUCKET/KEY`, `sqs:QUEUE[/ID]`, `fs:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct One {
    /// The front end.
    pub adapter: Adapter,
    /// The Redis key or path; the table, bucket or queue.
    pub name: Vec<u8>,
    /// What stands behind the first slash: key values, the object's key, the message's ID.
    pub rest: Option<Vec<u8>>,
}

impl One {
    /// Reads it from the command line, where a key may be any bytes but NUL.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &[u8]) -> std::result::Result<One, String> {
        let colon = memchr::memchr(b':', text).ok_or("want ADAPTER:KEY, such as redis:user:1 or s3:photos/a.jpg")?;
        let adapter = Adapter::named(&text[..colon]).ok_or("unknown adapter: want redis, dynamodb, s3, sqs or fs")?;
        let key = &text[colon + 1..];
        let slash = memchr::memchr(b'/', key).filter(|_| !matches!(adapter, Adapter::Redis | Adapter::Fs));
        let (name, rest) = match slash {
            Some(at) => (&key[..at], Some(key[at + 1..].to_vec())),
            None => (key, None),
        };
        match (adapter, &rest) {
            (Adapter::DynamoDb, None) => return Err("want dynamodb:TABLE/PK or dynamodb:TABLE/PK/SK".into()),
            (Adapter::S3, None) => return Err("want s3:BUCKET/KEY".into()),
            _ => {}
        }
        Ok(One { adapter, name: name.to_vec(), rest })
    }

    /// What it is, for people.
    pub fn words(&self) -> String {
        let (adapter, name) = (self.adapter.name(), Shown(&self.name));
        let of = |what: &str, rest: &[u8], scope: &str| {
            format!("{adapter} {what} \"{}\" of {scope} \"{name}\"", Shown(rest))
        };
        match (self.adapter, &self.rest) {
            (Adapter::DynamoDb, Some(rest)) => of("item", rest, "table"),
            (Adapter::S3, Some(rest)) => of("object", rest, "bucket"),
            (Adapter::Sqs, Some(rest)) => of("message", rest, "queue"),
            (Adapter::Sqs, None) => format!("{adapter} queue \"{name}\""),
            (Adapter::Fs, _) => format!("{adapter} path \"{name}\""),
            _ => format!("{adapter} key \"{name}\""),
        }
    }

    /// What a decode of the adapter needs to find only it.
    fn filter(&self) -> Filter {
        Filter { include: vec![Pattern::exactly(self.adapter, &self.name)], ..Filter::default() }
    }
}

/// Decodes one object into `tree`, and gives what was noticed: nothing comes of it if the object is not there. `scratch` as for
/// [`fill`](super::fill).
///
/// # Errors
/// A damaged row of the object, or of what its adapter must read first.
pub fn fill_one(
    set: &DataSet<'_>,
    one: &One,
    options: &Options,
    tree: &Tree,
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<Findings> {
    set.check_keys()?;
    let filtered = match one.adapter {
        Adapter::Sqs | Adapter::Fs => Options { filter: one.filter(), ..options.clone() },
        _ => options.clone(),
    };
    let mut collector = Collector::new(tree, scratch);
    let mut job = Job { set, options: &filtered, tree, progress, collector: &mut collector };
    let rest = one.rest.as_deref().unwrap_or_default();
    match one.adapter {
        Adapter::Redis => spellings(&one.name).iter().try_for_each(|key| layouts::redis_key(&mut job, key))?,
        Adapter::DynamoDb => layouts::dynamodb_item(&mut job, &one.name, rest)?,
        Adapter::S3 => spellings(rest).iter().try_for_each(|key| layouts::s3_object(&mut job, &one.name, key))?,
        Adapter::Sqs if one.rest.is_some() => layouts::sqs_message(&mut job, &one.name, rest)?,
        Adapter::Sqs => layouts::sqs_queues(&mut job)?,
        Adapter::Fs => layouts::fs_files(&mut job)?,
    }
    set.check_unchanged()?;
    collector.finish().map(|(_, findings, _)| findings)
}

/// Where the rows of an object are.
///
/// # Errors
/// As [`fill_one`].
pub fn rows_of(set: &DataSet<'_>, one: &One) -> Result<RowsOf> {
    let rest = one.rest.as_deref().unwrap_or_default();
    match one.adapter {
        Adapter::Redis => Ok(redis::Splits::new(set).rows_of(spellings(&one.name))),
        Adapter::DynamoDb => dynamodb::rows_of(set, &one.name, rest).map(RowsOf::exactly),
        Adapter::S3 => s3::rows_of(set, &one.name, &spellings(rest)),
        Adapter::Sqs => Ok(sqs::rows_of(&one.name, rest)),
        Adapter::Fs => fs::rows_of(set, &one.name).map(RowsOf::exactly),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let parsed = |text: &str| One::parse(text.as_bytes()).map(|one| (one.adapter, one.name, one.rest));
        let some = |adapter, name: &str, rest: Option<&str>| {
            Ok((adapter, name.as_bytes().to_vec(), rest.map(|rest| rest.as_bytes().to_vec())))
        };
        assert_eq!(parsed("redis:a/b:c"), some(Adapter::Redis, "a/b:c", None));
        assert_eq!(parsed("redis:"), some(Adapter::Redis, "", None));
        assert_eq!(parsed("dynamodb:t/p/s"), some(Adapter::DynamoDb, "t", Some("p/s")));
        assert_eq!(parsed("s3:b/x/y"), some(Adapter::S3, "b", Some("x/y")));
        assert_eq!(parsed("sqs:q"), some(Adapter::Sqs, "q", None));
        assert_eq!(parsed("fs:/a/b"), some(Adapter::Fs, "/a/b", None));
        for bad in ["", "x", "nfs:x", "s3:b", "dynamodb:t"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_no_globs() {
        let one = One { adapter: Adapter::Sqs, name: b"a*[b]{c},?.fifo".to_vec(), rest: None };
        let filter = one.filter();
        assert!(filter.takes_scope(Adapter::Sqs, &one.name));
        assert!(!filter.takes_scope(Adapter::Sqs, b"aX[b]{c},?.fifo"));
    }
}
