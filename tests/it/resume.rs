//! `decode --resume`: a killed run is continued, and ends with the output of a run that was not killed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Output;
use std::sync::atomic::{AtomicU64, Ordering};

use ekvsnap::decode::{Layout, Options, Progress, Silent, decode};
use ekvsnap::index::Granularity;
use ekvsnap::plan;
use ekvsnap::run::Stop;
use ekvsnap::source::{Access, Source, settle};
use tempfile::TempDir;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, names, stderr};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::paused::paused_at;
use crate::kit::read_tree;
use crate::shards::tree_of;

/// A directory with snapshots, and the result of a run that is not killed.
struct Ground {
    dir: TempDir,
    options: Vec<&'static str>,
}

const RESUME: [&str; 7] = ["-o", "out", "--resume", "--shards", "5", "--threads", "1"];

impl Ground {
    fn new(options: &[&'static str]) -> Ground {
        let (dir, options) = (tempfile::tempdir().unwrap(), options.to_vec());
        fs::write(dir.path().join("x.fsm"), &snapshots(&load("redis-small"))[0]).unwrap();
        let ground = Ground { dir, options };
        fine(&ground.run(&["-o", "plain"]));
        ground
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn args<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [&["decode", "x.fsm"], args, &self.options].concat()
    }

    fn run(&self, args: &[&str]) -> Output {
        ekvsnap(self.dir.path(), &self.args(args))
    }

    /// Kills a run at the call with this number; `false`: it has fewer.
    fn killed(&self, call: u64) -> bool {
        let run = paused_at(call, self.dir.path(), &self.args(&RESUME));
        run.is_some_and(|run| {
            run.signal("KILL");
            run.end();
            true
        })
    }

    /// The finished shards, each with data that distinguishes a file from a later one.
    fn finished(&self) -> BTreeMap<String, (u64, i64)> {
        let entries = fs::read_dir(self.path("out.resume/shards")).into_iter().flatten().flatten();
        let record = |entry: fs::DirEntry| {
            let meta = fs::metadata(entry.path().join("RECORD")).ok()?;
            let name = entry.file_name().into_string().unwrap();
            (!name.starts_with('.')).then_some((name, (meta.ino(), meta.mtime_nsec())))
        };
        entries.filter_map(record).collect()
    }

    /// The output is that of a run that was not killed, and nothing else is left.
    #[track_caller]
    fn check(&self, about: &str) {
        assert!(read_tree(&self.path("out")) == read_tree(&self.path("plain")), "{about}");
        assert_eq!(names(self.dir.path()), ["out", "plain", "x.fsm"], "{about}");
        fine(&ekvsnap(self.dir.path(), &["verify", "out"]));
        fs::remove_dir_all(self.path("out")).unwrap();
    }
}

#[track_caller]
fn fine(done: &Output) -> String {
    assert_eq!(code(done), 0, "{}", stderr(done));
    stderr(done)
}

#[track_caller]
fn refused(done: &Output, want: i32, words: &str) {
    assert!(code(done) == want && stderr(done).contains(words), "{}: {}", code(done), stderr(done));
}

/// At calls from the first to the last, including those of the merge, of the output's name and of the removal after it.
#[test]
fn killed_anywhere() {
    for (options, step) in [(&[][..], 61), (&["--layout", "jsonl"], 6)] {
        let ground = Ground::new(options);
        fine(&ground.run(&RESUME));
        ground.check("not killed");
        let (mut call, mut seen) = (1, [0; 6]);
        while ground.killed(call) {
            let about = format!("{options:?}, killed at call {call}");
            let before = ground.finished();
            // Every second time in the middle of what was left, too.
            if call % 2 == 0 && !ground.killed(call / 2 + 5) {
                ground.check(&about);
                call += step;
                continue;
            }
            let after = ground.finished();
            let stayed = |(name, file): (&String, &(u64, i64))| after.get(name).is_none_or(|found| found == file);
            assert!(before.iter().all(stayed), "{about}");
            let done = ground.finished().len();
            seen[done] += 1;
            let said = fine(&ground.run(&RESUME));
            assert!(done == 0 || said.contains(&format!("{done} of 5 shards are finished already")), "{about}: {said}");
            ground.check(&about);
            call += step;
        }
        assert!(seen[0] > 0 && seen[4] > 0 && seen[5] > 0, "{options:?}: kills with so many shards finished: {seen:?}");
    }
}

/// Ends a run after this number of steps.
struct StopAfter {
    steps: AtomicU64,
    stop: Stop,
}

impl Progress for StopAfter {
    fn begin(&self, _: &'static str, _: u64) {}

    fn advance(&self, _: u64) {
        if self.steps.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.stop.set();
        }
    }
}

/// With tiny cuts, so that every shard has something to do: a run is ended after each number of steps, and continued.
#[test]
fn gone_on_with_behind_every_step() {
    const FINE: Granularity = Granularity { checkpoint_interval: 300, read_size: 1000, task_size: 6000 };
    for (corpus, layout) in [
        ("redis-small", Layout::JSONL),
        ("dynamodb-small", Layout::TREE),
        ("s3-small", Layout::TREE),
        ("sqs-small", Layout::JSONL),
        ("fs-small", Layout::TREE),
        #[cfg(feature = "parquet")]
        ("dynamodb-small", Layout::PARQUET),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (input, out) = (dir.path().join("x.fsm"), dir.path().join("out"));
        fs::write(&input, &snapshots(&load(corpus))[0]).unwrap();
        settle(std::slice::from_ref(&input));
        let options = Options { layout, granularity: FINE, fsync: Some(false), threads: 2, ..Options::default() };
        let open = || [Source::open(&input, Access::Map).unwrap()];
        decode(&open(), &out, &options, &Silent).unwrap();
        let want = tree_of(&out);
        fs::remove_dir_all(&out).unwrap();
        let mut seen = [false; 6];
        let steps = (1..20).step_by(2).chain((20..).step_by(41)).find(|steps| {
            let (stop, mut done) = (Stop::default(), 0);
            let end = StopAfter { steps: AtomicU64::new(*steps), stop: stop.clone() };
            let run = |progress: &dyn Progress, done: &mut u32| {
                plan::resume(&mut open(), &out, Some(5), &options, progress, &mut |begun| *done = begun.done)
            };
            let ended = stop.during(|| run(&end, &mut 0)).is_err();
            if ended {
                assert!(!out.exists(), "{corpus}");
                run(&Silent, &mut done).unwrap();
                seen[done as usize] = true;
            }
            assert!(tree_of(&out) == want, "{corpus} as {}, ended after {steps} steps", layout.name());
            assert_eq!(names(dir.path()), ["out", "x.fsm"], "{corpus}");
            fs::remove_dir_all(&out).unwrap();
            !ended
        });
        assert!(steps.is_some() && seen[1..5].iter().filter(|seen| **seen).count() > 1, "{corpus}: {seen:?}");
    }
}

/// Each of the last calls: the merge, the name of the output, the removal of what was kept.
#[test]
fn killed_near_the_end() {
    let ground = Ground::new(&["--layout", "jsonl"]);
    let mut calls = 1;
    for step in [64, 8, 1] {
        loop {
            let run = paused_at(calls + step, ground.dir.path(), &ground.args(&RESUME));
            let Some(run) = run else { break };
            run.go_on();
            fs::remove_dir_all(ground.path("out")).unwrap();
            calls += step;
        }
        fs::remove_dir_all(ground.path("out")).unwrap();
    }
    let mut published = 0;
    for call in calls - 4..=calls {
        assert!(ground.killed(call));
        published += usize::from(ground.path("out").exists());
        fine(&ground.run(&RESUME));
        ground.check(&format!("killed at call {call} of {calls}"));
    }
    assert_eq!(published, 1, "one kill comes between the name of the output and the removal");
}

/// A signal that can be heard says where the work is; so does a run that fails.
#[test]
fn the_words_of_a_run_that_ends_early() {
    let ground = Ground::new(&[]);
    let run = paused_at(200, ground.dir.path(), &ground.args(&RESUME)).unwrap();
    run.signal("TERM");
    let ended = run.end();
    let words = "out.resume has what is finished, and the same command continues from there";
    assert!(ended.status.code() == Some(143) && ended.said.contains(words), "{}", ended.said);
    assert!(!ground.finished().is_empty());
    assert_eq!(names(ground.dir.path()), ["out.resume", "plain", "x.fsm"]);
    // Before anything is finished, nothing is left.
    fs::remove_dir_all(ground.path("out.resume")).unwrap();
    let run = paused_at(3, ground.dir.path(), &ground.args(&RESUME)).unwrap();
    run.signal("TERM");
    run.end();
    assert_eq!(names(ground.dir.path()), ["plain", "x.fsm"]);
}

/// Another digest is rejected with a message, and finished shards stay.
#[test]
fn what_is_gone_on_with_is_the_same_run() {
    let ground = Ground::new(&[]);
    assert!(ground.killed(300));
    let finished = ground.finished();
    assert!(!finished.is_empty());
    let plus = |more: &[&str]| ground.run(&[&RESUME[..], more].concat());
    for more in [&["--layout", "jsonl"][..], &["--cluster-id", "c"], &["--scope", "redis:*1*"], &["--include-orphans"]]
    {
        refused(&plus(more), 1, "belongs to a run with other inputs or options");
    }
    fs::copy(ground.path("x.fsm"), ground.path("y.fsm")).unwrap();
    let other = ekvsnap(ground.dir.path(), &[&["decode", "y.fsm"], &RESUME[..]].concat());
    refused(&other, 1, "belongs to a run with other inputs or options");
    fs::remove_file(ground.path("y.fsm")).unwrap();
    refused(&ground.run(&["-o", "out", "--resume", "--shards", "6"]), 1, "belongs to a run with 5 shards, not 6");
    // What no byte of the output depends on can differ.
    let whole = fs::read(ground.path("x.fsm")).unwrap();
    let newer = Snapshot::new().put("!redis|str|key", "value").build();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    for bytes in [newer, changed, whole[..whole.len() - 1].to_vec()] {
        fs::write(ground.path("x.fsm"), bytes).unwrap();
        let done = plus(&[]);
        let words = stderr(&done);
        let is_told = words
            .contains("x.fsm is not the file that the plan was made of: to start again, remove out.resume")
            || words.contains("CRC32C mismatch");
        assert!(code(&done) != 0 && is_told, "{words}");
        assert!(!ground.path("out").exists() && ground.finished() == finished);
    }
    fs::write(ground.path("x.fsm"), whole).unwrap();
    // An input that is written again with the same bytes is read once more, and is the planned one.
    let said = fine(&ground.run(&["-o", "out", "--resume", "--threads", "2", "--quiet"]));
    assert_eq!(said, "");
    ground.check("gone on with");
}

#[test]
fn what_cannot_be_resumed() {
    let ground = Ground::new(&[]);
    for (args, want, words) in [
        (&["-o", "x.tar", "--resume"][..], 64, "only a directory can be resumed"),
        (&["-o", "-", "--resume", "--format", "jsonl"], 64, "only a directory can be resumed"),
        (&["-o", "out", "--resume", "--on-error", "skip"], 64, "--on-error skip"),
        (&["--dry-run", "--resume"], 64, "cannot be used with"),
        (&["-o", "out", "--shards", "5"], 64, "--shards needs"),
        (&["-o", "plain", "--resume"], 1, "is not empty"),
    ] {
        refused(&ground.run(args), want, words);
    }
    refused(
        &ekvsnap(ground.dir.path(), &["decode", "-", "-o", "out", "--resume"]),
        1,
        "not a file, and cannot be read again",
    );
    assert_eq!(names(ground.dir.path()), ["plain", "x.fsm"]);
    // What is somebody else's stays.
    fs::create_dir(ground.path("out.resume")).unwrap();
    fs::write(ground.path("out.resume/mine"), "mine").unwrap();
    refused(&ground.run(&RESUME), 1, "out.resume has files that no resumable run left");
    assert_eq!(fs::read(ground.path("out.resume/mine")).unwrap(), b"mine");
    fs::remove_dir_all(ground.path("out.resume")).unwrap();
    // Two at once.
    let run = paused_at(200, ground.dir.path(), &ground.args(&RESUME)).unwrap();
    refused(&ground.run(&RESUME), 1, "another run is using out.resume");
    run.go_on();
    ground.check("beside another run");
    // An older output is replaced in the end, not before.
    fine(&ground.run(&["-o", "out", "--cluster-id", "older"]));
    let run = paused_at(200, ground.dir.path(), &ground.args(&[&RESUME[..], &["--force"]].concat())).unwrap();
    assert!(read_tree(&ground.path("out")) != read_tree(&ground.path("plain")));
    run.go_on();
    ground.check("in place of an older output");
}
