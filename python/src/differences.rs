//! Differences of two snapshots as rows.

use ekvsnap::decode::Silent;
use ekvsnap::diff::{Change, Difference, Side, diff};
use ekvsnap::error::Result;
use ekvsnap::layouts::rows::{Cell, Columns, Kind, column};

use crate::batch::{Batches, Outlet, Wanted};
use crate::snapshot::Shared;

/// A row for each object that differs.
fn columns() -> Columns {
    let text = |name| column(name, Kind::Text);
    let columns = vec![
        text("change").repeated(),
        text("adapter").repeated(),
        text("scope").repeated(),
        text("kind").repeated(),
        column("key", Kind::Bytes),
        column("range", Kind::Bytes).or_null(),
        text("parts").repeated(),
        column("before", Kind::U64).or_null(),
        column("after", Kind::U64).or_null(),
    ];
    Columns::new(columns, 0)
}

/// Compares two snapshots, and passes on the differences.
///
/// # Errors
/// A damaged snapshot, or messages are no longer received.
pub fn differences(before: &Shared, after: &Shared, outlet: Outlet) -> Result<()> {
    let mut to = Batches::new(outlet, Wanted::Any);
    to.open(columns())?;
    let [mut a, mut b] =
        [Side::Snapshots(before.open()?.into_sources()), Side::Snapshots(after.open()?.into_sources())];
    let options = [before.options(), after.options()];
    diff([&mut a, &mut b], options.each_ref(), &Silent, &mut |difference| {
        let parts = difference.parts.join(",");
        to.add(row(difference, &parts).iter())
    })?;
    to.finish()
}

fn row<'d>(difference: &'d Difference<'_>, parts: &'d str) -> [Cell<'d>; 9] {
    let change = match difference.change {
        Change::Added => "added",
        Change::Removed => "removed",
        Change::Changed => "changed",
    };
    let text = |text: &'d str| Cell::Bytes(text.as_bytes());
    let size = |size: Option<u64>| size.map_or(Cell::Null, Cell::U64);
    [
        text(change),
        text(difference.adapter.name()),
        text(difference.scope),
        text(difference.kind),
        Cell::Bytes(difference.key),
        difference.range.map_or(Cell::Null, Cell::Bytes),
        text(parts),
        size(difference.before),
        size(difference.after),
    ]
}
