//! Writes JSON records: the counterpart of [`jsonval`](super::jsonval).
//!
//! Members are in the order of the server's own records; members that the server leaves out when empty are left out.

use base64::Engine as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::b64::{self, STANDARD};
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

/// Bytes in standard base64 with padding.
pub fn base64<S: Serializer>(bytes: &&[u8], to: S) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(bytes))
}

/// Text that must be JSON, without white space around it.
///
/// # Errors
/// It is not JSON.
pub fn checked(text: &[u8]) -> Result<&[u8]> {
    let raw = serde_json::from_slice::<&RawValue>(text).ok();
    raw.map(|raw| raw.get().as_bytes()).or_value("a member that should be JSON text is none")
}

/// Writes the members of a record one by one, which takes less time than a serializer. Names come with everything before their values.
pub struct Members<'o>(pub &'o mut Vec<u8>);

impl Members<'_> {
    /// Text that is JSON already.
    pub fn raw(&mut self, before: &[u8], text: &[u8]) {
        self.0.extend_from_slice(before);
        self.0.extend_from_slice(text);
    }

    /// A string.
    pub fn text(&mut self, before: &[u8], text: &str) {
        self.0.extend_from_slice(before);
        // There is no early exit, so that many bytes are tested at once.
        let plain = text.bytes().fold(true, |plain, b| plain & (b >= b' ') & (b != b'"') & (b != b'\\'));
        if plain {
            self.0.push(b'"');
            self.0.extend_from_slice(text.as_bytes());
            self.0.push(b'"');
        } else {
            self.0.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
        }
    }

    /// A string that is left out when it is empty.
    pub fn text_if_any(&mut self, before: &[u8], text: &str) {
        if !text.is_empty() {
            self.text(before, text);
        }
    }

    /// Bytes in standard base64 with padding.
    pub fn base64(&mut self, before: &[u8], bytes: &[u8]) {
        self.0.extend_from_slice(before);
        self.0.push(b'"');
        b64::append(&STANDARD, bytes, self.0);
        self.0.push(b'"');
    }

    /// An integer.
    pub fn integer(&mut self, before: &[u8], n: impl itoa::Integer) {
        self.0.extend_from_slice(before);
        self.0.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
    }

    /// An integer that is left out when it is zero.
    pub fn integer_unless_zero<N: itoa::Integer + Default + PartialEq>(&mut self, before: &[u8], n: N) {
        if !is_zero(&n) {
            self.integer(before, n);
        }
    }
}
