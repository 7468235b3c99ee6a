//! The vocabulary of Redis warnings (`redis.md` §6, §6.1).

use crate::report::{Kind, Level};

macro_rules! warnings {
    ($($name:ident $event:literal $hint:literal;)*) => {
        $(pub(super) static $name: Kind = Kind { level: Level::Warning, event: $event, hint: $hint };)*
    };
}

warnings! {
    HASH_LENGTH "redis_hash_length_mismatch" "the meta's length, with its deltas, is not the number of fields; all fields were written";
    LIST_LENGTH "redis_list_length_mismatch" "the meta's length, with its deltas, is not the number of items; all items in bounds were written";
    SET_LENGTH "redis_set_length_mismatch" "the meta's length, with its deltas, is not the number of members; all members were written";
    ZSET_LENGTH "redis_zset_length_mismatch" "the meta's length, with its deltas, is not the number of members; all members were written";
    STREAM_LENGTH "redis_stream_length_mismatch" "the meta's length is not the number of entries; all entries were written";
    STREAM_ORPHAN "redis_stream_orphan_entries_without_meta" "the server serves no stream without its meta; --include-orphans writes the entries";
    STREAM_BLOB "redis_legacy_stream_blob" "the server never reads this old form; --include-orphans writes it";
    STREAM_ID "redis_stream_id_mismatch" "the ID inside an entry is not the one of its key; the key's was written";
    ORPHAN_TTL "redis_orphan_ttl" "TTL rows of keys that do not exist; they have no effect";
    STALE_TTL "redis_stale_ttl" "TTL rows older than the collection that now has their key; ignored, as the server does";
    LIST_BOUNDS "redis_list_bounds_mismatch" "tail is not head + length; head and length were used";
    LIST_ORPHANS "redis_list_orphan_items" "items outside the bounds of their list, or of no list; --include-orphans writes them";
    TYPE_CONFLICT "redis_type_conflict" "rows of several types under one key; the server's probe order decided, --include-orphans writes the others";
    NAN_SCORE "redis_zset_nan_score" "a score that is not a number; written as \"nan\"";
}
