//! Bundles: blocks of any bytes, tables of any bytes, and tables of any blocks.

use sha2::{Digest as _, Sha256};

use crate::format::frame;
use crate::format::sst::block::{self, Builder, Entries, Payload, find_len};
use crate::format::sst::bundle::{File, Front, Manifest, front_into};
use crate::format::sst::row::Rows;
use crate::format::sst::table::{Footer, Index, PROPERTIES, Properties, Table};
use crate::source::Source;

/// Parses `data` as a block, as a payload of each kind, as the end of a table and as a front.
pub fn sst_block(data: &[u8]) {
    let mut room = Vec::new();
    for payload in [Payload::parse(data).ok(), Some(Payload::Snappy(data)), Some(Payload::Stored(data))] {
        if let Some(payload) = payload
            && let Ok(inflated) = payload.inflate(&mut room)
        {
            assert_eq!(payload.inflated_len(), Ok(inflated.len()), "the length is known before");
        }
    }
    if let Ok(mut entries) = Entries::new(data) {
        let entries = (0..data.len()).take_while(|_| matches!(entries.next(), Ok(Some(_)))).count();
        assert!(entries <= data.len() / 3, "an entry has three lengths");
    }
    let mut key = Vec::new();
    if let Ok(mut rows) = Rows::new(data, &mut key) {
        while let Ok(Some(row)) = rows.next() {
            assert!(row.raw_value.len() < data.len(), "a value is one of the block");
        }
    }
    if let Ok(mut index) = Index::parse(data.to_vec()) {
        while let Ok(Some((_, handle))) = index.next() {
            let _ = handle.of(data);
        }
    }
    if let Some(len) = find_len(data) {
        assert!(Payload::parse(&data[..len + block::TRAILER]).is_ok(), "the checksum of what is found matches");
    }
    let _ = (Properties::parse(data), Table::parse(data), Front::parse(data), Manifest::parse(data));
}

/// Unpacks `data` as a file, as a table of a bundle, and as the payloads of a table with correct checksums.
pub fn sst_bundle(data: &[u8]) {
    unpack(data.to_vec());
    unpack(bundle_of(data.to_vec()));
    unpack(bundle_of(table_of(data)));
}

/// Unpacks strictly and leniently: both give the same, and frames follow each other up to the end of the stream.
fn unpack(file: Vec<u8>) {
    let sources = [false, true].map(|lenient| (lenient, Source::from_bytes("fuzz", file.clone())));
    let streams = sources.each_ref().map(|(lenient, source)| {
        source.unpack(*lenient).map(|()| source.bytes()).map_err(|error| assert!(error.is_damage(), "{error}"))
    });
    let [strict, lenient] = streams;
    assert!(strict.is_err() || strict == lenient, "nothing to skip");
    if let Ok(stream) = lenient
        && stream.starts_with(frame::MAGIC)
        && !file.starts_with(frame::MAGIC)
    {
        let mut at = frame::STREAM_HEADER;
        while let Ok(frame::Step::Entry(entry)) = frame::step(stream, at) {
            at = entry.end;
        }
        assert_eq!(at, stream.len(), "frames hold");
    }
}

/// A bundle of one table.
fn bundle_of(table: Vec<u8>) -> Vec<u8> {
    let sha256 = Sha256::digest(&table).into();
    let file = File { size: table.len() as u64, sha256, smallest: vec![0], largest: vec![0xff; 9] };
    let mut out = Vec::new();
    front_into(&Manifest { files: vec![file], ..Manifest::default() }, &mut out);
    out.extend(table);
    out
}

/// A table of payloads. Each of the first eight bytes is the length of one; bit 7: it is compressed.
fn table_of(data: &[u8]) -> Vec<u8> {
    let (lengths, mut rest) = data.split_at(data.len().min(8));
    let (mut table, mut index) = (Vec::new(), Builder::new(1));
    for length in lengths {
        let (payload, behind) = rest.split_at(rest.len().min(usize::from(length & 0x7f)));
        rest = behind;
        let handle = block::encode(payload, length & 0x80 != 0, &mut table);
        index.push(payload, &handle.to_bytes());
    }
    let index = block::encode(&index.finish(), false, &mut table);
    let mut properties = Builder::new(usize::MAX);
    Properties { data_blocks: lengths.len() as u64, ..Properties::default() }.encode(false, &mut properties);
    let properties = block::encode(&properties.finish(), false, &mut table);
    let mut metaindex = Builder::new(1);
    metaindex.push(PROPERTIES, &properties.to_bytes());
    let metaindex = block::encode(&metaindex.finish(), false, &mut table);
    Footer { metaindex, index }.encode(&mut table);
    table
}
