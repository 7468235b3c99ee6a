//! The file system: inodes, directory entries and chunks (`docs/format/fs.md` §3 to §5).
//!
//! 1. A census of all directory entries tells which inodes have several names, and which names stand in what is no directory
//!    ([`Census`]).
//! 2. A walk goes through the directories depth first, in one thread ([`Walk`]). Whoever drives it hands what it finds to other
//!    threads, which read the contents ([`Extents`]): a file's chunks are a range of keys.
//! 3. Inodes that the walk did not reach are lost, or were deleted and not freed yet ([`Unreached`]). Lost ones are walked too.
//! 4. Rows that no client sees, and chunks that no file needs, are read, counted and explained ([`InternalRows`], [`Chunks`]).
//!
//! A walk has no splits: where a directory stands is known only when it is reached.

mod all;
mod census;
mod chunks;
pub mod encode;
mod extents;
mod findings;
mod home;
mod internal;
mod links;
mod path;
mod scan;
mod stack;
mod starts;
mod unreached;
mod usage;
mod walk;

pub use all::read_all;
pub use census::Census;
pub use chunks::Chunks;
pub use extents::{Extents, Holes, skip_content, too_large};
pub use home::{home_note, is_of_home};
pub use internal::{InternalRows, Total};
pub use links::LinkTable;
pub use path::{resolve, rows_of};
pub use unreached::{Deleted, Unreached};
pub use usage::compare_usage;
pub use walk::Walk;

use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::family::Class;
use crate::format::{Family, adapter};
use crate::options::filter::Filter;
use crate::run::{Progress, Scratch};

/// What every pass over the file system works with.
#[derive(Clone, Copy)]
pub struct Inputs<'r, 'a> {
    /// The rows.
    pub set: &'r DataSet<'a>,
    /// Which paths are wanted.
    pub filter: &'r Filter,
    /// Where what does not fit in memory goes.
    pub scratch: &'r dyn Scratch,
    /// Hears how far it is.
    pub progress: &'r dyn Progress,
}

impl Inputs<'_, '_> {
    /// Whether there is a file system.
    ///
    /// # Errors
    /// An input that changed.
    pub fn have_rows(&self) -> Result<bool> {
        let is_fs = |family: Family| family.class() == Class::Adapter(adapter::FS);
        let counted = self.set.merged_counts().families().any(|(family, count)| is_fs(family) && count.live > 0);
        Ok(counted || !self.set.made_by_intents(is_fs)?.is_empty())
    }
}
