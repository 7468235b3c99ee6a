//! Names of logical objects: `redis:KEY`, `dynamodb:TABLE/PK[/SK]`, `s3:BUCKET/KEY`, `sqs:QUEUE[/ID]`, `fs:PATH`.

use super::filter::{Filter, Pattern};
use super::spelling::spellings;
use crate::error::Shown;
use crate::format::adapter::{self, Adapter, Naming};

/// The name of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// The front end.
    pub adapter: Adapter,
    /// The key or path; for objects in scopes, the scope: a table, bucket or queue.
    pub name: Vec<u8>,
    /// The part after the first slash: key values, the object's key, the message's ID.
    pub rest: Option<Vec<u8>>,
}

impl ObjectName {
    /// Reads it from the command line, where a key may have any bytes except NUL.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &[u8]) -> std::result::Result<ObjectName, String> {
        let colon = memchr::memchr(b':', text).ok_or("want ADAPTER:KEY, such as redis:user:1 or s3:photos/a.jpg")?;
        let unknown = || format!("unknown adapter: want {}", adapter::names());
        let adapter = adapter::named(&text[..colon]).ok_or_else(unknown)?;
        let key = &text[colon + 1..];
        let scoped = adapter.scoped();
        let slash = memchr::memchr(b'/', key).filter(|_| scoped.is_some());
        let (name, rest) = match slash {
            Some(at) => (&key[..at], Some(key[at + 1..].to_vec())),
            None => (key, None),
        };
        match scoped.and_then(|scoped| scoped.wanted) {
            Some(wanted) if rest.is_none() => Err(format!("want {wanted}")),
            _ => Ok(ObjectName { adapter, name: name.to_vec(), rest }),
        }
    }

    /// Its description, for people.
    pub fn words(&self) -> String {
        let (adapter, object, name) = (self.adapter.name(), self.adapter.spec().object, Shown(&self.name));
        match (self.adapter.spec().naming, &self.rest) {
            (Naming::Scoped(scoped), Some(rest)) => {
                format!("{adapter} {object} \"{}\" of {} \"{name}\"", Shown(rest), scoped.scope)
            }
            (Naming::Scoped(scoped), None) => format!("{adapter} {} \"{name}\"", scoped.scope),
            (Naming::Key | Naming::Path, _) => format!("{adapter} {object} \"{name}\""),
        }
    }

    /// The part after the first slash; empty if there is none.
    pub fn rest(&self) -> &[u8] {
        self.rest.as_deref().unwrap_or_default()
    }

    /// The filter for a decode of the adapter that finds only it, or only its scope.
    pub(crate) fn filter(&self) -> Filter {
        let include = spellings(&self.name).iter().map(|name| Pattern::exactly(self.adapter, name)).collect();
        Filter { include, ..Filter::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let parsed = |text: &str| ObjectName::parse(text.as_bytes()).map(|one| (one.adapter, one.name, one.rest));
        let some = |adapter, name: &str, rest: Option<&str>| {
            Ok((adapter, name.as_bytes().to_vec(), rest.map(|rest| rest.as_bytes().to_vec())))
        };
        assert_eq!(parsed("redis:a/b:c"), some(adapter::REDIS, "a/b:c", None));
        assert_eq!(parsed("redis:"), some(adapter::REDIS, "", None));
        assert_eq!(parsed("dynamodb:t/p/s"), some(adapter::DYNAMODB, "t", Some("p/s")));
        assert_eq!(parsed("s3:b/x/y"), some(adapter::S3, "b", Some("x/y")));
        assert_eq!(parsed("sqs:q"), some(adapter::SQS, "q", None));
        assert_eq!(parsed("fs:/a/b"), some(adapter::FS, "/a/b", None));
        for bad in ["", "x", "nfs:x", "s3:b", "dynamodb:t"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_no_globs() {
        let one = ObjectName { adapter: adapter::SQS, name: b"a*[b]{c},?.fifo".to_vec(), rest: None };
        let filter = one.filter();
        assert!(filter.takes_scope(adapter::SQS, &one.name));
        assert!(!filter.takes_scope(adapter::SQS, b"aX[b]{c},?.fifo"));
    }
}
