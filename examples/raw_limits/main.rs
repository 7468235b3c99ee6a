//! Measures the limits of the machine for `benches/ratios`: the same reads, writes and digests as a decode, and nothing else.
//!
//! Everything is prepared before the clock starts; each command prints one JSON line with the seconds that it took and a result to compare.
//! Only `index` is work of this library, here so that it is timed by the same clock as `read`.

mod disk;
mod model;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use ekvsnap::index::{Granularity, View, index};
use ekvsnap::source::{Access, Source};
use model::Model;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

/// Measures what the machine allows.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
    #[arg(long, global = true, default_value_t = 1)]
    threads: usize,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Maps a file and adds up its words.
    Read { file: PathBuf },
    /// SHA-256 of a file.
    Sha { file: PathBuf },
    /// Indexes a snapshot: framing, order, counts, checksum.
    Index { file: PathBuf },
    /// Reads FILE, then writes the data files of the output MODEL, one behind the other, to TARGET.
    Pack { file: PathBuf, model: PathBuf, target: PathBuf },
    /// Makes the data files of the output MODEL again below the new directory TARGET.
    Create {
        model: PathBuf,
        target: PathBuf,
        /// Also takes each file's SHA-256.
        #[arg(long)]
        sha: bool,
    },
    /// Fails unless the data files of two outputs are the same.
    Same { model: PathBuf, other: PathBuf },
}

/// The result of a command, and its duration.
struct Answer {
    seconds: f64,
    files: usize,
    bytes: usize,
    sum: u64,
}

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let args = Args::parse();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build()?;
    let Answer { seconds, files, bytes, sum } = pool.install(|| run(args.command, args.threads))?;
    println!("{{\"seconds\":{seconds},\"files\":{files},\"bytes\":{bytes},\"sum\":{sum}}}");
    Ok(())
}

fn run(command: Command, threads: usize) -> Result<Answer> {
    match command {
        Command::Read { file } => timed_map(&file, |bytes| Ok(add_up(bytes))),
        Command::Sha { file } => timed_map(&file, |bytes| Ok(first_word(&Sha256::digest(bytes)))),
        Command::Index { file } => timed_index(&file),
        Command::Pack { file, model, target } => {
            let model = Model::load(&model)?;
            let started = Instant::now();
            let sum = add_up(Source::open(&file, Access::Map)?.bytes());
            disk::write_one(&model, &target)?;
            Ok(model.answer(started, sum))
        }
        Command::Create { model, target, sha } => {
            let model = Model::load(&model)?;
            let started = Instant::now();
            let sum = disk::create(&model, &target, threads, sha)?;
            Ok(model.answer(started, sum))
        }
        Command::Same { model, other } => {
            let (model, other) = (Model::load(&model)?, Model::load(&other)?);
            if model != other {
                return Err("the data files differ".into());
            }
            Ok(model.answer(Instant::now(), 0))
        }
    }
}

fn timed_map(file: &Path, work: impl FnOnce(&[u8]) -> Result<u64>) -> Result<Answer> {
    let started = Instant::now();
    let source = Source::open(file, Access::Map)?;
    let sum = work(source.bytes())?;
    Ok(Answer { seconds: started.elapsed().as_secs_f64(), files: 1, bytes: source.bytes().len(), sum })
}

/// The result is the number of rows.
fn timed_index(file: &Path) -> Result<Answer> {
    let started = Instant::now();
    let source = Source::open(file, Access::Map)?;
    let view = View { as_of: u64::MAX, read_ts: u64::MAX, lenient: false };
    let (index, _) = index(&source, view, Granularity::default())?;
    let seconds = started.elapsed().as_secs_f64();
    if index.crc32c.is_none() {
        return Err("the snapshot has no checksum to verify".into());
    }
    Ok(Answer { seconds, files: 1, bytes: source.bytes().len(), sum: index.counts.summary().entries })
}

/// The sum of all words; each thread takes one piece at a time.
fn add_up(bytes: &[u8]) -> u64 {
    let words = |piece: &[u8]| {
        let (words, rest) = piece.as_chunks::<8>();
        let rest = rest.iter().map(|b| u64::from(*b));
        words.iter().map(|word| u64::from_le_bytes(*word)).chain(rest).fold(0, u64::wrapping_add)
    };
    bytes.par_chunks(1 << 20).map(words).reduce(|| 0, u64::wrapping_add)
}

fn first_word(digest: &[u8]) -> u64 {
    digest.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}
