//! `ekvsnap schema`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::exit::{self, Exit};
use super::{out, parse};
use crate::error::{Error, Result};
use crate::layouts::jsonl::beside::SCHEMA;

/// Arguments of `ekvsnap schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::without_either())]
pub(super) struct Args {
    /// One kind: redis/strings, dynamodb/items, s3/objects, …; default: all
    kind: Option<String>,

    /// jsonl (JSON Schemas of lines) or parquet (columns)
    #[arg(long, value_name = "LAYOUT", default_value = "jsonl", value_parser = parse::layouts(), hide_possible_values = true)]
    layout: String,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    let kind = args.kind.as_deref();
    let text = match args.layout.as_str() {
        "jsonl" => lines(kind),
        "parquet" => parquet(kind),
        other => Err(Error::command_line(format!("files of --layout {other} have no schema: name jsonl or parquet"))),
    };
    match text {
        Ok(text) => {
            out::own(text.as_bytes());
            Exit::Fine
        }
        Err(error) => out::complain(&error),
    }
}

/// The members of the schema document that the schema of one kind needs, as they are written.
#[derive(Deserialize)]
struct Document<'d> {
    #[serde(borrow, rename = "$schema")]
    dialect: &'d RawValue,
    #[serde(borrow)]
    kinds: BTreeMap<&'d str, &'d RawValue>,
    #[serde(borrow, rename = "$defs")]
    defs: &'d RawValue,
}

fn lines(kind: Option<&str>) -> Result<String> {
    let Some(kind) = kind else { return Ok(SCHEMA.to_owned()) };
    let Document { dialect, kinds, defs } = serde_json::from_str(SCHEMA)
        .map_err(|e| Error::internal(format!("the schema of lines cannot be read: {e}")))?;
    let Some(schema) = kinds.get(kind) else { return Err(unknown(kind, kinds.into_keys())) };
    Ok(format!("{{\n  \"$schema\": {dialect},\n  \"allOf\": [\n    {schema}\n  ],\n  \"$defs\": {defs}\n}}\n"))
}

#[cfg(feature = "parquet")]
fn parquet(kind: Option<&str>) -> Result<String> {
    use crate::layouts::parquet::described::{SCHEMA_VERSION, described};

    #[derive(serde::Serialize)]
    struct Document<K> {
        schema_version: &'static str,
        kinds: K,
    }
    let mut kinds = described();
    if let Some(kind) = kind {
        let names: Vec<&str> = kinds.iter().map(|known| known.kind).collect();
        kinds.retain(|known| known.kind == kind);
        if kinds.is_empty() {
            return Err(unknown(kind, names.into_iter()));
        }
    }
    let text = serde_json::to_string_pretty(&Document { schema_version: SCHEMA_VERSION, kinds });
    text.map(|text| text + "\n").map_err(|e| Error::internal(format!("the columns cannot be written: {e}")))
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: Option<&str>) -> Result<String> {
    super::recipe::layout("parquet").map(|_| String::new())
}

fn unknown<'k>(kind: &str, known: impl Iterator<Item = &'k str>) -> Error {
    let known: Vec<&str> = known.collect();
    Error::command_line(format!("unknown kind \"{kind}\": want one of {}", known.join(", ")))
}
