//! The text of an object's ETag, and what it says about how it was made (`docs/format/s3.md` §2.2).

/// How an ETag was made, according to its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// 32 hex digits: MD5 of the body.
    Plain,
    /// 32 hex digits, `-` and this number of parts.
    Composite(usize),
    /// Something else.
    Other,
}

impl Form {
    /// The form of an unquoted ETag.
    pub fn of(etag: &str) -> Form {
        match etag.split_once('-') {
            None if is_md5(etag) => Form::Plain,
            Some((md5, count)) if is_md5(md5) && count.bytes().all(|b| b.is_ascii_digit()) => {
                count.parse().map_or(Form::Other, Form::Composite)
            }
            _ => Form::Other,
        }
    }

    /// Whether it is the form of a multipart upload.
    pub const fn is_composite(self) -> bool {
        matches!(self, Form::Composite(_))
    }
}

/// Whether a text is an MD5 in hex.
pub fn is_md5(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "5d41402abc4b2a76b9719d911017c592";

    #[test]
    fn forms() {
        for (etag, want) in [
            (HELLO.to_string(), Form::Plain),
            (HELLO.to_uppercase(), Form::Plain),
            (format!("{HELLO}-12"), Form::Composite(12)),
            (format!("{HELLO}-"), Form::Other),
            (format!("{HELLO}-+1"), Form::Other),
            (format!("{HELLO}-1-2"), Form::Other),
            (format!("\"{HELLO}\""), Form::Other),
            (HELLO[1..].to_string(), Form::Other),
            (String::new(), Form::Other),
        ] {
            assert_eq!(Form::of(&etag), want, "{etag}");
        }
    }
}
