//! Records of an extended header (POSIX pax), which describe the next member.

/// The content of the records of one header.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    /// Unix nanoseconds.
    pub mtime: Option<i64>,
    /// Name and size of a file in GNU's sparse format 1.0.
    pub sparse_path: Option<Vec<u8>>,
    pub sparse_size: Option<u64>,
    major: Option<Vec<u8>>,
    minor: Option<Vec<u8>>,
    /// Something that no decode writes.
    pub odd: Option<&'static str>,
}

/// Records that an extractor ignores.
const IDLE: [&[u8]; 5] = [b"comment", b"SCHILY.dev", b"SCHILY.ino", b"SCHILY.nlink", b"LIBARCHIVE.creationtime"];

impl Records {
    /// Reads all records of a header.
    ///
    /// # Errors
    /// What is wrong, if the bytes are not records.
    pub fn of(mut bytes: &[u8]) -> Result<Records, &'static str> {
        let mut records = Records::default();
        let mut seen: Vec<&[u8]> = Vec::new();
        while !bytes.is_empty() {
            let (name, value, rest) = record(bytes).ok_or("an extended header of the archive cannot be parsed")?;
            if seen.len() >= MOST || seen.contains(&name) {
                records.odd = Some("its extended header has a record twice");
            } else {
                seen.push(name);
                records.take(name, value)?;
            }
            bytes = rest;
        }
        if records.is_sparse() && (records.sparse_path.is_none() || records.sparse_size.is_none()) {
            records.odd = Some("it has holes in a form that no decode writes");
        }
        Ok(records)
    }

    /// Whether the content begins with a map of stretches.
    pub fn is_sparse(&self) -> bool {
        self.major.is_some() || self.minor.is_some() || self.sparse_path.is_some() || self.sparse_size.is_some()
    }

    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        const NO_NUMBER: &str = "a number in an extended header of the archive is not valid";
        let number = || digits(value).ok_or(NO_NUMBER).map(Some);
        match name {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = number()?,
            b"uid" => self.uid = number()?,
            b"gid" => self.gid = number()?,
            b"mtime" => self.mtime = Some(nanos(value).ok_or(NO_NUMBER)?),
            b"GNU.sparse.name" => self.sparse_path = Some(value.to_vec()),
            b"GNU.sparse.realsize" => self.sparse_size = number()?,
            b"GNU.sparse.major" => self.version(value, b"1", |records| &mut records.major),
            b"GNU.sparse.minor" => self.version(value, b"0", |records| &mut records.minor),
            // `hdrcharset` says how names are read; the bytes are the same. Both times change whenever a file is read or moved.
            b"hdrcharset" | b"atime" | b"ctime" => {}
            b"uname" | b"gname" if value.is_empty() => {}
            b"uname" | b"gname" => self.odd = Some("its owner is named, which an extractor prefers to the number"),
            idle if IDLE.contains(&idle) => {}
            _ => self.odd = Some("its extended header has a record that no decode writes"),
        }
        Ok(())
    }

    fn version(&mut self, value: &[u8], want: &[u8], slot: fn(&mut Records) -> &mut Option<Vec<u8>>) {
        if value != want {
            self.odd = Some("it has holes in a form that no decode writes");
        }
        *slot(self) = Some(value.to_vec());
    }
}

/// Maximum number of records in one header: a decode writes a dozen.
const MOST: usize = 64;

/// `length name=value` and a line feed; the length counts itself. Gives name, value and what follows.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = memchr::memchr(b' ', bytes.get(..bytes.len().min(20))?)?;
    let len = usize::try_from(digits(&bytes[..space])?).ok()?;
    let (record, rest) = bytes.split_at_checked(len)?;
    let body = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = memchr::memchr(b'=', body)?;
    Some((&body[..equals], &body[equals + 1..], rest))
}

fn digits(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// Decimal seconds with up to nine digits after the point; further digits are dropped.
fn nanos(text: &[u8]) -> Option<i64> {
    let (sign, text) = text.strip_prefix(b"-").map_or((1, text), |rest| (-1, rest));
    let dot = memchr::memchr(b'.', text).unwrap_or(text.len());
    let (whole, fraction) = (digits(&text[..dot])?, text.get(dot + 1..).unwrap_or_default());
    let mut nanos = 0i128;
    for place in 0..9 {
        let digit = fraction.get(place).copied().unwrap_or(b'0');
        nanos = nanos * 10 + i128::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    i64::try_from(sign * (i128::from(whole) * 1_000_000_000 + nanos)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(records: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in records {
            let rest = name.len() + value.len() + 3;
            let len = (1..5).map(|digits| rest + digits).find(|len| len.to_string().len() + rest == *len).unwrap();
            bytes.extend_from_slice(format!("{len} {name}={value}\n").as_bytes());
        }
        bytes
    }

    #[test]
    fn what_a_decode_writes() {
        let all =
            header(&[("path", "a=b\nc"), ("mtime", "-1.5"), ("atime", "2"), ("uid", "5000000000"), ("size", "9")]);
        let records = Records::of(&all).unwrap();
        assert_eq!((records.path.as_deref(), records.mtime), (Some(&b"a=b\nc"[..]), Some(-1_500_000_000)));
        assert_eq!((records.uid, records.size, records.odd), (Some(5_000_000_000), Some(9), None));
        let sparse = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "x")];
        assert!(Records::of(&header(&sparse)).unwrap().odd.is_some());
        let whole = [&sparse[..], &[("GNU.sparse.realsize", "7")]].concat();
        assert_eq!(Records::of(&header(&whole)).unwrap().sparse_size, Some(7));
    }

    #[test]
    fn what_no_decode_writes() {
        for records in [
            &[("path", "a"), ("path", "b")][..],
            &[("SCHILY.xattr.security.capability", "x")],
            &[("uname", "root")],
            &[("GNU.sparse.major", "0")],
            &[("GNU.sparse.map", "0,1")],
        ] {
            assert!(Records::of(&header(records)).unwrap().odd.is_some(), "{records:?}");
        }
        for bytes in ["x", "5 a=b", "99 a=b\n", "6 ab\n", "0 a=b\n", "6 a=b\nx", "13 size=0x10\n", "11 mtime=\n"] {
            assert!(Records::of(bytes.as_bytes()).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn times() {
        for (text, want) in [
            ("0", Some(0)),
            ("1.5", Some(1_500_000_000)),
            ("-0.000000001", Some(-1)),
            ("1234567890.1234567891", Some(1_234_567_890_123_456_789)),
            ("-9223372036.854775808", Some(i64::MIN)),
            ("99999999999", None),
            ("1.x", None),
            ("", None),
        ] {
            assert_eq!(nanos(text.as_bytes()), want, "{text}");
        }
    }
}
