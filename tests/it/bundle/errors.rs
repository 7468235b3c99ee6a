//! Every rule of a bundle, broken: the error says what is wrong, in which file, at which block.

use ekvsnap::ErrorKind;
use ekvsnap::error::SstPlace;
use ekvsnap::format::header::FsmHeader;
use ekvsnap::format::sst::SstFault;
use ekvsnap::format::sst::block::{self, Builder, Handle};
use ekvsnap::format::sst::table::{Footer, Table};
use ekvsnap::format::sst::writer::Shape;
use ekvsnap::source::crc::crc32c;

use crate::kit::build::{Snapshot, with_footer};
use crate::kit::bundle::{Parts, blocks_of, rewrite, rows_of};
use crate::kit::run;

/// Two files of two blocks, not compressed.
fn parts() -> Parts {
    let mut snapshot = Snapshot::new();
    for n in 0..26 {
        snapshot = snapshot.put(format!("!redis|str|key {n:02}"), format!("value {n}"));
    }
    let shape = Shape { block: 400, index: 4096, file: 620, snappy: false };
    let header = FsmHeader { version: 1, ceiling_ms: 1, cutover_index: 0, len: 16 };
    let file = snapshot.build();
    let parts = Parts::of(rows_of(&file), shape, header);
    assert_eq!(parts.tables.iter().map(|table| blocks_of(table).0.len()).collect::<Vec<_>>(), [2, 2]);
    parts
}

/// With a changed second table, whose digest is correct.
fn with_table(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut parts = parts();
    change(&mut parts.tables[1]);
    parts.told().build()
}

/// With a changed payload of the second block of the second table, whose checksum is correct.
fn with_block(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    with_table(|table| {
        let handle = blocks_of(table).0[1];
        rewrite(table, handle, change);
    })
}

/// Position of the key in the first entry of a block, which has a complete key.
const KEY: usize = 3;

#[track_caller]
fn fault_of(file: &[u8]) -> (SstFault, Option<SstPlace>, u64) {
    let error = run(&[file.to_vec()]).err().expect("nobody noticed");
    let ErrorKind::Sst(fault) = error.kind() else { panic!("{error}") };
    assert!(error.is_damage() && error.to_string().contains("at byte offset"), "{error}");
    (*fault, error.place(), error.offset().unwrap())
}

const fn at(file: u32, block: Option<u64>) -> Option<SstPlace> {
    Some(SstPlace { file, block })
}

#[test]
fn a_sound_one_is_read() {
    assert_eq!(run(&[parts().build()]).unwrap().below("redis/").len(), 26);
}

#[test]
fn fronts() {
    let whole = parts().build();
    let cut = |len: usize| with_footer(whole[..len].to_vec());
    let length = |len: i64| {
        let mut file = whole.clone();
        file[24..32].copy_from_slice(&len.to_be_bytes());
        file
    };
    let text = |from: &'static str, to: &'static str| parts().with_json(|json| json.replacen(from, to, 1));
    let json = "it is not one JSON object of the members that it must have";
    let cases = [
        ("no manifest", cut(30), SstFault::Truncated("its front")),
        ("half a manifest", cut(100), SstFault::Truncated("its manifest")),
        ("length 0", length(0), SstFault::ManifestLength(0)),
        ("length -1", length(-1), SstFault::ManifestLength(-1)),
        ("over 64 MiB", length((64 << 20) + 1), SstFault::ManifestLength((64 << 20) + 1)),
        (
            "tampered",
            {
                let mut file = whole.clone();
                file[70] ^= 1;
                file
            },
            SstFault::ManifestHash,
        ),
        (
            "another digest",
            {
                let mut file = whole.clone();
                file[40] ^= 1;
                file
            },
            SstFault::ManifestHash,
        ),
        ("trailing JSON", parts().with_json(|json| json + "{}"), SstFault::Manifest(json)),
        ("an unknown member", text("{", "{\"more\":1,"), SstFault::Manifest(json)),
        ("a missing member", text("\"min_retained_ts\":0,", ""), SstFault::Manifest(json)),
        ("version 2", text("\"version\":1", "\"version\":2"), SstFault::ManifestVersion(2)),
        (
            "another name",
            text("000001.sst", "000002.sst"),
            SstFault::Manifest("the name of a file does not match its position"),
        ),
        (
            "total size",
            text("total_file_bytes\":", "total_file_bytes\":1"),
            SstFault::Manifest("total size mismatch: it is not the sum of the files"),
        ),
        (
            "a negative size",
            text("\"size\":", "\"size\":-"),
            SstFault::Manifest("a file has a size that is not above zero"),
        ),
        (
            "bounds",
            text("\"smallest\":\"", "\"smallest\":\"eHh4"),
            SstFault::Manifest("a smallest key is above the largest of its file"),
        ),
    ];
    for (name, file, want) in cases {
        let (fault, place, offset) = fault_of(&file);
        assert_eq!((fault, place, offset), (want, None, 16), "{name}");
    }
}

