//! MVCC keys and values, and the rows that are neither (`container.md` §3.2 to §3.4).
//!
//! | part | layout |
//! |---|---|
//! | raw key | user key · `u64be` bitwise NOT of the commit timestamp |
//! | raw value | flags (1 byte) · `u64le` expiry (HLC, 0 = never) · body |
//! | flags | bit 0 tombstone, bits 1–2 encryption state, bits 3–7 zero |

use super::envelope::{Envelope, EnvelopeFault, Sealed};
use super::limits::{TS_SUFFIX, VALUE_HEADER};

/// Flags of an encrypted value.
pub const ENCRYPTED: u8 = 0b010;

/// Prefix of the raw rows that register the writers of encryption keys.
pub(super) const WRITERS: &[u8] = b"!encryption|writers|";

/// State of a migration in the Pebble store: raw rows by their exact keys.
const MIGRATION: [&[u8]; 3] = [b"_migack", b"_mighlc", b"_migpromote"];
/// State of a migration: raw rows whose keys continue with the job, without a timestamp.
const MIGRATION_JOBS: [&[u8]; 4] = [b"ack|", b"hlc_floor|", b"promote|", b"ready|"];

/// Why an entry is not an MVCC row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MvccFault {
    /// The raw key is shorter than the timestamp suffix.
    ShortKey(usize),
    /// The raw value is shorter than the value header.
    ShortValue(usize),
    /// The body is encrypted, with this envelope.
    Encrypted(Result<Sealed, EnvelopeFault>),
    /// The body is encrypted, and the header has the tombstone bit.
    SealedTombstone(Sealed),
    /// The flag byte has bits or an encryption state that no writer uses.
    ReservedFlags(u8),
    /// An operational row whose value has the wrong length.
    OperationalValue(usize),
}

/// The value header, decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueHeader<'a> {
    /// Whether this version deletes the key.
    pub tombstone: bool,
    /// HLC timestamp from which the key is absent; 0 = never.
    pub expire_at: u64,
    /// The family's own value.
    pub body: &'a [u8],
}

/// A raw row of the store itself; its key has no timestamp suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operational {
    /// `_meta_last_commit_ts`
    LastCommitTs,
    /// `_meta_min_retained_ts`: versions older than this may be compacted away.
    MinRetainedTs,
    /// `_meta_pending_min_retained_ts`: a compaction was under way.
    PendingMinRetainedTs,
    /// `_meta_applied_index`: the Raft index that the store has applied.
    AppliedIndex,
    /// `!encryption|writers|…`: a registered writer of an encryption key.
    EncryptionWriter,
    /// `_mig…`, `!migstage|…`: state of a migration between groups (`future.md` F1, F2).
    Migration,
}

impl Operational {
    /// Recognises an operational row: by its complete raw key, or for a migration by its prefix.
    #[inline]
    pub fn of(raw_key: &[u8], raw_value: &[u8]) -> Option<Operational> {
        match raw_key {
            [b'_', ..] => Self::meta(raw_key, raw_value),
            [b'!', b'e' | b'm', ..] => Self::internal(raw_key, raw_value),
            _ => None,
        }
    }

    fn meta(raw_key: &[u8], raw_value: &[u8]) -> Option<Operational> {
        match raw_key {
            b"_meta_last_commit_ts" => Some(Operational::LastCommitTs),
            b"_meta_min_retained_ts" => Some(Operational::MinRetainedTs),
            b"_meta_pending_min_retained_ts" => Some(Operational::PendingMinRetainedTs),
            b"_meta_applied_index" => Some(Operational::AppliedIndex),
            _ if MIGRATION.contains(&raw_key) => Some(Operational::Migration),
            _ if raw_key.starts_with(b"_mig") => Self::not_mvcc(raw_key, raw_value),
            _ => None,
        }
    }

