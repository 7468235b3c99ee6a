//! Reads buckets of an output back into objects.
//!
//! The metadata of bodies is in other files, which are read first, into tables on disk: key maps, sidecars, indexes. Then each body is
//! passed on in pieces. In a tree, a file below `_encoded` whose name ends like a sidecar can be the body of an object whose key ends in
//! this way: the key map shows it, after it was read completely.

mod sidecars;
mod told;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read;
use std::marker::PhantomData;
use std::path::Path;

use base64::Engine as _;
use serde::Deserialize;

use super::folder;
use super::paths::{File, bucket_of};
use crate::error::Result;
use crate::format::Family;
use crate::format::b64::STANDARD;
use crate::format::s3::{BucketRecord, ChunkKey, ObjectKey, PartKey, UploadKey};
use crate::layouts::reading::{self, Binary, Budget, Part, Text, wrong};
use crate::model::s3::{Bucket, BucketVisitor, Object, UploadRow};
use crate::options::Layout;
use crate::output::reading::broken;
use sidecars::Sidecars;
use told::Document;

/// Bytes of a body that are passed on at once.
const PIECE: usize = 256 << 10;

/// Reads the buckets of one output.
pub struct Reader {
    layout: Layout,
    /// Names and generations of buckets by their folders.
    buckets: BTreeMap<String, (Vec<u8>, u64)>,
    sidecars: Sidecars,
    piece: Vec<u8>,
}

/// A line of the file of generations.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Counter {
    name: Binary,
    generation: u64,
}

/// A line of rows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    prefix: String,
    key: String,
    value: String,
}

impl Reader {
    /// Reads an output of some layout; tables go to the file system of `scratch`.
    pub fn new(layout: Layout, scratch: &Path) -> Reader {
        let sidecars = Sidecars::new(scratch);
        Reader { layout, buckets: BTreeMap::new(), sidecars, piece: vec![0; PIECE] }
    }

    fn document(
        &mut self,
        scope: &str,
        path: &[u8],
        bytes: &mut dyn Read,
        visitor: &mut impl BucketVisitor,
    ) -> Result<()> {
        let document = PhantomData::<Document>;
        let document = Text::new(path, bytes).document(&Budget::default(), document, &Cell::new(None))?;
        if document.format_version != 1 {
            return Err(wrong(path, "its format_version is not 1: a newer program wrote it"));
        }
        let name = bucket_of(scope, &document.name);
        let name = name.ok_or_else(|| wrong(path, "its path is not that of its bucket"))?;
        let text = String::from_utf8_lossy(&name);
        let record = BucketRecord {
            bucket_name: &text,
            // The public decoder does not write it: then it is a bucket as the server creates it first.
            generation: document.generation.unwrap_or(1),
            created_at_hlc: document
                .created_at_hlc()
                .ok_or_else(|| wrong(path, "its creation_time_iso is not a time"))?,
            owner: &document.owner,
            region: &document.region,
            acl: &document.acl,
        };
        visitor.bucket(&Bucket { name: &name, record: &record })?;
        // Objects of a record without a generation can have any.
        let generation = record.generation.max(1);
        self.buckets.insert(scope.to_owned(), (name, generation));
        Ok(())
    }

    fn object(
        &mut self,
        scope: &str,
        key: &[u8],
        told: &told::Told,
        path: &[u8],
        bytes: &mut dyn Read,
        visitor: &mut impl BucketVisitor,
    ) -> Result<()> {
        let (bucket, generation) = self.buckets.get(scope).ok_or_else(|| wrong(path, "its bucket has no record"))?;
        let key = ObjectKey { bucket: Cow::Borrowed(bucket), generation: *generation, object: Cow::Borrowed(key) };
        let piece = &mut self.piece;
        let given = told.give(|manifest| {
            let object = Object { key: &key, manifest, number: 0 };
            visitor.begin(&object)?;
            loop {
                let n = bytes.read(piece).map_err(|e| broken(Path::new(&*String::from_utf8_lossy(path)), e))?;
                match piece.get(..n) {
                    None | Some([]) => return visitor.end(&object),
                    Some(piece) => visitor.body(piece)?,
                }
            }
        });
        given.ok_or_else(|| wrong(path, "its last_modified is not a time that the store can have"))?
    }
}

impl<V: BucketVisitor> reading::Reader<V> for Reader {
    /// The role of the file at a path; `None`: no decode writes it. A file that may be a sidecar counts as objects: it is read in both
    /// passes.
    fn part(&self, path: &[u8]) -> Option<Part> {
        Some(match File::of(self.layout, path)? {
            File::Document(_) | File::KeyMap(_) | File::Index(_) | File::Sidecar(..) | File::Generations => {
                Part::Sidecar
            }
            File::Body(..) | File::Doubtful(..) | File::Uploads(_) => Part::Objects,
            File::Aside => Part::Aside,
        })
    }

