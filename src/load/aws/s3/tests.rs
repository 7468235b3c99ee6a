use std::borrow::Cow;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::encode::shift::Shift;
use crate::format::adapter;
use crate::format::s3::{Manifest, ObjectKey, Part};
use crate::run::Silent;

/// The first line of each request, and its body.
type Log = Arc<Mutex<Vec<(String, String)>>>;

/// Answers a request: a part arrives late, and has the ETag `NUMBER.UPLOAD`.
fn serve(mut stream: TcpStream, log: &Log) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut first, mut len) = (String::new(), 0);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            len = value.parse().ok()?;
        }
    }
    let mut body = Vec::new();
    reader.take(len).read_to_end(&mut body).ok()?;
    let part = between(&first, "partNumber=", " ").map(|rest| rest.replace("&uploadId=", "."));
    if part.is_some() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let key = between(&first, "/b/", "?").unwrap_or_default();
    let text = if first.contains("uploads=") { format!("<UploadId>{key}</UploadId>") } else { String::new() };
    let etag = part.map_or(String::new(), |part| format!("ETag: {part}\r\n"));
    let head = format!("HTTP/1.1 200 X\r\nConnection: close\r\n{etag}Content-Length: {}\r\n\r\n{text}", text.len());
    log.lock().unwrap().push((first, String::from_utf8_lossy(&body).into_owned()));
    stream.write_all(head.as_bytes()).ok()
}

/// Parts of an object that is abandoned are in flight when the next upload begins, and are no parts of it.
#[test]
fn an_abandoned_upload_leaves_no_parts() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let log = Log::default();
    let seen = Arc::clone(&log);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || serve(stream, &seen));
        }
    });
    let service = Service { base, connections: 2, ..Service::nowhere() };
    let large = vec![0; 5 << 20];
    let parts = [(1, large.len()), (2, 1)];
    let parts = parts.map(|(part_no, size)| Part { part_no, size_bytes: size as i64, ..Part::default() });
    let size_bytes = large.len() as i64 + 1;
    let manifest = Manifest { etag: "e-2", size_bytes, parts: &parts, declared_parts: 2, ..Manifest::default() };
    std::thread::scope(|scope| {
        let flight = Flight::new(scope, &service, service.connections);
        let options = Options { merge: true, ..Options::default() };
        let course = Course::new(&[adapter::S3], &options, None, Shift(0), &Silent);
        let mut buckets = Buckets::new(&service, flight, course, &options);
        let key =
            |name: &'static [u8]| ObjectKey { bucket: Cow::Borrowed(b"b"), generation: 1, object: Cow::Borrowed(name) };
        let (first, second) = (key(b"first"), key(b"second"));
        let [first, second] = [&first, &second].map(|key| Object { key, manifest: &manifest, number: 0 });
        buckets.begin(&first).and_then(|()| buckets.body(&large)).unwrap();
        buckets.abandon(&first).unwrap();
        buckets.begin(&second).and_then(|()| buckets.body(&large)).unwrap();
        buckets.body(b"x").and_then(|()| buckets.end(&second)).unwrap();
    });
    let log = log.lock().unwrap();
    let (_, list) = log.iter().find(|(first, _)| first.starts_with("POST /b/second?uploadId=")).unwrap();
    let etags: Vec<&str> = list.split("&quot;").skip(1).step_by(2).collect();
    assert_eq!(etags, ["1.second", "2.second"], "{list}");
    let at = |begin: &str| log.iter().position(|(first, _)| first.starts_with(begin));
    assert!(at("PUT /b/first?") < at("DELETE /b/first?"), "a part arrived after its upload was aborted");
}