    fn internal(raw_key: &[u8], raw_value: &[u8]) -> Option<Operational> {
        if let Some(rest) = raw_key.strip_prefix(b"!migstage|") {
            let of_job = MIGRATION_JOBS.iter().any(|kind| rest.starts_with(kind));
            return if of_job { Some(Operational::Migration) } else { Self::not_mvcc(raw_key, raw_value) };
        }
        let writer = raw_key.len() == 27 && raw_key.starts_with(WRITERS) && raw_key.get(24) == Some(&b'|');
        writer.then_some(Operational::EncryptionWriter)
    }

    /// A row in the name space of migrations that is too short for a timestamp or a value header.
    fn not_mvcc(raw_key: &[u8], raw_value: &[u8]) -> Option<Operational> {
        let short = raw_key.len() < TS_SUFFIX || raw_value.len() < VALUE_HEADER;
        short.then_some(Operational::Migration)
    }

    /// Checks the value's length; returns the number of a `_meta_*` row.
    pub fn value(self, value: &[u8]) -> Result<u64, MvccFault> {
        let fault = MvccFault::OperationalValue(value.len());
        match self {
            Operational::EncryptionWriter if value.len() == 12 => Ok(0),
            Operational::EncryptionWriter => Err(fault),
            // Its layout is defined by the migration; nothing here depends on it.
            Operational::Migration => Ok(0),
            _ => super::cursor::u64_le(value).ok_or(fault),
        }
    }
}

/// Splits a raw key into user key and commit timestamp.
#[inline]
pub fn split_key(raw_key: &[u8]) -> Result<(&[u8], u64), MvccFault> {
    match raw_key.split_last_chunk::<TS_SUFFIX>() {
        Some((user_key, inverted)) => Ok((user_key, !u64::from_be_bytes(*inverted))),
        None => Err(MvccFault::ShortKey(raw_key.len())),
    }
}

/// Checks that a raw value has room for its header.
#[inline]
pub fn check_value_len(raw_value: &[u8]) -> Result<(), MvccFault> {
    if raw_value.len() < VALUE_HEADER { Err(MvccFault::ShortValue(raw_value.len())) } else { Ok(()) }
}

/// Decodes the value header, with every check of §3.3 in its order.
#[inline]
pub fn split_value(raw_value: &[u8]) -> Result<ValueHeader<'_>, MvccFault> {
    let Some((header, body)) = raw_value.split_first_chunk::<VALUE_HEADER>() else {
        return Err(MvccFault::ShortValue(raw_value.len()));
    };
    let [flags, expire @ ..] = header;
    if flags & !1 != 0 {
        return Err(match flags & 0b110 {
            _ if flags & 0b1111_1000 != 0 => MvccFault::ReservedFlags(*flags),
            0b010 => match Envelope::parse(body).map(|envelope| envelope.sealed) {
                // The bit is authenticated, and no server sets it on what it encrypts.
                Ok(sealed) if flags & 1 == 1 => MvccFault::SealedTombstone(sealed),
                sealed => MvccFault::Encrypted(sealed),
            },
            _ => MvccFault::ReservedFlags(*flags),
        });
    }
    Ok(ValueHeader { tombstone: flags & 1 == 1, expire_at: u64::from_le_bytes(*expire), body })
}

/// The physical half of an HLC timestamp: Unix milliseconds.
#[inline]
pub const fn hlc_millis(ts: u64) -> u64 {
    ts >> 16
}

/// Appends the raw key of a version: user key and inverted commit timestamp.
pub fn raw_key_into(user_key: &[u8], commit_ts: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(user_key);
    out.extend_from_slice(&(!commit_ts).to_be_bytes());
}

