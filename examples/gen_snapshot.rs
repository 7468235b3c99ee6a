//! Generates snapshots as a server writes them, for benches and memory measurements.
//!
//! ```text
//! cargo run --release --example gen_snapshot -- WORKLOAD --scale N -o X.fsm
//! ```
//!
//! Deterministic: the same arguments give the same bytes. WORKLOAD and what N counts:
//! strings (keys of 100 bytes), streams (entries, 1000 a stream), hashes (fields, 100 a hash), lists (items, 100 a
//! list), sets (members, 100 a set), zsets (members, 100 a set), ttl (TTL rows, each of a set), one-hash (fields of one
//! hash), versions (keys with 5 versions each, 10 % deleted).

use std::fs::File;
use std::io::{self, BufWriter, Write};

use clap::Parser;

#[derive(Parser)]
struct Args {
    /// strings, streams, hashes, lists, sets, zsets, ttl, one-hash, versions
    workload: String,
    /// How many rows that carry data.
    #[arg(long, default_value_t = 100_000)]
    scale: u64,
    #[arg(short, long)]
    output: std::path::PathBuf,
}

/// 2026 in HLC form: inverted timestamps begin with FE, as on a live server.
const NOW: u64 = 1_767_225_600_000 << 16;

/// Rows of one snapshot: raw key and raw value.
#[derive(Default)]
struct Rows(Vec<(Vec<u8>, Vec<u8>)>);

impl Rows {
    fn version(&mut self, key: &[u8], ts: u64, flags: u8, body: &[u8]) {
        let raw_key = [key, &(!ts).to_be_bytes()].concat();
        self.0.push((raw_key, [&[flags, 0, 0, 0, 0, 0, 0, 0, 0], body].concat()));
    }

    fn put(&mut self, key: &[u8], body: &[u8]) {
        self.version(key, NOW, 0, body);
    }
}

fn sized(prefix: &str, key: &str, rest: &[u8]) -> Vec<u8> {
    [prefix.as_bytes(), &(key.len() as u32).to_be_bytes(), key.as_bytes(), rest].concat()
}

/// A body of `len` printable bytes that does not compress to nothing.
fn body(n: u64, len: usize) -> Vec<u8> {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b' ' + (state % 95) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn collection(rows: &mut Rows, n: u64, meta: &str, element: impl Fn(&mut Rows, &str, u64)) {
    for c in 0..n.div_ceil(100) {
        let key = format!("collection:{c}");
        let count = 100.min(n - c * 100);
        (0..count).for_each(|i| element(rows, &key, i));
        rows.put(&sized(meta, &key, b""), &[count.to_be_bytes(), [0; 8]].concat());
    }
}

fn lists(rows: &mut Rows, n: u64) {
    for c in 0..n.div_ceil(100) {
        let key = format!("list:{c}");
        let count = 100.min(n - c * 100);
        for i in 0..count {
            let item = [b"!lst|itm|", key.as_bytes(), &(i | 1 << 63).to_be_bytes()].concat();
            rows.put(&item, &body(i, 50));
        }
        let bounds: Vec<u8> = [0, count, count].iter().flat_map(|n: &u64| n.to_be_bytes()).collect();
        rows.put(&[b"!lst|meta|", key.as_bytes()].concat(), &bounds);
    }
}

fn streams(rows: &mut Rows, n: u64) {
    for s in 0..n.div_ceil(1000) {
        let key = format!("stream:{s}");
        let count = 1000.min(n - s * 1000);
        for i in 0..count {
            let id = [i.to_be_bytes(), [0; 8]].concat();
            let value = body(i, 60);
            let text = format!("{i}-0");
            let mut entry = b"\0RXE\x01\x0a".to_vec();
            entry.push(text.len() as u8);
            entry.extend(text.as_bytes());
            for field in [&b"field"[..], &value] {
                entry.extend([0x12, field.len() as u8]);
                entry.extend(field);
            }
            rows.put(&sized("!stream|entry|", &key, &id), &entry);
        }
        let meta: Vec<u8> = [count, count, 0, 0, 0, 0].iter().flat_map(|n: &u64| n.to_be_bytes()).collect();
        rows.put(&sized("!stream|meta|", &key, b""), &meta);
    }
}

fn versions(rows: &mut Rows, n: u64) {
    for i in 0..n {
        let key = format!("!redis|str|key:{i:09}");
        for v in 0..5 {
            let deleted = v == 4 && i % 10 == 0;
            let value = [b"\xff\x01\0", &body(i + v, 97)[..]].concat();
            rows.version(key.as_bytes(), NOW + v, u8::from(deleted), if deleted { b"" } else { &value });
        }
    }
}

fn generate(workload: &str, n: u64) -> Option<Rows> {
    let mut rows = Rows::default();
    let field = |rows: &mut Rows, key: &str, i: u64| {
        rows.put(&sized("!hs|fld|", key, format!("field:{i:03}").as_bytes()), &body(i, 50));
    };
    match workload {
        "strings" => (0..n).for_each(|i| {
            let value = [b"\xff\x01\0", &body(i, 97)[..]].concat();
            rows.put(format!("!redis|str|key:{i:09}").as_bytes(), &value);
        }),
        "hashes" => collection(&mut rows, n, "!hs|meta|", field),
        "one-hash" => {
            (0..n).for_each(|i| rows.put(&sized("!hs|fld|", "h", format!("field:{i:09}").as_bytes()), &body(i, 50)));
        }
        "sets" => collection(&mut rows, n, "!st|meta|", |rows, key, i| {
            rows.put(&sized("!st|mem|", key, format!("member:{i:03}").as_bytes()), b"");
        }),
        "zsets" => collection(&mut rows, n, "!zs|meta|", |rows, key, i| {
            let (member, score) = (format!("member:{i:03}"), (i as f64 * 1.5).to_bits());
            rows.put(&sized("!zs|mem|", key, member.as_bytes()), &score.to_be_bytes());
            let sortable = (score ^ 1 << 63).to_be_bytes();
            rows.put(&sized("!zs|scr|", key, &[&sortable, member.as_bytes()].concat()), b"");
        }),
        "lists" => lists(&mut rows, n),
        "streams" => streams(&mut rows, n),
        "ttl" => (0..n).for_each(|i| {
            let key = format!("set:{i}");
            rows.put(format!("!redis|ttl|{key}").as_bytes(), &(i + 1).to_be_bytes());
            if i % 100 == 0 {
                rows.put(&sized("!st|meta|", &key, b""), &[0; 8]);
            }
        }),
        "versions" => versions(&mut rows, n),
        _ => return None,
    }
    Some(rows)
}

fn write(rows: Rows, out: &mut impl Write) -> io::Result<()> {
    let mut rows = rows.0;
    rows.sort_unstable();
    rows.push((b"_meta_last_commit_ts".to_vec(), (NOW + 4).to_le_bytes().to_vec()));
    let mut file = b"EKVTHLC1\0\0\0\0\0\0\0\0EKVPBBL1".to_vec();
    file.extend((NOW + 4).to_le_bytes());
    for (key, value) in rows {
        for part in [key, value] {
            file.extend((part.len() as u64).to_le_bytes());
            file.extend(part);
        }
    }
    out.write_all(&file)?;
    out.write_all(&ekvsnap::survey::crc::crc32c(&file).to_be_bytes())
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let Some(rows) = generate(&args.workload, args.scale) else {
        eprintln!("{}: unknown workload, see --help", args.workload);
        std::process::exit(1);
    };
    let mut out = BufWriter::new(File::create(&args.output)?);
    write(rows, &mut out)?;
    out.flush()
}
