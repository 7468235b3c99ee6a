//! Usage counters of the server (`fs.md` §2.7).

use bumpalo::Bump;
use serde::Serialize;

use crate::format::fault::Result;
use crate::format::{jsonout, jsonval};

/// The legacy row: files and bytes of the whole file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Usage {
    /// Inodes, with the root and orphans.
    pub files: u64,
    /// Bytes of chunks as they are stored.
    pub bytes: u64,
}

impl Usage {
    /// Parses the value of the `usage` row.
    pub fn parse(arena: &Bump, value: &[u8]) -> Result<Usage> {
        let o = jsonval::parse(arena, value)?;
        Ok(Usage { files: o.u64("files")?, bytes: o.u64("bytes")? })
    }
}

/// One counter: what was added and removed along one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counter {
    /// Inodes created.
    pub files_add: u64,
    /// Inodes freed.
    pub files_sub: u64,
    /// Bytes of chunks stored.
    pub bytes_add: u64,
    /// Bytes of chunks freed.
    pub bytes_sub: u64,
}

impl Counter {
    /// Parses the value of a `usage|route` row.
    pub fn parse(arena: &Bump, value: &[u8]) -> Result<Counter> {
        let o = jsonval::parse(arena, value)?;
        Ok(Counter {
            files_add: o.u64("files_add")?,
            files_sub: o.u64("files_sub")?,
            bytes_add: o.u64("bytes_add")?,
            bytes_sub: o.u64("bytes_sub")?,
        })
    }
}

impl Usage {
    /// Appends the value of the `usage` row.
    ///
    /// # Errors
    /// None; the type is that of all encoders of JSON.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        jsonout::append(self, out)
    }
}

impl Counter {
    /// Appends the value of a `usage|route` row.
    ///
    /// # Errors
    /// None; the type is that of all encoders of JSON.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        jsonout::append(self, out)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::format::encoded;

    #[test]
    fn both_kinds() {
        let arena = Bump::new();
        let usage = Usage::parse(&arena, br#"{"files":3,"bytes":18446744073709551615}"#);
        assert_eq!(usage, Ok(Usage { files: 3, bytes: u64::MAX }));
        let counter = Counter::parse(&arena, br#"{"files_add":1,"files_sub":2,"bytes_add":3,"bytes_sub":4}"#);
        assert_eq!(counter, Ok(Counter { files_add: 1, files_sub: 2, bytes_add: 3, bytes_sub: 4 }));
        assert_eq!(Counter::parse(&arena, b"{}"), Ok(Counter::default()));
        assert!(Usage::parse(&arena, br#"{"files":-1}"#).is_err() && Counter::parse(&arena, b"1").is_err());
    }

    proptest::proptest! {
        #[test]
        fn encoded_rows_are_parsed(n: [u64; 4]) {
            let arena = Bump::new();
            let usage = Usage { files: n[0], bytes: n[1] };
            let value = encoded(|out| usage.encode(out).unwrap());
            proptest::prop_assert_eq!(Usage::parse(&arena, &value), Ok(usage));
            let counter = Counter { files_add: n[0], files_sub: n[1], bytes_add: n[2], bytes_sub: n[3] };
            let value = encoded(|out| counter.encode(out).unwrap());
            proptest::prop_assert_eq!(Counter::parse(&arena, &value), Ok(counter));
        }
    }
}
