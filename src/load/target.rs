//! Targets of a load.

use std::path::PathBuf;
use std::str::FromStr;

use crate::format::adapter::{self, Adapter};

/// A target, as it is named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file that Redis loads when it starts.
    Rdb(PathBuf),
    /// A Redis server: `redis://` or, encrypted, `rediss://`.
    Redis(String),
    /// A system with the interface of DynamoDB: `dynamodb://` or, encrypted, `dynamodb+https://`.
    Dynamodb(String),
    /// A system with the interface of S3: `s3://` or `s3+https://`.
    S3(String),
    /// A system with the interface of SQS: `sqs://` or `sqs+https://`.
    Sqs(String),
    /// A server of elastickv: `ekv://`.
    Ekv(String),
}

/// The message that lists all targets.
const WANTED: &str = "want redis://HOST:PORT or rediss://, dynamodb://HOST:PORT, s3://HOST:PORT or sqs://HOST:PORT (or \
    dynamodb+https:// and so on), ekv://HOST:PORT, or a file that ends in .rdb";

impl Target {
    /// The adapters whose objects it takes.
    pub fn adapters(&self) -> &'static [Adapter] {
        match self {
            Target::Rdb(_) | Target::Redis(_) => &[adapter::REDIS],
            Target::Dynamodb(_) => &[adapter::DYNAMODB],
            Target::S3(_) => &[adapter::S3],
            Target::Sqs(_) => &[adapter::SQS],
            Target::Ekv(_) => &adapter::BUILT_IN,
        }
    }

    /// Its name in messages: without a password.
    pub fn shown(&self) -> String {
        match self {
            Target::Rdb(path) => path.display().to_string(),
            Target::Redis(url) | Target::Dynamodb(url) | Target::S3(url) | Target::Sqs(url) | Target::Ekv(url) => {
                without_password(url)
            }
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        match text.split_once("://").map(|(scheme, _)| scheme) {
            Some("redis" | "rediss") => Ok(Target::Redis(text.to_owned())),
            Some("dynamodb" | "dynamodb+https") => Ok(Target::Dynamodb(text.to_owned())),
            Some("s3" | "s3+https") => Ok(Target::S3(text.to_owned())),
            Some("sqs" | "sqs+https") => Ok(Target::Sqs(text.to_owned())),
            Some("ekv") => Ok(Target::Ekv(text.to_owned())),
            Some(scheme) => Err(format!("unknown kind of target {scheme}://: {WANTED}")),
            None if text.ends_with(".rdb") => Ok(Target::Rdb(text.into())),
            None => Err(WANTED.to_owned()),
        }
    }
}

/// A URL without the part before `@`.
pub(super) fn without_password(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.find('/').unwrap_or(rest.len());
            let begin = rest[..authority].rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[begin..])
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let shown = |text: &str| text.parse::<Target>().map(|target| target.shown());
        for (text, want) in [
            ("redis://:secret@h:1/2", "redis://h:1/2"),
            ("rediss://user:p@ss@h", "rediss://h"),
            ("redis://h/a@b", "redis://h/a@b"),
            ("x/dump.rdb", "x/dump.rdb"),
            ("s3+https://h", "s3+https://h"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(want));
        }
        for bad in ["", "dump", "http://h", "redis:h"] {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }
}
