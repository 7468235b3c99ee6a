//! Key families: the owner of each prefix (`container.md` §9).

use super::adapter::{self, Adapter};
use super::staged::StagedKey;

/// Where a row is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Data or metadata of a front end.
    Adapter(Adapter),
    /// Bookkeeping of the store: known, and without warnings.
    Internal,
    /// No family owns it.
    Unknown,
}

macro_rules! families {
    ($($(#[$doc:meta])* $name:ident $class:ident $($prefix:literal)+;)*) => {
        /// The family of a user key.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Family { $($(#[$doc])* $name,)* }

        impl Family {
            /// Every family.
            pub const ALL: &'static [Family] = &[$(Family::$name,)*];

            /// The bytes that its keys begin with (for the fence rows: the part that the four kinds have in common).
            #[inline]
            pub const fn prefix(self) -> &'static str {
                match self { $(Family::$name => first(&[$($prefix),+]),)* }
            }

            /// Where its rows are counted.
            pub const fn class(self) -> Class {
                match self { $(Family::$name => families!(@class $class),)* }
            }
        }

        /// Every prefix with its family; a longer prefix comes before the one it extends.
        const PREFIXES: &[(&str, Family)] = &[$($(($prefix, Family::$name),)+)*];
    };
    (@class Internal) => { Class::Internal };
    (@class Unknown) => { Class::Unknown };
    (@class $adapter:ident) => { Class::Adapter(adapter::$adapter) };
}

const fn first(prefixes: &[&'static str]) -> &'static str {
    match prefixes {
        [one] => one,
        _ => "!redis|txn-wide-",
    }
}

families! {
    /// DynamoDB index rows.
    DdbGsi DYNAMODB "!ddb|gsi|";
    /// DynamoDB items.
    DdbItem DYNAMODB "!ddb|item|";
    /// DynamoDB generation counters.
    DdbGen DYNAMODB "!ddb|meta|gen|";
    /// DynamoDB table schemas.
    DdbTable DYNAMODB "!ddb|meta|table|";
    /// Changes of the route catalog.
    DistDelta Internal "!dist|delta|";
    /// Running splits and migrations.
    DistJob Internal "!dist|job|";
    /// Finished splits and migrations.
    DistJobHistory Internal "!dist|jobhist|";
    /// Counters of the route catalog.
    DistMeta Internal "!dist|meta|";
    /// Copies of rows of another group, not yet promoted: versions of the keys after the job (`future.md` F4).
    Staged Internal "!dist|migstage|";
    /// Routes.
    DistRoute Internal "!dist|route|";
    /// Progress of a re-encryption.
    EncryptionCursor Internal "!encryption|rewrite|cursor|";
    /// Encryption bookkeeping with a timestamp (the raw writer rows are not MVCC rows).
    EncryptionWriters Internal "!encryption|writers|";
    /// Chunks of files.
    FsChunk FS "!fs|chk|";
    /// Names in directories.
    FsEntry FS "!fs|dir|";
    /// Directory versions.
    FsDirVersion FS "!fs|dirv|";
    /// Homes: where the chunks of an inode are.
    FsHome FS "!fs|home|";
    /// Files and directories.
    FsInode FS "!fs|ino|";
    /// Operations that the file system is about to do.
    FsIntent FS "!fs|intent|";
    /// Files being moved to another group.
    FsMoveJob FS "!fs|job|move|";
    /// Open files.
    FsHandle FS "!fs|ref|";
    /// Times of the last opening.
    FsHandleFence FS "!fs|reffence|";
    /// Usage: counters, and one row for the whole file system (legacy), whose key is exactly this prefix.
    FsUsage FS "!fs|usage";
    /// Hash fields.
    HashField REDIS "!hs|fld|";
    /// Hash length deltas.
    HashDelta REDIS "!hs|meta|d|";
    /// Hash metas.
    HashMeta REDIS "!hs|meta|";
    /// List POP guards.
    ListClaim REDIS "!lst|claim|";
    /// List items.
    ListItem REDIS "!lst|itm|";
    /// List deltas of newer servers; the older prefix is still read.
    ListDeltaNew REDIS "!lst|delta|";
    /// List deltas, and metas of lists whose key begins with `d|`.
    ListDelta REDIS "!lst|meta|d|";
    /// List metas.
    ListMeta REDIS "!lst|meta|";
    /// Migrations: writes are refused.
    MigFence Internal "!migfence|";
    /// Migrations: state of the receiving group, if it has a timestamp.
    MigStage Internal "!migstage|";
    /// Migrations: writes are watched.
    MigWrite Internal "!migwrite|";
    /// Hashes as one blob (legacy).
    HashBlob REDIS "!redis|hash|";
    /// HyperLogLog keys.
    Hll REDIS "!redis|hll|";
    /// Sets as one blob (legacy).
    SetBlob REDIS "!redis|set|";
    /// Streams as one blob (legacy; the server never reads them).
    StreamBlob REDIS "!redis|stream|";
    /// Strings.
    Str REDIS "!redis|str|";
    /// TTL scan index.
    Ttl REDIS "!redis|ttl|";
    /// Conflict fences: no data.
    Fence Internal "!redis|txn-wide-hash|" "!redis|txn-wide-list|" "!redis|txn-wide-set|" "!redis|txn-wide-zset|";
    /// Sorted sets as one blob (legacy, still written).
    ZsetBlob REDIS "!redis|zset|";
    /// S3 routing.
    S3Route Internal "!s3route|";
    /// S3 inline chunks.
    S3Blob S3 "!s3|blob|";
    /// S3 bucket generation counters.
    S3BucketGen S3 "!s3|bucket|gen|";
    /// S3 bucket records.
    S3BucketMeta S3 "!s3|bucket|meta|";
    /// S3 content-addressed chunks.
    S3ChunkBlob S3 "!s3|chunkblob|";
    /// S3 content-addressed chunks that wait for garbage collection.
    S3ChunkBlobQueue Internal "!s3|chunkblob-gc-queue|";
    /// S3 references to content-addressed chunks.
    S3ChunkRef S3 "!s3|chunkref|";
    /// S3 counts of references to content-addressed chunks.
    S3ChunkRefCount Internal "!s3|chunkref-rc|";
    /// S3 uploads waiting for garbage collection.
    S3GcUpload S3 "!s3|gc|upload|";
    /// S3 object manifests.
    S3Object S3 "!s3|obj|head|";
    /// S3 unfinished uploads.
    S3Upload S3 "!s3|upload|meta|";
    /// S3 parts of unfinished uploads.
    S3UploadPart S3 "!s3|upload|part|";
    /// SQS messages by age.
    SqsByAge SQS "!sqs|msg|byage|";
    /// SQS messages.
    SqsData SQS "!sqs|msg|data|";
    /// SQS deduplication records.
    SqsDedup SQS "!sqs|msg|dedup|";
    /// SQS message group locks.
    SqsGroup SQS "!sqs|msg|group|";
    /// SQS messages by visibility.
    SqsVis SQS "!sqs|msg|vis|";
    /// SQS queue generations.
    SqsGen SQS "!sqs|queue|gen|";
    /// SQS queue records.
    SqsQueue SQS "!sqs|queue|meta|";
    /// SQS FIFO sequence counters.
    SqsSeq SQS "!sqs|queue|seq|";
    /// SQS tombstones of purged and deleted generations.
    SqsTombstone SQS "!sqs|queue|tombstone|";
    /// Stream entries.
    StreamEntry REDIS "!stream|entry|";
    /// Stream metas.
    StreamMeta REDIS "!stream|meta|";
    /// Set members.
    SetMember REDIS "!st|mem|";
    /// Set length deltas.
    SetDelta REDIS "!st|meta|d|";
    /// Set metas.
    SetMeta REDIS "!st|meta|";
    /// Transaction outcomes: committed.
    TxnCommit Internal "!txn|cmt|";
    /// Values of prepared transactions.
    TxnIntent Internal "!txn|int|";
    /// Locks of prepared transactions.
    TxnLock Internal "!txn|lock|";
    /// Transaction records of the Raft log, normally not stored.
    TxnMeta Internal "!txn|meta|";
    /// Transaction outcomes: committed, as recorded for a key that was locked.
    TxnOk Internal "!txn|ok|";
    /// Transaction outcomes: rolled back.
    TxnRollback Internal "!txn|rb|";
    /// Sorted-set members with their scores.
    ZsetMember REDIS "!zs|mem|";
    /// Sorted-set length deltas.
    ZsetDelta REDIS "!zs|meta|d|";
    /// Sorted-set metas.
    ZsetMeta REDIS "!zs|meta|";
    /// Sorted-set score index: redundant.
    ZsetScore REDIS "!zs|scr|";
    /// Keys without a prefix: strings from before the prefixes, and rows of the raw key-value interface.
    Bare REDIS "";
    /// `!word|…` rows that no family owns.
    Unknown Unknown "!";
}

impl Family {
    /// The family of `user_key`: the longest prefix wins.
    pub fn of(user_key: &[u8]) -> Family {
        if user_key.first() != Some(&b'!') {
            return Family::Bare;
        }
        let known = PREFIXES.iter().filter(|(p, _)| p.len() > 1);
        let second = user_key.get(1);
        for (prefix, family) in known {
            // Most prefixes differ in their second byte: then the rest need not be compared.
            if prefix.as_bytes().get(1) == second && user_key.starts_with(prefix.as_bytes()) {
                // A key that only begins like a staged key does not belong to a known kind.
                let shaped = *family != Family::Staged || StagedKey::parse(user_key).is_some();
                return if shaped { *family } else { Family::Unknown };
            }
        }
        let word = word_prefix(user_key);
        if word.is_none() || user_key.starts_with(b"!stream|") { Family::Bare } else { Family::Unknown }
    }

    /// Whether keys have the user key after its length, so that they sort by `(length, key)`.
    pub const fn is_len_prefixed(self) -> bool {
        use Family::*;
        matches!(
            self,
            HashField
                | HashDelta
                | HashMeta
                | ListClaim
                | ListDelta
                | ListDeltaNew
                | SetMember
                | SetDelta
                | SetMeta
                | ZsetMember
                | ZsetDelta
                | ZsetMeta
                | ZsetScore
                | StreamEntry
                | StreamMeta
        )
    }

    /// Whether its rows only index, count or guard rows of other families. A client can write any bytes under such a name (`redis.md`
    /// §3.4), so a row that cannot be parsed is not damage.
    pub const fn is_auxiliary(self) -> bool {
        use Family::*;
        matches!(
            self,
            Ttl | HashDelta | SetDelta | ZsetDelta | ListDelta | ListDeltaNew | ListClaim | ZsetScore | Fence
        )
    }

    /// Whether some keys that begin with the prefix belong to another family.
    const fn has_inner(self) -> bool {
        use Family::*;
        matches!(self, HashMeta | ListMeta | SetMeta | ZsetMeta | Bare | Unknown | Fence | Staged)
    }

    /// The part of `user_key` after the prefix.
    #[inline]
    pub fn suffix(self, user_key: &[u8]) -> &[u8] {
        user_key.get(self.prefix().len()..).unwrap_or_default()
    }
}

/// `!word|` at the start of a key, with the bar.
pub fn word_prefix(user_key: &[u8]) -> Option<&[u8]> {
    let body = user_key.strip_prefix(b"!")?;
    let len = body.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')))?;
    let end = len.checked_add(2)?;
    (len > 0 && body.get(len) == Some(&b'|')).then(|| user_key.get(..end)).flatten()
}

/// Namespaces of the server itself: the word after them distinguishes the kinds of rows.
const OWN: [&[u8]; 4] = [b"!dist|", b"!s3|", b"!encryption|", b"!txn|"];

/// The prefix by which rows without a family are counted: `!word|`, and in the server's own namespaces also the next word.
pub fn unknown_prefix(user_key: &[u8]) -> Option<&[u8]> {
    let first = word_prefix(user_key)?;
    let rest = user_key.get(first.len()..).filter(|_| OWN.contains(&first)).unwrap_or_default();
    let word = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')));
    let len = word.filter(|len| *len > 0 && rest.get(*len) == Some(&b'|')).map_or(0, |len| len.saturating_add(1));
    user_key.get(..first.len().saturating_add(len))
}

/// Classifies keys that arrive in order: nearly always the family is the same as before.
#[derive(Debug, Clone, Copy, Default)]
pub struct Classifier {
    last: Option<Family>,
}

impl Classifier {
    /// The family of `user_key`.
    #[inline]
    pub fn family(&mut self, user_key: &[u8]) -> Family {
        if let Some(last) = self.last
            && user_key.starts_with(last.prefix().as_bytes())
        {
            return last;
        }
        let family = Family::of(user_key);
        self.last = (!family.has_inner()).then_some(family);
        family
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_prefix_wins() {
        for (i, (long, _)) in PREFIXES.iter().enumerate() {
            for (short, _) in PREFIXES.iter().take(i).filter(|(p, _)| p.len() > 1) {
                assert!(!long.starts_with(short), "{short} stands before {long}");
            }
        }
    }

    #[test]
    fn classifier_agrees_with_the_table() {
        let keys: &[(&[u8], Family)] = &[
            (b"!hs|meta|d|x", Family::HashDelta),
            (b"!hs|meta|\0\0\0\x01a", Family::HashMeta),
            (b"!lst|meta|d|x", Family::ListDelta),
            (b"!lst|meta|dd", Family::ListMeta),
            (b"!redis|txn-wide-set|x", Family::Fence),
            (b"!redis|txn-wide-nope|x", Family::Unknown),
            (b"!redis|list|x", Family::Unknown),
            (b"!stream|meta|x", Family::StreamMeta),
            (b"!stream|other", Family::Bare),
            (b"!admin|x", Family::Unknown),
            (b"!hello", Family::Bare),
            (b"!two words|x", Family::Bare),
            (b"!|x", Family::Bare),
            (b"", Family::Bare),
            (b"_meta_mine", Family::Bare),
            (b"!txn|other|", Family::Unknown),
            (b"!dist|other|", Family::Unknown),
            (b"!dist|job|x", Family::DistJob),
            (b"!dist|jobhist|x", Family::DistJobHistory),
            (b"!dist|", Family::Unknown),
            (b"!encryption|other", Family::Unknown),
            (b"!s3|chunkref|x", Family::S3ChunkRef),
            (b"!s3|chunkref-rc|x", Family::S3ChunkRefCount),
            (b"!s3|chunkblob-gc-queue|x", Family::S3ChunkBlobQueue),
            (b"!s3|other|", Family::Unknown),
            (b"!lst|delta|x", Family::ListDeltaNew),
            (b"!migfence|x", Family::MigFence),
            (b"!fs|chk|", Family::FsChunk),
            (b"!fs|dirv|x", Family::FsDirVersion),
            (b"!fs|reffence|x", Family::FsHandleFence),
            (b"!fs|usage", Family::FsUsage),
            (b"!fs|usage|route|x", Family::FsUsage),
            (b"!fs|route|chk|x", Family::Unknown),
            (b"!fs|job|copy|x", Family::Unknown),
        ];
        for (key, want) in keys {
            assert_eq!(Family::of(key), *want, "{}", key.escape_ascii());
            for (before, _) in keys {
                let mut c = Classifier::default();
                c.family(before);
                assert_eq!(c.family(key), *want, "{} after {}", key.escape_ascii(), before.escape_ascii());
            }
        }
    }

    #[test]
    fn what_unknown_rows_are_counted_by() {
        let cases: &[(&[u8], Option<&[u8]>)] = &[
            (b"!dist|new|x", Some(b"!dist|new|")),
            (b"!dist|new", Some(b"!dist|")),
            (b"!dist||x", Some(b"!dist|")),
            (b"!admin|a|b", Some(b"!admin|")),
            (b"!admin", None),
        ];
        for (key, want) in cases {
            assert_eq!(unknown_prefix(key), *want, "{}", key.escape_ascii());
        }
    }
}
