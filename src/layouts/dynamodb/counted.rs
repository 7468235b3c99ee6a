//! How items are counted.

use crate::layouts::counted::{Counts, FileCount, in_file, in_folder};

/// Items, in separate files or in lines.
#[derive(Debug)]
pub struct Items;

impl Counts for Items {
    fn kinds(&self) -> &'static [&'static str] {
        &["items"]
    }

    fn file<'p>(&self, below: &'p [u8]) -> Option<FileCount<'p>> {
        let Some((table, rest)) = in_folder(below) else {
            return in_file(below).map(|table| FileCount::lines(table, "items"));
        };
        let name = rest.strip_prefix(b"items/")?;
        let is_bundle = name.starts_with(b"data-") && name.ends_with(b".jsonl");
        Some(if is_bundle { FileCount::lines(table, "items") } else { FileCount::file(table, "items") })
    }
}
