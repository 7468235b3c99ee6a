//! Tables that fit the terminal: the first column is cut if necessary, but never numbers.

use super::out;

/// Default width: without a terminal and COLUMNS.
const DEFAULT: usize = 100;
/// Minimum width of the first column. A table that needs more is wider than the terminal.
const LEAST: usize = 20;
/// Maximum width: wider tables are hard to read.
const MOST: usize = 160;

/// Width of standard output.
pub(super) fn width() -> usize {
    let told = || std::env::var("COLUMNS").ok()?.parse().ok();
    out::columns().or_else(told).unwrap_or(DEFAULT).clamp(LEAST, MOST)
}

/// Rows of cells under headings. The first columns are text, aligned left; the others are numbers, aligned right.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    text: usize,
}

impl Table {
    /// A table with headings, or without any; the first `text` columns are text.
    pub fn new(headings: &[&str], text: usize) -> Table {
        let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
        Table { rows: if headings.is_empty() { Vec::new() } else { vec![headings] }, text }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether there are only headings.
    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// The whole table, in this width.
    pub fn render(&self, width: usize) -> String {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                let len = cell.chars().count();
                match widths.get_mut(column) {
                    Some(width) => *width = len.max(*width),
                    None => widths.push(len),
                }
            }
        }
        let others: usize = widths.iter().skip(1).map(|width| width + 2).sum();
        if let Some(first) = widths.first_mut() {
            *first = (*first).min(width.saturating_sub(others).max(LEAST));
        }
        self.rows.iter().map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            if column > 0 {
                line.push_str("  ");
            }
            let cell = fitting(cell, *width);
            line.push_str(&if column < self.text { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

/// Text that takes at most this many columns.
fn fitting(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["scope", "kind", "bytes"], 2);
        table.row(["redis/db_0".into(), "strings".into(), "12.34 GB".into()]);
        table.row(["s3/a-bucket-with-a-very-long-name".into(), "objects".into(), "1 B".into()]);
        table
    }

    #[test]
    fn the_first_column_gives_way() {
        let wide = "\
scope                              kind        bytes
redis/db_0                         strings  12.34 GB
s3/a-bucket-with-a-very-long-name  objects       1 B
";
        assert_eq!(table().render(80), wide);
        let narrow = "\
scope                  kind        bytes
redis/db_0             strings  12.34 GB
s3/a-bucket-with-a-v…  objects       1 B
";
        assert_eq!(table().render(40), narrow);
        assert!(table().render(1).lines().all(|line| line.chars().count() <= LEAST + 19), "no narrower than that");
        assert!(Table::new(&["a"], 1).is_empty());
    }
}
