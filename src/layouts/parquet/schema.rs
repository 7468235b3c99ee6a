//! What a data set has for columns, and how they are encoded.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::Result;
use parquet::file::metadata::SortingColumn;
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type, TypePtr};

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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
    /// A moment: Unix milliseconds.
    Millis,
    /// A floating-point number.
    F64,
    /// True or false.
    Bool,
    /// A number of so many digits, and how many of them are behind the point.
    Decimal(u8, u8),
    /// Pairs of names and values: `list<struct<name, value>>`. It has two leaves.
    Pairs,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub name: String,
    pub kind: Kind,
    /// Whether a row can be without a value.
    pub optional: bool,
    /// Whether values come again and again, one behind the other: each is written once, in a dictionary.
    pub repeats: bool,
}

/// A column in which every row has a value.
pub(super) fn column(name: &str, kind: Kind) -> Column {
    Column { name: name.to_owned(), kind, optional: false, repeats: false }
}

impl Column {
    /// The same for rows without a value.
    pub fn or_null(self) -> Column {
        Column { optional: true, ..self }
    }

    /// The same for values that come again and again.
    pub fn repeated(self) -> Column {
        Column { repeats: true, ..self }
    }

    fn repetition(&self) -> Repetition {
        if self.optional { Repetition::OPTIONAL } else { Repetition::REQUIRED }
    }

    fn node(&self) -> Result<Type> {
        let leaf = |physical| Type::primitive_type_builder(&self.name, physical).with_repetition(self.repetition());
        let logical = |physical, logical| leaf(physical).with_logical_type(Some(logical)).build();
        match self.kind {
            Kind::Bytes => leaf(Physical::BYTE_ARRAY).build(),
            Kind::Text => logical(Physical::BYTE_ARRAY, LogicalType::String),
            Kind::Json => logical(Physical::BYTE_ARRAY, LogicalType::Json),
            Kind::U64 => logical(Physical::INT64, LogicalType::integer(64, false)),
            Kind::I64 => leaf(Physical::INT64).build(),
            Kind::Millis => logical(Physical::INT64, LogicalType::timestamp(true, TimeUnit::MILLIS)),
            Kind::F64 => leaf(Physical::DOUBLE).build(),
            Kind::Bool => leaf(Physical::BOOLEAN).build(),
            Kind::Decimal(precision, scale) => self.decimal(precision.into(), scale.into()),
            Kind::Pairs => self.pairs(),
        }
    }

    fn decimal(&self, precision: i32, scale: i32) -> Result<Type> {
        let physical = if precision <= SHORT_DECIMAL { Physical::INT64 } else { Physical::FIXED_LEN_BYTE_ARRAY };
        let leaf = Type::primitive_type_builder(&self.name, physical).with_repetition(self.repetition());
        let leaf = if precision <= SHORT_DECIMAL { leaf } else { leaf.with_length(16) };
        leaf.with_logical_type(Some(LogicalType::decimal(scale, precision)))
            .with_precision(precision)
            .with_scale(scale)
            .build()
    }

    /// The three levels that Parquet prescribes for a list.
    fn pairs(&self) -> Result<Type> {
        let bytes =
            |name| Type::primitive_type_builder(name, Physical::BYTE_ARRAY).with_repetition(Repetition::REQUIRED);
        let pair = [bytes("name").build()?, bytes("value").build()?].map(Arc::new).to_vec();
        let element = group("element", Repetition::REQUIRED, pair)?;
        let list = group("list", Repetition::REPEATED, vec![element])?;
        Type::group_type_builder(&self.name)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(Some(LogicalType::List))
            .with_fields(vec![list])
            .build()
    }
}

/// Digits of the decimals that are stored as numbers of 64 bits.
pub(super) const SHORT_DECIMAL: i32 = 18;

fn group(name: &str, repetition: Repetition, fields: Vec<TypePtr>) -> Result<TypePtr> {
    Ok(Arc::new(Type::group_type_builder(name).with_repetition(repetition).with_fields(fields).build()?))
}

/// The columns of a data set.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    pub columns: Arc<[Column]>,
    pub descr: SchemaDescPtr,
    /// Rows are in the order of so many first columns.
    pub sorted: usize,
}

impl Schema {
    /// A data set whose rows are in the order of its first `sorted` columns.
    ///
    /// # Errors
    /// Columns that the format does not have.
    pub fn new(columns: Vec<Column>, sorted: usize) -> Result<Schema> {
        let fields = columns.iter().map(|column| column.node().map(Arc::new)).collect::<Result<_>>()?;
        let root = Type::group_type_builder("row").with_fields(fields).build()?;
        Ok(Schema { columns: columns.into(), descr: Arc::new(SchemaDescriptor::new(Arc::new(root))), sorted })
    }

    /// The order of the rows, as the file tells it.
    pub fn sorting(&self) -> Vec<SortingColumn> {
        let column = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: true };
        (0..self.sorted as i32).map(column).collect()
    }
}
