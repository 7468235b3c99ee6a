//! Text, names and files.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use ekvsnap::output::checksums::Sums;
use ekvsnap::output::json::{self, Escape};
use ekvsnap::output::names;
use ekvsnap::output::split::{Collector, SplitOutput};
use ekvsnap::output::tree::Tree;

use crate::input::{scratch, testing};

const FILES: u64 = 2_000;

/// Texts of about 100 bytes: all printable characters equally often, letters only, and characters of two and three bytes.
fn texts() -> [(&'static str, Vec<String>); 3] {
    let made = |letters: &str| {
        let letters: Vec<char> = letters.chars().collect();
        let text = |n: usize| (0..100).map(|i| letters[(n * 131 + i * i * 7 + i) % letters.len()]).collect();
        (0..2_000).map(text).collect()
    };
    let printable: String = (' '..='~').collect();
    let letters: String = ('a'..='z').collect();
    [("printable", made(&printable)), ("letters", made(&letters)), ("not ASCII", made("äöüß€éèñçøåœ"))]
}

fn total(texts: &[String]) -> u64 {
    texts.iter().map(|text| text.len() as u64).sum()
}

pub fn escape(c: &mut Criterion) {
    let mut group = c.benchmark_group("escape");
    for (name, texts) in texts() {
        let mut out = Vec::new();
        let mut escaped = |text: &String| {
            out.clear();
            json::string(text, Escape::Html, &mut out);
            out.len()
        };
        let length: usize = texts.iter().map(&mut escaped).sum();
        group.throughput(Throughput::Bytes(total(&texts)));
        group.bench_function(name, |b| b.iter(|| assert_eq!(texts.iter().map(&mut escaped).sum::<usize>(), length)));
        for text in &texts {
            let mut out = Vec::new();
            json::string(text, Escape::Html, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).ok().as_ref(), Some(text));
        }
    }
}

pub fn names(c: &mut Criterion) {
    let mut group = c.benchmark_group("names");
    for (name, texts) in texts() {
        let mut out = String::new();
        let mut named = |text: &String| {
            out.clear();
            names::segment_into(text.as_bytes(), &mut out);
            out.len()
        };
        let length: usize = texts.iter().map(&mut named).sum();
        assert_eq!(length, texts.iter().map(|text| expected_length(text)).sum::<usize>());
        group.throughput(Throughput::Bytes(total(&texts)));
        group.bench_function(name, |b| b.iter(|| assert_eq!(texts.iter().map(&mut named).sum::<usize>(), length)));
    }
}

/// Three bytes for each that is not a letter, digit, `-`, `.` or `_`; hash, `__` and 64 bytes of it if that is too long.
fn expected_length(text: &str) -> usize {
    let of = |b: &u8| if b.is_ascii_alphanumeric() || b"-._".contains(b) { 1 } else { 3 };
    let plain = text.bytes().map(|b| of(&b)).sum();
    if plain <= names::MAX_SEGMENT { plain } else { 34 + text.as_bytes()[..64].iter().map(of).sum::<usize>() }
}

/// Files of 100 bytes with their digests. Throughput counts the bytes of the files.
pub fn tree(c: &mut Criterion) {
    let body = [b'x'; 100];
    let files = if testing() { FILES / 20 } else { FILES };
    let mut group = c.benchmark_group("emit");
    group.throughput(Throughput::Elements(files));
    let once = || {
        let folder = scratch();
        let started = Instant::now();
        let tree = Tree::open(folder.path()).expect("a folder");
        let dir = tree.dir(b"a/b").expect("a folder");
        let mut sums = Sums::default();
        for n in 0..files {
            tree.put(&dir, n.to_string().as_bytes(), &body, &mut sums).expect("a file");
        }
        let spent = started.elapsed();
        assert_eq!(tree.written(), (files, files * 100));
        spent
    };
    group.bench_function("files", |b| b.iter_custom(|times| (0..times).map(|_| once()).sum()));
}

/// Lines of tasks to one shared file, with its digest.
pub fn lines(c: &mut Criterion) {
    let tasks: u64 = if testing() { 2 } else { 32 };
    let line = [b'x'; 99];
    let lines = 4_000u64;
    let mut group = c.benchmark_group("emit");
    group.throughput(Throughput::Bytes(tasks * lines * 100));
    let once = || -> Duration {
        let folder = scratch();
        let started = Instant::now();
        let tree = Tree::open(folder.path()).expect("a folder");
        let mut collector = Collector::new(&tree, folder.path());
        for _ in 0..tasks {
            let mut out = SplitOutput::new(&tree);
            let log = out.log("lines.jsonl");
            for _ in 0..lines {
                let buffer = out.log_buffer(log);
                buffer.extend_from_slice(&line);
                buffer.push(b'\n');
            }
            collector.take(out).expect("lines");
        }
        collector.finish().expect("a file");
        let spent = started.elapsed();
        assert_eq!(tree.written(), (1, tasks * lines * 100));
        spent
    };
    group.bench_function("lines", |b| b.iter_custom(|times| (0..times).map(|_| once()).sum()));
}
