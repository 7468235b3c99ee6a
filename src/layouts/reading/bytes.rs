//! `B(x)`: a string, or base64url in an envelope if the bytes are not text.

use std::fmt;

use base64::Engine as _;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use crate::format::b64::URL_SAFE;

/// Reads a `B(x)` into a buffer, which is cleared first.
pub(in crate::layouts) struct BytesSeed<'b>(pub &'b mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for BytesSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BytesSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or {\"base64\": …}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.clear();
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        if members.next_key::<Base64>()?.is_none() {
            return Err(A::Error::missing_field("base64"));
        }
        members.next_value_seed(Decoded(self.0))?;
        if members.next_key::<Base64>()?.is_some() {
            return Err(A::Error::duplicate_field("base64"));
        }
        Ok(())
    }
}

/// The only name in an envelope.
#[derive(serde::Deserialize)]
enum Base64 {
    #[serde(rename = "base64")]
    Base64,
}

struct Decoded<'b>(&'b mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Decoded<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Decoded<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64url without padding")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.clear();
        let decoded = URL_SAFE.decode_vec(text, self.0);
        decoded.map_err(|_| E::custom("it is not base64url without padding"))
    }
}

/// The same as an owned value.
#[derive(Debug, Default)]
pub(in crate::layouts) struct Binary(pub Vec<u8>);

impl<'de> serde::Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Binary, D::Error> {
        let mut bytes = Vec::new();
        BytesSeed(&mut bytes).deserialize(from)?;
        Ok(Binary(bytes))
    }
}
