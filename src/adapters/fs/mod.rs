//! The file system: inodes, directory entries and chunks (`docs/format/fs.md` §3 to §5).
//!
//! 1. A census of all directory entries finds inodes with several names, and names in inodes that are not directories
//!    ([`Census`]).
//! 2. A walk goes through the directories depth first, in one thread ([`Walk`]). The code that drives it hands its results to
//!    other threads, which read the contents ([`Extents`]): the chunks of a file are a range of keys.
//! 3. Inodes that the walk did not reach are lost, or deleted and not freed yet ([`Unreached`]). Lost ones are walked too.
//! 4. Rows that no client sees, and chunks that no file needs, are read, counted and explained ([`InternalRows`], [`Chunks`]).
//!
//! A walk has no splits: the path of a directory is known only when it is reached.

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

/// What every pass over the file system needs.
#[derive(Clone, Copy)]
pub struct Inputs<'r, 'a> {
    /// The rows.
    pub set: &'r DataSet<'a>,
    /// Which paths are wanted.
    pub filter: &'r Filter,
    /// Where temporary files go.
    pub scratch: &'r dyn Scratch,
    /// Is notified about the progress.
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
