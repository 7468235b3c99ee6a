//! Encrypts a clear snapshot, as a server with storage encryption would have written it: for benches and tests.
//!
//! cargo run --release --example seal_snapshot -- IN.fsm --dek KEY -o OUT.fsm
//!
//! Every value that is not a tombstone is sealed with data key 1, the 32 bytes of KEY; `ekvsnap … --dek 1=KEY` opens it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Parser;
use ekvsnap::format::container::footer_into;
use ekvsnap::format::envelope::{DataKey, Seal, Sealed};
use ekvsnap::format::frame::{self, Step};
use ekvsnap::format::mvcc::{self, Operational};

/// Encrypts a clear snapshot.
#[derive(Parser)]
struct Args {
    input: PathBuf,
    /// A file of 32 bytes.
    #[arg(long)]
    dek: PathBuf,
    /// Version of the envelopes; 2 compresses.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    envelope: u8,
    #[arg(short, long)]
    output: PathBuf,
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let key: [u8; 32] = std::fs::read(&args.dek)?.try_into().map_err(|_| invalid("a key has 32 bytes"))?;
    let (key, input) =
        (DataKey::new(&key).ok_or_else(|| invalid("no memory for the key"))?, std::fs::read(&args.input)?);
    let stream = memchr::memmem::find(&input, frame::MAGIC).ok_or_else(|| invalid("no EKVPBBL1 stream"))?;
    let mut at = stream + frame::STREAM_HEADER;
    let mut sealed = input[..at].to_vec();
    let mut count = 0u64;
    while let Step::Entry(entry) = frame::step(&input, at).map_err(|_| invalid("a broken frame"))? {
        let value = match mvcc::split_value(entry.raw_value) {
            Ok(value) if !value.tombstone && Operational::of(entry.raw_key, entry.raw_value).is_none() => {
                count += 1;
                seal(&key, args.envelope, count, entry.raw_key, entry.raw_value)?
            }
            _ => entry.raw_value.to_vec(),
        };
        frame::entry_into(entry.raw_key, &value, &mut sealed);
        at = entry.end;
    }
    footer_into(&mut sealed);
    BufWriter::new(File::create(&args.output)?).write_all(&sealed)?;
    eprintln!("{count} values sealed, {} bytes", sealed.len());
    Ok(())
}

fn seal(key: &DataKey, version: u8, count: u64, raw_key: &[u8], raw_value: &[u8]) -> io::Result<Vec<u8>> {
    let (clear, body) = raw_value.split_first_chunk::<9>().ok_or_else(|| invalid("a short value"))?;
    let mut header = *clear;
    header[0] = 2;
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&count.to_be_bytes());
    let sealed = Sealed { version, key_id: 1 };
    let seal = Seal { sealed, snappy: version == 2, nonce: &nonce, header: &header, raw_key };
    let mut value = header.to_vec();
    seal.encode(key, body, &mut value).ok_or_else(|| invalid("a value too long"))?;
    Ok(value)
}
