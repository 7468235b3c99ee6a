//! Adds the flag that helps to a message. The library names no flags: an error has a [`Remedy`], a finding its event.

use std::sync::OnceLock;

use crate::error::{Error, Remedy};

const ORPHANS: &str = "--include-orphans writes what was left out";

/// The flag that helps with a finding, by its event.
const FINDINGS: [(&str, &str); 23] = [
    ("ddb_orphan_items", ORPHANS),
    ("ddb_stale_generation_items", ORPHANS),
    ("ddb_deleted_table_items", ORPHANS),
    ("ddb_replaced_generation_items", ORPHANS),
    ("redis_stream_orphan_entries_without_meta", ORPHANS),
    ("redis_legacy_stream_blob", ORPHANS),
    ("redis_list_orphan_items", ORPHANS),
    ("redis_type_conflict", ORPHANS),
    ("sqs_orphan_messages", ORPHANS),
    ("sqs_stale_generation_messages_dropped", ORPHANS),
    ("sqs_deleted_queues", ORPHANS),
    ("sqs_purged_messages", ORPHANS),
    ("fs_orphan", ORPHANS),
    ("s3_orphan_chunks", ORPHANS),
    ("s3_stale_generation_objects", ORPHANS),
    ("s3_bucket_without_record", ORPHANS),
    ("s3_earlier_generation_objects", ORPHANS),
    ("s3_upload_garbage", ORPHANS),
    ("s3_superseded_chunks", ORPHANS),
    ("s3_unfinished_upload", "--include-incomplete-uploads writes its records, --include-orphans its chunks"),
    ("load_expired", "--shift-times moves expiries with the backup"),
    ("groups_at_different_times", "decode with --as-of and the smallest of their commit timestamps"),
    ("encode_not_for_restore", "decode with --for-restore to keep them"),
];

/// The meaning of a finding, with the flag that helps.
pub(super) fn of_finding(event: &str, hint: &str) -> String {
    match FINDINGS.iter().find(|(known, _)| *known == event) {
        Some((_, flags)) => format!("{hint}; {flags}"),
        None => hint.to_owned(),
    }
}

/// What helps the command that runs if a row of a snapshot cannot be read.
static AT_DAMAGE: OnceLock<&str> = OnceLock::new();

/// Says which command runs. `on_error`: its flag of that name, if it has one.
pub(super) fn of_command(name: &str, on_error: Option<&str>) {
    let advice = match on_error {
        Some("skip") => return,
        None if name == "verify" => return,
        Some(_) => "`ekvsnap verify` lists all damage, --on-error skip reads the rest",
        None if matches!(name, "restore" | "load") => {
            "`ekvsnap verify` lists all damage; decode it with --on-error skip, and use that output"
        }
        None => "`ekvsnap verify` lists all damage",
    };
    let _ = AT_DAMAGE.set(advice);
}

/// The text of an error, with the flag that helps.
pub(super) fn of_error(error: &Error) -> String {
    let flags = match error.remedy() {
        Some(Remedy::Replace) => "--force replaces it",
        Some(Remedy::Merge) => "--merge loads into a server that is not empty",
        Some(Remedy::ForRestore) => "decode it with --for-restore",
        Some(Remedy::Lines) => "--json gives a line for each file and directory in it",
        Some(Remedy::OneKind) => {
            "--type T, --scope dynamodb:TABLE, --scope s3:BUCKET, --scope sqs:QUEUE, or --adapter fs"
        }
        Some(Remedy::SkipDamage) => "name one file and give --on-error skip, to read what can be saved of it",
        Some(Remedy::FailOnDamage) => "leave out --on-error skip",
        Some(Remedy::Keys) => "--kek FILE, with --keys-json FILE if that is elsewhere, or --dek ID=FILE",
        Some(Remedy::OlderSnapshot) => "for changes, give it with --since-snapshot",
        None => match AT_DAMAGE.get().filter(|_| error.is_damage() && error.offset().is_some_and(|at| at > 0)) {
            Some(advice) => advice,
            None => return error.to_string(),
        },
    };
    format!("{error} ({flags})")
}
