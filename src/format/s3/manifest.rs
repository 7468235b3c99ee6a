//! Object manifests and part descriptors (`docs/format/s3.md` §2.2).

use std::borrow::Cow;

use bumpalo::Bump;
use serde::Serialize;

use super::etag::Form;
use crate::format::fault::{Fault, Result};
use crate::format::jsonout::{self, is_zero};
use crate::format::jsonval::{self, Array, Object, Value};

/// Number of parts from which repetitions are removed; the server allows no more in an object.
const FEW_PARTS: usize = if cfg!(test) { 200 } else { 10_000 };

/// Value of an `obj|head` row: JSON. Strings live in the arena; absent members are empty or 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Manifest<'a> {
    /// The upload whose chunks are the body; an empty one matches every upload of the object.
    pub upload_id: &'a str,
    /// Unquoted: 32 hex digits of MD5, or `<MD5 of the parts' MD5s>-<number of parts>`.
    pub etag: &'a str,
    /// Length of the body in bytes.
    pub size_bytes: i64,
    /// Time of the write: Unix milliseconds in the upper 48 bits, a counter in the lower 16.
    pub last_modified_hlc: u64,
    /// `Content-Type`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub content_type: &'a str,
    /// `Content-Encoding`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub content_encoding: &'a str,
    /// `Cache-Control`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub cache_control: &'a str,
    /// `Content-Disposition`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub content_disposition: &'a str,
    /// User metadata without `x-amz-meta-`, sorted by name, each once.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "jsonout::map")]
    pub user_metadata: &'a [(&'a str, &'a str)],
    /// Parts in the order of the manifest; none if the object is empty. If there are very many, only the effective ones.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub parts: &'a [Part<'a>],
    /// Number of declared parts, with repetitions.
    #[serde(skip)]
    pub declared_parts: usize,
}

/// A part of an object; also the value of an `upload|part` row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Part<'a> {
    /// Part number, 1 to 10000.
    pub part_no: u64,
    /// MD5 of the part, as hex.
    pub etag: &'a str,
    /// Length of the part in bytes.
    pub size_bytes: i64,
    /// How many chunks it has.
    pub chunk_count: u64,
    /// Length of every chunk in bytes; may be absent for inline parts.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub chunk_sizes: &'a [u64],
    /// Version in the keys of its inline chunks.
    #[serde(skip_serializing_if = "is_zero")]
    pub part_version: u64,
    /// Version in the keys of its chunk references; has no meaning for inline parts.
    #[serde(skip_serializing_if = "is_zero")]
    pub chunk_ref_version: u64,
    /// Whether the chunks are references to content-addressed rows.
    #[serde(skip_serializing_if = "is_zero")]
    pub offloaded: bool,
}

impl<'a> Manifest<'a> {
    /// Parses a manifest; `null` is an empty object without an upload.
    pub fn parse(arena: &'a Bump, value: &[u8]) -> Result<Manifest<'a>> {
        let o = jsonval::parse(arena, value)?;
        let list = o.array("parts")?;
        let parts = match list.is_large() {
            true => many_parts(arena, list)?,
            false => list.collect_in(arena, |part| Part::read(arena, part))?,
        };
        Ok(Manifest { parts, declared_parts: list.len(), ..Self::read(arena, o)? })
    }

    fn read(arena: &'a Bump, o: Object<'a>) -> Result<Manifest<'a>> {
        Ok(Manifest {
            upload_id: o.str("upload_id")?,
            etag: o.str("etag")?,
            size_bytes: o.i64("size_bytes")?,
            last_modified_hlc: o.u64("last_modified_hlc")?,
            content_type: o.str("content_type")?,
            content_encoding: o.str("content_encoding")?,
            cache_control: o.str("cache_control")?,
            content_disposition: o.str("content_disposition")?,
            user_metadata: o.object("user_metadata")?.string_map(arena)?,
            ..Manifest::default()
        })
    }
}

/// The parts of a list that may consist of repetitions: two bytes of text make a part of 88 bytes.
fn many_parts<'a>(arena: &'a Bump, list: Array<'a>) -> Result<&'a [Part<'a>]> {
    let (mut parts, mut scratch, mut most) = (Vec::new(), Bump::new(), FEW_PARTS);
    for part in list {
        if part.is_large() {
            parts.push(Part::read(arena, part)?);
        } else {
            scratch.reset();
            parts.push(Part::read(&scratch, part.within(&scratch))?.kept_in(arena));
        }
        if parts.len() >= most {
            last_of_each(&mut parts);
            most = parts.len().saturating_mul(2).max(FEW_PARTS);
        }
    }
    if list.len() >= FEW_PARTS {
        last_of_each(&mut parts);
    }
    Ok(arena.alloc_slice_copy(&parts))
}

/// The effective parts, in body order.
fn last_of_each(parts: &mut Vec<Part<'_>>) {
    // Latest first, so that the stable sort and the removal of repetitions keep the last declaration.
    parts.reverse();
    parts.sort_by_key(Part::identity);
    parts.dedup_by_key(|part| part.identity());
}

