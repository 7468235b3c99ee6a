//! A real Redis server: compares the data loaded over the wire and from a file, key by key.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Connection, FromRedisValue, RedisResult, cmd};

use super::rdb::CORPORA;
use super::truth::{Keys, Value, held, keys};
use crate::kit::build::{Snapshot, be, item, plain};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load as fixture, snapshots};

/// A separate server, with its own directory.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Starts with the content of `dump.rdb` in the directory.
    pub fn start(dir: &Path) -> Server {
        Server::with(dir, &[])
    }

    fn with(dir: &Path, more: &[&str]) -> Server {
        let port = free_port();
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port.to_string(), "--save", "", "--enable-debug-command", "yes", "--dir"])
            .arg(dir)
            .args(more)
            .current_dir(dir);
        let child = command.stdout(Stdio::null()).spawn().expect("redis-server is installed");
        let server = Server { child, url: format!("redis://127.0.0.1:{port}") };
        let begun = Instant::now();
        while !matches!(server.try_connect().map(|mut c| cmd("PING").query::<String>(&mut c)), Ok(Ok(_))) {
            assert!(begun.elapsed() < Duration::from_secs(60), "the server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn try_connect(&self) -> RedisResult<Connection> {
        redis::Client::open(&self.url[..])?.get_connection()
    }

    pub fn connect(&self) -> Connection {
        self.try_connect().unwrap()
    }
}

fn ask<T: FromRedisValue>(connection: &mut Connection, command: &str, args: &[&[u8]]) -> T {
    let mut asked = cmd(command);
    for arg in args {
        asked.arg(*arg);
    }
    asked.query(connection).unwrap_or_else(|e| panic!("{command}: {e}"))
}

/// The value of a key, read like by a client.
fn value(connection: &mut Connection, name: &[u8], want: &Value) -> Value {
    match want {
        Value::String(_) | Value::Members(_) => Value::String(ask(connection, "GET", &[name])),
        Value::Hash(_) => Value::Hash(ask(connection, "HGETALL", &[name])),
        Value::List(_) => Value::List(ask(connection, "LRANGE", &[name, b"0", b"-1"])),
        Value::Set(_) => Value::Set(ask(connection, "SMEMBERS", &[name])),
        Value::Zset(_) => {
            let scored: Vec<(Vec<u8>, f64)> = ask(connection, "ZRANGE", &[name, b"0", b"-1", b"WITHSCORES"]);
            Value::Zset(scored.into_iter().map(|(member, score)| (member, score.to_bits())).collect())
        }
        Value::Stream(..) => {
            let entries: Vec<(String, Vec<Vec<u8>>)> = ask(connection, "XRANGE", &[name, b"-", b"+"]);
            let info: Vec<redis::Value> = ask(connection, "XINFO", &[b"STREAM", name]);
            let at = info.iter().position(|v| *v == redis::Value::BulkString(b"last-generated-id".to_vec())).unwrap();
            Value::Stream(entries, String::from_redis_value(info[at + 1].clone()).unwrap())
        }
    }
}

/// In small sorted sets integer scores are stored as integers: -0 becomes 0 in the server.
fn unsigned(mut value: Value) -> Value {
    if let Value::Zset(members) = &mut value {
        members.values_mut().filter(|bits| f64::from_bits(**bits) == 0.0).for_each(|bits| *bits = 0);
    }
    value
}

/// Compares everything in the server with the expected keys.
#[track_caller]
fn compare(server: &Server, want: &Keys) {
    let mut connection = server.connect();
    assert_eq!(ask::<usize>(&mut connection, "DBSIZE", &[]), want.len());
    for (name, (value_of, expiry)) in want {
        let shown = name.escape_ascii();
        let found = value(&mut connection, name, value_of);
        match value_of {
            Value::Members(members) => {
                let count: f64 = ask(&mut connection, "PFCOUNT", &[name]);
                let off = (count - members.len() as f64).abs();
                assert!(off <= 1.0 + 0.03 * members.len() as f64, "{shown}: {count} of {}", members.len());
                let mut other = b"other:".to_vec();
                other.extend(name);
                for member in members {
                    ask::<i64>(&mut connection, "PFADD", &[&other, member]);
                }
                if !members.is_empty() {
                    // The server's own sketch of the members counts the same.
                    assert_eq!(ask::<f64>(&mut connection, "PFCOUNT", &[&other]), count, "{shown}");
                }
                ask::<i64>(&mut connection, "DEL", &[&other]);
            }
            _ => assert_eq!(&unsigned(found), &unsigned(value_of.clone()), "{shown}"),
        }
        let at: i64 = ask(&mut connection, "PEXPIRETIME", &[name]);
        assert_eq!(at, expiry.map_or(-1, |at| at as i64), "{shown}");
    }
}

