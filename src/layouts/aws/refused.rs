//! What AWS rejects: a line for each table and item in `dynamodb/TABLE/refused.jsonl`, and a warning.

use crate::error::Result;
use crate::format::adapter;
use crate::format::dynamodb::{KeyValue, PrimaryKey};
use crate::model::dynamodb::Table;
use crate::options::typed_name;
use crate::output::nested::Nested;
use crate::output::split::{SpillWriter, SplitOutput};
use crate::report::{Finding, kinds};

kinds! {
    Warning REFUSED "aws_refused" "DynamoDB of AWS does not accept this: it is in refused.jsonl of its table, and not in the export";
}

/// The kind under which such items are counted.
pub(super) const KIND: &str = "refused";

/// The file of a table.
pub(super) fn path(dir: &str) -> String {
    format!("{dir}/refused.jsonl")
}

/// Reports a table.
pub(super) fn table(table: &Table, dir: &str, why: &str, out: &mut SplitOutput<'_>) {
    let name = typed_name(adapter::DYNAMODB, &[&table.name]);
    let mut line = Vec::new();
    Nested::<false>::new(&mut line).object(|w| {
        w.text_member("key", &name);
        w.text_member("why", why);
    });
    line.push(b'\n');
    out.lines(&path(dir)).extend_from_slice(&line);
    tell(name, why, out);
}

/// Reports an item and writes its line; returns the bytes of the line. `rest` appends the members after the reason.
///
/// # Errors
/// A failed write.
pub(super) fn item(
    (table, dir): (&Table, &str),
    key: &PrimaryKey<'_>,
    why: &str,
    out: &mut SplitOutput<'_>,
    rest: impl FnOnce(&mut Nested<'_, false, SpillWriter<'_>>),
) -> Result<u64> {
    let parts = [Some(&table.name[..]), Some(key.hash.raw()), key.range.map(KeyValue::raw)];
    let name = typed_name(adapter::DYNAMODB, &parts.into_iter().flatten().collect::<Vec<_>>());
    let log = out.log(&path(dir));
    let mut line = out.grow_log(log);
    Nested::<false, _>::new(&mut line).object(|w| {
        w.text_member("key", &name);
        w.text_member("why", why);
        rest(w);
    });
    line.buffer.push(b'\n');
    tell(name, why, out);
    out.finish(line)
}

fn tell(name: String, why: &str, out: &mut SplitOutput<'_>) {
    out.findings.add(Finding::new(&REFUSED).with("key", name).with("why", why));
}
