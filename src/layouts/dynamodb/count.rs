//! Counts of what was written.

use super::findings;
use super::render::ItemRenderer;
use crate::format::adapter;
use crate::model::dynamodb::{Item, Table};
use crate::output::split::SplitOutput;
use crate::report::Finding;

/// What was written of one scope and is not in the tally yet: scopes change rarely.
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
        if (self.kind, self.scope.as_str()) != (kind, scope) {
            self.flush(out);
            (self.scope, self.kind) = (scope.to_owned(), kind);
        }
        self.objects += 1;
        self.bytes += bytes;
    }

    /// Hands over what was counted.
    pub fn flush(&mut self, out: &mut SplitOutput<'_>) {
        let count = std::mem::take(self);
        if count.objects > 0 {
            out.tally.add(adapter::DYNAMODB, &count.scope, count.kind, count.objects, count.bytes);
        }
    }
}

/// Warns about values that the renderer had to make up.
pub fn note_untyped(renderer: &mut ItemRenderer<'_>, out: &mut SplitOutput<'_>, table: &Table, item: &Item<'_>) {
    let values = renderer.take_untyped();
    if values > 0 {
        let finding = Finding::new(&findings::UNTYPED).with("table", table.name.as_slice()).with("values", values);
        out.findings.add(finding.with("key", item.row_key));
    }
}