#[test]
fn files() {
    let whole = parts();
    let start = whole.start_of(1) as u64;
    let end = start + whole.tables[1].len() as u64;
    let mut flipped = whole.build();
    // Bytes that fill up a footer.
    let filler = flipped.len() - 4 - 20;
    flipped[filler] ^= 1;
    assert_eq!(
        fault_of(&with_footer(flipped[..flipped.len() - 4].to_vec())),
        (SstFault::Footer("its handles cannot be read"), at(1, None), start)
    );
    let mut wrong = parts();
    wrong.manifest.files[1].sha256[0] ^= 1;
    assert_eq!(fault_of(&wrong.build()), (SstFault::FileHash, at(1, None), start));
    let file = whole.build();
    let mut more = file[..file.len() - 4].to_vec();
    let cut = with_footer(more[..more.len() - 60].to_vec());
    assert_eq!(fault_of(&cut), (SstFault::Truncated("a file of it"), at(1, None), start));
    more.extend(b"five!");
    assert_eq!(fault_of(&more), (SstFault::TrailingBytes(5), None, end));
    let mut wrong = parts();
    wrong.manifest.files[1].smallest.push(0);
    let (fault, place, _) = fault_of(&wrong.build());
    assert_eq!((fault, place), (SstFault::KeyBound("first"), at(1, Some(0))));
    let mut wrong = parts();
    wrong.manifest.files[1].largest.push(0);
    let second = blocks_of(&whole.tables[1]).0[1].offset;
    assert_eq!(fault_of(&wrong.build()), (SstFault::KeyBound("last"), at(1, Some(second)), start + second));
    for (what, change) in [
        ("entry_count of the manifest", (|m| m.entry_count += 1) as fn(&mut ekvsnap::format::sst::bundle::Manifest)),
        ("uncompressed_bytes of the manifest", |m| m.uncompressed_bytes -= 1),
    ] {
        let mut wrong = parts();
        change(&mut wrong.manifest);
        let (fault, place, _) = fault_of(&wrong.build());
        assert!(
            matches!(fault, SstFault::Count { what: got, stated, found } if got == what && stated != found),
            "{fault:?}"
        );
        assert_eq!(place, None);
    }
}

