//! The kinds of S3 findings (`docs/format/s3.md` §7.2, `docs/format/rules.md` §5).

use crate::report::kinds;

kinds! {
    Warning ORPHAN_CHUNKS "s3_orphan_chunks" "chunks that belong to no object and to no unfinished upload",
        unread Warning "chunks whose object or upload was not found: rows of the store are missing here, and it may be among them";
    Warning STALE_OBJECTS "s3_stale_generation_objects" "objects of another generation than the bucket's";
    Warning NO_BUCKET "s3_bucket_without_record" "rows of a bucket without a record, and no trace of its deletion",
        unread Warning "rows of a bucket whose record was not found: rows of the store are missing here, and it may be among them";
    Warning ETAG "s3_etag_mismatch" "the body does not have the ETag of its manifest; it was written as it is stored";
    Warning SIZE "s3_size_mismatch" "the body does not have the length of its manifest; it was written as it is stored";
    Warning PART_SIZE "s3_part_size_mismatch" "a part does not have the length in the manifest; the first such part of each object is named";
    Warning PART_ETAG "s3_part_etag_mismatch" "a part does not have the MD5 in the manifest; the first such part of each object is named";
    Warning CHUNK_SIZE "s3_chunk_size_mismatch" "a chunk does not have the length in the manifest; the first such chunk of each object is named";
    Note EARLIER "s3_earlier_generation_objects" "left over from a bucket that was deleted, or deleted and created again";
    Note UNFINISHED "s3_unfinished_upload" "an upload in progress";
    Note GARBAGE "s3_upload_garbage" "chunks of an upload that waits for garbage collection";
    Note SUPERSEDED "s3_superseded_chunks" "chunks of earlier bodies of an object, not collected yet";
    Note PART_ROWS "s3_leftover_part_rows" "part rows of an upload that was completed or aborted";
    Note NOT_CHECKED "s3_etag_not_checkable" "the ETag is not the MD5 of the stored parts, so the body could not be compared with it";
    Note UNREFERENCED "s3_unreferenced_chunkblobs" "payloads of this node that no object refers to";
    Note NO_PAYLOAD "s3_orphan_payload_missing" "an orphan reference whose payload no input has";
}