impl ValueHeader<'_> {
    /// Appends header and body of a clear value.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.tombstone));
        out.extend_from_slice(&self.expire_at.to_le_bytes());
        out.extend_from_slice(self.body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_and_value() {
        let mut raw = b"user".to_vec();
        raw.extend((!77u64).to_be_bytes());
        assert_eq!(split_key(&raw), Ok((&b"user"[..], 77)));
        assert_eq!(split_key(b"short"), Err(MvccFault::ShortKey(5)));
        let v = split_value(b"\x01\x05\0\0\0\0\0\0\0body").unwrap();
        assert_eq!((v.tombstone, v.expire_at, v.body), (true, 5, &b"body"[..]));
        assert_eq!(split_value(b"\0\0\0\0\0\0\0\0"), Err(MvccFault::ShortValue(8)));
    }

    #[test]
    fn flags() {
        for (flags, want) in [
            (0x02, MvccFault::Encrypted(Err(EnvelopeFault::Short(0)))),
            (0x03, MvccFault::Encrypted(Err(EnvelopeFault::Short(0)))),
            (0x04, MvccFault::ReservedFlags(0x04)),
            (0x06, MvccFault::ReservedFlags(0x06)),
            (0x08, MvccFault::ReservedFlags(0x08)),
            (0x0a, MvccFault::ReservedFlags(0x0a)),
            (0xff, MvccFault::ReservedFlags(0xff)),
        ] {
            assert_eq!(split_value(&[flags, 0, 0, 0, 0, 0, 0, 0, 0]), Err(want));
        }
    }

    #[test]
    fn only_the_exact_operational_keys_are_special() {
        let of = |raw_key: &[u8]| Operational::of(raw_key, &[0; 9]);
        assert_eq!(of(b"_meta_applied_index"), Some(Operational::AppliedIndex));
        assert_eq!(of(b"_meta_applied_index2"), None);
        assert_eq!(of(b""), None);
        let mut writer = b"!encryption|writers|\0\0\0\x01|\0\x02".to_vec();
        assert_eq!(of(&writer), Some(Operational::EncryptionWriter));
        writer[24] = b'-';
        assert_eq!(of(&writer), None);
        assert_eq!(Operational::AppliedIndex.value(&7u64.to_le_bytes()), Ok(7));
        assert_eq!(of(b"!encryption|writers|"), None);
        assert_eq!(Operational::AppliedIndex.value(b"7"), Err(MvccFault::OperationalValue(1)));
    }

    proptest::proptest! {
        #[test]
        fn encoded_rows_are_parsed(key: Vec<u8>, ts: u64, tombstone: bool, expire_at: u64, body: Vec<u8>) {
            let (mut raw_key, mut raw_value) = (Vec::new(), Vec::new());
            raw_key_into(&key, ts, &mut raw_key);
            let header = ValueHeader { tombstone, expire_at, body: &body };
            header.encode(&mut raw_value);
            proptest::prop_assert_eq!(split_key(&raw_key), Ok((&key[..], ts)));
            proptest::prop_assert_eq!(split_value(&raw_value), Ok(header));
        }
    }

    #[test]
    fn rows_of_migrations() {
        let migration = Some(Operational::Migration);
        let cases: &[(&[u8], usize, Option<Operational>)] = &[
            (b"_migack", 2, migration),
            (b"_migack", 900, migration),
            (b"_mighlc", 9, migration),
            (b"_migpromote", 64, migration),
            (b"_migfuture-thing", 8, migration),
            (b"_mig", 9, migration),
            // A user's key with its timestamp.
            (b"_migrate\xfe_;\xaf\x93\xff\xff\xff", 9, None),
            (b"_mi", 2, None),
            (b"!migstage|ready|\0\0\0\0\0\0\0\x07", 31, migration),
            (b"!migstage|hlc_floor|", 31, migration),
            (b"!migstage|future|12345678", 8, migration),
            (b"!migstage|future|12345678", 9, None),
            (b"!migwrite|12345678", 8, None),
        ];
        for (key, len, want) in cases {
            assert_eq!(Operational::of(key, &vec![0; *len]), *want, "{} with {len} bytes", key.escape_ascii());
        }
    }
}
