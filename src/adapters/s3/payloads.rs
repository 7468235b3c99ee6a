//! Content-addressed payloads (`chunkblob` rows): checked against their digests, looked up, and counted.
//!
//! They are local to their node and do not use the store's clock, so their timestamps mean nothing.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::findings;
use super::rows::parse;
use crate::dataset::{DataSet, Row, after_prefix};
use crate::error::Result;
use crate::format::s3::key::{self, chunkblob_key};
use crate::format::{Family, Fault, fault};
use crate::report::{Finding, Findings};

const FAMILY: Family = Family::S3ChunkBlob;
/// Approximate bytes that one thread checks at a time.
const SLICE: usize = 256 << 10;

type Digest = [u8; 32];

/// All payloads, checked.
pub struct Payloads<'a> {
    /// Whether there are any.
    pub any: bool,
    /// Whether each payload was compared with its digest.
    checked: bool,
    /// Payloads whose keys differ from what the server writes: they have upper-case digits. They are read when a payload is not found under
    /// its regular key.
    odd: OnceLock<BTreeMap<Digest, Row<'a>>>,
}

/// Part of a digest: enough to distinguish the payloads of a store, for counting those without a reference.
pub fn brief(digest: &Digest) -> u64 {
    digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

impl<'a> Payloads<'a> {
    /// Checks every payload against the digest in its key.
    ///
    /// # Errors
    /// The first payload, in key order, that is malformed or has another digest.
    pub fn check(set: &DataSet<'a>) -> Result<Payloads<'a>> {
        let prefix = FAMILY.prefix().as_bytes();
        let end = after_prefix(prefix);
        let mut bounds = vec![prefix.to_vec()];
        bounds.extend(set.cuts(prefix, end.as_deref(), SLICE)?);
        bounds.extend(end);
        let slices: Vec<_> = bounds.par_windows(2).map(|pair| check_slice(set, &pair[0], &pair[1])).collect();
        let mut any = false;
        for slice in slices {
            any |= slice? > 0;
        }
        Ok(Payloads { any, checked: true, odd: OnceLock::new() })
    }

    /// Payloads that are compared with their digests when they are looked up.
    pub fn unchecked() -> Payloads<'a> {
        Payloads { any: true, checked: false, odd: OnceLock::new() }
    }

    /// As [`unchecked`](Self::unchecked), after references have looked up all payloads that they name: the others are compared when they
    /// are counted.
    ///
    /// # Errors
    /// An input that changed.
    pub fn of_references(set: &DataSet<'a>) -> Result<Payloads<'a>> {
        Ok(Payloads { any: set.family(FAMILY).next()?.is_some(), ..Payloads::unchecked() })
    }

    /// The payload of this digest, at the requested moment or else of any time.
    pub fn get(&self, set: &DataSet<'a>, digest: &Digest) -> Result<Option<Row<'a>>> {
        let key = chunkblob_key(digest);
        if let Some(row) = set.get(key.as_bytes())? {
            // They were checked before, but a lenient run has continued after failures.
            return if !self.checked || set.losses().is_lenient() {
                check_row(set, &row).map(|_| Some(row))
            } else {
                Ok(Some(row))
            };
        }
        let of_any_time = set.get_of_any_time(key.as_bytes())?;
        let found = if of_any_time.is_some() { of_any_time } else { self.odd(set)?.get(digest).copied() };
        found.map(|row| check_row(set, &row).map(|_| row)).transpose()
    }

    /// Payloads with upper-case digits in their keys.
    fn odd(&self, set: &DataSet<'a>) -> Result<&BTreeMap<Digest, Row<'a>>> {
        if let Some(odd) = self.odd.get() {
            return Ok(odd);
        }
        let mut odd = BTreeMap::new();
        for mut rows in [set.family(FAMILY).of_any_time(), set.family(FAMILY)] {
            while let Some(row) = rows.next()? {
                let digits = FAMILY.suffix(row.user_key);
                let digest = key::digest(digits).ok().filter(|_| digits.iter().any(u8::is_ascii_uppercase));
                odd.extend(digest.map(|digest| (digest, row)));
            }
        }
        Ok(self.odd.get_or_init(|| odd))
    }

    /// Reports the payloads without a reference; `named` are the brief digests of all references.
    pub fn note_unreferenced(&self, set: &DataSet<'_>, mut named: Vec<u64>, out: &mut Findings) -> Result<()> {
        if !self.any {
            return Ok(());
        }
        named.sort_unstable();
        let (mut payloads, mut bytes, mut rows) = (0u64, 0u64, set.family(FAMILY));
        while let Some(row) = rows.next()? {
            let digest = key::digest(FAMILY.suffix(row.user_key)).unwrap_or_default();
            if named.binary_search(&brief(&digest)).is_err() {
                if !self.checked {
                    check_row(set, &row)?;
                }
                payloads += 1;
                bytes += row.body.len() as u64;
            }
        }
        if payloads > 0 {
            out.add(Finding::new(&findings::UNREFERENCED).with("chunkblobs", payloads).with("bytes", bytes));
        }
        Ok(())
    }
}

/// Checks the payloads of a range of keys and counts the intact ones.
fn check_slice(set: &DataSet<'_>, lo: &[u8], hi: &[u8]) -> Result<u64> {
    let (mut count, mut rows) = (0, set.range(FAMILY, lo.to_vec(), Some(hi.to_vec())));
    while let Some(row) = rows.next()? {
        match check_row(set, &row) {
            Ok(_) => count += 1,
            Err(error) => set.skip(error)?,
        }
    }
    Ok(count)
}

fn check_row<'a>(set: &DataSet<'a>, row: &Row<'a>) -> Result<Digest> {
    let digest = parse(set, FAMILY, row, key::digest(FAMILY.suffix(row.user_key)))?;
    let same = Digest::from(Sha256::digest(row.body)) == digest;
    let verdict: fault::Result<Digest> =
        if same { Ok(digest) } else { Err(Fault::Value("its SHA-256 is not the digest in its key")) };
    parse(set, FAMILY, row, verdict)
}
