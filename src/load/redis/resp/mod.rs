//! Keys over the wire, as commands that any client could send: `SET`, `HSET`, `RPUSH`, `SADD`, `ZADD`, `XADD`, and `XSETID`, which restores
//! the state of a stream.
//!
//! Commands are sent in batches over several connections (`lanes.rs`). A key uses only one of them, because its commands have an order. The
//! server's reply to each command has the number of elements that it accepted, and each reply is checked (`commands.rs`).

mod commands;
mod lanes;

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
    if found.keys > 0 && !options.merges() {
        let why = format!("{}: the database is not empty (keys: {}): name an empty one", server.shown, found.keys);
        return Err(Error::usage(why).with_remedy(Remedy::Merge));
    }
    if options.dry_run {
        return dry(input, options, course);
    }
    let is_fresh = found.keys == 0 && !resumed;
    let connections = if options.connections == 0 { CONNECTIONS } else { options.connections };
    let others = (1..connections).map(|_| server.connect()).collect::<Result<Vec<_>>>()?;
    let all: Vec<Connection> = std::iter::once(first).chain(others).collect();
    let (adapter, listener) = (course.adapter, course.listener);
    let (course, sent) = lanes::run(all, &server.shown, listener, |lanes: Lanes<'_>| {
        let sink = Commands::new(lanes, is_fresh, found.version >= STREAMS_WITH_HISTORY);
        let mut keys = Keys::new(sink, course);
        let findings = input::read(input, adapter, options, listener, &mut keys)?;
        let Keys { sink, mut course, .. } = keys;
        course.noticed(findings);
        Ok((course, sink.finish()?))
    })?;
    let after = About::read(&mut server.connect()?).map_err(|e| server.failed(&e))?;
    let least = sent.keys - sent.expiring;
    if after.keys < least || (is_fresh && after.keys > sent.keys) {
        return Err(Error::new(ErrorKind::Target(format!(
            "{}: {} keys were loaded, but the database has {}: something else writes to it, or it evicts keys",
            server.shown, sent.keys, after.keys
        ))));
    }
    course.finish()
}

/// A server to connect to.
struct Server {
    client: redis::Client,
    shown: String,
}

impl Server {
    fn of(url: &str) -> Result<Server> {
        let shown = without_password(url);
        let client = redis::Client::open(url)
            .map_err(|e| Error::command_line(format!("{shown} is not the address of a Redis server: {e}")))?;
        Ok(Server { client, shown })
    }

    fn connect(&self) -> Result<Connection> {
        self.client.get_connection_with_timeout(lanes::CONNECT).map_err(|e| self.failed(&e))
    }

    #[cold]
    fn failed(&self, e: &redis::RedisError) -> Error {
        lanes::failed(&self.shown, e)
    }
}

/// What a server reports about itself.
struct About {
    version: u64,
    /// Number of keys in the database.
    keys: u64,
}

impl About {
    fn read(connection: &mut Connection) -> redis::RedisResult<About> {
        let database = redis::ConnectionLike::get_db(connection);
        let info: String = redis::cmd("INFO").query(connection)?;
        let number = |prefix: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(prefix));
            line.and_then(|rest| rest.split(['.', ',']).next()?.trim().parse().ok())
        };
        Ok(About {
            version: number("redis_version:").unwrap_or(0),
            keys: number(&format!("db{database}:keys=")).unwrap_or(0),
        })
    }
}
