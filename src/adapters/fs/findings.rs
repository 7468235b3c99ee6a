//! The kinds of file-system findings (`docs/format/fs.md` §7).

use crate::report::kinds;

kinds! {
    Warning NO_ROOT "fs_no_root" "no input has the root directory: snapshots of other groups may be missing";
    Warning DANGLING "fs_dangling" "no input has the inode of this name; no file was written for it";
    Warning CYCLE "fs_cycle" "a second name of a directory; the directory was not read again";
    Warning LOST "fs_lost_inode" "a file or directory without a name; written below fs/lost+found";
    Warning UNREACHABLE "fs_unreachable_entries" "names in a parent that is not a directory, or that no input has; written below fs/lost+found";
    Warning UNLINKED "fs_unlinked_but_named" "a name of an inode that is marked as deleted; its data may be incomplete";
    Warning BAD_NAME "fs_bad_name" "a name that the server never creates: empty, . or .., or with a slash or NUL";
    Warning NLINK "fs_nlink_mismatch" "the number of links is not the number of names or child directories";
    Warning TYPE "fs_type_mismatch" "a name has another type than its inode; the type of the inode was used";
    Warning INODE_KEY "fs_ino_key_mismatch" "an inode has another number than its key; the number in the key was used";
    Warning HOME_MISSING "fs_home_missing" "an inode without a home row: the server can read it, but not write it";
    Warning HOME_STALE "fs_home_stale" "home row and inode differ: the server can read the file, but not write it; the inode was used";
    Warning FOREIGN_CHUNK "fs_foreign_home_chunk" "chunks at another home than that of their inode, and no move explains them; left out";
    Warning ORPHAN_CHUNK "fs_orphan_chunk" "chunks of an inode that no input has; left out";
    Warning OVER_SIZE "fs_chunk_over_size" "a chunk is longer than the chunk size of its inode; the excess bytes were left out";
    Warning BAD_KEY "fs_bad_key" "a malformed key; the server ignores such a row";
    Warning BAD_JSON "fs_bad_json" "a value that cannot be read, in a row that no file or directory needs";
    Warning USAGE "fs_usage_mismatch" "the usage counters of the server do not match the files";
    Note UNKNOWN_TYPE "fs_unknown_type" "an inode that is neither file nor directory; the server treats it as a file";
    Note ORPHAN "fs_orphan" "deleted, but still open or not freed yet";
    Note BEYOND_EOF "fs_beyond_eof" "data after the end of a file, from before it shrank; left out";
    Note MOVED_CHUNK "fs_moved_chunk" "chunks at the other home of a file that is being moved; left out";
    Note INTENT_PENDING "fs_intent_pending" "a file was about to be created or deleted; it had not happened yet";
    Note MOVE_PENDING "fs_move_pending" "a file that is being moved to another group; it was read at the home that its inode names";
}
