//! Flags of `decode` that change the bytes of its output. `plan` has them too.

use super::filter::Choice;
use super::{out, parse};
use crate::decode::{Layout, Options};
use crate::error::Result;

/// What is written of a snapshot, and how.
#[derive(Debug, Clone, clap::Args)]
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Recipe {
    /// tree (default), jsonl (lines), parquet or aws-export
    #[arg(long, value_name = "LAYOUT", hide_default_value = true, default_value = "tree", value_parser = parse::layouts(),
          hide_possible_values = true)]
    pub layout: String,

    /// With jsonl: also schema.json and scripts that load the lines.
    #[arg(long)]
    pub loaders: bool,

    /// Cut jsonl at so many bytes (no default); parquet: 256MiB; aws-export: 64MiB
    #[arg(long, value_name = "SIZE", value_parser = parse::size, hide_short_help = true)]
    pub part_size: Option<u64>,

    /// State at this commit timestamp (HLC) or date + 10 s
    #[arg(long, value_name = "HLC|DATE", value_parser = parse::hlc)]
    as_of: Option<u64>,

    /// With jsonl (not in plans) or aws-export: what changed since this HLC or date + 10 s
    #[arg(long, value_name = "HLC|DATE", value_parser = parse::hlc, hide_short_help = true)]
    pub since: Option<u64>,

    /// Copied to MANIFEST.json.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    cluster_id: String,

    /// Also write what the server cannot reach, below _orphans/.
    #[arg(long, help_heading = "Extra or hidden data")]
    pub include_orphans: bool,

    /// Also write records of unfinished S3 uploads.
    #[arg(long, help_heading = "Extra or hidden data")]
    pub include_incomplete_uploads: bool,

    /// Also write SQS bookkeeping rows.
    #[arg(long, help_heading = "Extra or hidden data")]
    pub include_sqs_side_records: bool,

    /// Keep visibility times and receive counts of messages.
    #[arg(long, help_heading = "Extra or hidden data")]
    preserve_sqs_visibility: bool,

    /// Also write all that a restore needs.
    #[arg(long, conflicts_with = "include_orphans", help_heading = "Extra or hidden data")]
    pub for_restore: bool,

    /// Rename S3 keys that end in .elastickv-meta.json.
    #[arg(long, help_heading = "Extra or hidden data")]
    rename_collisions: bool,

    /// per-item, or jsonl: many items in a file.
    #[arg(long, value_name = "MODE", default_value = "per-item", value_parser = ["per-item", "jsonl"],
          hide_possible_values = true, help_heading = "Extra or hidden data")]
    dynamodb_bundle_mode: String,

    /// Size of such a file: K, M, G, KiB, MB, ….
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse::size,
          help_heading = "Extra or hidden data")]
    dynamodb_bundle_size: u64,
}

impl Recipe {
    /// The options that the flags ask for.
    pub fn options(&self, choice: &Choice) -> Result<Options> {
        let options = Options {
            adapters: choice.adapters(),
            as_of: self.as_of,
            since: self.since,
            cluster_id: self.cluster_id.clone(),
            include_orphans: self.include_orphans,
            include_incomplete_uploads: self.include_incomplete_uploads,
            preserve_sqs_visibility: self.preserve_sqs_visibility,
            include_sqs_side_records: self.include_sqs_side_records,
            rename_s3_collisions: self.rename_collisions,
            drop_expired: choice.drop_expired,
            dynamodb_bundle: (self.dynamodb_bundle_mode == "jsonl").then_some(self.dynamodb_bundle_size),
            layout: layout(&self.layout)?,
            loaders: self.loaders,
            part_size: self.part_size,
            filter: choice.filter(),
            ..Options::default()
        };
        Ok(if self.for_restore { options.for_restore() } else { options })
    }
}

/// A layout by its name, if this program was built with it.
pub(super) fn layout(name: &str) -> Result<Layout> {
    Layout::named(name).ok_or_else(|| out::missing_feature(&format!("--layout {name}")))
}
