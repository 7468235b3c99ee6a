//! Data about bodies in other files: keys, and manifests.

use std::cell::Cell;
use std::io::Read;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::told::{Place, Told};
use crate::error::Result;
use crate::format::b64::URL_SAFE;
use crate::layouts::reading::{Budget, Text, wrong};
use crate::layouts::s3::names::Name;
use crate::run::table::{Filling, Table};

/// Maximum text of a file that may be a sidecar: a manifest has ten thousand parts at most.
const MOST: u64 = 16 << 20;

/// Tables of an output, by the paths of bodies.
pub(super) struct Sidecars {
    scratch: PathBuf,
    filling: Option<[Filling; 3]>,
    filled: Option<[Table; 3]>,
}

/// The tables.
const KEYS: usize = 0;
const TOLD: usize = 1;
/// Texts of files that may be sidecars.
const MAYBE: usize = 2;

/// A line of KEYMAP.jsonl.
#[derive(Deserialize)]
struct Mapped {
    encoded: String,
    original: String,
    kind: String,
}

impl Sidecars {
    pub fn new(scratch: &Path) -> Sidecars {
        Sidecars { scratch: scratch.to_path_buf(), filling: None, filled: None }
    }

    fn push(&mut self, table: usize, body: &[u8], value: &[u8]) -> Result<()> {
        let scratch = &self.scratch;
        let filling = self.filling.get_or_insert_with(|| [0; 3].map(|_| Filling::new(scratch)));
        filling[table].push(body, value)
    }

    /// Reads the key map of the bucket in `folder`. The path of a line need not be text: then it follows from key and kind.
    pub fn keymap(&mut self, folder: &[u8], path: &[u8], bytes: &mut dyn Read) -> Result<()> {
        let (budget, failed) = (Budget::default(), Cell::new(None));
        let mut lines = Text::new(path, bytes).lines();
        while let Some(line) = lines.next(&budget, PhantomData::<Mapped>, &failed)? {
            let key = URL_SAFE.decode(&line.original).map_err(|_| lines.wrong("its original is not base64url"))?;
            let names = [Name::LeafData, Name::UserData, Name::Encoded, Name::Hashed];
            let body = match line.kind.as_str() {
                "sha-fallback" => Some(line.encoded.into_bytes()),
                kind => {
                    let paths =
                        names.iter().filter(|name| name.keymap_kind() == Some(kind)).map(|name| name.path(&key));
                    paths.into_iter().find(|path| *String::from_utf8_lossy(path) == *line.encoded)
                }
            };
            let body = body.ok_or_else(|| lines.wrong("its key has another name"))?;
            self.push(KEYS, &[folder, b"/", &body].concat(), &key)?;
        }
        Ok(())
    }

    /// Reads the sidecar of a body.
    pub fn sidecar(&mut self, body: &[u8], path: &[u8], bytes: &mut dyn Read) -> Result<()> {
        let text = PhantomData::<Box<RawValue>>;
        let text = Text::new(path, bytes).document(&Budget::default(), text, &Cell::new(None))?;
        self.push(TOLD, body, text.get().as_bytes())
    }

    /// Keeps a file that may be the sidecar of a body, if its content can be that of a sidecar.
    pub fn maybe(&mut self, body: &[u8], bytes: &mut dyn Read) -> Result<()> {
        let mut text = Vec::new();
        // A read that fails will fail again when the bytes are needed.
        if bytes.take(MOST).read_to_end(&mut text).is_err() || serde_json::from_slice::<Told>(&text).is_err() {
            return Ok(());
        }
        self.push(MAYBE, body, &text)
    }

    /// Reads the index of the bucket in `folder`.
    pub fn index(&mut self, folder: &[u8], path: &[u8], bytes: &mut dyn Read) -> Result<()> {
        let (budget, failed) = (Budget::default(), Cell::new(None));
        let mut lines = Text::new(path, bytes).lines();
        while let Some(line) = lines.next(&budget, PhantomData::<Box<RawValue>>, &failed)? {
            let place: Place = serde_json::from_str(line.get()).map_err(|e| lines.wrong(e))?;
            self.push(TOLD, &[folder, b"/", &place.path.0].concat(), line.get().as_bytes())?;
        }
        Ok(())
    }

    /// Called after all of them were read.
    pub fn settle(&mut self) -> Result<()> {
        let Some([keys, told, maybe]) = self.filling.take() else { return Ok(()) };
        self.filled = Some([keys.finish()?, told.finish()?, maybe.finish()?]);
        Ok(())
    }

    fn get(&self, table: usize, body: &[u8]) -> Result<Option<Vec<u8>>> {
        self.filled.as_ref().map_or(Ok(None), |tables| tables[table].get(body))
    }

    /// The key of a body if it does not follow from its path.
    pub fn key(&self, body: &[u8]) -> Result<Option<Vec<u8>>> {
        self.get(KEYS, body)
    }

    /// The data about a body.
    pub fn told(&self, body: &[u8]) -> Result<Told> {
        let text = match self.get(TOLD, body)? {
            None => self.get(MAYBE, body)?,
            told => told,
        };
        let text = text.ok_or_else(|| wrong(body, "no sidecar file describes this object"))?;
        let told: Told =
            serde_json::from_slice(&text).map_err(|e| wrong(body, format_args!("its sidecar file: {e}")))?;
        if told.format_version.is_some_and(|version| version != 1) {
            return Err(wrong(body, "the format_version of its sidecar is not 1: a newer program wrote it"));
        }
        Ok(told)
    }

    /// Requires that every object and every name belongs to a body that was read.
    pub fn all_are_used(&self) -> Result<()> {
        let Some([keys, told, _]) = &self.filled else { return Ok(()) };
        for table in [keys, told] {
            if let Some(body) = table.unused()? {
                return Err(wrong(&body, "its sidecar file exists, but it is missing"));
            }
        }
        Ok(())
    }
}
