//! What stands beside lines for those who load them: a schema of every kind of line, and scripts for DuckDB, polars and pandas
//! (`docs/ANALYSIS.md`). The files are the same in every output.

/// The schema of lines: a JSON Schema for each kind, and which files have which kind.
pub const SCHEMA: &str = include_str!("schema.json");

/// Files below the root: names and contents.
pub const FILES: [(&str, &str); 3] = [
    ("load.duckdb.sql", include_str!("load.duckdb.sql")),
    ("load_lines.py", include_str!("load_lines.py")),
    ("schema.json", SCHEMA),
];

/// Whether a file is one of them.
pub fn is_one(path: &[u8]) -> bool {
    FILES.iter().any(|(name, _)| path == name.as_bytes())
}
