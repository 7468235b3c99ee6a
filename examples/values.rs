//! Prints every DynamoDB item and every Redis string of a snapshot, with the library only:
//!
//! cargo run --no-default-features --example values -- testdata/redis-small.fsm

use ekvsnap::decode::Options;
use ekvsnap::format::redis::stream::{StreamEntry, StreamId};
use ekvsnap::model::dynamodb::{self, Item, StaleItem, Table};
use ekvsnap::model::redis::{self, Key, StreamEnd};
use ekvsnap::{Result, Snapshot};

struct Print;

impl<'a> dynamodb::Visitor<'a> for Print {
    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        println!("{} {:?}", table.name.escape_ascii(), item.key.hash);
        item.value.attributes().stored().for_each(|entry| println!("  {}: {:?}", entry.name, entry.value()));
        Ok(())
    }
    fn stale(&mut self, _: &StaleItem<'a>) -> Result<()> {
        Ok(())
    }
}

#[rustfmt::skip]
impl redis::Visitor for Print {
    fn string(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        println!("{} = {}", key.name.escape_ascii(), value.escape_ascii());
        Ok(())
    }
    fn begin(&mut self, key: &Key<'_>) -> Result<()> { println!("{} ({:?})", key.name.escape_ascii(), key.kind); Ok(()) }
    fn field(&mut self, _: &Key<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        println!("  {}: {}", name.escape_ascii(), value.escape_ascii());
        Ok(())
    }
    fn item(&mut self, _: &Key<'_>, value: &[u8]) -> Result<()> { println!("  {}", value.escape_ascii()); Ok(()) }
    fn member(&mut self, _: &Key<'_>, member: &[u8]) -> Result<()> { println!("  {}", member.escape_ascii()); Ok(()) }
    fn scored(&mut self, _: &Key<'_>, member: &[u8], score: f64) -> Result<()> { println!("  {} {score}", member.escape_ascii()); Ok(()) }
    fn entry(&mut self, _: &Key<'_>, id: StreamId, entry: &StreamEntry<'_>) -> Result<()> { println!("  {id}: {} fields", entry.fields().count()); Ok(()) }
    fn end(&mut self, _: &Key<'_>, _: StreamEnd) -> Result<()> { Ok(()) }
    fn abandon(&mut self, _: &Key<'_>) -> Result<()> { Ok(()) }
    fn stray_items(&mut self, _: &[u8], _: &[&[u8]]) -> Result<()> { Ok(()) }
    fn stray_expiry(&mut self, _: &[u8], _: u64) -> Result<()> { Ok(()) }
}

fn main() -> Result<()> {
    let snapshot = Snapshot::open(&std::env::args_os().skip(1).collect::<Vec<_>>())?;
    snapshot.dynamodb(&Options::default(), &mut Print)?;
    snapshot.redis(&Options::default(), &mut Print)?;
    Ok(())
}
