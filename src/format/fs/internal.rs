//! Rows that no client sees: open handles, intents and move jobs (`docs/format/fs.md` §2.4 to §2.6).

use bumpalo::Bump;
use serde::Serialize;

use crate::format::fault::Result;
use crate::format::jsonout::{self, is_zero};
use crate::format::jsonval;

/// A file that a mount has open. Times are Unix nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Handle<'a> {
    /// The inode.
    pub inode: u64,
    /// Which mount.
    #[serde(rename = "client_id", serialize_with = "jsonout::base64")]
    pub client: &'a [u8],
    /// The mount's number for it.
    #[serde(rename = "fh")]
    pub handle: u64,
    /// When it was opened.
    #[serde(rename = "created_nsec")]
    pub created: i64,
    /// When it ends by itself; 0: never.
    #[serde(rename = "expires_nsec", skip_serializing_if = "is_zero")]
    pub expires: i64,
}

impl<'a> Handle<'a> {
    /// Parses the value of a `ref` row; bytes live in `arena`.
    pub fn parse(arena: &'a Bump, value: &[u8]) -> Result<Handle<'a>> {
        let o = jsonval::parse(arena, value)?;
        Ok(Handle {
            inode: o.u64("inode")?,
            client: o.base64(arena, "client_id")?,
            handle: o.u64("fh")?,
            created: o.i64("created_nsec")?,
            expires: o.i64("expires_nsec")?,
        })
    }
}

/// An operation that is about to be done. If an intent to create or delete still exists, the operation was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Intent<'a> {
    /// Its ID.
    #[serde(serialize_with = "jsonout::base64")]
    pub id: &'a [u8],
    /// `create`, `delete` or `move`.
    pub kind: &'a str,
    /// `prepared`, or the phase of the move.
    pub phase: &'a str,
    /// The inode; 0: not given.
    #[serde(skip_serializing_if = "is_zero")]
    pub inode: u64,
    /// The directory; 0: not given.
    #[serde(skip_serializing_if = "is_zero")]
    pub parent: u64,
    /// The name in the directory; may be empty.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "jsonout::base64")]
    pub name: &'a [u8],
    /// The move job; may be empty.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "jsonout::base64")]
    pub job_id: &'a [u8],
    /// Unix nanoseconds.
    #[serde(rename = "created_at_nsec")]
    pub created_at: i64,
    /// Unix nanoseconds.
    #[serde(rename = "updated_at_nsec")]
    pub updated_at: i64,
}

impl<'a> Intent<'a> {
    /// Parses the value of an `intent` row; strings and bytes live in `arena`.
    pub fn parse(arena: &'a Bump, value: &[u8]) -> Result<Intent<'a>> {
        let o = jsonval::parse(arena, value)?;
        Ok(Intent {
            id: o.base64(arena, "id")?,
            kind: o.str("kind")?,
            phase: o.str("phase")?,
            inode: o.u64("inode")?,
            parent: o.u64("parent")?,
            name: o.base64(arena, "name")?,
            job_id: o.base64(arena, "job_id")?,
            created_at: o.i64("created_at_nsec")?,
            updated_at: o.i64("updated_at_nsec")?,
        })
    }
}

/// A file that is being moved from one home slot to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct MoveJob<'a> {
    /// Its ID.
    #[serde(serialize_with = "jsonout::base64")]
    pub id: &'a [u8],
    /// The inode.
    pub inode: u64,
    /// Home slot that it comes from.
    pub source_home: u64,
    /// Home slot that it goes to.
    pub target_home: u64,
    /// Raft group that it goes to.
    pub target_group: u64,
    /// Epoch while it moves.
    pub migration_epoch: u64,
    /// Epoch once it has moved; 0: not yet.
    #[serde(skip_serializing_if = "is_zero")]
    pub switch_epoch: u64,
    /// `target_cleanup`, `copy`, `switch`, `source_cleanup` or `completed`.
    pub phase: &'a str,
    /// The next raw chunk key; may be empty.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "jsonout::base64")]
    pub cursor: &'a [u8],
    /// Chunks copied so far.
    #[serde(skip_serializing_if = "is_zero")]
    pub copied_chunks: u64,
    /// Chunks of the source deleted so far.
    #[serde(skip_serializing_if = "is_zero")]
    pub cleaned_chunks: u64,
    /// Unix nanoseconds.
    #[serde(rename = "created_at_nsec")]
    pub created_at: i64,
    /// Unix nanoseconds.
    #[serde(rename = "updated_at_nsec")]
    pub updated_at: i64,
}

