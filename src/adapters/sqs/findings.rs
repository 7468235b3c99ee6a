//! The kinds of SQS findings (`sqs.md` §5, `rules.md` §5).

use crate::report::kinds;

kinds! {
    Warning ORPHANS "sqs_orphan_messages" "rows of a queue without its record, and no tombstone or later generation row that tells it was deleted";
    Warning STALE "sqs_stale_generation_messages_dropped" "messages of a generation that is not the live one, and no tombstone or later generation row that tells it was purged";
    Warning GENERATIONS "sqs_generation_mismatch" "queue record and generation row differ, although they are written together; the record counts";
    Warning QUEUE_NAME "sqs_queue_name_mismatch" "the name in the queue record is not the one of its key; the directory has the key's, _queue.json the record's";
    Warning MESSAGE_KEY "sqs_message_key_mismatch" "a message is not what its key says; it was written as its value has it";
    Warning BODY_MD5 "sqs_body_md5_mismatch" "the body does not have the MD5 stored beside it; it was written as it is";
    Note DELETED "sqs_deleted_queues" "queues that were deleted";
    Note PURGED "sqs_purged_messages" "messages that were purged, or whose queue was deleted and made again, and wait for the reaper";
    Note RETENTION "sqs_messages_past_retention" "messages older than their queue keeps them, not yet reaped; they were written";
}