impl<'a> Part<'a> {
    /// Parses the value of an `upload|part` row.
    pub fn parse(arena: &'a Bump, value: &[u8]) -> Result<Part<'a>> {
        Self::from_object(arena, jsonval::parse(arena, value)?)
    }

    fn read(arena: &'a Bump, part: Value<'a>) -> Result<Part<'a>> {
        let part = Self::from_object(arena, part.object()?)?;
        if part.offloaded && part.chunk_sizes.len() as u64 != part.chunk_count {
            return Err(Fault::Value("the number of chunk_sizes of an offloaded part is not its chunk_count"));
        }
        Ok(part)
    }

    /// The same, copied into `arena`.
    fn kept_in<'b>(&self, arena: &'b Bump) -> Part<'b> {
        let (etag, chunk_sizes) = (arena.alloc_str(self.etag), arena.alloc_slice_copy(self.chunk_sizes));
        Part { etag, chunk_sizes, ..*self }
    }

    /// Number, version and kind: of several parts with the same ones the last counts. Sorts in the order of the body.
    pub const fn identity(&self) -> (u64, u64, bool) {
        (self.part_no, self.version(), self.offloaded)
    }

    fn from_object(arena: &'a Bump, o: Object<'a>) -> Result<Part<'a>> {
        Ok(Part {
            part_no: o.u64("part_no")?,
            etag: o.str("etag")?,
            size_bytes: o.i64("size_bytes")?,
            chunk_count: o.u64("chunk_count")?,
            chunk_sizes: o.array("chunk_sizes")?.collect_in(arena, Value::u64)?,
            part_version: o.u64("part_version")?,
            chunk_ref_version: o.u64("chunk_ref_version")?,
            offloaded: o.bool("offloaded")?,
        })
    }

    /// The version in the keys of its chunks.
    pub const fn version(&self) -> u64 {
        if self.offloaded { self.chunk_ref_version } else { self.part_version }
    }
}

impl<'a> Manifest<'a> {
    /// The effective parts, in body order: of several with the same number, version and kind the last one.
    pub fn parts_in_order(&self) -> Cow<'a, [Part<'a>]> {
        if self.parts.is_sorted_by(|a, b| a.identity() < b.identity()) {
            return Cow::Borrowed(self.parts);
        }
        let mut parts = self.parts.to_vec();
        last_of_each(&mut parts);
        Cow::Owned(parts)
    }

    /// Whether the object was uploaded in parts: it has several, or an ETag of the form `<MD5>-<n>`.
    pub fn is_multipart(&self) -> bool {
        self.declared_parts > 1 || Form::of(self.etag).is_composite()
    }

    /// Appends the value of an `obj|head` row.
    ///
    /// # Errors
    /// None; the type is that of all encoders of JSON.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        jsonout::append(self, out)
    }
}

