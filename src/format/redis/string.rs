//! Strings and HyperLogLog keys: an optional envelope around the value.
//!
//! | first bytes | meaning |
//! |---|---|
//! | `FF 01` (string), `FF 02` (HLL) | flags; bit 0: `u64be` expiry in Unix milliseconds follows; rest = value |
//! | anything else | legacy: all bytes are the value, the TTL is in the index |

use super::meta::clamp_ms;
use crate::format::cursor::Cursor;
use crate::format::fault::{OrFault, Result};

/// Where the TTL of a string or HLL key is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InlineTtl {
    /// The value has no envelope: the TTL index decides.
    Legacy,
    /// The envelope says that there is no TTL.
    Never,
    /// The envelope's expiry, Unix milliseconds; 0 means a time before 1970.
    At(u64),
}

/// A string or HLL value without its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enveloped<'a> {
    /// The user's bytes (HLL: the payload with its magic).
    pub payload: &'a [u8],
    /// The TTL in the envelope.
    pub ttl: InlineTtl,
}

/// Parses the value of a `!redis|str|` row.
pub fn string(value: &[u8]) -> Result<Enveloped<'_>> {
    envelope(value, 1)
}

/// Parses the value of a `!redis|hll|` row.
pub fn hll(value: &[u8]) -> Result<Enveloped<'_>> {
    envelope(value, 2)
}

fn envelope(value: &[u8], kind: u8) -> Result<Enveloped<'_>> {
    let mut c = Cursor::new(value);
    if c.strip(&[0xff, kind]).is_none() {
        return Ok(Enveloped { payload: value, ttl: InlineTtl::Legacy });
    }
    let flags = c.u8().or_value("it ends before its flags")?;
    let ttl = match flags & 1 {
        0 => InlineTtl::Never,
        _ => InlineTtl::At(clamp_ms(c.u64_be().or_value("it ends inside its expiry")?)),
    };
    Ok(Enveloped { payload: c.rest(), ttl })
}

/// Appends the value of a `!redis|str|` row.
pub fn string_into(value: &Enveloped<'_>, out: &mut Vec<u8>) {
    envelope_into(value, 1, out);
}

/// Appends the value of a `!redis|hll|` row.
pub fn hll_into(value: &Enveloped<'_>, out: &mut Vec<u8>) {
    envelope_into(value, 2, out);
}

/// A payload in the legacy form that begins like an envelope would be read as one: the server cannot have stored it.
fn envelope_into(value: &Enveloped<'_>, kind: u8, out: &mut Vec<u8>) {
    match value.ttl {
        InlineTtl::Legacy => {}
        InlineTtl::Never => out.extend_from_slice(&[0xff, kind, 0]),
        InlineTtl::At(ms) => {
            out.extend_from_slice(&[0xff, kind, 1]);
            out.extend_from_slice(&clamp_ms(ms).to_be_bytes());
        }
    }
    out.extend_from_slice(value.payload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::encoded;

    #[test]
    fn envelopes() {
        let legacy = |payload| Ok(Enveloped { payload, ttl: InlineTtl::Legacy });
        assert_eq!(string(b""), legacy(b""));
        assert_eq!(string(b"\xff\x02x"), legacy(b"\xff\x02x"));
        assert_eq!(hll(b"\xff\x01x"), legacy(b"\xff\x01x"));
        assert_eq!(string(b"\xff\x01\0v"), Ok(Enveloped { payload: b"v", ttl: InlineTtl::Never }));
        assert_eq!(string(b"\xff\x01\xfev").unwrap().ttl, InlineTtl::Never);
        let ttl = string(b"\xff\x01\x01\0\0\0\0\0\0\0\x07v").unwrap();
        assert_eq!(ttl, Enveloped { payload: b"v", ttl: InlineTtl::At(7) });
        let far = hll(b"\xff\x02\x01\xff\xff\xff\xff\xff\xff\xff\xff").unwrap();
        assert_eq!(far.ttl, InlineTtl::At(i64::MAX as u64));
        for bad in [&b"\xff\x01"[..], b"\xff\x01\x01", b"\xff\x01\x01\0\0\0\0\0\0\0"] {
            assert!(string(bad).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn encoded_values_are_parsed(payload: Vec<u8>, ms in 0..=i64::MAX.unsigned_abs(), form in 0u8..3) {
            let ttl = [InlineTtl::Legacy, InlineTtl::Never, InlineTtl::At(ms)][usize::from(form)];
            let value = Enveloped { payload: &payload, ttl };
            proptest::prop_assume!(ttl != InlineTtl::Legacy || payload.first() != Some(&0xff));
            let stored = encoded(|out| string_into(&value, out));
            proptest::prop_assert_eq!(string(&stored), Ok(value));
            let stored = encoded(|out| hll_into(&value, out));
            proptest::prop_assert_eq!(hll(&stored), Ok(value));
        }
    }
}
