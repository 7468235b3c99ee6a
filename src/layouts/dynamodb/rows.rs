//! What a restore needs for items whose rows do not follow from their attributes: those that a migration has not copied yet, and those with
//! another row key than that of their attributes.

use sha2::{Digest as _, Sha256};

use super::paths;
use super::render::ItemRenderer;
use crate::error::Result;
use crate::format::dynamodb::keys::item_prefix_into;
use crate::format::{Family, dynamodb, hex};
use crate::model::dynamodb::{Item, StaleItem, StoredItem, Table, Visitor};
use crate::output::json::{self, Escape};
use crate::output::out::Out as _;
use crate::output::split::SplitOutput;

/// The identity of an item in its table: the SHA-256 of its packed line.
pub(super) type Digest = [u8; 32];

/// The digest of an item.
pub(super) fn digest<'a>(renderer: &mut ItemRenderer<'a>, item: dynamodb::Item<'a>) -> Digest {
    let mut line = Vec::new();
    renderer.line(item, &mut line);
    Sha256::digest(&line).into()
}

/// Passes items on, and collects a line for each of those.
pub(super) struct WithRows<'w, 'a, W> {
    pub writer: &'w mut W,
    renderer: ItemRenderer<'a>,
    prefix: Vec<u8>,
    lines: Vec<u8>,
}

impl<'w, W> WithRows<'w, '_, W> {
    pub fn new(writer: &'w mut W) -> Self {
        WithRows { writer, renderer: ItemRenderer::default(), prefix: Vec::new(), lines: Vec::new() }
    }

    /// The lines.
    pub fn finish(self) -> Vec<u8> {
        self.lines
    }
}

/// Appends the lines of a split to their file.
pub(super) fn append(lines: &[u8], out: &mut SplitOutput<'_>) {
    if !lines.is_empty() {
        out.lines(&paths::rows()).extend_from_slice(lines);
    }
}

impl<'a, W: Visitor<'a>> Visitor<'a> for WithRows<'_, 'a, W> {
    const TAKES_STORED: bool = W::TAKES_STORED;

    /// An ordinary item is of the active generation, and its row key is that of its attributes.
    #[inline]
    fn stored(&mut self, table: &Table, item: &StoredItem<'a>) -> Result<bool> {
        self.writer.stored(table, item)
    }

    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        self.prefix.clear();
        item_prefix_into(&table.encoded, table.schema.generation, &mut self.prefix);
        if !item.matches_row_key || !item.row_key.starts_with(&self.prefix) {
            self.line(table, item);
        }
        self.writer.item(table, item)
    }

    fn stale(&mut self, item: &StaleItem<'a>) -> Result<()> {
        self.writer.stale(item)
    }
}

impl<'a, W> WithRows<'_, 'a, W> {
    fn line(&mut self, table: &Table, item: &Item<'a>) {
        let Ok(key) = dynamodb::ItemKey::parse(Family::DdbItem.suffix(item.row_key)) else { return };
        let out = &mut self.lines;
        out.extend_from_slice(b"{\"name\":");
        out.bytes(&table.name, Escape::Plain);
        out.extend_from_slice(b",\"generation\":");
        json::integer(key.generation, out);
        out.extend_from_slice(b",\"key\":");
        out.bytes(key.primary, Escape::Plain);
        out.extend_from_slice(b",\"sha256\":\"");
        out.extend_from_slice(hex::text(&digest(&mut self.renderer, item.value)).as_bytes());
        out.extend_from_slice(b"\"}\n");
    }
}
