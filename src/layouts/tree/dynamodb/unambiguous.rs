//! Decides which items need no check whether their file name is free.

use crate::format::dynamodb::KeyValue;
use crate::model::dynamodb::{Item, Table};

/// Whether an item's plain file name belongs to it, whatever else the table has: then it can be written at once, in any order. The others
/// are rare; they wait until all unambiguous ones are written.
///
/// An item is unambiguous when it is regular (`rules.md` §2) and its row key says the same as its attributes. So is one whose
/// number texts are not canonical, such as `0.5`, in a table of the ordered encoding: there equal numbers have one
/// row, and a string that looks like the number has a later user key, so this item comes first among the irregular
/// ones that could share its name. That does not hold beside a string that could be taken for a number.
pub(super) fn is_unambiguous(table: &Table, item: &Item<'_>) -> bool {
    let key = item.key;
    item.matches_row_key
        && (key.is_regular(&table.schema)
            || (table.is_ordered() && key.has_declared_types(&table.schema) && !key.values().any(looks_like_number)))
}

fn looks_like_number(value: KeyValue<'_>) -> bool {
    matches!(value, KeyValue::S(text) if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()))
}
