//! Reads Redis keys of an output back as objects.
//!
//! In a tree the name of a file gives the key, unless the name is a hash: then KEYMAP.jsonl has the key. Expiries of strings are in
//! separate files. Both are read first, into tables on disk.

mod entries;
mod object;
mod sidecars;

use std::cell::Cell;
use std::io::Read;
use std::path::Path;

pub(in crate::layouts) use entries::{Line, Read as StreamLine, give_entry};
pub(in crate::layouts) use object::{Named, Object};
pub(in crate::layouts) use sidecars::Sidecars;

use super::paths::{self, File};
use crate::error::{Error, Result};
use crate::layouts::reading::{self, Budget, Lines, Part, Text, wrong};
use crate::layouts::{jsonl, tree};
use crate::model::redis::{Key, Standing, Type, Visitor};
use crate::options::Layout;

/// Reads the keys of one output.
pub struct Reader {
    layout: Layout,
    sidecars: Sidecars,
    /// The stream whose lines continue in the next part.
    stream: Option<Vec<u8>>,
}

/// State that reading shares across all files of a session.
pub(in crate::layouts) struct Session<'s, V> {
    pub visitor: &'s mut V,
    pub sidecars: &'s Sidecars,
    pub stream: &'s mut Option<Vec<u8>>,
    pub held: Held<'s>,
}

/// Keeps the visitor's error while a parser unwinds, and the memory budget of a parser.
#[derive(Clone, Copy)]
pub(in crate::layouts) struct Held<'s> {
    pub budget: &'s Budget,
    pub failed: &'s Cell<Option<Error>>,
}

impl Held<'_> {
    /// Keeps the error of a visitor. The parser gets an error of its own.
    pub fn keep<T, E: serde::de::Error>(self, given: Result<T>) -> std::result::Result<T, E> {
        given.map_err(|error| {
            self.failed.set(Some(error));
            E::custom("an object was not taken")
        })
    }
}

impl Reader {
    /// Reads an output of some layout; tables go to the file system of `scratch`.
    pub fn new(layout: Layout, scratch: &Path) -> Reader {
        Reader { layout, sidecars: Sidecars::new(scratch), stream: None }
    }
}

impl<V: Visitor> reading::Reader<V> for Reader {
    /// What the file at a path is; `None`: no decode writes it.
    fn part(&self, path: &[u8]) -> Option<Part> {
        Some(match File::of(self.layout, path)? {
            File::Key(..) | File::Keys(_) => Part::Objects,
            File::Expiries(_) | File::KeyMap | File::Bare => Part::Sidecar,
            File::Aside => Part::Aside,
        })
    }

    /// Reads a sidecar.
    ///
    /// # Errors
    /// A failed read, or a file that is not what a decode writes.
    fn sidecar(&mut self, path: &[u8], bytes: &mut dyn Read, _: &mut V) -> Result<()> {
        match File::of(self.layout, path) {
            Some(file) => self.sidecars.read(file, path, bytes),
            None => Err(wrong(path, "no decode writes such a file")),
        }
    }

    /// Completes the tables after all sidecars were read.
    ///
    /// # Errors
    /// A failed spill.
    fn settle(&mut self) -> Result<()> {
        self.sidecars.settle()
    }

    /// Gives the objects of a file. The expiry of a collection comes after its elements: the key does not have it before [`Visitor::end`].
    /// After an error, the caller must discard what was given.
    ///
    /// # Errors
    /// A failed read, a file that no decode writes, and the error of the visitor.
    fn objects(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()> {
        let (budget, failed) = (Budget::default(), Cell::new(None));
        let held = Held { budget: &budget, failed: &failed };
        let mut session = Session { visitor, sidecars: &self.sidecars, stream: &mut self.stream, held };
        match File::of(self.layout, path) {
            Some(File::Key(kind, segment)) => tree::redis::read::key(&mut session, kind, segment, path, bytes),
            Some(File::Keys(Type::Stream)) => {
                jsonl::redis::read::streams(&mut session, &mut Text::new(path, bytes).lines())
            }
            _ => Err(wrong(path, "no decode writes such a file")),
        }
    }

    /// Lines of streams are not objects of their own: those of one stream follow each other, also from part to part.
    fn begin_lines(&mut self, path: &[u8], _: &mut V) -> Result<bool> {
        Ok(matches!(File::of(self.layout, path), Some(File::Keys(kind)) if kind != Type::Stream))
    }

    /// Gives the keys of some lines.
    ///
    /// # Errors
    /// Lines that no decode writes, and the error of the visitor.
    fn lines(&self, path: &[u8], lines: &mut Lines<'_>, visitor: &mut V) -> Result<()> {
        let Some(File::Keys(kind)) = File::of(self.layout, path) else {
            return Err(wrong(path, "no decode writes such a file"));
        };
        let (budget, failed) = (Budget::default(), Cell::new(None));
        let held = Held { budget: &budget, failed: &failed };
        let session = &mut Session { visitor, sidecars: &self.sidecars, stream: &mut None, held };
        jsonl::redis::read::keys(session, kind, lines)
    }

    /// Checks the end, after all files were read.
    ///
    /// # Errors
    /// A stream without an end; an expiry of a string that does not exist.
    fn finish(&self) -> Result<()> {
        if self.stream.is_some() {
            return Err(wrong(
                paths::file_of_lines(Type::Stream).as_bytes(),
                "the last stream has no line that ends it",
            ));
        }
        self.sidecars.all_are_used()
    }
}

/// A key that the server serves.
pub(in crate::layouts) fn served(name: &[u8], kind: Type, expire_at_ms: Option<u64>) -> Key<'_> {
    Key { name, kind, expire_at_ms, standing: Standing::Served, bare: false }
}
