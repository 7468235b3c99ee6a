//! Keys over the wire, as commands that any client could send: `SET`, `HSET`, `RPUSH`, `SADD`, `ZADD`, `XADD`, and `XSETID`, which restores
//! the state of a stream.
//!
//! Commands are sent in batches over several connections (`lanes.rs`). A key uses only one of them, because its commands have an order. The
//! server's reply to each command has the number of elements that it accepted, and each reply is checked (`commands.rs`).

mod commands;
mod lanes;

use std::time::Duration;

use redis::Connection;

use super::{Keys, dry};
use crate::error::{Error, ErrorKind, Remedy, Result};
use crate::load::course::Course;
use crate::load::target::without_password;
use crate::load::{Input, Options, Outcome, input, tls};
use commands::Commands;
use lanes::Lanes;

/// The default number of connections.
const CONNECTIONS: usize = 4;
/// The first version whose streams store what was deleted.
const STREAMS_WITH_HISTORY: u64 = 7;

/// Sends all keys of the inputs to a server.
pub(in crate::load) fn load(input: &Input, url: &str, options: &Options, course: Course<'_>) -> Result<Outcome> {
    tls::prepare();
    let server = Server::of(url)?;
    let mut first = server.connect()?;
    let found = About::read(&mut first).map_err(|e| server.failed(&e))?;
    let resumed = options.start_after.is_some();
    if !options.merges() {
        server.refuse_full(found.keys)?;
    }
    if options.dry_run {
        return dry(input, options, course);
    }
    let is_fresh = found.keys == Some(0) && !resumed;
    let connections = if options.connections == 0 { CONNECTIONS } else { options.connections };
    let others = (1..connections).map(|_| server.connect()).collect::<Result<Vec<_>>>()?;
    let all: Vec<Connection> = std::iter::once(first).chain(others).collect();
    let (adapter, listener) = (course.adapter, course.listener);
    let (mut course, sent) = lanes::run(all, &server.shown, listener, |lanes: Lanes<'_>| {
        let sink = Commands::new(lanes, is_fresh, found.version >= STREAMS_WITH_HISTORY);
        let mut keys = Keys::new(sink, course);
        let findings = input::read(input, adapter, options, listener, &mut keys)?;
        let Keys { sink, mut course, .. } = keys;
        course.noticed(findings);
        Ok((course, sink.finish()?))
    })?;
    let after = About::read(&mut server.connect()?).map_err(|e| server.failed(&e))?;
    let least = sent.keys.saturating_sub(sent.expiring);
    match after.keys {
        None => course.uncounted(),
        Some(keys) if keys < least || (is_fresh && keys > sent.keys) => {
            return Err(Error::new(ErrorKind::Target(format!(
                "{}: {} keys were loaded, but the database has {keys}: something else writes to it, or it evicts keys",
                server.shown, sent.keys
            ))));
        }
        Some(_) => {}
    }
    course.finish()
}

/// A server to connect to.
struct Server {
    client: redis::Client,
    shown: String,
    /// How long it may take to accept bytes, and to answer.
    patience: Duration,
}

impl Server {
    fn of(url: &str) -> Result<Server> {
        let shown = without_password(url);
        let client = redis::Client::open(url)
            .map_err(|e| Error::command_line(format!("{shown} is not the address of a Redis server: {e}")))?;
        Ok(Server { client, shown, patience: lanes::ANSWER })
    }

    fn connect(&self) -> Result<Connection> {
        let connection = self.client.get_connection_with_timeout(lanes::CONNECT).and_then(|connection| {
            connection.set_read_timeout(Some(self.patience))?;
            connection.set_write_timeout(Some(self.patience))?;
            Ok(connection)
        });
        connection.map_err(|e| self.failed(&e))
    }

    /// Refuses a database that has keys, or that may have some: they would be replaced.
    fn refuse_full(&self, keys: Option<u64>) -> Result<()> {
        let why = match keys {
            Some(0) => return Ok(()),
            Some(keys) => format!("the database is not empty (keys: {keys}): name an empty one"),
            None => "the server does not report how many keys it has, so it may not be empty".to_owned(),
        };
        Err(Error::usage(format!("{}: {why}", self.shown)).with_remedy(Remedy::Merge))
    }

    #[cold]
    fn failed(&self, e: &redis::RedisError) -> Error {
        lanes::failed(&self.shown, e)
    }
}

/// What a server reports about itself.
#[derive(Debug, PartialEq, Eq)]
struct About {
    version: u64,
    /// Number of keys in the database; `None`: the server does not report it.
    keys: Option<u64>,
}

impl About {
    /// Asks with `INFO` and nothing else: an elastickv does not report its keys there, and `DBSIZE` or `KEYS` can crash it.
    fn read(connection: &mut Connection) -> redis::RedisResult<About> {
        let database = redis::ConnectionLike::get_db(connection);
        let info: String = redis::cmd("INFO").query(connection)?;
        Ok(About::of(&info, database))
    }

    /// The section `Keyspace` has a line for each database with keys. Without the section, nothing is known about them.
    fn of(info: &str, database: i64) -> About {
        let number = |prefix: &str| {
            let rest = info.lines().find_map(|line| line.strip_prefix(prefix))?;
            Some(rest.split(['.', ',']).next().and_then(|text| text.trim().parse().ok()))
        };
        let has_section = info.lines().any(|line| line.trim_end() == "# Keyspace");
        let none = Some(0).filter(|_| has_section);
        About {
            version: number("redis_version:").flatten().unwrap_or(0),
            keys: number(&format!("db{database}:keys=")).unwrap_or(none),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::mpsc::channel;

    use super::lanes::{Batch, Want};
    use super::*;
    use crate::run::Silent;

    #[test]
    fn keys_of_a_database() {
        for (info, database, version, keys) in [
            ("# Server\r\nredis_version:7.0.15\r\n\r\n# Keyspace\r\ndb0:keys=12,expires=3\r\n", 0, 7, Some(12)),
            ("redis_version:7.0.15\r\n# Keyspace\r\ndb0:keys=12,expires=3\r\n", 1, 7, Some(0)),
            ("redis_version:6.2.1\r\n# Keyspace\r\n", 0, 6, Some(0)),
            ("redis_version:7.2.0\r\nrole:master\r\n", 0, 7, None),
            ("# Keyspace\r\ndb0:keys=many\r\n", 0, 0, None),
            ("", 0, 0, None),
        ] {
            assert_eq!(About::of(info, database), About { version, keys }, "{info}");
        }
    }

    /// A server that accepts no more bytes, or does not answer: the load fails, and does not wait for ever.
    #[test]
    fn a_server_that_stops_fails_the_load() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for mut stream in listener.incoming().flatten() {
                // The client greets with two commands.
                let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(b"+OK\r\n+OK\r\n"));
                open.push(stream);
            }
        });
        for bytes in [6, 64 << 20] {
            let (done, result) = channel();
            std::thread::spawn(move || {
                let server = Server::of(&format!("redis://127.0.0.1:{port}")).unwrap();
                let server = Server { patience: Duration::from_millis(100), ..server };
                let batch = Batch { bytes: vec![b'x'; bytes], wants: vec![Want::Any], complete: None };
                let sent = lanes::run(vec![server.connect().unwrap()], &server.shown, &Silent, |mut lanes| {
                    lanes.send(batch, false)
                });
                done.send(sent.unwrap_err().to_string())
            });
            let words = result.recv_timeout(Duration::from_secs(20)).expect("it ends");
            assert!(words.contains("no answer in time"), "{words}");
        }
    }
}
