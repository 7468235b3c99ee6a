//! The kinds of SQS findings (`sqs.md` §5, `rules.md` §5).

use crate::report::kinds;

kinds! {
    Warning ORPHANS "sqs_orphan_messages" "rows of a queue without a record, and no trace of its deletion (a tombstone, or a generation row)",
        unread Warning "rows of a queue whose record was not found: rows of the store are missing here, and it may be among them";
    Warning STALE "sqs_stale_generation_messages_dropped" "messages of a generation that is not the live one, and no trace of a purge (a tombstone, or a later generation row)",
        unread Warning "messages of a generation that is not the live one: rows of the store are missing here, and those that explain it may be among them";
    Warning GENERATIONS "sqs_generation_mismatch" "queue record and generation row differ, although they are written together; the record was used";
    Warning QUEUE_NAME "sqs_queue_name_mismatch" "the queue record has another name than its key; the directory has the name in the key, _queue.json the name in the record";
    Warning MESSAGE_KEY "sqs_message_key_mismatch" "queue, generation or ID of a message differ between its key and its value; those of the value were written";
    Warning BODY_MD5 "sqs_body_md5_mismatch" "the body does not have the MD5 that is stored with it; it was written unchanged";
    Note DELETED "sqs_deleted_queues" "queues that were deleted";
    Note PURGED "sqs_purged_messages" "messages that were purged, or whose queue was deleted and created again; the server will remove them";
    Note RETENTION "sqs_messages_past_retention" "messages that are older than the retention of their queue, and not removed yet; they were written";
}