/// Data of a key that only the server has: a digest of its value, and all of a stream.
fn inner(server: &Server, name: &[u8]) -> (String, Option<String>) {
    let mut connection = server.connect();
    let digest: Vec<String> = ask(&mut connection, "DEBUG", &[b"DIGEST-VALUE", name]);
    let kind: String = ask(&mut connection, "TYPE", &[name]);
    let stream = (kind == "stream").then(|| {
        let info: Vec<redis::Value> = ask(&mut connection, "XINFO", &[b"STREAM", name, b"FULL", b"COUNT", b"0"]);
        let is_inner = |pair: &&[redis::Value]| format!("{:?}", pair[0]).contains("radix-tree");
        format!("{:?}", info.chunks(2).filter(|pair| !is_inner(pair)).collect::<Vec<_>>())
    });
    (digest.concat(), stream)
}

/// A moment at which all expiries are far ahead: by how much they move.
const LATER: u64 = 4_000_000_000_000;

#[track_caller]
fn run(dir: &Path, args: &[&str]) {
    let out = ekvsnap(dir, args);
    assert_eq!(code(&out), 0, "{args:?}: {}", stderr(&out));
}

/// Writes the inputs of a corpus; returns their names and the expected content of a server.
fn prepare(dir: &Path, name: &str) -> (Vec<String>, Keys) {
    let inputs = snapshots(&fixture(name));
    let newest = |bytes: &Vec<u8>| {
        ekvsnap::index::last_commit_ts(&ekvsnap::source::Source::from_bytes("x", bytes.clone())).unwrap() >> 16
    };
    let shift = LATER as i64 - inputs.iter().map(newest).max().unwrap() as i64;
    let names: Vec<String> = (0..inputs.len()).map(|n| format!("{name}-{n}.fsm")).collect();
    names.iter().zip(&inputs).for_each(|(name, bytes)| std::fs::write(dir.join(name), bytes).unwrap());
    (names, held(keys(&inputs), shift))
}

#[test]
#[ignore = "needs redis-server"]
fn every_corpus_is_served_the_same_from_file_and_wire() {
    for name in CORPORA {
        let dir = tempfile::tempdir().unwrap();
        let (inputs, want) = prepare(dir.path(), name);
        let shift = format!("--shift-times={LATER}");
        let of_inputs = |more: &[&str]| -> Vec<String> {
            let all = ["load"].iter().copied().chain(inputs.iter().map(String::as_str)).chain(more.iter().copied());
            all.map(str::to_owned).collect()
        };
        let go = |args: Vec<String>| run(dir.path(), &args.iter().map(String::as_str).collect::<Vec<_>>());
        go(of_inputs(&["--to", "dump.rdb", &shift]));
        let of_file = Server::start(dir.path());
        std::fs::remove_file(dir.path().join("dump.rdb")).unwrap();
        compare(&of_file, &want);
        let of_wire = Server::start(dir.path());
        go(of_inputs(&["--to", &of_wire.url, &shift]));
        compare(&of_wire, &want);
        for key in want.keys() {
            assert_eq!(inner(&of_file, key), inner(&of_wire, key), "{name}: {}", key.escape_ascii());
        }
        // From an output, together with other keys and over older ones.
        let mut decode = vec!["decode".to_owned()];
        decode.extend(inputs.iter().cloned());
        decode.extend(["-o", "out", "--layout", "jsonl"].map(str::to_owned));
        go(decode);
        let refused = ekvsnap(dir.path(), &["load", "out", "--to", &of_wire.url]);
        assert_eq!(code(&refused), 1, "{}", stderr(&refused));
        run(dir.path(), &["load", "out", "--to", &of_wire.url, &shift, "--merge"]);
        compare(&of_wire, &want);
    }
}

