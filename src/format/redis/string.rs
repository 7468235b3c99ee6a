//! Strings and HyperLogLog keys: an optional envelope around the value.
//!
//! | first bytes | meaning |
//! |---|---|
//! | `FF 01` (string), `FF 02` (HLL) | flags; bit 0: `u64be` expiry in Unix milliseconds follows; rest = value |
//! | anything else | legacy: all bytes are the value, the TTL is in the index |

use super::meta::clamp_ms;
use crate::format::cursor::Cursor;
use crate::format::fault::{OrFault, Result};

/// Where the TTL of a string or HLL key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InlineTtl {
    /// The value has no envelope: the TTL index decides.
    Legacy,
    /// The envelope says that there is none.
    Never,
    /// The envelope's expiry, Unix milliseconds; 0 stands for a time before 1970.
    At(u64),
}

/// A string or HLL value without its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enveloped<'a> {
    /// The user's bytes (HLL: the payload with its magic).
    pub payload: &'a [u8],
    /// The envelope's word on the TTL.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
