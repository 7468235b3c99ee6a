//! The kinds of DynamoDB findings (`dynamodb.md` §5, `rules.md` §2 and §5).

use crate::report::kinds;

kinds! {
    Warning ORPHANS "ddb_orphan_items" "items of a table that has no schema and whose generation was never handed out";
    Warning STALE "ddb_stale_generation_items" "items of a generation that is neither the live one nor explained by an earlier table of this name";
    Warning KEY_MISMATCH "ddb_key_mismatch" "the row key is not the one that the item's key attributes give; the item was named by its attributes";
    Warning BAD_COUNTER "ddb_generation_counter_invalid" "generation rows that cannot be read; they carry no data";
    Note DELETED "ddb_deleted_table_items" "items of deleted tables that the server has not removed yet";
    Note REPLACED "ddb_replaced_generation_items" "items of earlier generations of a table that the server has not removed yet";
    Note LONE_COUNTER "ddb_generation_without_table" "generation counters of deleted tables";
}
