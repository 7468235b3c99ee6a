//! Answers of S3 that moto does not give, and bodies that are not what their parts say.

use std::sync::{Arc, Mutex};

use ekvsnap::format::Family;
use serde_json::json;

use super::aws_server::{Answer, Server, fails, load, load_bytes, summary};
use crate::kit::command::{code, stderr};
use crate::kit::s3;

/// Buckets and multipart uploads work; the test chooses the answers for a part or an object.
fn buckets(part: Answer, put: Answer) -> Server {
    Server::start(move |asked| match (asked.method.as_str(), asked.path.contains("partNumber=")) {
        ("HEAD", _) => (404, None, String::new()),
        ("POST", _) if asked.path.ends_with("uploads=") => (200, None, "<UploadId>u</UploadId>".to_owned()),
        ("PUT", true) => part.clone(),
        ("PUT", false) if asked.path.matches('/').count() > 1 => put.clone(),
        _ => (200, None, String::new()),
    })
}

/// An object whose ETag the service does not return is stored and counted; the run reports that nothing was compared.
#[test]
fn objects_without_an_etag() {
    let server = buckets((200, Some("e"), String::new()), (200, None, String::new()));
    let out = load("s3-small", "s3", &server, &[]);
    assert_eq!(code(&out), 0, "{}", stderr(&out));
    let told = summary(&out);
    assert!(told["objects"]["objects"].as_u64() > Some(0), "{told}");
    assert!(String::from_utf8_lossy(&out.stdout).contains("its ETag is not told"), "{told}");
}

/// Parts of an incomplete upload cost money, and are in no list.
#[test]
fn an_upload_that_fails_is_given_up() {
    let server = buckets((403, None, String::new()), (200, Some("e"), String::new()));
    fails(&load("s3-nasty", "s3", &server, &[]), "upload a part");
    let asked = server.asked();
    assert!(asked.last().is_some_and(|last| last.starts_with("DELETE ") && last.contains("uploadId=u")), "{asked:?}");
}

/// A body that is not what its parts say is stored nevertheless, all of it, and reported.
#[test]
fn bodies_that_differ_from_their_parts() {
    for (size, how) in [(0, Some("longer")), (1, Some("longer")), (3, None), (5, Some("shorter"))] {
        let part = json!({"part_no": 1, "etag": s3::md5(b"xyz"), "size_bytes": size, "chunk_count": 1});
        let etag = format!("{}-1", s3::md5(b"xyz"));
        let manifest = json!({"upload_id": s3::U, "etag": etag, "size_bytes": 3, "parts": [part]});
        let snapshot = s3::manifest(s3::base(), b"k", &manifest);
        let snapshot = snapshot.put(s3::chunk(Family::S3Blob, b"k", s3::U, (1, 0, 0)), "xyz");
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let stored = Arc::clone(&bodies);
        let server = Server::start(move |asked| match asked.method.as_str() {
            "HEAD" => (404, None, String::new()),
            "POST" if asked.path.ends_with("uploads=") => (200, None, "<UploadId>u</UploadId>".to_owned()),
            "PUT" if asked.path.contains("partNumber=") => {
                stored.lock().unwrap().push(asked.body.clone());
                (200, Some("e"), String::new())
            }
            _ => (200, None, String::new()),
        });
        let out = load_bytes(&snapshot.build(), "s3", &server, &[]);
        assert_eq!(code(&out), 0, "{}", stderr(&out));
        assert_eq!(*bodies.lock().unwrap(), ["xyz"], "{size}");
        let told = String::from_utf8_lossy(&out.stdout);
        for word in ["longer", "shorter"] {
            let words = format!("its body is {word} than its parts say");
            assert_eq!(told.contains(&words), how == Some(word), "{size}: {told}");
        }
    }
}

/// A bucket is empty only if the service says so: objects of the same name would be replaced.
#[test]
fn buckets_that_may_have_objects() {
    let snapshot = s3::put(s3::base(), "k", "v").build();
    let empty = "<ListBucketResult></ListBucketResult>";
    let full = "<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>";
    for (found, listed, words) in [
        (404, (403, ""), None),
        (200, (200, empty), None),
        (200, (200, full), Some("is not empty (--merge")),
        (200, (200, "<html>fine</html>"), Some("which may not be empty")),
        (200, (403, ""), Some("which may not be empty")),
        (403, (200, empty), None),
        (403, (200, full), Some("is not empty (--merge")),
    ] {
        let server = Server::start(move |asked| match asked.method.as_str() {
            "HEAD" => (found, None, String::new()),
            "GET" => (listed.0, None, listed.1.to_owned()),
            "POST" if asked.path.ends_with("uploads=") => (200, None, "<UploadId>u</UploadId>".to_owned()),
            _ => (200, Some("e"), String::new()),
        });
        let out = load_bytes(&snapshot, "s3", &server, &[]);
        match words {
            Some(words) => fails(&out, words),
            None => assert_eq!(code(&out), 0, "{found} {listed:?}: {}", stderr(&out)),
        }
        let merged = load_bytes(&snapshot, "s3", &server, &["--merge"]);
        assert_eq!(code(&merged), 0, "{}", stderr(&merged));
    }
}
