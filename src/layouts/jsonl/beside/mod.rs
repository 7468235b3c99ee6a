//! Files for programs that load the lines: a schema of every kind of line, and scripts for DuckDB, polars and pandas (`docs/ANALYSIS.md`).
//! They are the same in every output.

/// The schema of lines: a JSON Schema for each kind, and the kind of lines of each file.
pub const SCHEMA: &str = include_str!("schema.json");

/// Files below the root: names and contents.
pub const FILES: [(&str, &str); 3] = [
    ("load.duckdb.sql", include_str!("load.duckdb.sql")),
    ("load_lines.py", include_str!("load_lines.py")),
    ("schema.json", SCHEMA),
];

/// Whether a path is one of these files.
pub fn is_one(path: &[u8]) -> bool {
    FILES.iter().any(|(name, _)| path == name.as_bytes())
}
