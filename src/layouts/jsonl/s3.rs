//! S3 as lines (`docs/format/rules.md` §6): the bodies as in a tree, and a line for each.
//!
//! | path below `s3/BUCKET/` | what | when |
//! |---|---|---|
//! | `_index.jsonl` | key, path and contents of the manifest, a line for each object, in key order | always, empty if there are none |

use crate::adapters::s3::Buckets;
use crate::error::Result;
use crate::format::adapter;
use crate::layouts::s3::paths::INDEX;
use crate::layouts::s3::{Body, Describe, TOGETHER, folder, render};
use crate::model::s3::Object;
use crate::options::Options;
use crate::output::split::{Collector, SplitOutput};
use crate::output::tree::Tree;

/// The file that lists the objects of a bucket.
fn index_path(bucket: &[u8]) -> String {
    format!("{}/{INDEX}", folder(bucket))
}

/// Adds lines to the indexes.
#[derive(Default)]
pub(crate) struct Lines {
    /// The buckets that got lines, in order.
    buckets: Vec<Vec<u8>>,
}

impl Describe for Lines {
    fn object(&mut self, object: &Object<'_>, body: &Body<'_>, out: &mut SplitOutput<'_>) -> Result<()> {
        let bucket = &*object.key.bucket;
        if self.buckets.last().is_none_or(|last| last.as_slice() != bucket) {
            // Buckets come one after the other: earlier ones get no more lines.
            if let Some(before) = self.buckets.last() {
                let log = out.log_in_parts(&index_path(before));
                out.complete(log);
            }
            self.buckets.push(bucket.to_vec());
        }
        let lines = out.lines_in_parts(&index_path(bucket));
        render::index_line(&object.key.object, body.name, object.manifest, lines);
        Ok(())
    }

    fn indexed(self) -> Vec<Vec<u8>> {
        self.buckets
    }
}

/// The indexes of all buckets, across splits in order.
pub(crate) struct Indexes<'b, 'a> {
    buckets: &'b Buckets<'a>,
    /// The bucket whose index is open.
    open: Option<usize>,
    /// Which buckets got lines.
    filled: Vec<bool>,
}

impl<'b, 'a> Indexes<'b, 'a> {
    /// No bucket has lines yet.
    pub fn new(buckets: &'b Buckets<'a>) -> Self {
        Indexes { buckets, open: None, filled: vec![false; buckets.len()] }
    }

    /// Notes the buckets for which the next split had lines, after these were collected.
    pub fn take(&mut self, indexed: &[Vec<u8>], collector: &mut Collector<'_>) {
        for at in indexed.iter().filter_map(|bucket| self.buckets.place(bucket)) {
            // Buckets come one after the other: earlier ones get no more lines.
            if let Some(before) = self.open.replace(at).filter(|before| *before != at) {
                collector.close(&index_path(self.buckets.name(before)));
            }
            self.filled[at] = true;
        }
    }

    /// Writes the indexes of the buckets that have a record and no objects.
    ///
    /// # Errors
    /// A failed write.
    pub fn empty<'t>(&self, options: &Options, tree: &'t Tree, collector: &mut Collector<'t>) -> Result<()> {
        let is_empty = |at: &usize| !self.filled[*at] && self.buckets.has_record(*at);
        let names = (0..self.buckets.len()).filter(is_empty).map(|at| self.buckets.name(at));
        let mut wanted = names.filter(|bucket| options.filter.takes_scope(adapter::S3, bucket)).peekable();
        while wanted.peek().is_some() {
            let mut out = SplitOutput::new(tree);
            for bucket in wanted.by_ref().take(TOGETHER) {
                let log = out.log_in_parts(&index_path(bucket));
                out.complete(log);
            }
            collector.take(out)?;
        }
        Ok(())
    }
}