    /// Whether a file may be a sidecar.
    fn is_doubtful(&self, path: &[u8]) -> bool {
        matches!(File::of(self.layout, path), Some(File::Doubtful(..)))
    }

    /// Reads a file about others, and passes on buckets and generations.
    ///
    /// # Errors
    /// A failed read, a file that is not what a decode writes, or the error of the visitor.
    fn sidecar(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()> {
        let folder = |scope: &str| format!("s3/{scope}").into_bytes();
        match File::of(self.layout, path) {
            Some(File::Document(scope)) => self.document(scope, path, bytes, visitor),
            Some(File::KeyMap(scope)) => self.sidecars.keymap(&folder(scope), path, bytes),
            Some(File::Index(scope)) => self.sidecars.index(&folder(scope), path, bytes),
            Some(File::Sidecar(scope, body)) => {
                self.sidecars.sidecar(&[&folder(scope), &b"/"[..], body].concat(), path, bytes)
            }
            Some(File::Doubtful(scope, body)) => {
                self.sidecars.maybe(&[&folder(scope), &b"/"[..], body].concat(), bytes)
            }
            Some(File::Generations) => generations(path, bytes, visitor),
            _ => Err(wrong(path, "it is not a sidecar file")),
        }
    }

    /// Called after all sidecars.
    ///
    /// # Errors
    /// A failed spill.
    fn settle(&mut self) -> Result<()> {
        self.sidecars.settle()
    }

    /// Passes on the objects of a file.
    ///
    /// # Errors
    /// A failed read, a file that is not what a decode writes, or the error of the visitor.
    fn objects(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()> {
        match File::of(self.layout, path) {
            Some(File::Body(scope, rest)) => {
                let told = self.sidecars.told(path)?;
                let key = match &told.key {
                    Some(key) => key.0.clone(),
                    None => self.sidecars.key(path)?.unwrap_or_else(|| rest.to_vec()),
                };
                self.object(scope, &key, &told, path, bytes, visitor)
            }
            Some(File::Doubtful(scope, _)) => match self.sidecars.key(path)? {
                Some(key) => {
                    let told = self.sidecars.told(path)?;
                    self.object(scope, &key, &told, path, bytes, visitor)
                }
                None => Ok(()),
            },
            Some(File::Uploads(scope)) => rows(scope, path, bytes, visitor),
            _ => Err(wrong(path, "no decode writes such a file")),
        }
    }

    /// Called after all files.
    ///
    /// # Errors
    /// An object that is listed and missing.
    fn finish(&self) -> Result<()> {
        self.sidecars.all_are_used()
    }
}

fn rows(scope: &str, path: &[u8], bytes: &mut dyn Read, visitor: &mut impl BucketVisitor) -> Result<()> {
    let (budget, failed) = (Budget::default(), Cell::new(None));
    let mut lines = Text::new(path, bytes).lines();
    while let Some(Row { prefix, key, value }) = lines.next(&budget, PhantomData::<Row>, &failed)? {
        let decoded = |text: &str| STANDARD.decode(text).map_err(|_| lines.wrong("it is not base64"));
        let (user_key, value) = (decoded(&key)?, decoded(&value)?);
        let family = Family::of(&user_key);
        let suffix = family.suffix(&user_key);
        let upload = match family {
            Family::S3Upload => UploadKey::parse(suffix),
            Family::S3UploadPart => PartKey::parse(suffix).map(|part| part.upload),
            Family::S3Blob => ChunkKey::parse(suffix).map(|chunk| chunk.upload),
            _ => return Err(lines.wrong("its key is not that of an upload")),
        };
        let bucket = upload.map_err(|_| lines.wrong("its key is not that of an upload"))?.object.bucket;
        if family.prefix() != prefix || folder(&bucket) != format!("s3/{scope}") {
            return Err(lines.wrong("its key does not match its path"));
        }
        visitor.upload_row(&UploadRow { family, bucket, user_key: &user_key, value: &value })?;
    }
    Ok(())
}

fn generations(path: &[u8], bytes: &mut dyn Read, visitor: &mut impl BucketVisitor) -> Result<()> {
    let (budget, failed) = (Budget::default(), Cell::new(None));
    let mut lines = Text::new(path, bytes).lines();
    while let Some(Counter { name, generation }) = lines.next(&budget, PhantomData::<Counter>, &failed)? {
        visitor.generation(&name.0, generation)?;
    }
    Ok(())
}
