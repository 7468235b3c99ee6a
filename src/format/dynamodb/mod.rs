//! DynamoDB keys and values (`dynamodb.md` §1 and §2).
//!
//! | module | what it reads |
//! |---|---|
//! | [`keys`] | what follows the family prefix of a row's key, and the generation counter |
//! | [`schema`] | the value of a `!ddb\|meta\|table\|` row |
//! | [`item`] | the value of a `!ddb\|item\|` row |
//! | [`canonical`] | the same, if it has the form that the server writes |
//! | [`item_name`] | the name of an item, with names and types of its key attributes |
//! | [`number`] | the text of a number as an exact fraction: file names and equality |
//! | [`primary`] | the key attributes of an item, and their bytes in the row key |

pub mod canonical;
pub mod item;
pub mod item_name;
pub mod keys;
pub mod number;
pub mod primary;
mod ratio;
pub mod schema;
pub mod stored;
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
pub(crate) mod wire;

pub use item::{Item, Value};
pub use keys::ItemKey;
pub use primary::{KeyValue, PrimaryKey};
pub use schema::Schema;
pub use stored::StoredSchema;
