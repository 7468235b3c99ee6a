//! The kinds of DynamoDB findings (`dynamodb.md` §5, `rules.md` §2 and §5).

use crate::report::kinds;

kinds! {
    Warning ORPHANS "ddb_orphan_items" "items of a table without a schema, and of a generation that no table had",
        unread Warning "items of a table whose schema was not found: rows of the store are missing here, and it may be among them";
    Warning STALE "ddb_stale_generation_items" "items of a generation that neither the table nor an earlier table of this name had",
        unread Warning "items of a generation that is not the live one: rows of the store are missing here, and those that explain it may be among them";
    Warning KEY_MISMATCH "ddb_key_mismatch" "the key of the row does not match the key attributes of the item; the item was named by its attributes";
    Warning BAD_COUNTER "ddb_generation_counter_invalid" "generation rows that cannot be read; they carry no data";
    Note DELETED "ddb_deleted_table_items" "items of deleted tables that the server has not removed yet";
    Note REPLACED "ddb_replaced_generation_items" "items of earlier generations of a table that the server has not removed yet";
    Note LONE_COUNTER "ddb_generation_without_table" "generation counters of deleted tables";
}
