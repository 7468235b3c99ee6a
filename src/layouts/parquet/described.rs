//! The columns of all data sets, for programs (`docs/format/parquet.md`).

use serde::Serialize;

use super::parts::VERSION;
use crate::layouts::rows::{Columns, Kind, dynamodb, fs, redis, s3, sqs};

/// A kind of data set.
#[derive(Debug, Serialize)]
pub(crate) struct Described {
    /// Adapter and kind.
    pub kind: &'static str,
    /// Its files; `*` is any text without a slash.
    pub path: &'static str,
    /// Its columns, in their order.
    pub columns: Vec<Told>,
    /// Whether attributes of a table with one type are columns before these.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub attributes_are_columns: bool,
}

/// A column.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    name: String,
    /// The type as in Parquet: the physical type, and the logical one if there is one.
    #[serde(rename = "type")]
    kind: &'static str,
    nullable: bool,
}

/// The version of the schemas, which is also in every file.
pub(crate) const SCHEMA_VERSION: &str = VERSION.1;

/// All kinds of data sets.
pub(crate) fn described() -> Vec<Described> {
    let mut all: Vec<(&'static str, &'static str, Columns)> = redis::described();
    all.push(("dynamodb/items", "dynamodb/*/part-*.parquet", dynamodb::every_table()));
    all.push(("dynamodb/orphans", "dynamodb/_orphans/*/*/part-*.parquet", dynamodb::orphans()));
    all.push(("s3/objects", "s3/*/part-*.parquet", s3::columns()));
    all.push(("sqs/messages", "sqs/*/part-*.parquet", sqs::columns()));
    all.push(("sqs/side_records", "sqs/*/side/part-*.parquet", sqs::side_columns()));
    all.push(("fs/files", "fs/files/part-*.parquet", fs::columns()));
    let told = |(kind, path, columns): (_, _, Columns)| Described {
        kind,
        path,
        columns: columns
            .all
            .iter()
            .map(|column| Told { name: column.name.clone(), kind: type_name(column.kind), nullable: column.optional })
            .collect(),
        attributes_are_columns: kind == "dynamodb/items",
    };
    all.into_iter().map(told).collect()
}

const fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Bytes => "BYTE_ARRAY",
        Kind::Text => "BYTE_ARRAY STRING",
        Kind::Json => "BYTE_ARRAY JSON",
        Kind::U64 => "INT64 INTEGER(64, unsigned)",
        Kind::I64 => "INT64",
        Kind::Millis => "INT64 TIMESTAMP(MILLIS, UTC)",
        Kind::F64 => "DOUBLE",
        Kind::Bool => "BOOLEAN",
        Kind::Decimal(..) => "DECIMAL",
        Kind::Pairs => "LIST of {name BYTE_ARRAY, value BYTE_ARRAY}",
    }
}
