//! How the values of a source are read: as stored, or from a private copy if rows were decrypted.

use crate::format::envelope::{OpenFault, Sealed};
use crate::format::keys::KeyRing;
use crate::format::limits::VALUE_HEADER;
use crate::format::mvcc::{self, ENCRYPTED, MvccFault, ValueHeader};
use crate::format::opened;

/// Reads the raw values of a source.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// The keys of the source.
    keys: &'a KeyRing,
    /// The file and its copy, if its rows were decrypted.
    copy: Option<Copy<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Copy<'a> {
    stored: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Values<'a> {
    /// Values of a file without a copy.
    pub(super) fn stored(keys: &'a KeyRing) -> Values<'a> {
        Values { keys, copy: None }
    }

    /// Values of a file with a copy.
    pub(super) fn of_copy(keys: &'a KeyRing, stored: &'a [u8], bytes: &'a [u8]) -> Values<'a> {
        Values { keys, copy: Some(Copy { stored, bytes }) }
    }

    /// Decodes a raw value, which is a part of the bytes of the source.
    ///
    /// # Errors
    /// As [`mvcc::split_value`]; none for a row that was decrypted.
    #[inline]
    pub fn split(self, raw_value: &'a [u8]) -> Result<ValueHeader<'a>, MvccFault> {
        match mvcc::split_value(raw_value) {
            Err(fault) => self.split_other(raw_value, fault),
            plain => plain,
        }
    }

    #[inline(never)]
    fn split_other(self, raw_value: &'a [u8], fault: MvccFault) -> Result<ValueHeader<'a>, MvccFault> {
        self.opened(raw_value).map(|(value, _)| value).ok_or_else(|| self.why(raw_value, fault))
    }

    /// A value that was decrypted, and the envelope that it had.
    #[inline]
    pub fn opened(self, raw_value: &'a [u8]) -> Option<(ValueHeader<'a>, Sealed)> {
        opened::parse(raw_value, self.copy?.bytes)
    }

    /// What is wrong with a value as stored.
    #[cold]
    pub fn why(self, raw_value: &[u8], fault: MvccFault) -> MvccFault {
        let stored = self.copy.and_then(|copy| copy.stored_value(raw_value));
        stored.and_then(|stored| mvcc::split_value(stored).err()).unwrap_or(fault)
    }

    /// The envelope that a raw value has, or had before it was decrypted.
    pub fn sealed(self, raw_value: &'a [u8]) -> Option<Sealed> {
        if let Some((_, sealed)) = self.opened(raw_value) {
            return Some(sealed);
        }
        let stored = self.copy.and_then(|copy| copy.stored_value(raw_value)).unwrap_or(raw_value);
        if stored.first() != Some(&ENCRYPTED) {
            return None;
        }
        match mvcc::split_value(stored) {
            Err(MvccFault::Encrypted(sealed)) => sealed.ok(),
            _ => None,
        }
    }

    /// What is known of an encrypted row without its body; `None`: it is not a row whose key is missing.
    #[cold]
    pub fn without_key(self, raw_value: &'a [u8]) -> Option<ValueHeader<'a>> {
        let Err(MvccFault::Encrypted(Ok(sealed))) = mvcc::split_value(raw_value) else { return None };
        let ([_, expire @ ..], _) = raw_value.split_first_chunk::<VALUE_HEADER>()?;
        let is_missing = self.keys.get(sealed.key_id).is_none();
        is_missing.then(|| ValueHeader { tombstone: false, expire_at: u64::from_le_bytes(*expire), body: &[] })
    }

    /// Why an encrypted row cannot be opened although its key is known.
    #[cold]
    pub fn why_closed(self, raw_key: &[u8], raw_value: &'a [u8]) -> Option<OpenFault> {
        self.keys.open_into(raw_key, raw_value, &mut Vec::new(), &mut Vec::new())?.err()
    }
}

impl<'a> Copy<'a> {
    /// The same value as stored.
    fn stored_value(self, raw_value: &[u8]) -> Option<&'a [u8]> {
        let at = raw_value.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr())?;
        self.stored.get(at..at.checked_add(raw_value.len())?)
    }
}
