//! The form of logical data in files.
//!
//! Two layouts are built in; Parquet and the exports of AWS are built in with their features. A program that embeds the crate adds its own
//! with [`Layout::register`]. The writers of an adapter's objects in a layout are registered in the [registry](crate::registry).

use crate::format::{Full, slots::Slots};

/// A layout: a handle of its [`LayoutSpec`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout(u8);

/// The properties of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutSpec {
    /// Its name on the command line and in the manifest.
    pub name: &'static str,
    /// Whether many objects are in one file.
    pub is_packed: bool,
}

static BUILT_IN: &[LayoutSpec] = &[
    LayoutSpec { name: "tree", is_packed: false },
    LayoutSpec { name: "jsonl", is_packed: true },
    #[cfg(feature = "parquet")]
    LayoutSpec { name: "parquet", is_packed: true },
    #[cfg(feature = "archive")]
    LayoutSpec { name: "aws-export", is_packed: true },
];
static ADDED: Slots<LayoutSpec, 14> = Slots::new();

impl Default for Layout {
    fn default() -> Layout {
        Layout::TREE
    }
}

impl Layout {
    /// A file for each key, item and object (`tree.md`).
    pub const TREE: Layout = Layout(0);
    /// A JSONL file for each scope and type, a line for each key, item and message (`rules.md` §6).
    pub const JSONL: Layout = Layout(1);
    /// Parquet files for each scope and kind (`parquet.md`).
    #[cfg(feature = "parquet")]
    pub const PARQUET: Layout = Layout(2);
    /// DynamoDB tables as AWS exports them to S3 (`aws-export.md`).
    #[cfg(feature = "archive")]
    pub const AWS_EXPORT: Layout = Layout(if cfg!(feature = "parquet") { 3 } else { 2 });

    /// Adds a layout for the rest of the life of the process.
    ///
    /// # Errors
    /// There is no room for another one, or one of them has this name.
    pub fn register(spec: &'static LayoutSpec) -> Result<Layout, Full> {
        if Layout::named(spec.name).is_some() {
            return Err(Full);
        }
        let slot = ADDED.add(spec)?;
        u8::try_from(BUILT_IN.len() + slot).map(Layout).map_err(|_| Full)
    }

    /// All layouts: those of this crate, then those that were added.
    pub fn all() -> impl Iterator<Item = Layout> {
        (0..).zip(BUILT_IN.iter().chain(ADDED.all())).map(|(id, _)| Layout(id))
    }

    /// The layout of this name.
    pub fn named(name: &str) -> Option<Layout> {
        Layout::all().find(|layout| layout.name() == name)
    }

    /// Its specification.
    pub fn spec(self) -> &'static LayoutSpec {
        let id = usize::from(self.0);
        // A handle always has a specification.
        BUILT_IN.get(id).or_else(|| ADDED.get(id.checked_sub(BUILT_IN.len())?)).unwrap_or(&BUILT_IN[0])
    }

    /// Its name on the command line and in the manifest.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// Whether the objects of an output can be read back.
    pub fn is_read_back(self) -> bool {
        matches!(self, Layout::TREE | Layout::JSONL)
    }

    /// Whether many objects are in one file.
    pub fn is_packed(self) -> bool {
        self.spec().is_packed
    }
}