#[test]
fn footers_and_properties() {
    let set = |back: usize, byte: u8| {
        with_table(|table| {
            let at = table.len() - back;
            table[at] = byte;
        })
    };
    for (file, want) in [
        (set(1, 0), SstFault::Footer("its magic is not that of a Pebble table")),
        (set(12, 5), SstFault::Footer("its version is not 4")),
        (set(53, 3), SstFault::Footer("its checksums are not CRC32C")),
        (set(20, 1), SstFault::Footer("its handles cannot be read")),
        (with_table(|table| table.truncate(52)), SstFault::Truncated("a table footer")),
    ] {
        assert_eq!((fault_of(&file).0, fault_of(&file).1), (want, at(1, None)));
    }
    // Another number in the properties, found where the rows are counted.
    let count = with_table(|table| {
        let mut properties = Table::parse(table).unwrap().properties;
        properties.entries += 1;
        let footer = Footer::parse(table).unwrap();
        table.truncate(footer.index.end() as usize);
        let mut payload = Builder::new(usize::MAX);
        properties.encode(false, &mut payload);
        let properties = block::encode(&payload.finish(), false, table);
        let mut metaindex = Builder::new(1);
        let mut handle = Vec::new();
        properties.encode(&mut handle);
        metaindex.push(b"rocksdb.properties", &handle);
        let metaindex = block::encode(&metaindex.finish(), false, table);
        Footer { metaindex, ..footer }.encode(table);
    });
    let (fault, place, _) = fault_of(&count);
    assert!(matches!(fault, SstFault::Count { what: "number of rows", .. }), "{fault:?}");
    assert_eq!(place, at(1, None));
    // A block in addition to the properties, such as one of deleted ranges.
    let more = with_table(|table| {
        let footer = Footer::parse(table).unwrap();
        rewrite(table, footer.metaindex, |payload| payload[KEY] = b'x');
    });
    assert_eq!(fault_of(&more).0, SstFault::Block("the metaindex names more than properties"));
}

#[test]
fn blocks() {
    let second = blocks_of(&parts().tables[1]).0[1];
    let place = at(1, Some(second.offset));
    let offset = parts().start_of(1) as u64 + second.offset;
    let flip = with_table(|table| table[second.offset as usize + 9] ^= 1);
    let (fault, got, at_byte) = fault_of(&flip);
    assert!(matches!(fault, SstFault::Checksum { stored, computed } if stored != computed), "{fault:?}");
    assert_eq!((got, at_byte), (place, offset));
    let kind = |kind: u8| {
        with_table(|table| {
            // As zstd, with a checksum that is right.
            let mut again = table[second.offset as usize..][..second.len as usize].to_vec();
            again.push(kind);
            let crc = crc32c(&again).rotate_right(15).wrapping_add(0xa282_ead8);
            again.extend(crc.to_le_bytes());
            table[second.offset as usize..second.end() as usize].copy_from_slice(&again);
        })
    };
    assert_eq!(fault_of(&kind(7)), (SstFault::BlockType(7), place, offset));
    assert_eq!(fault_of(&kind(1)), (SstFault::Snappy, place, offset));
    for (file, want) in [
        (with_block(|payload| payload[0] = 1), SstFault::Block("an entry shares more than the key before it has")),
        (with_block(|payload| payload[1] = 7), SstFault::Block("a key is shorter than its trailer")),
        (with_block(|payload| payload[2] = 0xff), SstFault::Block("an entry ends after the end of the block")),
        (
            with_block(|payload| {
                let at = payload.len() - 4;
                payload[at] = 0;
            }),
            SstFault::Block("it has no restarts"),
        ),
        (
            with_block(|payload| {
                let at = payload.len() - 1;
                payload[at] = 9;
            }),
            SstFault::Block("it ends inside its restarts"),
        ),
        (
            with_block(|payload| {
                let at = KEY + payload[1] as usize - 8;
                payload[at] = 0;
            }),
            SstFault::Kind(0),
        ),
        (
            with_block(|payload| {
                let at = KEY + payload[1] as usize;
                payload[at] = 0x40;
            }),
            SstFault::ValuePrefix(0x40),
        ),
    ] {
        assert_eq!(fault_of(&file), (want, place, offset));
    }
}

