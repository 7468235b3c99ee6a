//! Generates snapshots as a server writes them, for benches and memory measurements.
//!
//! ```text
//! cargo run --release --example gen_snapshot -- WORKLOAD --scale N --seed S -o X.fsm
//! ```
//!
//! Deterministic: the same arguments give the same bytes. Rows are made in key order and written as they are made, so a
//! file may be larger than memory.

mod generator;

use std::fs::File;
use std::io;
use std::path::PathBuf;

use clap::Parser;
use generator::{Form, HOSTILE, Spec, WORKLOADS, hostile};

const WORDS: &str = "What --scale counts:
  strings   keys of 100 bytes            versions  keys of 5 versions, 10 % of them deleted
  hashes    fields, 100 a hash           one-hash  fields of one hash
  lists     items, 100 a list            ttl       TTL rows, one in 100 of a set
  sets      members, 100 a set           dynamodb  items of one table
  zsets     members, 100 a sorted set    sqs       messages of one queue
  streams   entries, 1000 a stream       s3        objects of 4 KiB
  mixed     rows, about: some of each    s3-large  objects of 100 MiB
  fs        files of 4 KiB               s3-both   objects of 4 KiB but for twelve of 100 MiB
  fs-large  chunks of 4 MiB of one file  tables    items of eight tables
and hostile/KIND, made to cost much (see generator/hostile): rows, or elements of one value";

/// The name of a workload, or of a hostile kind.
fn workload(name: &str) -> Result<String, String> {
    let kind = name.strip_prefix(HOSTILE).is_some_and(|name| hostile::kinds().any(|(kind, _)| kind == name));
    if kind || WORKLOADS.contains(&name) { Ok(name.to_owned()) } else { Err("no such workload".to_owned()) }
}

/// Generates a snapshot.
#[derive(Parser)]
#[command(after_help = WORDS)]
struct Args {
    #[arg(value_parser = workload)]
    workload: String,
    /// How many rows that carry data.
    #[arg(long, default_value_t = 100_000)]
    scale: u64,
    /// Bodies and the ends of keys follow from it.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only what the public decoder can read: no header, footer, store metadata, fence rows, older versions, tombstones.
    #[arg(long)]
    bare: bool,
    /// As a bundle of tables (EKVSSTI1), as a server with SST ingest writes it; stored: its blocks are not compressed.
    #[arg(long, value_name = "BLOCKS", value_parser = ["snappy", "stored"], conflicts_with = "bare")]
    bundle: Option<String>,
    /// Bytes of an S3 object, or of a file; in s3-both of each of the twelve, in fs-large of a chunk.
    #[arg(long)]
    object_size: Option<usize>,
    #[arg(short, long)]
    output: PathBuf,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let spec = Spec {
        workload: &args.workload,
        scale: args.scale,
        seed: args.seed,
        form: match &args.bundle {
            Some(blocks) => Form::Bundle { snappy: blocks == "snappy" },
            None if args.bare => Form::Bare,
            None => Form::Stream,
        },
        object_size: args.object_size,
    };
    let written = generator::write(spec, &mut File::create(&args.output)?)?;
    eprintln!("{} rows, {} bytes, the largest row {}", written.rows, written.bytes, written.largest);
    Ok(())
}
