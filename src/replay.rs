//! What the fuzz targets run, so that `cargo test` can replay their inputs without a fuzzer.

use bumpalo::Bump;

use crate::dataset::DataSet;
use crate::format::redis::{blob, element_key, list, meta, stream, string};
use crate::format::{Family, fs, header, proto, txn};
use crate::source::Source;
use crate::survey::Grain;

/// Surveys `data` as a file, and again behind a stream header; walks and looks up every live row of what is sound.
pub fn survey(data: &[u8]) {
    for grain in [Grain::default(), Grain { spacing: 1, piece: 1, unit: 1 }] {
        walk(data.to_vec(), grain);
        walk([b"EKVPBBL1\0\0\0\0\0\0\0\0", data].concat(), grain);
    }
}

fn walk(file: Vec<u8>, grain: Grain) {
    let sources = [Source::from_bytes("fuzz", file)];
    let Ok(mut set) = DataSet::survey(&sources, None, grain) else { return };
    if set.resolve_transactions().is_err() {
        return;
    }
    let (mut rows, mut live) = (0, 0);
    for &family in Family::ALL.iter().filter(|family| **family != Family::Unknown) {
        let mut previous: Option<&[u8]> = None;
        let mut range = set.family(family);
        while let Ok(Some(row)) = range.next() {
            assert!(previous < Some(row.user_key), "rows of a range ascend");
            previous = Some(row.user_key);
            if Family::of(row.user_key) == family {
                rows += 1;
                let found = set.get(row.user_key);
                assert!(found.is_ok_and(|found| found.is_some_and(|found| found.body == row.body)), "look-up agrees");
            }
        }
        live += set.counts().family(family).live;
    }
    assert!(set.is_merged() || rows == live, "{rows} rows walked, {live} counted");
}

/// Runs every Redis parser; none may panic, and what an entry says of its fields must hold.
pub fn redis_values(data: &[u8]) {
    let _ = (string::string(data), string::hll(data), meta::CollectionMeta::parse(data), meta::delta(data));
    let _ = (meta::score(data), meta::index_ttl(data), list::ListMeta::parse(data), list::ListDelta::parse(data));
    let _ =
        (list::item_key(data), element_key(data), stream::StreamMeta::parse(data), stream::StreamId::from_text(data));
    let _ = (blob::hash(data, |_, _| ()), blob::set(data, |_| ()), blob::zset(data, |_, _| ()), proto::map_entry(data));
    let _ = (txn::Lock::parse(data), txn::Intent::parse(data), txn::commit_ts(data), header::parse(data));
    for message in [data, &[b"\0RXE\x01", data].concat()] {
        if let Ok(entry) = stream::StreamEntry::parse(message) {
            let _ = entry.fields().count();
        }
    }
    for magic in [blob::HASH, blob::SET, blob::ZSET] {
        let value = [magic, data].concat();
        let _ = (blob::hash(&value, |_, _| ()), blob::set(&value, |_| ()), blob::zset(&value, |_, _| ()));
    }
}

/// Runs every parser of the file system on `data`, as key and as value; none may panic, and what a key says must make
/// the same key again.
pub fn fs_rows(data: &[u8]) {
    let arena = Bump::new();
    let _ = (fs::Inode::parse(&arena, data), fs::Entry::parse(&arena, data), fs::Home::parse(&arena, data));
    let _ = (fs::Handle::parse(&arena, data), fs::Intent::parse(&arena, data), fs::MoveJob::parse(&arena, data));
    let _ = (fs::Usage::parse(&arena, data), fs::Counter::parse(&arena, data), fs::number(data));
    for &family in Family::ALL {
        let _ = fs::check(&arena, family, &[family.prefix().as_bytes(), data].concat(), b"{}");
    }
    if let Ok(key) = fs::EntryKey::parse(data) {
        assert_eq!(Family::FsEntry.suffix(&fs::key::entry(key.parent, &key.name)), data);
    }
    if let Ok(key) = fs::HandleKey::parse(data) {
        assert_eq!(Family::FsHandle.suffix(&fs::key::handle(key.inode, &key.client, key.handle)), data);
    }
    if let Ok(key) = fs::ChunkKey::parse(data) {
        let numbers = [key.home_slot, key.inode, key.index];
        assert_eq!(Family::FsChunk.suffix(&fs::key::numbers(Family::FsChunk, &numbers)), data);
    }
}
