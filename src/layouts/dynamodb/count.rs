//! Counts of what was written.

use super::findings;
use super::render::ItemRenderer;
use crate::format::adapter;
use crate::model::dynamodb::{Item, Table};
use crate::output::split::SplitOutput;
use crate::report::Finding;

/// What was written of one scope and is not in the tally yet: the scope changes rarely.
#[derive(Debug, Default)]
pub struct Count {
    scope: String,
    kind: &'static str,
    objects: u64,
    bytes: u64,
}

impl Count {
    /// Counts an object.
    pub fn add(&mut self, out: &mut SplitOutput<'_>, scope: &str, kind: &'static str, bytes: u64) {
        if !self.is_of(scope, kind) {
            self.flush(out);
            self.begin(scope, kind);
        }
        self.add_one(bytes);
    }

    /// Whether it counts this scope and kind.
    pub fn is_of(&self, scope: &str, kind: &'static str) -> bool {
        (self.kind, self.scope.as_str()) == (kind, scope)
    }

    /// Begins another scope and kind.
    pub fn begin(&mut self, scope: &str, kind: &'static str) {
        *self = Count { scope: scope.to_owned(), kind, objects: 0, bytes: 0 };
    }

    /// Counts an object of that scope and kind.
    pub fn add_one(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }

    /// Returns and clears the count, if it is not empty: scope, kind, objects and bytes.
    pub fn take(&mut self) -> Option<(String, &'static str, u64, u64)> {
        let Count { scope, kind, objects, bytes } = std::mem::take(self);
        (objects > 0).then_some((scope, kind, objects, bytes))
    }

    /// Adds the count to the tally.
    pub fn flush(&mut self, out: &mut SplitOutput<'_>) {
        if let Some((scope, kind, objects, bytes)) = self.take() {
            out.tally.add(adapter::DYNAMODB, &scope, kind, objects, bytes);
        }
    }
}

/// Warns about values without a type, for which the renderer wrote a substitute.
pub fn note_untyped(renderer: &mut ItemRenderer<'_>, out: &mut SplitOutput<'_>, table: &Table, item: &Item<'_>) {
    if let Some(finding) = untyped(renderer, table, item.row_key) {
        out.findings.add(finding);
    }
}

/// The same warning, if there are such values.
pub fn untyped(renderer: &mut ItemRenderer<'_>, table: &Table, row_key: &[u8]) -> Option<Finding> {
    let values = renderer.take_untyped();
    (values > 0).then(|| {
        let finding = Finding::new(&findings::UNTYPED).with("table", table.name.as_slice()).with("values", values);
        finding.with("key", row_key)
    })
}
