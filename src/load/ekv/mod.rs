//! Loads into a running elastickv through its raw key-value interface: the objects of all adapters, as the rows that its front ends store.
//!
//! 1. Objects become rows, as an encode makes them (`rows.rs`), and are sorted by key.
//! 2. An adapter that has rows in the inputs must have none in the server (`server.rs`), unless the user asks to merge.
//! 3. Rows are sent in batches, those of a batch in parallel, and read back afterwards. The *position* is the last row of the last
//!    batch: a run that continues after it makes the same rows and leaves out those up to it.
//!
//! The order of keys is a good one: rows that a front end reads first, such as the schema of a table or the record of a queue, come after
//! the rows that they lead to.
//!
//! The server gives each row a timestamp of its own. Rows are only added: elements of an existing collection stay.

mod grpc;
mod messages;
mod rows;
mod server;

use super::course::Course;
use super::{Input, Options, Outcome};
use crate::error::Result;
use crate::format::adapter::Adapter;
use rows::Rows;
pub(in crate::load) use server::NAMED;
use server::{Batch, Server, authority, name_of};

/// The default number of connections.
const CONNECTIONS: usize = 4;
/// Maximum number of rows in a batch. Its bytes are bounded by the size of a task (`Granularity`).
const MOST_ROWS: usize = 512;

/// Stores the rows of the inputs in a server.
pub(in crate::load) fn load(
    input: &Input,
    url: &str,
    adapters: &[Adapter],
    last_commit_ts: u64,
    options: &Options,
    mut course: Course<'_>,
) -> Result<Outcome> {
    let authority = authority(url)?;
    let connections = if options.connections == 0 { CONNECTIONS } else { options.connections };
    let mut server = Server::connect(authority, connections)?;
    let mut rows = Rows::of(input, adapters, options, last_commit_ts, course.shift, course.listener)?;
    for (adapter, kind, objects) in &rows.objects {
        course.meets(*adapter, kind, *objects);
        course.loaded_all(kind, *objects);
    }
    course.noticed(std::mem::take(&mut rows.findings));
    if !options.merges() {
        rows.adapters.iter().try_for_each(|adapter| server.refuse_full(*adapter))?;
    }
    course.listener.begin("load", 1);
    let most_bytes = options.decode.granularity.task_size;
    let mut sender =
        Sender { server, course, dry_run: options.dry_run, most_bytes, batch: Batch::default(), stored: 0 };
    while let Some((key, value)) = rows.next()? {
        sender.row(key, value)?;
    }
    sender.flush()?;
    sender.course.listener.advance(1);
    Ok(Outcome { rows: Some(sender.stored), ..sender.course.finish()? })
}

/// Sends rows.
struct Sender<'c> {
    server: Server,
    course: Course<'c>,
    dry_run: bool,
    most_bytes: usize,
    batch: Batch,
    stored: u64,
}

impl Sender<'_> {
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if !self.course.is_behind(|| name_of(key)) {
            return Ok(());
        }
        self.course.sends(key.len() + value.len());
        self.batch.push(key, value);
        if self.batch.len() >= MOST_ROWS || self.batch.bytes >= self.most_bytes { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        let Some(last) = batch.last() else { return Ok(()) };
        self.stored += batch.len() as u64;
        if !self.dry_run {
            self.server.store(&batch)?;
            self.course.listener.position(&name_of(last), self.stored);
        }
        Ok(())
    }
}