impl Part<'_> {
    /// Appends the value of an `upload|part` row.
    ///
    /// # Errors
    /// None; the type is that of all encoders of JSON.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        jsonout::append(self, out)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::format::encoded;

    fn check(text: &str, want: std::result::Result<Manifest<'_>, ()>) {
        assert_eq!(Manifest::parse(&Bump::new(), text.as_bytes()).map_err(|_| ()), want, "{text}");
    }

    const INLINE: Part<'static> = Part {
        part_no: 1,
        etag: "p",
        size_bytes: 5,
        chunk_count: 2,
        chunk_sizes: &[3, 2],
        part_version: 7,
        chunk_ref_version: 8,
        offloaded: false,
    };

    #[test]
    fn a_full_manifest() {
        let text = r#"{"upload_id":"u","etag":"e-2","size_bytes":9,"last_modified_hlc":65536,"content_type":"t",
            "content_encoding":"gzip","cache_control":"no","content_disposition":"d","user_metadata":{"b":"2","a":"1"},
            "future":{"x":[1]},"parts":[
            {"part_no":1,"etag":"p","size_bytes":5,"chunk_count":2,"chunk_sizes":[3,2],"part_version":7,
             "chunk_ref_version":8},
            {"part_no":2,"chunk_count":1,"chunk_sizes":[4],"chunk_ref_version":9,"offloaded":true},null]}"#;
        let remote = Part {
            part_no: 2,
            chunk_count: 1,
            chunk_sizes: &[4],
            chunk_ref_version: 9,
            offloaded: true,
            ..Part::default()
        };
        assert_eq!((INLINE.version(), remote.version()), (7, 9));
        let parts = [INLINE, remote, Part::default()];
        let want = Manifest {
            upload_id: "u",
            etag: "e-2",
            size_bytes: 9,
            last_modified_hlc: 65536,
            content_type: "t",
            content_encoding: "gzip",
            cache_control: "no",
            content_disposition: "d",
            user_metadata: &[("a", "1"), ("b", "2")],
            parts: &parts,
            declared_parts: 3,
        };
        check(text, Ok(want));
    }

    #[test]
    fn small_ones() {
        check("null", Ok(Manifest::default()));
        check("{}", Ok(Manifest::default()));
        check(r#"{"parts":null,"user_metadata":null,"etag":null}"#, Ok(Manifest::default()));
        check(r#"{"ETAG":"a","etag":"b"}"#, Ok(Manifest { etag: "b", ..Manifest::default() }));
        for bad in [
            "",
            "[]",
            "{}{}",
            r#"{"etag":1}"#,
            r#"{"size_bytes":1.5}"#,
            r#"{"size_bytes":9223372036854775808}"#,
            r#"{"last_modified_hlc":-1}"#,
            r#"{"parts":{}}"#,
            r#"{"parts":[1]}"#,
            r#"{"parts":[{"chunk_sizes":["1"]}]}"#,
            r#"{"parts":[{"offloaded":1}]}"#,
            r#"{"user_metadata":{"a":1}}"#,
            r#"{"user_metadata":[]}"#,
            r#"{"parts":[{"offloaded":true,"chunk_count":1}]}"#,
            r#"{"parts":[{"offloaded":true,"chunk_count":1,"chunk_sizes":[1,2]}]}"#,
        ] {
            check(bad, Err(()));
        }
    }

    /// If there are many parts, only the last of each number is kept, in body order; few parts are all kept.
    #[test]
    fn many_parts_are_few() {
        let part = |part_no, size_bytes| Part { part_no, size_bytes, ..Part::default() };
        let text = |parts: &[Part<'_>]| {
            let each = |p: &Part<'_>| format!("{{\"part_no\":{},\"size_bytes\":{}}}", p.part_no, p.size_bytes);
            format!("{{\"parts\":[{}]}}", parts.iter().map(each).collect::<Vec<_>>().join(","))
        };
        let all: Vec<_> = (0..1000).map(|i| part(i * 7 % 3, i64::try_from(i).unwrap())).collect();
        let arena = Bump::new();
        let many = text(&all);
        let manifest = Manifest::parse(&arena, many.as_bytes()).unwrap();
        assert_eq!((manifest.parts, manifest.declared_parts), (&[part(0, 999), part(1, 997), part(2, 998)][..], 1000));
        let few = text(&all[..3]);
        assert_eq!(Manifest::parse(&arena, few.as_bytes()).unwrap().parts, &all[..3]);
    }

    #[test]
    fn part_descriptors() {
        let arena = Bump::new();
        let part = Part::parse(&arena, br#"{"part_no":3,"offloaded":true,"chunk_count":1}"#).unwrap();
        assert_eq!((part.part_no, part.offloaded), (3, true));
        assert!(Part::parse(&arena, b"[]").is_err());
    }

    proptest::proptest! {
        #[test]
        fn encoded_manifests_are_parsed(
            texts: [String; 6], size_bytes: i64, last_modified_hlc: u64, metadata: BTreeMap<String, String>,
            numbers: Vec<([u64; 3], i64, Vec<u64>, bool)>,
        ) {
            let arena = Bump::new();
            let [upload_id, etag, content_type, content_encoding, cache_control, content_disposition] = &texts;
            let user_metadata: Vec<_> = metadata.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            let part = |(numbers, size_bytes, sizes, offloaded): &'_ ([u64; 3], i64, Vec<u64>, bool)| {
                let [part_no, part_version, chunk_ref_version] = *numbers;
                let chunk_sizes: &[u64] = arena.alloc_slice_copy(sizes);
                let (size_bytes, offloaded, chunk_count) = (*size_bytes, *offloaded, sizes.len() as u64);
                Part { part_no, etag, size_bytes, chunk_count, chunk_sizes, part_version, chunk_ref_version, offloaded }
            };
            let parts: Vec<_> = numbers.iter().map(part).collect();
            let manifest = Manifest {
                upload_id, etag, size_bytes, last_modified_hlc, content_type, content_encoding, cache_control,
                content_disposition, user_metadata: &user_metadata, parts: &parts,
                declared_parts: parts.len(),
            };
            let value = encoded(|out| manifest.encode(out).unwrap());
            proptest::prop_assert_eq!(Manifest::parse(&arena, &value), Ok(manifest));
            for part in parts {
                let value = encoded(|out| part.encode(out).unwrap());
                proptest::prop_assert_eq!(Part::parse(&arena, &value), Ok(part));
            }
        }
    }

    #[test]
    fn multipart_or_not() {
        let md5 = "0123456789abcdef0123456789abcdef";
        let parts = [Part::default(), Part { part_no: 2, ..Part::default() }];
        let composite = format!("{md5}-1");
        for (etag, parts, want) in
            [(md5, &parts[..1], false), (md5, &parts, true), (&composite, &parts[..1], true), ("", &[], false)]
        {
            assert_eq!(
                Manifest { etag, parts, declared_parts: parts.len(), ..Manifest::default() }.is_multipart(),
                want,
                "{etag}"
            );
        }
    }
}
