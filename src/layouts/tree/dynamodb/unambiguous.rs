//! Decides which items need no check whether their file name is free.

use crate::format::dynamodb::KeyValue;
use crate::model::dynamodb::{Item, Table};

/// Whether an item's plain file name belongs to it, whatever else the table has: then it can be written at once, in any order. The others
/// are rare; they wait until all unambiguous ones are written.
///
/// An item is unambiguous if it is regular (`rules.md` §2) and its row key is that of its attributes. So is an item whose number texts are
/// not canonical, such as `0.5`, in a table of the ordered encoding: there equal numbers have one row, and a string that looks like the
/// number has a later user key, so this item comes first among the irregular ones that could share its name. That is not true for an item
/// with a key value that is a string and looks like a number.
pub(super) fn is_unambiguous(table: &Table, item: &Item<'_>) -> bool {
    let key = item.key;
    item.matches_row_key
        && (key.is_regular(&table.schema)
            || (table.is_ordered() && key.has_declared_types(&table.schema) && !key.values().any(looks_like_number)))
}

fn looks_like_number(value: KeyValue<'_>) -> bool {
    matches!(value, KeyValue::S(text) if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()))
}