/// Strings, and one list that is longer than a batch of commands.
fn large() -> Snapshot {
    let items = 30_000;
    let strings = (0..3_000).fold(Snapshot::new(), |snapshot, n| {
        snapshot.put(plain("!redis|str|", format!("k{n:05}")), [b"\xff\x01\0", &[b'x'; 1000][..]].concat())
    });
    let list = (0..items).fold(strings, |snapshot, n| snapshot.put(item("k01500:list", n), format!("item {n}")));
    list.put(plain("!lst|meta|", "k01500:list"), be(&[0, items as u64, items as u64]))
}

/// Runs a load until it has reported a position, kills it, and returns the last position.
fn killed(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
    let mut child = command.current_dir(dir).args(args).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let position =
        lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap()).find_map(|line| {
            let objects = line["objects"].as_u64()?;
            (line["event"] == "loading" && objects >= 500).then(|| line["position"].as_str().unwrap().to_owned())
        });
    child.kill().unwrap();
    child.wait().unwrap();
    position.expect("it tells a position before it ends")
}

#[test]
#[ignore = "needs redis-server"]
fn a_killed_load_is_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = large().build();
    std::fs::write(dir.path().join("x.fsm"), &snapshot).unwrap();
    let (server, want) = (Server::start(dir.path()), keys(&[snapshot]));
    let to = ["load", "x.fsm", "--to", &server.url];
    let position = killed(dir.path(), &[&to[..], &["--json", "--rate-limit", "700KiB"]].concat());
    let there: usize = ask(&mut server.connect(), "DBSIZE", &[]);
    assert!((500..want.len()).contains(&there), "{there}");
    let resumed = [&to[..], &["--start-after", &position]].concat();
    run(dir.path(), &resumed);
    compare(&server, &want);
    // Half of a list is replaced: the list is written again.
    ask::<i64>(&mut server.connect(), "RPUSH", &[b"k01500:list", b"more"]);
    run(dir.path(), &[&to[..], &["--start-after", "redis:k01499"]].concat());
    compare(&server, &want);
    let missing = ekvsnap(dir.path(), &[&to[..], &["--start-after", "redis:none"]].concat());
    assert_eq!(code(&missing), 1, "{}", stderr(&missing));
}

/// Encrypted, and only to a server whose certificate is trusted.
#[test]
#[ignore = "needs redis-server and openssl"]
fn an_encrypted_connection() {
    let dir = tempfile::tempdir().unwrap();
    let (inputs, want) = prepare(dir.path(), "redis-small");
    super::certificate(dir.path());
    let port = free_port().to_string();
    let tls = ["--tls-port", &port, "--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"];
    let more = ["--tls-ca-cert-file", "cert.pem", "--tls-auth-clients", "no"];
    let server = Server::with(dir.path(), &[&tls[..], &more].concat());
    let url = format!("rediss://localhost:{port}");
    let args = ["load", &inputs[0], "--to", &url, &format!("--shift-times={LATER}")];
    let mut command = Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
    command.current_dir(dir.path()).args(args).stdin(Stdio::null());
    let distrusted = command.output().unwrap();
    assert_eq!((code(&distrusted), stderr(&distrusted).contains("certificate")), (1, true), "{}", stderr(&distrusted));
    let trusted = command.env("SSL_CERT_FILE", dir.path().join("cert.pem")).output().unwrap();
    assert_eq!(code(&trusted), 0, "{}", stderr(&trusted));
    compare(&server, &want);
}

/// A rejection by the server ends the load, which reports where to continue.
#[test]
#[ignore = "needs redis-server"]
fn a_server_that_is_full_ends_the_load() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.fsm"), large().build()).unwrap();
    let server = Server::start(dir.path());
    ask::<String>(&mut server.connect(), "CONFIG", &[b"SET", b"maxmemory", b"4mb"]);
    let out = ekvsnap(dir.path(), &["load", "x.fsm", "--to", &server.url]);
    let told = stderr(&out);
    assert_eq!(code(&out), 1, "{told}");
    assert!(told.contains("OOM") && told.contains("continue with --start-after redis:k0"), "{told}");
    let nobody = ekvsnap(dir.path(), &["load", "x.fsm", "--to", &format!("redis://127.0.0.1:{}", free_port())]);
    assert_eq!(code(&nobody), 1);
}