/// A fault in what leads to a block is reported at the block of the index.
#[test]
fn indexes() {
    let index = Footer::parse(&parts().tables[1]).unwrap().index;
    let second = blocks_of(&parts().tables[1]).0[1];
    let with_handle = |offset: u64, len: u64| {
        with_table(|table| {
            rewrite(table, index, |payload| {
                let bytes = |offset: u64, len: u64| {
                    let mut bytes = Vec::new();
                    Handle { offset, len }.encode(&mut bytes);
                    bytes
                };
                let (old, new) = (bytes(second.offset, second.len), bytes(offset, len));
                assert_eq!(old.len(), new.len());
                let at = payload.windows(old.len()).position(|window| window == old).unwrap();
                payload[at..at + old.len()].copy_from_slice(&new);
            });
        })
    };
    for (file, want) in [
        (with_handle(second.offset + 1, second.len), "it has unused bytes between two blocks"),
        (with_handle(second.offset - 1, second.len), "its block does not follow the one before it"),
        (with_handle(16_000, second.len), "its block is not inside the file"),
    ] {
        assert_eq!(fault_of(&file).0, SstFault::Handle(want));
        assert_eq!(fault_of(&file).1, at(1, Some(index.offset)));
    }
    let broken = with_table(|table| table[index.offset as usize + 3] ^= 1);
    let (fault, place, _) = fault_of(&broken);
    assert!(matches!(fault, SstFault::Checksum { .. }) && place == at(1, Some(index.offset)), "{fault:?}");
}

/// Errors that are found in rows name the block that has the row.
#[test]
fn rows() {
    let second = blocks_of(&parts().tables[1]).0[1];
    let offset = parts().start_of(1) as u64 + second.offset;
    let value = |payload: &[u8]| KEY + payload[1] as usize + 1;
    let flags = with_block(|payload| {
        let at = value(payload);
        payload[at] = 0x80;
    });
    let order = with_block(|payload| {
        payload[KEY + b"!redis|str|key 2".len()] = b'0';
    });
    for (file, is_it) in [
        (flags, (|kind| matches!(kind, ErrorKind::ReservedFlags(0x80))) as fn(&ErrorKind) -> bool),
        (order, |kind| matches!(kind, ErrorKind::KeyOrder)),
    ] {
        let error = run(&[file]).err().expect("nobody noticed");
        assert!(is_it(error.kind()), "{error}");
        assert_eq!((error.place(), error.offset()), (at(1, Some(second.offset)), Some(offset)), "{error}");
        let place = format!("at byte offset {offset} (000001.sst, block at {})", second.offset);
        assert!(error.to_string().contains(&place) && error.key().is_some(), "{error}");
    }
}

/// The footer of the file is checked last, and reported together with other damage.
#[test]
fn the_footer_of_the_file() {
    let mut file = parts().build();
    let last = file.len() - 1;
    file[last] ^= 1;
    let error = run(&[file.clone()]).err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::FooterCrc { .. }) && error.place().is_none(), "{error}");
    assert_eq!(error.offset(), Some(last as u64 - 3));
}

/// A small file whose rows would take much more than it says.
#[test]
fn rows_without_end() {
    let (shape, long) = (Shape { block: 64 << 20, file: 1 << 30, ..Shape::default() }, vec![b'k'; (1 << 20) - 20]);
    let rows: Vec<Vec<u8>> = (0..90u64).map(|n| [&long[..], &n.to_be_bytes(), &[0xfe; 8]].concat()).collect();
    let header = FsmHeader { version: 1, ceiling_ms: 1, cutover_index: 0, len: 16 };
    let mut parts = Parts::of(rows.iter().map(|key| (&key[..], &[0; 9][..])), shape, header);
    assert!(parts.build().len() < 4 << 20);
    parts.manifest.uncompressed_bytes = 1;
    let (fault, ..) = fault_of(&parts.build());
    let stopped = 80 << 20;
    assert!(
        matches!(fault, SstFault::Count { what: "uncompressed_bytes of the manifest", found, .. } if found < stopped),
        "{fault:?}"
    );
    // What no disk has is not begun.
    parts.manifest.uncompressed_bytes = 1 << 60;
    let error = run(&[parts.build()]).err().unwrap();
    assert!(!error.is_damage() && error.to_string().contains("set TMPDIR to a directory with more room"), "{error}");
}
