//! Columns of a data set.

/// The kind of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of any kind.
    Bytes,
    /// Text in UTF-8.
    Text,
    /// JSON in UTF-8.
    Json,
    /// An unsigned number.
    U64,
    /// A signed number.
    I64,
    /// A time: Unix milliseconds.
    Millis,
    /// A floating-point number.
    F64,
    /// True or false.
    Bool,
    /// A number with this number of digits, and the number of those after the point.
    Decimal(u8, u8),
    /// Pairs of names and values: `list<struct<name, value>>`. It has two leaves.
    Pairs,
}

/// Digits of the decimals that are stored as numbers of 64 bits.
pub const SHORT_DECIMAL: i32 = 18;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The kind of its values.
    pub kind: Kind,
    /// Whether a row can have no value.
    pub optional: bool,
    /// Whether equal values often follow one another: each is written once, in a dictionary.
    pub repeats: bool,
}

/// A column in which every row has a value.
pub fn column(name: &str, kind: Kind) -> Column {
    Column { name: name.to_owned(), kind, optional: false, repeats: false }
}

impl Column {
    /// The same, with rows that have no value.
    #[must_use]
    pub fn or_null(self) -> Column {
        Column { optional: true, ..self }
    }

    /// The same, for values that often follow one another.
    #[must_use]
    pub fn repeated(self) -> Column {
        Column { repeats: true, ..self }
    }
}
