//! Answers that a real Redis server does not give: a test server sends the answers that a test chooses.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use crate::kit::command::{code, ekvsnap, stderr};

/// A server, and the commands that it received.
struct Server {
    url: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// It runs until the test process ends. `answer` gets each command, except those that introduce a client.
    fn start(answer: impl Fn(&[String]) -> String + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("redis://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let (log, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let seen = Arc::clone(&log);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || serve(&stream, &seen, &*answer));
            }
        });
        Server { url, log }
    }

    /// A server that reports this about itself.
    fn with(info: &'static str) -> Server {
        Server::start(move |command| match command[0].as_str() {
            "INFO" => format!("${}\r\n{info}\r\n", info.len()),
            "HSET" => format!(":{}\r\n", (command.len() - 2) / 2),
            "DEL" => ":0\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        })
    }

    /// Loads the strings and hashes of a corpus, none of which has expired.
    fn load(&self, more: &[&str]) -> Output {
        let input = "testdata/redis-small.fsm";
        let args =
            ["load", input, "--to", &self.url, "--type", "string", "--type", "hash", "--shift-times=4000000000000"];
        ekvsnap(Path::new(env!("CARGO_MANIFEST_DIR")), &[&args, more].concat())
    }

    /// Number of received commands of this name.
    fn count(&self, name: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|seen| *seen == name).count()
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<String>>, answer: &dyn Fn(&[String]) -> String) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let count = number(&mut reader)?;
        let command = (0..count).map(|_| text(&mut reader)).collect::<Option<Vec<_>>>()?;
        seen.lock().unwrap().push(command[0].clone());
        let said = if command[0] == "CLIENT" { "+OK\r\n".to_owned() } else { answer(&command) };
        (&mut &*stream).write_all(said.as_bytes()).ok()?;
    }
}

/// The number after `*` or `$`.
fn number(reader: &mut impl BufRead) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.get(1..)?.trim_end().parse().ok()
}

fn text(reader: &mut impl BufRead) -> Option<String> {
    let mut bytes = vec![0; number(reader)? + 2];
    reader.read_exact(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes[..bytes.len() - 2]).into_owned())
}

#[track_caller]
fn fails(out: &Output, words: &str) {
    assert_eq!((code(out), stderr(out).contains(words)), (1, true), "{}", stderr(out));
}

/// The front end of an elastickv does not report its keys, and must not be asked in a way that can crash it. Its keys may be there.
#[test]
fn a_server_that_does_not_report_its_keys() {
    let server = Server::with("# Server\r\nredis_version:7.2.0\r\nrole:master\r\n");
    for more in [&[][..], &["--dry-run"]] {
        fails(&server.load(more), "does not report how many keys it has, so it may not be empty (--merge loads");
    }
    assert_eq!(server.count("SET") + server.count("HSET") + server.count("DEL"), 0);
    let merged = server.load(&["--merge"]);
    assert_eq!(code(&merged), 0, "{}", stderr(&merged));
    assert!(stderr(&merged).contains("warning: load_uncounted"), "{}", stderr(&merged));
    assert!(server.count("DEL") > 0, "an older hash of the same name is removed");
    assert_eq!(server.count("DBSIZE") + server.count("KEYS"), 0);
}

#[test]
fn a_database_that_has_keys_or_none() {
    let full = Server::with("redis_version:7.0.15\r\n# Keyspace\r\ndb0:keys=3,expires=0\r\n");
    fails(&full.load(&[]), "the database is not empty (keys: 3)");
    let empty = Server::with("redis_version:7.0.15\r\n# Keyspace\r\n");
    fails(&empty.load(&[]), "keys were loaded, but the database has 0");
    assert_eq!(empty.count("DEL"), 0, "nothing is removed from an empty database");
}

/// A reply has the number of elements that were added.
#[test]
fn replies_that_prove_nothing() {
    for (reply, words) in [
        (":77\r\n", "it answered 77, not "),
        ("+OK\r\n", "its answer is no number"),
        ("-READONLY You can't write\r\n", "You can't write"),
    ] {
        let server = Server::start(move |command| match command[0].as_str() {
            "INFO" => "$12\r\n# Keyspace\r\n\r\n".to_owned(),
            "HSET" => reply.to_owned(),
            _ => "+OK\r\n".to_owned(),
        });
        let out = server.load(&[]);
        fails(&out, words);
        assert!(!stderr(&out).contains("Number("), "{}", stderr(&out));
    }
}
