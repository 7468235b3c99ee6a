//! What the server counts (`fs.md` §2.7).

use bumpalo::Bump;

use crate::format::fault::Result;
use crate::format::jsonval;

/// The legacy row: files and bytes of the whole file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Inodes: root and orphans too.
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

/// One counter: what was added and taken away along one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counter {
    /// Inodes made.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
}
