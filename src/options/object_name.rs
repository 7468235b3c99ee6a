//! Names of logical objects: `redis:KEY`, `dynamodb:TABLE/PK[/SK]`, `s3:BUCKET/KEY`, `sqs:QUEUE[/ID]`, `fs:PATH`.
//!
//! Each part can be `base64:` and its bytes in base64. Names are printed by [`typed_name`](super::typed_name).

use super::filter::{Filter, Pattern};
use super::spelling::spelled;
use crate::error::Shown;
use crate::format::adapter::{self, Adapter, Naming};

/// The name of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// The front end.
    pub adapter: Adapter,
    /// The key or path; for objects in scopes, the scope: a table, bucket or queue.
    pub name: Vec<u8>,
    /// The part after the first slash: the object's key, or the message's ID. For an item the text of its key values, because only the schema
    /// of the table says how many there are.
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
            Some(at) => (&key[..at], Some(&key[at + 1..])),
            None => (key, None),
        };
        if let (Some(wanted), None) = (scoped.and_then(|scoped| scoped.wanted), rest) {
            return Err(format!("want {wanted}"));
        }
        let is_one_value = scoped.is_none_or(|scoped| scoped.parts <= 2);
        let rest = rest.map(|rest| if is_one_value { spelled(rest).into_owned() } else { rest.to_vec() });
        Ok(ObjectName { adapter, name: spelled(name).into_owned(), rest })
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
        Filter { include: vec![Pattern::exactly(self.adapter, &self.name)], ..Filter::default() }
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
        assert_eq!(parsed("s3:base64:YS9i/base64:Yw"), some(adapter::S3, "a/b", Some("c")));
        assert_eq!(parsed("dynamodb:base64:dA/base64:Yw"), some(adapter::DYNAMODB, "t", Some("base64:Yw")));
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
