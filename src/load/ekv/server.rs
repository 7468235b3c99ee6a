//! What a load asks of a server: to store rows, and to list its keys.

use bytes::Bytes;
use prost::Message as _;

use super::grpc::Client;
use super::messages::{Put, Routes, Scan, Scanned, Stored, method};
use crate::dataset::{KeyRange, next_key};
use crate::error::{Error, Remedy, Result};
use crate::format::Family;
use crate::format::adapter::Adapter;
use crate::format::family::Class;
use crate::load::backoff::Backoff;
use crate::load::target::without_password;
use crate::options::typed;

/// Keys that a server lists at once; it returns no more than 1,025.
const PAGE: usize = 1000;
/// How often the server is asked for rows that it has stored but does not list yet, and the first pause: the clock of the node that answers
/// may be behind that of the node that stored them.
const LOOKS: u32 = 6;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
/// The server finds the group.
const ANY: u64 = 0;

/// A server, and the groups of its cluster.
pub(super) struct Server {
    client: Client,
    groups: Vec<u64>,
}

/// Rows that are sent together.
#[derive(Default)]
pub(super) struct Batch {
    /// Ascending.
    keys: Vec<Vec<u8>>,
    messages: Vec<Bytes>,
    pub bytes: usize,
}

impl Batch {
    /// Adds a row; rows come in the order of their keys.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        self.bytes += key.len() + value.len();
        let put = Put { key: key.to_vec(), value: value.to_vec() };
        self.messages.push(put.encode_to_vec().into());
        self.keys.push(put.key);
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The last key.
    pub fn last(&self) -> Option<&[u8]> {
        self.keys.last().map(Vec::as_slice)
    }
}

/// The name of a row in messages, and for `start_after`.
pub(super) fn name_of(key: &[u8]) -> String {
    format!("{NAMED}{}", typed(key, false))
}

/// Prefix of the names of rows.
pub(in crate::load) const NAMED: &str = "row:";

impl Server {
    /// Connects to `HOST:PORT`.
    ///
    /// # Errors
    /// A server that cannot be reached, or that is not an elastickv.
    pub fn connect(authority: &str, connections: usize) -> Result<Server> {
        let mut client = Client::connect(authority, connections)?;
        let told: Vec<Routes> = client.call(method::ROUTES, &[Bytes::new()], |_| "ask for its groups".to_owned())?;
        let mut groups: Vec<u64> = told.iter().flat_map(|told| &told.routes).map(|route| route.group).collect();
        groups.sort_unstable();
        groups.dedup();
        // Rows of one front end can be in several groups, and a server that is asked for a range looks in only one.
        if groups.len() < 2 {
            groups = vec![ANY];
        }
        Ok(Server { client, groups })
    }

    /// Checks that an adapter has no rows.
    ///
    /// # Errors
    /// It has some.
    pub fn refuse_full(&mut self, adapter: Adapter) -> Result<()> {
        let mut scans = Vec::new();
        for range in ranges(adapter) {
            scans.extend(self.groups.iter().map(|group| scan(&range, 1, *group)));
        }
        let told: Vec<Scanned> = self.client.call(method::SCAN, &scans, |_| format!("look for {}", adapter.name()))?;
        let Some(found) = told.iter().find_map(|told| told.rows.first()) else { return Ok(()) };
        let (adapter, example) = (adapter.name(), name_of(&found.key));
        let why = format!("it has rows of {adapter} already, such as {example}");
        Err(self.client.failed(&why).with_remedy(Remedy::Merge))
    }

    /// Stores rows and checks that they are there.
    ///
    /// # Errors
    /// Rows that are refused, or that are not there afterwards.
    pub fn store(&mut self, batch: &Batch) -> Result<()> {
        let name = |at: usize| format!("store {}", batch.keys.get(at).map(|key| name_of(key)).unwrap_or_default());
        let stored: Vec<Stored> = self.client.call(method::PUT, &batch.messages, name)?;
        if let Some(at) = stored.iter().position(|stored| !stored.success) {
            return Err(self.client.failed(&format!("it does not {}", name(at))));
        }
        let mut backoff = Backoff::new(PAUSE, LOOKS);
        loop {
            let missing = self.missing(&batch.keys)?;
            let Some(first) = missing.first() else { return Ok(()) };
            if !backoff.wait() {
                let (rows, name) = (missing.len(), name_of(first));
                let words = format!(
                    "rows that it had stored are missing: {rows}, such as {name} (something else writes to it)"
                );
                return Err(self.client.failed(&words));
            }
        }
    }

    /// The keys, of some ascending keys, that the server does not have.
    fn missing<'k>(&mut self, keys: &'k [Vec<u8>]) -> Result<Vec<&'k [u8]>> {
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(Vec::new()) };
        let mut found = vec![false; keys.len()];
        for group in self.groups.clone() {
            let mut range = KeyRange { lo: first.clone(), hi: Some(next_key(last)) };
            loop {
                let told: Vec<Scanned> = self
                    .client
                    .call(method::SCAN, &[scan(&range, PAGE, group)], |_| "read back what was stored".to_owned())?;
                let rows = told.into_iter().flat_map(|told| told.rows).collect::<Vec<_>>();
                for row in &rows {
                    if let Ok(at) = keys.binary_search(&row.key) {
                        found[at] = true;
                    }
                }
                // It may return fewer keys than it was asked for.
                match rows.last().filter(|row| row.key < *last) {
                    Some(row) if row.key >= range.lo => range.lo = next_key(&row.key),
                    // The same answer would come again and again.
                    Some(row) => return Err(self.client.failed(&out_of_range(&row.key, &range.lo))),
                    None => break,
                }
            }
        }
        Ok(keys.iter().zip(found).filter(|(_, found)| !found).map(|(key, _)| key.as_slice()).collect())
    }
}

/// The message about a key that is not in the listed range.
fn out_of_range(key: &[u8], begin: &[u8]) -> String {
    format!("its list of the keys from {} on has {}", name_of(begin), name_of(key))
}

fn scan(range: &KeyRange, limit: usize, group: u64) -> Bytes {
    let (start, end) = (range.lo.clone(), range.hi.clone().unwrap_or_default());
    Scan { start, end, limit: limit as i64, group, keys_only: true }.encode_to_vec().into()
}

/// The ranges with the keys of an adapter.
fn ranges(adapter: Adapter) -> Vec<KeyRange> {
    let mut all = Vec::new();
    for family in Family::ALL.iter().filter(|family| family.class() == Class::Adapter(adapter)) {
        if *family == Family::Bare {
            // All keys that do not begin like those of other adapters. Bare keys among those are not looked for.
            all.push(KeyRange { lo: Vec::new(), hi: Some(b"!".to_vec()) });
            all.push(KeyRange { lo: b"\"".to_vec(), hi: None });
        } else {
            all.push(KeyRange::below(family.prefix().as_bytes()));
        }
    }
    all
}

/// `HOST:PORT` of an address.
///
/// # Errors
/// The address has another form.
pub(super) fn authority(url: &str) -> Result<&str> {
    let host = url.strip_prefix("ekv://").unwrap_or_default().trim_end_matches('/');
    let port = host.rsplit_once(':').and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
    match port {
        Some(_) if !host.contains(['/', '@', '?']) => Ok(host),
        _ => {
            let shown = without_password(url);
            Err(Error::command_line(format!("{shown}: want ekv://HOST:PORT, where the server listens")))
        }
    }
}
