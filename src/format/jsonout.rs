//! Writes JSON records: the counterpart of [`jsonval`](super::jsonval).
//!
//! Members are in the order of the server's own records; members that the server leaves out when empty are left out.

use base64::Engine as _;
use serde::{Serialize, Serializer, ser};
use serde_json::value::RawValue;

use super::b64::STANDARD;
use super::fault::{OrFault, Result};

/// Appends a record as compact JSON.
///
/// # Errors
/// A member that must contain JSON text and does not.
pub fn append(record: &impl Serialize, out: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(out, record).ok().or_value("a member that must be JSON is not")
}

/// Whether a number is left out.
pub fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

/// A map whose members are in a slice.
pub fn map<S: Serializer>(members: &&[(&str, &str)], to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_map(members.iter().copied())
}

/// A map whose values are JSON text.
pub fn raw_map<S: Serializer>(members: &&[(&str, &[u8])], to: S) -> std::result::Result<S::Ok, S::Error> {
    let raw = |text| serde_json::from_slice::<&RawValue>(text).map_err(ser::Error::custom);
    let members: std::result::Result<Vec<_>, _> = members.iter().map(|(name, text)| Ok((name, raw(text)?))).collect();
    to.collect_map(members?)
}

/// Bytes in standard base64 with padding.
pub fn base64<S: Serializer>(bytes: &&[u8], to: S) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(bytes))
}

/// The same; an empty slice is `null`.
pub fn base64_or_null<S: Serializer>(bytes: &&[u8], to: S) -> std::result::Result<S::Ok, S::Error> {
    if bytes.is_empty() { to.serialize_none() } else { base64(bytes, to) }
}
