//! The encoding of a data set's columns.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::Result;
use parquet::file::metadata::SortingColumn;
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type, TypePtr};

use crate::layouts::rows::{Column, Columns, Kind, SHORT_DECIMAL};

impl Column {
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

fn group(name: &str, repetition: Repetition, fields: Vec<TypePtr>) -> Result<TypePtr> {
    Ok(Arc::new(Type::group_type_builder(name).with_repetition(repetition).with_fields(fields).build()?))
}

/// The columns of a data set, and their form in Parquet.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    pub columns: Columns,
    pub descr: SchemaDescPtr,
}

impl Schema {
    /// # Errors
    /// Columns that the format does not allow.
    pub fn new(columns: Columns) -> Result<Schema> {
        let fields = columns.all.iter().map(|column| column.node().map(Arc::new)).collect::<Result<_>>()?;
        let root = Type::group_type_builder("row").with_fields(fields).build()?;
        Ok(Schema { columns, descr: Arc::new(SchemaDescriptor::new(Arc::new(root))) })
    }

    /// The order of the rows, for the file.
    pub fn sorting(&self) -> Vec<SortingColumn> {
        let column = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: true };
        (0..self.columns.sorted as i32).map(column).collect()
    }
}
