//! Signature Version 4 of AWS: proves who sends a request, and that it was not changed.

use aws_lc_rs::hmac;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::format::hex;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Access keys.
pub(super) struct Keys {
    id: String,
    secret: String,
    /// The session token of temporary keys.
    token: Option<String>,
}

impl Keys {
    /// Dummy keys.
    #[cfg(test)]
    pub fn none() -> Keys {
        Keys { id: String::new(), secret: String::new(), token: None }
    }

    /// The keys in the environment.
    pub fn of_environment() -> Result<Keys> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => Ok(Keys { id, secret, token: variable("AWS_SESSION_TOKEN") }),
            _ => Err(Error::usage(
                "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as for every client of AWS",
            )),
        }
    }
}

/// What is signed.
pub(super) struct Signed<'s> {
    pub method: &'s str,
    pub host: &'s str,
    /// The path as it is sent.
    pub path: &'s str,
    pub query: &'s str,
    pub headers: &'s [(&'s str, &'s [u8])],
    /// SHA-256 of the content, in hex.
    pub digest: &'s str,
    pub region: &'s str,
    pub service: &'s str,
    pub moment: Timestamp,
}

impl Signed<'_> {
    /// The headers to add.
    pub fn headers(&self, keys: &Keys) -> Vec<(&'static str, String)> {
        let date = self.moment.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut added = vec![("x-amz-date", date.clone())];
        if self.service == "s3" {
            added.push(("x-amz-content-sha256", self.digest.to_owned()));
        }
        added.extend(keys.token.iter().map(|token| ("x-amz-security-token", token.clone())));
        let (text, names) = self.canonical(&added);
        let day = &date[..8];
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{}", sha256(&text));
        let first = format!("AWS4{}", keys.secret);
        let parts = [day, self.region, self.service, "aws4_request", &to_sign];
        let signature = parts.iter().fold(first.into_bytes(), |key, part| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
            hmac::sign(&key, part.as_bytes()).as_ref().to_vec()
        });
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            keys.id,
            hex::text(&signature)
        );
        added.push(("authorization", authorization));
        added
    }

    /// The request in the form that is signed, and the names of its headers.
    fn canonical(&self, added: &[(&'static str, String)]) -> (Vec<u8>, String) {
        let mut headers: Vec<(String, &[u8])> = vec![("host".to_owned(), self.host.as_bytes())];
        headers.extend(added.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes())));
        headers.extend(self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), *value)));
        headers.sort();
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let mut text = format!("{}\n{}\n{}\n", self.method, self.path, self.query).into_bytes();
        for (name, value) in &headers {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            text.extend(trimmed(value));
            text.push(b'\n');
        }
        text.extend_from_slice(format!("\n{names}\n{}", self.digest).as_bytes());
        (text, names)
    }
}

/// A header's value as it is signed: nothing around it, and one space for each run of spaces.
fn trimmed(value: &[u8]) -> Vec<u8> {
    let mut text = value.trim_ascii().to_vec();
    text.dedup_by(|next, before| *next == b' ' && *before == b' ');
    text
}

/// The SHA-256 of some bytes, in hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::text(&Sha256::digest(bytes))
}

/// Names and values as they are in a URL, in the order in which they are signed.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let mut encoded: Vec<(String, String)> =
        pairs.iter().map(|(name, value)| (encoded(name.as_bytes(), false), encoded(value.as_bytes(), false))).collect();
    encoded.sort();
    encoded.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Percent-encodes all bytes that are not unreserved; slashes stay in paths.
pub(super) fn encoded(bytes: &[u8], slashes: bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => text.push(*byte as char),
            b'/' if slashes => text.push('/'),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of the test suite that AWS publishes: names, query, headers and signature.
    #[test]
    fn published_examples() {
        let keys =
            Keys { id: "AKIDEXAMPLE".into(), secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(), token: None };
        let unordered = query(&[("Param2", "value2"), ("Param1", "value1")]);
        assert_eq!(unordered, "Param1=value1&Param2=value2");
        let spaces: [(&str, &[u8]); 2] = [("My-Header1", b" value1"), ("My-Header2", b" \"a   b   c\"")];
        for (name, query, headers, want) in [
            ("get-vanilla", "", &[][..], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                "get-vanilla-query-order-key-case",
                &unordered,
                &[],
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            ("get-header-value-trim", "", &spaces, "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
        ] {
            let signed = Signed {
                method: "GET",
                host: "example.amazonaws.com",
                path: "/",
                query,
                headers,
                digest: &sha256(b""),
                region: "us-east-1",
                service: "service",
                moment: "2015-08-30T12:36:00Z".parse().unwrap(),
            };
            assert_eq!(signature(&signed, &keys), want, "{name}");
        }
    }

    /// The example of a GET in the documentation of S3, whose requests have the digest of their content in a header.
    #[test]
    fn published_example_of_s3() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into();
        let keys = Keys { id: "AKIAIOSFODNN7EXAMPLE".into(), secret, token: None };
        let signed = Signed {
            method: "GET",
            host: "examplebucket.s3.amazonaws.com",
            path: "/test.txt",
            query: "",
            headers: &[("Range", b"bytes=0-9")],
            digest: &sha256(b""),
            region: "us-east-1",
            service: "s3",
            moment: "2013-05-24T00:00:00Z".parse().unwrap(),
        };
        assert_eq!(signature(&signed, &keys), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    }

    fn signature(signed: &Signed<'_>, keys: &Keys) -> String {
        let headers = signed.headers(keys);
        let (_, authorization) = headers.last().unwrap();
        authorization.rsplit('=').next().unwrap().to_owned()
    }

    #[test]
    fn paths() {
        assert_eq!(encoded(b"/b/../a b//\xff+\n", true), "/b/../a%20b//%FF%2B%0A");
        assert_eq!(encoded(b"a/b", false), "a%2Fb");
    }
}