impl<'a> MoveJob<'a> {
    /// Parses the value of a `job|move` row; strings and bytes live in `arena`.
    pub fn parse(arena: &'a Bump, value: &[u8]) -> Result<MoveJob<'a>> {
        let o = jsonval::parse(arena, value)?;
        Ok(MoveJob {
            id: o.base64(arena, "id")?,
            inode: o.u64("inode")?,
            source_home: o.u64("source_home")?,
            target_home: o.u64("target_home")?,
            target_group: o.u64("target_group")?,
            migration_epoch: o.u64("migration_epoch")?,
            switch_epoch: o.u64("switch_epoch")?,
            phase: o.str("phase")?,
            cursor: o.base64(arena, "cursor")?,
            copied_chunks: o.u64("copied_chunks")?,
            cleaned_chunks: o.u64("cleaned_chunks")?,
            created_at: o.i64("created_at_nsec")?,
            updated_at: o.i64("updated_at_nsec")?,
        })
    }
}

impl Handle<'_> {
    /// Appends the value of a `ref` row.
    ///
    /// # Errors
    /// None; the type is that of all encoders of JSON.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        jsonout::append(self, out)
    }
}

impl Intent<'_> {
    /// Appends the value of an `intent` row.
    ///
    /// # Errors
    /// None; the type is that of all encoders of JSON.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        jsonout::append(self, out)
    }
}

impl MoveJob<'_> {
    /// Appends the value of a `job|move` row.
    ///
    /// # Errors
    /// None; the type is that of all encoders of JSON.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        jsonout::append(self, out)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use crate::format::encoded;

    #[test]
    fn full_records() {
        let arena = Bump::new();
        let json = br#"{"inode":5,"client_id":"ZnNjbGllbnQ=","fh":13876,"created_nsec":-1,"expires_nsec":2}"#;
        let want = Handle { inode: 5, client: b"fsclient", handle: 13876, created: -1, expires: 2 };
        assert_eq!(Handle::parse(&arena, json), Ok(want));
        let json = br#"{"id":"Y3JlYXRl","kind":"create","phase":"prepared","inode":3,"parent":1,"name":"/w==",
            "job_id":"AA==","created_at_nsec":4,"updated_at_nsec":5}"#;
        let want = Intent {
            id: b"create",
            kind: "create",
            phase: "prepared",
            inode: 3,
            parent: 1,
            name: b"\xff",
            job_id: b"\0",
            created_at: 4,
            updated_at: 5,
        };
        assert_eq!(Intent::parse(&arena, json), Ok(want));
        let json = br#"{"id":"AQ==","inode":2,"source_home":3,"target_home":4,"target_group":5,"migration_epoch":6,
            "switch_epoch":7,"phase":"copy","cursor":"IQ==","copied_chunks":8,"cleaned_chunks":9,
            "created_at_nsec":10,"updated_at_nsec":11}"#;
        let want = MoveJob {
            id: b"\x01",
            inode: 2,
            source_home: 3,
            target_home: 4,
            target_group: 5,
            migration_epoch: 6,
            switch_epoch: 7,
            phase: "copy",
            cursor: b"!",
            copied_chunks: 8,
            cleaned_chunks: 9,
            created_at: 10,
            updated_at: 11,
        };
        assert_eq!(MoveJob::parse(&arena, json), Ok(want));
    }

    #[test]
    fn empty_and_wrong_ones() {
        let arena = Bump::new();
        assert_eq!(Handle::parse(&arena, b"{}"), Ok(Handle::default()));
        assert_eq!(Intent::parse(&arena, b"null"), Ok(Intent::default()));
        assert_eq!(MoveJob::parse(&arena, b"{}"), Ok(MoveJob::default()));
        assert!(Handle::parse(&arena, br#"{"client_id":"%"}"#).is_err());
        assert!(Intent::parse(&arena, br#"{"name":"a"}"#).is_err());
        assert!(MoveJob::parse(&arena, br#"{"cursor":1}"#).is_err());
    }

    proptest::proptest! {
        #[test]
        fn encoded_rows_are_parsed(n: [u64; 8], times: [i64; 2], bytes: [Vec<u8>; 3], words: [String; 2]) {
            let arena = Bump::new();
            let handle = Handle { inode: n[0], client: &bytes[0], handle: n[1], created: times[0], expires: times[1] };
            let value = encoded(|out| handle.encode(out).unwrap());
            proptest::prop_assert_eq!(Handle::parse(&arena, &value), Ok(handle));
            let intent = Intent {
                id: &bytes[0],
                kind: &words[0],
                phase: &words[1],
                inode: n[0],
                parent: n[1],
                name: &bytes[1],
                job_id: &bytes[2],
                created_at: times[0],
                updated_at: times[1],
            };
            let value = encoded(|out| intent.encode(out).unwrap());
            proptest::prop_assert_eq!(Intent::parse(&arena, &value), Ok(intent));
            let job = MoveJob {
                id: &bytes[0],
                inode: n[0],
                source_home: n[1],
                target_home: n[2],
                target_group: n[3],
                migration_epoch: n[4],
                switch_epoch: n[5],
                phase: &words[0],
                cursor: &bytes[1],
                copied_chunks: n[6],
                cleaned_chunks: n[7],
                created_at: times[0],
                updated_at: times[1],
            };
            let value = encoded(|out| job.encode(out).unwrap());
            proptest::prop_assert_eq!(MoveJob::parse(&arena, &value), Ok(job));
        }
    }
}
