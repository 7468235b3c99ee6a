//! The kinds of file-system findings (`docs/format/fs.md` §7).

use crate::report::kinds;

kinds! {
    Warning NO_ROOT "fs_no_root" "the root directory is in no input: the other groups' snapshots may be missing";
    Warning DANGLING "fs_dangling" "a name whose inode is in no input; there is no file for it";
    Warning CYCLE "fs_cycle" "a second name of a directory; it was not entered again";
    Warning LOST "fs_lost_inode" "a file or directory that no name leads to; written below fs/lost+found";
    Warning UNREACHABLE "fs_unreachable_entries" "names in something that is no directory, or in no input; written below fs/lost+found";
    Warning UNLINKED "fs_unlinked_but_named" "a name leads to an inode that is marked as deleted; its data may be incomplete";
    Warning BAD_NAME "fs_bad_name" "a name that the server never makes: empty, a dot segment, or with a slash or NUL";
    Warning NLINK "fs_nlink_mismatch" "the number of links is not that of the names or child directories";
    Warning TYPE "fs_type_mismatch" "a name tells another type than its inode; the inode counts";
    Warning INODE_KEY "fs_ino_key_mismatch" "an inode tells another number than its key; the key counts";
    Warning HOME_MISSING "fs_home_missing" "an inode without home: it can be read, not written";
    Warning HOME_STALE "fs_home_stale" "home and inode disagree: it can be read, not written; the inode counts";
    Warning FOREIGN_CHUNK "fs_foreign_home_chunk" "chunks at another home than their inode's, and no move that explains them; left out";
    Warning ORPHAN_CHUNK "fs_orphan_chunk" "chunks of an inode that is in no input; left out";
    Warning OVER_SIZE "fs_chunk_over_size" "a chunk is longer than the chunk size of its inode; the surplus was left out";
    Warning BAD_KEY "fs_bad_key" "a malformed key; the server ignores such a row";
    Warning BAD_JSON "fs_bad_json" "a value that cannot be read, in a row that no file or directory needs";
    Warning USAGE "fs_usage_mismatch" "the server's counters are not what is there";
    Note UNKNOWN_TYPE "fs_unknown_type" "an inode of another type than file and directory; a file to the server";
    Note ORPHAN "fs_orphan" "deleted, but still open or not freed yet";
    Note BEYOND_EOF "fs_beyond_eof" "data behind the end of a file, left from before it shrank; left out";
    Note MOVED_CHUNK "fs_moved_chunk" "chunks at the other home of a file that is being moved; left out";
    Note INTENT_PENDING "fs_intent_pending" "something about to be created or deleted; it has not happened";
    Note MOVE_PENDING "fs_move_pending" "a file that is being moved to another group; read where its inode says";
}
