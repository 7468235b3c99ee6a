//! Bucket and upload records, generation counters (`docs/format/s3.md` §1, §2.1, §2.2).

use bumpalo::Bump;
use serde::Serialize;

use crate::format::cursor;
use crate::format::fault::{OrFault, Result};
use crate::format::{jsonout, jsonval};

/// Value of a `bucket|meta` row: JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BucketRecord<'a> {
    /// The name; the name in the key is authoritative.
    pub bucket_name: &'a str,
    /// The live generation; 0 = no filter.
    pub generation: u64,
    /// Time of creation: Unix milliseconds in the upper 48 bits, a counter in the lower 16.
    pub created_at_hlc: u64,
    /// Owner.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub owner: &'a str,
    /// Region.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub region: &'a str,
    /// `private` or `public-read`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub acl: &'a str,
}

impl<'a> BucketRecord<'a> {
    /// Parses the record; strings live in the arena.
    pub fn parse(arena: &'a Bump, value: &[u8]) -> Result<BucketRecord<'a>> {
        let o = jsonval::parse(arena, value)?;
        Ok(BucketRecord {
            bucket_name: o.str("bucket_name")?,
            generation: o.u64("generation")?,
            created_at_hlc: o.u64("created_at_hlc")?,
            owner: o.str("owner")?,
            region: o.str("region")?,
            acl: o.str("acl")?,
        })
    }
}

/// Value of a `bucket|gen` row, the last generation that was assigned: `u64be`, or decimal digits in old rows.
pub fn generation(value: &[u8]) -> Result<u64> {
    cursor::u64_be(value).or_else(|| decimal(value)).or_value("it is neither 8 bytes nor a decimal number")
}

fn decimal(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok()
}

/// Value of an `upload|meta` or `gc|upload` row: JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct UploadRecord<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The object's key.
    pub object: &'a str,
    /// Generation of the bucket.
    pub generation: u64,
    /// The upload's ID.
    pub upload_id: &'a str,
    /// Time of its start: Unix milliseconds in the upper 48 bits, a counter in the lower 16.
    pub created_hlc: u64,
    /// `Content-Type`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub content_type: &'a str,
    /// User metadata, sorted by name, each once.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "jsonout::map")]
    pub metadata: &'a [(&'a str, &'a str)],
}

impl<'a> UploadRecord<'a> {
    /// Parses the record; strings live in the arena.
    pub fn parse(arena: &'a Bump, value: &[u8]) -> Result<UploadRecord<'a>> {
        let o = jsonval::parse(arena, value)?;
        Ok(UploadRecord {
            bucket: o.str("bucket")?,
            object: o.str("object")?,
            generation: o.u64("generation")?,
            upload_id: o.str("upload_id")?,
            created_hlc: o.u64("created_hlc")?,
            content_type: o.str("content_type")?,
            metadata: o.object("metadata")?.string_map(arena)?,
        })
    }
}

impl BucketRecord<'_> {
    /// Appends the value of a `bucket|meta` row.
    ///
    /// # Errors
    /// None; the type is that of all encoders of JSON.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        jsonout::append(self, out)
    }
}

impl UploadRecord<'_> {
    /// Appends the value of an `upload|meta` row.
    ///
    /// # Errors
    /// None; the type is that of all encoders of JSON.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        jsonout::append(self, out)
    }
}

/// Appends the value of a `bucket|gen` row.
pub fn generation_into(generation: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&generation.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::format::encoded;

    #[test]
    fn buckets() {
        let arena = Bump::new();
        let text =
            br#"{"bucket_name":"b","generation":2,"created_at_hlc":3,"owner":"o","region":"r","acl":"private","x":1}"#;
        let want = BucketRecord {
            bucket_name: "b",
            generation: 2,
            created_at_hlc: 3,
            owner: "o",
            region: "r",
            acl: "private",
        };
        assert_eq!(BucketRecord::parse(&arena, text), Ok(want));
        assert_eq!(BucketRecord::parse(&arena, b"null"), Ok(BucketRecord::default()));
        for bad in ["", "[]", "{}x", r#"{"generation":"2"}"#, r#"{"generation":-2}"#, r#"{"acl":[]}"#] {
            assert!(BucketRecord::parse(&arena, bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn generations() {
        let eight_digits = u64::from_be_bytes(*b"12345678");
        for (value, want) in [
            (&b"\0\0\0\0\0\0\0\x05"[..], Some(5)),
            (b"12345678", Some(eight_digits)),
            (b"5", Some(5)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"", None),
            (b"+5", None),
            (b"5 ", None),
            (b"\0\0\0\x05", None),
        ] {
            assert_eq!(generation(value).ok(), want, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn uploads() {
        let arena = Bump::new();
        let text =
            br#"{"bucket":"b","object":"o","generation":1,"upload_id":"u","created_hlc":9,"metadata":{"k":"v"}}"#;
        let got = UploadRecord::parse(&arena, text).unwrap();
        assert_eq!((got.object, got.created_hlc, got.metadata), ("o", 9, &[("k", "v")][..]));
        assert!(UploadRecord::parse(&arena, br#"{"metadata":{"k":2}}"#).is_err());
    }

    proptest::proptest! {
        #[test]
        fn encoded_records_are_parsed(texts: [String; 4], numbers: [u64; 2], metadata: BTreeMap<String, String>) {
            let arena = Bump::new();
            let [a, b, c, d] = &texts;
            let [generation, hlc] = numbers;
            let bucket = BucketRecord { bucket_name: a, generation, created_at_hlc: hlc, owner: b, region: c, acl: d };
            let value = encoded(|out| bucket.encode(out).unwrap());
            proptest::prop_assert_eq!(BucketRecord::parse(&arena, &value), Ok(bucket));
            let metadata: Vec<_> = metadata.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            let upload = UploadRecord {
                bucket: a, object: b, generation, upload_id: c, created_hlc: hlc, content_type: d, metadata: &metadata,
            };
            let value = encoded(|out| upload.encode(out).unwrap());
            proptest::prop_assert_eq!(UploadRecord::parse(&arena, &value), Ok(upload));
            let value = encoded(|out| generation_into(generation, out));
            proptest::prop_assert_eq!(super::generation(&value), Ok(generation));
        }
    }
}
