//! The contents of a request that puts an object or a part: its bytes, and the headers that describe it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;

use sha2::{Digest as _, Sha256};

use super::{Answer, Content, Request, Service};
use crate::error::Result;
use crate::format::hex;
use crate::format::s3::Manifest;

/// The bytes of a request, and their digest.
#[derive(Default)]
pub(super) struct Body {
    bytes: Vec<u8>,
    file: Option<File>,
    pub len: u64,
    digest: Sha256,
}

impl Body {
    /// Takes a piece; more than `held` bytes go to a temporary file.
    pub fn push(&mut self, piece: &[u8], held: usize) -> std::io::Result<()> {
        self.digest.update(piece);
        self.len += piece.len() as u64;
        if let Some(file) = &mut self.file {
            return file.write_all(piece);
        }
        self.bytes.extend_from_slice(piece);
        if self.bytes.len() > held {
            let mut file = tempfile::tempfile()?;
            file.write_all(&self.bytes)?;
            self.bytes = Vec::new();
            self.file = Some(file);
        }
        Ok(())
    }

    /// Sends the request.
    pub fn put(
        self,
        service: &Service,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &[u8])],
    ) -> Result<Answer> {
        let digest = hex::text(&self.digest.finalize());
        let content = match &self.file {
            Some(file) => Content::File(file, self.len, &digest),
            None => Content::Bytes(&self.bytes),
        };
        service.send(&Request { method: "PUT", path, query, headers, content })
    }
}

/// The headers that describe an object. Values that a header cannot hold are reported.
pub(super) struct Metadata(Vec<(String, Vec<u8>)>);

impl Metadata {
    /// The headers of an object; `refused` is called with the names of the others.
    pub fn of(manifest: &Manifest<'_>, mut refused: impl FnMut(&str)) -> Metadata {
        let named = [
            ("content-type", manifest.content_type),
            ("content-encoding", manifest.content_encoding),
            ("cache-control", manifest.cache_control),
            ("content-disposition", manifest.content_disposition),
        ];
        let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
        // Headers whose names differ only in case are one header.
        let mut names = BTreeSet::new();
        let users = manifest.user_metadata.iter().map(|(name, value)| (format!("x-amz-meta-{name}"), *value));
        let all = named.into_iter().filter(|(_, value)| !value.is_empty());
        for (name, value) in all.map(|(name, value)| (name.to_owned(), value)).chain(users) {
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            let is_fine =
                name.bytes().all(is_token) && value.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control());
            if is_fine && value.trim_ascii() == value && names.insert(name.to_ascii_lowercase()) {
                headers.push((name, value.as_bytes().to_vec()));
            } else {
                refused(&name);
            }
        }
        Metadata(headers)
    }

    /// The headers as a request takes them.
    pub fn headers(&self) -> Vec<(&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_metadata() {
        let users = [("A", "1"), ("a", "2"), ("b", "two  spaces"), ("c", " space"), ("d e", "name"), ("f", "line\n")];
        let manifest = Manifest { content_type: "text/plain", user_metadata: &users, ..Manifest::default() };
        let mut refused = Vec::new();
        let metadata = Metadata::of(&manifest, |name| refused.push(name.to_owned()));
        let want: [(&str, &[u8]); 3] =
            [("content-type", b"text/plain"), ("x-amz-meta-A", b"1"), ("x-amz-meta-b", b"two  spaces")];
        assert_eq!(metadata.headers(), want);
        assert_eq!(refused, ["x-amz-meta-a", "x-amz-meta-c", "x-amz-meta-d e", "x-amz-meta-f"]);
    }
}
