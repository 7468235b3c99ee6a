//! Generates snapshots as a server writes them, for benches and memory measurements.
//!
//! ```text
//! cargo run --release --example gen_snapshot -- WORKLOAD --scale N -o X.fsm
//! ```
//!
//! Deterministic: the same arguments give the same bytes. WORKLOAD and what N counts:
//! strings (keys of 100 bytes), streams (entries, 1000 a stream), hashes (fields, 100 a hash), lists (items, 100 a
//! list), sets (members, 100 a set), zsets (members, 100 a set), ttl (TTL rows, one in 100 of a set), one-hash (fields of
//! one hash), versions (keys with 5 versions each, 10 % deleted), dynamodb (items of one table), sqs (messages of one
//! queue), s3 (objects of 4 KiB), s3-large (objects of 100 MiB), mixed (a share of each of them).

use std::fs::File;
use std::io::{self, BufWriter, Write};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::Parser;
use crc_fast::{CrcAlgorithm, Digest};
use md5::Digest as _;

#[derive(Parser)]
struct Args {
    /// See the head of the example's source.
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

fn md5_hex(bytes: &[u8]) -> String {
    md5::Md5::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// A length-delimited protobuf field of less than 2 MiB.
fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut len = bytes.len();
    while len >= 128 {
        out.push(len as u8 | 128);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend(bytes);
    out
}

fn dynamodb(rows: &mut Rows, n: u64) {
    let table = URL_SAFE_NO_PAD.encode("bench");
    let pair = |key: &str, value: &[u8]| [message(1, key.as_bytes()), message(2, value)].concat();
    let key = |name: &str| message(1, name.as_bytes());
    let schema =
        [message(1, b"bench"), message(2, &pair("pk", b"S")), message(3, &key("pk")), vec![5 << 3, 2], vec![7 << 3, 1]];
    rows.put(format!("!ddb|meta|table|{table}").as_bytes(), &[b"\0DS\x01", &schema.concat()[..]].concat());
    rows.put(format!("!ddb|meta|gen|{table}").as_bytes(), b"1");
    for i in 0..n {
        let pk = format!("item:{i:09}");
        let (number, text) = (i.to_string(), body(i, 60));
        let attributes: Vec<u8> =
            [("n", message(2, number.as_bytes())), ("pk", message(1, pk.as_bytes())), ("text", message(1, &text))]
                .iter()
                .flat_map(|(name, value)| message(1, &pair(name, value)))
                .collect();
        let row = [format!("!ddb|item|{table}|1|{pk}").as_bytes(), &[0, 1]].concat();
        rows.put(&row, &[b"\0DI\x01", &attributes[..]].concat());
    }
}

fn sqs(rows: &mut Rows, n: u64) {
    let queue = URL_SAFE_NO_PAD.encode("bench");
    let record = "{\"name\":\"bench\",\"generation\":1,\"visibility_timeout_seconds\":30,\
                  \"message_retention_seconds\":345600,\"delay_seconds\":0,\"receive_message_wait_seconds\":0,\
                  \"maximum_message_size\":262144}";
    rows.put(format!("!sqs|queue|meta|{queue}").as_bytes(), &[b"\0SQ\x01", record.as_bytes()].concat());
    rows.put(format!("!sqs|queue|gen|{queue}").as_bytes(), b"1");
    let now = NOW >> 16;
    for i in 0..n {
        let id = format!("{:032x}", u128::from(i) * 0x9e37_79b9_7f4a_7c15);
        let text = body(i, 100);
        let md5 = md5_hex(&text);
        let sent = now - n + i;
        let value = format!(
            "{{\"message_id\":\"{id}\",\"body\":\"{}\",\"md5_of_body\":\"{md5}\",\
             \"send_timestamp_millis\":{sent},\"available_at_millis\":{sent},\"visible_at_millis\":{sent},\
             \"receive_count\":0,\"current_receipt_token\":null,\"queue_generation\":1}}",
            STANDARD.encode(&text)
        );
        let encoded = URL_SAFE_NO_PAD.encode(&id);
        let key = [b"!sqs|msg|data|", queue.as_bytes(), &1u64.to_be_bytes(), encoded.as_bytes()];
        rows.put(&key.concat(), &[b"\0SM\x01", value.as_bytes()].concat());
    }
}

/// Objects of `size` bytes in chunks of 1 MiB.
fn s3(rows: &mut Rows, n: u64, size: usize) {
    let end = [0, 1];
    let bucket = [b"bench", &end[..]].concat();
    let one = 1u64.to_be_bytes();
    let record = "{\"bucket_name\":\"bench\",\"generation\":1,\"created_at_hlc\":0,\"owner\":\"o\",\"region\":\"r\",\"acl\":\"private\"}";
    rows.put(&[b"!s3|bucket|meta|", &bucket[..]].concat(), record.as_bytes());
    rows.put(&[b"!s3|bucket|gen|", &bucket[..]].concat(), &one);
    for i in 0..n {
        let name = format!("dir{:03}/object{i:08}", i % 200);
        let data = body(i, size);
        let etag = md5_hex(&data);
        let object = [&bucket[..], &one, name.as_bytes(), &end].concat();
        let sizes: Vec<String> = data.chunks(1 << 20).map(|c| c.len().to_string()).collect();
        let manifest = format!(
            "{{\"upload_id\":\"u\",\"etag\":\"{etag}\",\"size_bytes\":{size},\"last_modified_hlc\":{NOW},\
             \"content_type\":\"text/plain\",\"user_metadata\":null,\"parts\":[{{\"part_no\":1,\"etag\":\"{etag}\",\
             \"size_bytes\":{size},\"chunk_count\":{},\"chunk_sizes\":[{}],\"part_version\":0,\
             \"chunk_ref_version\":0,\"offloaded\":false}}]}}",
            sizes.len(),
            sizes.join(",")
        );
        rows.put(&[b"!s3|obj|head|", &object[..]].concat(), manifest.as_bytes());
        for (chunk, data) in data.chunks(1 << 20).enumerate() {
            let key = [b"!s3|blob|", &object[..], b"u", &end, &one, &(chunk as u64).to_be_bytes()];
            rows.put(&key.concat(), data);
        }
    }
}

fn mixed(rows: &mut Rows, n: u64) {
    for workload in ["strings", "hashes", "lists", "sets", "zsets", "streams", "dynamodb", "sqs"] {
        rows.0.extend(generate(workload, n / 8).into_iter().flat_map(|rows| rows.0));
    }
    s3(rows, n / 400, 4096);
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
        "dynamodb" => dynamodb(&mut rows, n),
        "sqs" => sqs(&mut rows, n),
        "s3" => s3(&mut rows, n, 4 << 10),
        "s3-large" => s3(&mut rows, n, 100 << 20),
        "mixed" => mixed(&mut rows, n),
        _ => return None,
    }
    Some(rows)
}

/// Writes bytes and their checksum at once: a file may be larger than memory.
struct Summed<W> {
    out: W,
    crc: Digest,
}

impl<W: Write> Summed<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc.update(bytes);
        self.out.write_all(bytes)
    }
}

fn write(rows: Rows, out: impl Write) -> io::Result<()> {
    let mut rows = rows.0;
    rows.sort_unstable();
    rows.dedup_by(|a, b| a.0 == b.0);
    rows.push((b"_meta_last_commit_ts".to_vec(), (NOW + 4).to_le_bytes().to_vec()));
    let mut file = Summed { out, crc: Digest::new(CrcAlgorithm::Crc32Iscsi) };
    file.put(b"EKVTHLC1\0\0\0\0\0\0\0\0EKVPBBL1")?;
    file.put(&(NOW + 4).to_le_bytes())?;
    for (key, value) in rows {
        for part in [key, value] {
            file.put(&(part.len() as u64).to_le_bytes())?;
            file.put(&part)?;
        }
    }
    let crc = file.crc.finalize() as u32;
    file.out.write_all(&crc.to_be_bytes())?;
    file.out.flush()
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let Some(rows) = generate(&args.workload, args.scale) else {
        eprintln!("{}: unknown workload, see the head of the source", args.workload);
        std::process::exit(1);
    };
    write(rows, BufWriter::new(File::create(&args.output)?))
}
