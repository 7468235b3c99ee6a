//! A test server with the interfaces of AWS: it sends the answers that a test chooses.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::aws::run;
use crate::kit::command::{code, stderr};
use crate::kit::fixtures::{load as fixture, snapshots};

/// A request: method, path with its query, the operation that a header names, and the body.
pub struct Asked {
    pub method: String,
    pub path: String,
    pub operation: String,
    pub body: String,
}

/// An answer: its status, an ETag, its body.
pub type Answer = (u16, Option<&'static str>, String);

/// A server, and the requests that it received: `METHOD path` or the operation.
pub struct Server {
    pub port: u16,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// It runs until the test process ends.
    pub fn start(answer: impl FnMut(&Asked) -> Answer + Send + 'static) -> Server {
        Server::late(answer, |_| 0)
    }

    /// The same; `delay` returns by how many milliseconds an answer is late. Other answers do not wait for it.
    pub fn late(
        answer: impl FnMut(&Asked) -> Answer + Send + 'static,
        delay: impl FnMut(&Asked) -> u64 + Send + 'static,
    ) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (port, log) = (listener.local_addr().unwrap().port(), Arc::default());
        let seen: Arc<Mutex<Vec<String>>> = Arc::clone(&log);
        let rules = Arc::new(Mutex::new((answer, delay)));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, rules) = (Arc::clone(&seen), Arc::clone(&rules));
                std::thread::spawn(move || {
                    let Some(asked) = read(&stream) else { return };
                    let name = match &asked.operation {
                        none if none.is_empty() => format!("{} {}", asked.method, asked.path),
                        some => some.clone(),
                    };
                    seen.lock().unwrap().push(name);
                    let (answer, late) = {
                        let (answer, delay) = &mut *rules.lock().unwrap();
                        (answer(&asked), delay(&asked))
                    };
                    std::thread::sleep(Duration::from_millis(late));
                    write(stream, answer);
                });
            }
        });
        Server { port, log }
    }

    pub fn asked(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut len, mut operation) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => len = value.parse().ok()?,
            "x-amz-target" => operation = value.rsplit('.').next()?.to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, operation, body: String::from_utf8_lossy(&body).into_owned() })
}

fn write(mut stream: TcpStream, (status, etag, body): Answer) {
    let etag = etag.map_or(String::new(), |etag| format!("ETag: \"{etag}\"\r\n"));
    let head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n{etag}Content-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

/// Loads a corpus.
pub fn load(corpus: &str, scheme: &str, server: &Server, more: &[&str]) -> Output {
    load_bytes(&snapshots(&fixture(corpus))[0], scheme, server, more)
}

/// Loads a snapshot.
pub fn load_bytes(snapshot: &[u8], scheme: &str, server: &Server, more: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.fsm"), snapshot).unwrap();
    let target = format!("{scheme}://127.0.0.1:{}", server.port);
    run(dir.path(), &[&["load", "x.fsm", "--to", &target, "--json"], more].concat())
}

#[track_caller]
pub fn fails(out: &Output, words: &str) {
    assert_eq!((code(out), stderr(out).contains(words)), (1, true), "{}", stderr(out));
}

/// The last line of the summary.
pub fn summary(out: &Output) -> Value {
    let text = String::from_utf8(out.stdout.clone()).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}
