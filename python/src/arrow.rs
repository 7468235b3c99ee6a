//! Columns of the library as Arrow fields, and the builders for their cells.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMillisecondBuilder, UInt64Builder,
};
use arrow_array::{Array, ArrayRef, ListArray, StructArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use ekvsnap::Error;
use ekvsnap::layouts::rows::{Cell, Column, Kind, Pairs};

/// The schema of some columns.
pub fn schema(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| Field::new(&column.name, data_type(column.kind), column.optional);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Fields>()))
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Bytes => DataType::Binary,
        Kind::Text | Kind::Json => DataType::Utf8,
        Kind::U64 => DataType::UInt64,
        Kind::I64 => DataType::Int64,
        Kind::Millis => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        Kind::F64 => DataType::Float64,
        Kind::Bool => DataType::Boolean,
        Kind::Decimal(digits, scale) => DataType::Decimal128(digits, scale.cast_signed()),
        Kind::Pairs => DataType::List(Arc::new(element())),
    }
}

fn element() -> Field {
    Field::new("element", DataType::Struct(pair()), false)
}

fn pair() -> Fields {
    ["name", "value"].map(|name| Field::new(name, DataType::Binary, false)).to_vec().into()
}

/// Maximum bytes of an array of bytes: its offsets have 32 bits.
const MOST_BYTES: usize = i32::MAX as usize;

/// Bytes of the offsets of a name and a value, because there can be many empty ones.
const OFFSETS: usize = 2 * size_of::<i32>();

/// Values of one column.
pub enum Builder {
    Bytes(BinaryBuilder),
    Text(StringBuilder),
    U64(UInt64Builder),
    I64(Int64Builder),
    Millis(TimestampMillisecondBuilder),
    F64(Float64Builder),
    Bool(BooleanBuilder),
    Decimal(Decimal128Builder),
    Pairs(PairsBuilder),
}

impl Builder {
    pub fn new(kind: Kind) -> Builder {
        match kind {
            Kind::Bytes => Builder::Bytes(BinaryBuilder::new()),
            Kind::Text | Kind::Json => Builder::Text(StringBuilder::new()),
            Kind::U64 => Builder::U64(UInt64Builder::new()),
            Kind::I64 => Builder::I64(Int64Builder::new()),
            Kind::Millis => Builder::Millis(TimestampMillisecondBuilder::new().with_timezone("UTC")),
            Kind::F64 => Builder::F64(Float64Builder::new()),
            Kind::Bool => Builder::Bool(BooleanBuilder::new()),
            Kind::Decimal(..) => Builder::Decimal(Decimal128Builder::new().with_data_type(data_type(kind))),
            Kind::Pairs => Builder::Pairs(PairsBuilder::default()),
        }
    }

    /// Adds the value of a row. The column has room for it: see [`bytes_of`].
    ///
    /// # Errors
    /// A cell that is not of the column's kind: a bug of the library.
    pub fn push(&mut self, cell: &Cell<'_>, scratch: &mut Vec<u8>) -> Result<(), Error> {
        match (self, cell) {
            (Builder::Bytes(all), Cell::Bytes(bytes)) => all.append_value(bytes),
            (Builder::Text(all), Cell::Bytes(bytes)) => all.append_value(text(bytes)?),
            (Builder::Text(all), Cell::Rendered(rendered)) => {
                scratch.clear();
                rendered.append(scratch);
                all.append_value(text(scratch)?);
            }
            (Builder::U64(all), Cell::U64(n)) => all.append_value(*n),
            (Builder::I64(all), Cell::I64(n)) => all.append_value(*n),
            (Builder::Millis(all), Cell::I64(ms)) => all.append_value(*ms),
            (Builder::F64(all), Cell::F64(n)) => all.append_value(*n),
            (Builder::Bool(all), Cell::Bool(flag)) => all.append_value(*flag),
            (Builder::Decimal(all), Cell::Decimal(digits)) => all.append_value(*digits),
            (Builder::Pairs(all), Cell::Pairs(pairs)) => all.push(*pairs),
            (any, Cell::Null) => any.push_null()?,
            _ => return Err(Error::internal("a cell that is not of its column's kind")),
        }
        Ok(())
    }

    fn push_null(&mut self) -> Result<(), Error> {
        match self {
            Builder::Bytes(all) => all.append_null(),
            Builder::Text(all) => all.append_null(),
            Builder::U64(all) => all.append_null(),
            Builder::I64(all) => all.append_null(),
            Builder::Millis(all) => all.append_null(),
            Builder::F64(all) => all.append_null(),
            Builder::Bool(all) => all.append_null(),
            Builder::Decimal(all) => all.append_null(),
            Builder::Pairs(_) => return Err(Error::internal("pairs that are null")),
        }
        Ok(())
    }

    /// The values as an array; the builder is empty afterwards. Nothing is copied.
    ///
    /// # Errors
    /// The error of the Arrow crate.
    pub fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Builder::Bytes(all) => Arc::new(all.finish()),
            Builder::Text(all) => Arc::new(all.finish()),
            Builder::U64(all) => Arc::new(all.finish()),
            Builder::I64(all) => Arc::new(all.finish()),
            Builder::Millis(all) => Arc::new(all.finish()),
            Builder::F64(all) => Arc::new(all.finish()),
            Builder::Bool(all) => Arc::new(all.finish()),
            Builder::Decimal(all) => Arc::new(all.finish()),
            Builder::Pairs(all) => all.finish()?,
        })
    }
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::internal("text that is not UTF-8"))
}

/// Bytes that a cell adds to the array of its column that grows most.
///
/// # Errors
/// More than an array can store.
pub fn bytes_of(cell: &Cell<'_>) -> Result<usize, Error> {
    let bytes = match cell {
        Cell::Bytes(bytes) => bytes.len(),
        Cell::Rendered(rendered) => usize::try_from(rendered.len()).unwrap_or(usize::MAX),
        Cell::Pairs(pairs) => pairs.iter().map(|(name, value)| name.len() + value.len() + OFFSETS).sum(),
        _ => 0,
    };
    if bytes > MOST_BYTES {
        return Err(Error::usage(format!("a value of {bytes} bytes: an Arrow array holds at most {MOST_BYTES}")));
    }
    Ok(bytes)
}

/// Lists of pairs of names and values.
pub struct PairsBuilder {
    offsets: Vec<i32>,
    names: BinaryBuilder,
    values: BinaryBuilder,
}

impl Default for PairsBuilder {
    fn default() -> Self {
        PairsBuilder { offsets: vec![0], names: BinaryBuilder::new(), values: BinaryBuilder::new() }
    }
}

impl PairsBuilder {
    fn push(&mut self, pairs: &dyn Pairs) {
        let mut end = self.offsets.last().copied().unwrap_or(0);
        for (name, value) in pairs.iter() {
            self.names.append_value(name);
            self.values.append_value(value);
            end += 1;
        }
        self.offsets.push(end);
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        let columns: Vec<ArrayRef> = vec![Arc::new(self.names.finish()), Arc::new(self.values.finish())];
        let pairs: Arc<dyn Array> = Arc::new(StructArray::try_new(pair(), columns, None)?);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(ListArray::try_new(Arc::new(element()), offsets, pairs, None)?))
    }
}
