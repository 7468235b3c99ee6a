//! The kinds of Redis findings (`redis.md` §6).

use crate::report::kinds;

kinds! {
    Warning HASH_LENGTH "redis_hash_length_mismatch" "the meta's length, with its deltas, is not the number of fields; all fields were written";
    Warning LIST_LENGTH "redis_list_length_mismatch" "the meta's length, with its deltas, is not the number of items; all items in bounds were written";
    Warning SET_LENGTH "redis_set_length_mismatch" "the meta's length, with its deltas, is not the number of members; all members were written";
    Warning ZSET_LENGTH "redis_zset_length_mismatch" "the meta's length, with its deltas, is not the number of members; all members were written";
    Warning STREAM_LENGTH "redis_stream_length_mismatch" "the meta's length is not the number of entries; all entries were written";
    Warning STREAM_ORPHAN "redis_stream_orphan_entries_without_meta" "entries of a stream without a meta; the server does not serve them",
        unread Warning "entries of streams whose meta was not found: rows of the store are missing here, and it may be among them";
    Warning STREAM_BLOB "redis_legacy_stream_blob" "a stream in an old form; the server does not read it, and answers with an empty stream";
    Warning STREAM_ID "redis_stream_id_mismatch" "an entry has another ID than its key; the ID of the key was written";
    Warning ORPHAN_TTL "redis_orphan_ttl" "TTL rows of keys that the snapshot does not have; they have no effect",
        unread Note "TTL rows of keys that were not found: rows of the store are missing here, and the keys may be among them";
    Warning PLANTED "redis_unreadable_auxiliary_rows" "index, delta, claim or score rows that cannot be parsed: clients can write under internal names; they were ignored, but for their keys the server may answer with errors";
    Warning LIST_BOUNDS "redis_list_bounds_mismatch" "the tail of a list is not head + length; head and length were used";
    Warning LIST_ORPHANS "redis_list_orphan_items" "items outside the bounds of their list, or of no list",
        unread Warning "items outside the bounds of their list, or of a list that was not found: rows of the store are missing here, and it may be among them";
    Warning TYPE_CONFLICT "redis_type_conflict" "a key has rows of several types; the type that the server checks first was written";
    Warning NAN_SCORE "redis_zset_nan_score" "a score that is not a number; written as \"nan\"";
}
