//! The kinds of Redis findings (`redis.md` §6).

use crate::report::kinds;

kinds! {
    Warning HASH_LENGTH "redis_hash_length_mismatch" "the meta's length, with its deltas, is not the number of fields; all fields were written";
    Warning LIST_LENGTH "redis_list_length_mismatch" "the meta's length, with its deltas, is not the number of items; all items in bounds were written";
    Warning SET_LENGTH "redis_set_length_mismatch" "the meta's length, with its deltas, is not the number of members; all members were written";
    Warning ZSET_LENGTH "redis_zset_length_mismatch" "the meta's length, with its deltas, is not the number of members; all members were written";
    Warning STREAM_LENGTH "redis_stream_length_mismatch" "the meta's length is not the number of entries; all entries were written";
    Warning STREAM_ORPHAN "redis_stream_orphan_entries_without_meta" "the server serves no stream without its meta";
    Warning STREAM_BLOB "redis_legacy_stream_blob" "the server never reads this old form and answers with an empty stream";
    Warning STREAM_ID "redis_stream_id_mismatch" "the ID inside an entry is not the one of its key; the key's was written";
    Warning ORPHAN_TTL "redis_orphan_ttl" "TTL rows of keys that do not exist; they have no effect";
    Warning PLANTED "redis_unreadable_auxiliary_rows" "index, delta, claim or score rows that cannot be parsed, as a client can write under internal names; ignored, but the server may answer with errors for their keys";
    Warning LIST_BOUNDS "redis_list_bounds_mismatch" "tail is not head + length; head and length were used";
    Warning LIST_ORPHANS "redis_list_orphan_items" "items outside the bounds of their list, or of no list";
    Warning TYPE_CONFLICT "redis_type_conflict" "rows of several types under one key; the server's probe order decided";
    Warning NAN_SCORE "redis_zset_nan_score" "a score that is not a number; written as \"nan\"";
}
