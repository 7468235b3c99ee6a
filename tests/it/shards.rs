//! Shards of a plan: merged they give the same as one machine, byte for byte, whatever their number and order.

use std::fs;
use std::path::{Path, PathBuf};

use ekvsnap::decode::{Layout, Options, Outcome, Silent, decode};
use ekvsnap::index::Granularity;
use ekvsnap::plan::{self, Done, MergeOptions, Planned, dir_of};
use ekvsnap::run::shards::Which;
use ekvsnap::source::{Access, Source, settle};
use tempfile::TempDir;

use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Tree, read_tree};

/// Cuts that give each corpus many splits.
const FINE: Granularity = Granularity { checkpoint_interval: 300, read_size: 1000, task_size: 3000 };
const COUNTS: [u32; 5] = [1, 2, 3, 7, 16];

/// A plan of some snapshots, and the output of one machine.
struct Case {
    dir: TempDir,
    files: Vec<PathBuf>,
    planned: Planned,
    want: Tree,
}

fn open(files: &[PathBuf]) -> Vec<Source> {
    files.iter().map(|file| Source::open(file, Access::Map).unwrap()).collect()
}

impl Case {
    fn new(inputs: &[Vec<u8>], options: &Options) -> Case {
        let dir = tempfile::tempdir().unwrap();
        let write = |(i, bytes): (usize, &Vec<u8>)| {
            let path = dir.path().join(format!("{i}.fsm"));
            fs::write(&path, bytes).unwrap();
            path
        };
        let files: Vec<PathBuf> = inputs.iter().enumerate().map(write).collect();
        settle(&files);
        let options = Options { fsync: Some(false), ..options.clone() };
        let (sources, path) = (open(&files), dir.path().join("PLAN"));
        let plan = plan::plan(&sources, &options, &Silent).unwrap();
        plan::write(&plan, &path, false, &sources).unwrap();
        let one = dir.path().join("one");
        decode(&sources, &one, &options, &Silent).unwrap();
        let mut planned = Planned::read(&path).unwrap();
        planned.options.fsync = Some(false);
        Case { want: tree_of(&one), planned, files, dir }
    }

    fn shard(&self, index: u32, count: u32) -> Done {
        let threads = 1 + index as usize % 3;
        let (which, all) = (Which { index, count }, self.dir.path().join("shards"));
        plan::run(&self.planned, &mut open(&self.files), which, &all, threads, &Silent)
            .unwrap_or_else(|e| panic!("{e}"))
    }

    fn merged(&self, keep: bool) -> Result<(Outcome, Tree), String> {
        let (shards, out) = (self.dir.path().join("shards"), self.dir.path().join("out"));
        let options = MergeOptions { force: false, keep, threads: 2 };
        let merged = plan::merge(&self.planned, &mut open(&self.files), &[shards], &out, options, &Silent);
        let outcome = merged.map_err(|e| e.to_string())?;
        let tree = tree_of(&out);
        fs::remove_dir_all(out).unwrap();
        Ok((outcome, tree))
    }

    /// No shard does all of the work, if there are lines to share.
    #[track_caller]
    fn check_shares(&self, count: u32, about: &str) {
        let shard = |index| dir_of(&self.dir.path().join("shards"), Which { index, count });
        let lines: Vec<u64> = (0..count).map(|i| fs::metadata(shard(i).join("LINES")).unwrap().len()).collect();
        let (all, most) = (lines.iter().sum::<u64>(), lines.iter().max().copied().unwrap_or(0));
        let busy = lines.iter().filter(|len| **len > 0).count();
        assert!(all < 20_000 || busy * 2 > count as usize, "{about}: {lines:?}");
        // Of many small splits, each shard has about as much as any other.
        let fair = all / u64::from(count);
        assert!(all < 300_000 || most < fair * 3 + 30_000, "{about}: {lines:?}");
    }

    /// Runs this number of shards, in some order, some of them twice, and compares.
    #[track_caller]
    fn check(&self, count: u32, about: &str) {
        for i in 0..count {
            // Every number once, for the step has no divisor in common with the count.
            let index = (i * if count.is_multiple_of(5) { 3 } else { 5 } + count / 2) % count;
            assert_eq!(self.shard(index, count), Done::Written, "{about}");
            assert_eq!(self.shard(index, count), Done::WasThere, "{about}");
        }
        self.check_shares(count, about);
        let (_, got) = self.merged(count == 3).unwrap_or_else(|e| panic!("{about}, {count} shards: {e}"));
        let names =
            |tree: &Tree| tree.keys().map(|path| String::from_utf8_lossy(path).into_owned()).collect::<Vec<_>>();
        assert_eq!(names(&got), names(&self.want), "{about}, {count} shards");
        for (path, body) in &self.want {
            let path_shown = String::from_utf8_lossy(path);
            assert!(&got[path] == body, "{about}, {count} shards: {path_shown} differs");
        }
        let shards = self.dir.path().join("shards");
        let left = fs::read_dir(&shards).unwrap().count();
        assert_eq!(left, if count == 3 { 3 } else { 0 }, "{about}: shards are left only if that was asked for");
        fs::remove_dir_all(shards).unwrap();
    }
}

/// Files with their bytes; for a large one its size and its start: sparse files can be larger than memory.
pub fn tree_of(root: &Path) -> Tree {
    if !root.join("fs").exists() {
        return read_tree(root);
    }
    let (mut tree, mut waiting) = (Tree::new(), vec![root.to_path_buf()]);
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
            let name = path.strip_prefix(root).unwrap().as_os_str().as_encoded_bytes().to_vec();
            if kind.is_dir() {
                tree.insert([&name[..], b"/"].concat(), Vec::new());
                waiting.push(path);
            } else {
                let size = fs::metadata(&path).unwrap().len();
                let body = if size < 1 << 20 { fs::read(&path).unwrap() } else { size.to_string().into_bytes() };
                tree.insert(name, body);
            }
        }
    }
    tree
}

/// Layouts with their options.
fn layouts() -> Vec<(&'static str, Options)> {
    let of = |layout| Options { layout, granularity: FINE, ..Options::default() };
    vec![
        ("tree", of(Layout::TREE)),
        ("jsonl", of(Layout::JSONL)),
        ("jsonl in parts", Options { part_size: Some(700), ..of(Layout::JSONL) }),
        #[cfg(feature = "parquet")]
        ("parquet", of(Layout::PARQUET)),
        ("aws-export", of(Layout::AWS_EXPORT)),
    ]
}

#[track_caller]
fn check_corpus(corpus: &str) {
    for (name, options) in layouts() {
        if (corpus == "fs-small" && name == "parquet") || (!corpus.starts_with("dynamodb") && name == "aws-export") {
            continue;
        }
        let case = Case::new(&snapshots(&load(corpus)), &options);
        for count in COUNTS {
            case.check(count, &format!("{corpus} as {name}"));
        }
    }
}

#[test]
fn redis_in_shards() {
    ["redis-small", "mvcc-interleave"].iter().for_each(|corpus| check_corpus(corpus));
}

#[test]
fn awkward_redis_in_shards() {
    ["redis-nasty", "expired-retype"].iter().for_each(|corpus| check_corpus(corpus));
}

#[test]
fn dynamodb_in_shards() {
    ["dynamodb-small", "dynamodb-nasty"].iter().for_each(|corpus| check_corpus(corpus));
}

#[test]
fn s3_in_shards() {
    ["s3-small", "s3-nasty"].iter().for_each(|corpus| check_corpus(corpus));
}

#[test]
fn sqs_in_shards() {
    ["sqs-small", "sqs-nasty"].iter().for_each(|corpus| check_corpus(corpus));
}

#[test]
fn fs_in_shards() {
    check_corpus("fs-small");
}

#[test]
fn groups_in_shards() {
    ["two-groups", "two-groups-pending"].iter().for_each(|corpus| check_corpus(corpus));
}

/// Switches that write more, and those that leave out; patterns that take nothing in one shard do in another.
#[test]
fn options_of_a_plan() {
    let base = Options { granularity: FINE, ..Options::default() };
    let filter = |text: &str| ekvsnap::decode::filter::Filter {
        include: vec![text.parse().unwrap(), "redis:no-such-key".parse().unwrap()],
        ..Default::default()
    };
    for corpus in ["redis-nasty", "dynamodb-nasty", "two-groups", "s3-nasty", "sqs-nasty", "fs-small"] {
        let inputs = snapshots(&load(corpus));
        for (name, options) in [
            ("orphans", Options { include_orphans: true, include_sqs_side_records: true, ..base.clone() }),
            ("restore", base.clone().for_restore()),
            ("restore as lines", Options { layout: Layout::JSONL, ..base.clone().for_restore() }),
            ("bundles", Options { dynamodb_bundle: Some(300), ..base.clone() }),
            ("a cluster", Options { cluster_id: "c1".to_owned(), drop_expired: Some(u64::MAX >> 16), ..base.clone() }),
            ("some keys", Options { filter: filter("redis:*1*"), ..base.clone() }),
            ("some items", Options { filter: filter("dynamodb:*"), ..base.clone() }),
            ("some files", Options { filter: filter("fs:/"), ..base.clone() }),
            ("some objects", Options { filter: filter("s3:*"), ..base.clone() }),
            ("some messages", Options { filter: filter("sqs:*"), ..base.clone() }),
            ("unfinished uploads", Options { include_incomplete_uploads: true, ..base.clone() }),
        ] {
            let adapter = corpus.split('-').next().unwrap_or_default();
            let is_empty = match name {
                "some keys" => !["redis", "two"].contains(&adapter),
                "some items" => adapter != "dynamodb",
                "some files" => adapter != "fs",
                "some objects" => adapter != "s3",
                "some messages" => adapter != "sqs",
                "bundles" => ["s3", "sqs", "fs"].contains(&adapter),
                _ => false,
            };
            if !is_empty {
                Case::new(&inputs, &options).check(3, &format!("{corpus} with {name}"));
            }
        }
    }
}

#[test]
fn a_moment_of_a_plan() {
    let inputs = snapshots(&load("redis-small"));
    let newest = ekvsnap::index::last_commit_ts(&Source::from_bytes("x", inputs[0].clone())).unwrap();
    for as_of in [newest, newest - (1 << 22)] {
        let options = Options { as_of: Some(as_of), granularity: FINE, ..Options::default() };
        Case::new(&inputs, &options).check(3, &format!("as of {as_of}"));
    }
}

/// What a killed run has left is removed, and the shard ends the same.
#[test]
fn a_killed_shard_is_run_again() {
    let case = Case::new(&snapshots(&load("redis-small")), &Options { granularity: FINE, ..Options::default() });
    let left = case.dir.path().join("shards/.shard-1-of-3.ekvsnap-unfinished-abc123");
    fs::create_dir_all(left.join("files/redis")).unwrap();
    fs::write(left.join("RECORD"), b"EKVSHRD1 and no more").unwrap();
    case.check(3, "after a kill");
    assert!(!left.exists());
}

/// Each is reported by name, and leaves nothing.
#[test]
fn shards_that_cannot_be_merged() {
    let options = Options { granularity: FINE, ..Options::default() };
    let case = Case::new(&snapshots(&load("redis-small")), &options);
    let shards = case.dir.path().join("shards");
    let dir = |index| dir_of(&shards, Which { index, count: 3 });
    let refused = |want: &str| {
        let error = case.merged(false).err().unwrap();
        assert!(error.contains(want), "{error}");
        assert!(!case.dir.path().join("out").exists());
    };
    case.shard(0, 3);
    case.shard(2, 3);
    refused("1 of 3 shards missing: run 1");
    case.shard(1, 3);
    case.shard(1, 2);
    refused("merge shards of one number");
    fs::remove_dir_all(dir_of(&shards, Which { index: 1, count: 2 })).unwrap();
    copy(&dir(1), &shards.join("again"));
    refused("are both shard 1");
    fs::remove_dir_all(shards.join("again")).unwrap();
    // Of another plan: the same inputs, other options.
    let other = Case::new(&snapshots(&load("redis-small")), &Options { cluster_id: "other".to_owned(), ..options });
    other.shard(1, 3);
    let mine = shards.join("mine");
    fs::rename(dir(1), &mine).unwrap();
    copy(&dir_of(&other.dir.path().join("shards"), Which { index: 1, count: 3 }), &dir(1));
    refused("is a shard of another plan");
    fs::remove_dir_all(dir(1)).unwrap();
    fs::rename(&mine, dir(1)).unwrap();
    // A record that is cut, or of which a bit has changed.
    let record = dir(1).join("RECORD");
    let whole = fs::read(&record).unwrap();
    for at in (0..whole.len()).step_by(1 + whole.len() / 40) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&record, bytes).unwrap();
        assert!(case.merged(false).is_err(), "a bit at {at}");
        fs::write(&record, &whole[..at]).unwrap();
        assert!(case.merged(false).is_err(), "cut at {at}");
    }
    fs::write(&record, &whole).unwrap();
    // Lines that have changed.
    let lines = dir(1).join("LINES");
    let mut bytes = fs::read(&lines).unwrap();
    bytes[0] ^= 1;
    fs::write(&lines, bytes).unwrap();
    refused("a shard was changed since it was written");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
        let target = to.join(path.file_name().unwrap());
        if kind.is_dir() {
            copy(&path, &target)
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}

/// An input that is not what was planned is refused; a copy of it, whose times are others, is read once more.
#[test]
fn inputs_of_a_plan() {
    let case = Case::new(&snapshots(&load("redis-small")), &Options { granularity: FINE, ..Options::default() });
    let input = &case.files[0];
    let whole = fs::read(input).unwrap();
    let copy = case.dir.path().join("copy");
    fs::copy(input, &copy).unwrap();
    fs::rename(&copy, input).unwrap();
    case.check(2, "a copy");
    let all = case.dir.path().join("shards");
    let run = || {
        let which = Which { index: 0, count: 2 };
        plan::run(&case.planned, &mut open(&case.files), which, &all, 2, &Silent).map_err(|e| e.to_string())
    };
    let (mut body, mut end) = (whole.clone(), whole.clone());
    body[whole.len() / 2] ^= 1;
    *end.last_mut().unwrap() ^= 1;
    for bytes in [&whole[..whole.len() - 1], &end] {
        fs::write(input, bytes).unwrap();
        assert!(run().unwrap_err().contains("is not the file that the plan was made of"));
    }
    fs::write(input, &body).unwrap();
    let error = run().unwrap_err();
    assert!(
        error.contains("CRC32C mismatch") || error.contains("is not the file that the plan was made of"),
        "{error}"
    );
    assert!(fs::read_dir(&all).map_or(0, Iterator::count) == 0);
}

/// The contract with the engines, with their variables set by hand.
#[test]
fn jobs_of_engines() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.fsm"), &snapshots(&load("redis-small"))[0]).unwrap();
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
        command.current_dir(dir.path()).args(args).envs(variables.iter().copied());
        for name in ["JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN"] {
            if !variables.iter().any(|(set, _)| *set == name) {
                command.env_remove(name);
            }
        }
        command.output().unwrap()
    };
    let fine = |args: &[&str], variables: &[(&str, &str)]| {
        let done = run(args, variables);
        assert_eq!(code(&done), 0, "{args:?}: {}", stderr(&done));
        stderr(&done)
    };
    fine(&["plan", "x.fsm", "-o", "PLAN", "--layout", "jsonl"], &[]);
    fine(&["decode", "x.fsm", "-o", "one", "--layout", "jsonl"], &[]);
    let auto = ["decode", "--plan", "PLAN", "--shard", "auto", "-o", "shards"];
    assert_eq!(code(&run(&auto, &[])), 64);
    for index in ["1", "0", "2"] {
        fine(&[&auto[..], &["--shards", "3"]].concat(), &[("JOB_COMPLETION_INDEX", index)]);
    }
    let again =
        fine(&auto, &[("SLURM_ARRAY_TASK_ID", "5"), ("SLURM_ARRAY_TASK_MIN", "4"), ("SLURM_ARRAY_TASK_COUNT", "3")]);
    assert!(again.contains("shard 1 of 3, complete already"), "{again}");
    fine(&["merge", "--plan", "PLAN", "shards", "-o", "out"], &[]);
    fine(&["verify", "out"], &[]);
    assert!(read_tree(&dir.path().join("out")) == read_tree(&dir.path().join("one")));
    assert_eq!(fs::read_dir(dir.path().join("shards")).unwrap().count(), 0);
    for keep in [&["--keep"][..], &[]] {
        fine(&["plan", "x.fsm", "-o", "TREE", "--force"], &[]);
        for share in ["1/2", "0/2"] {
            fine(&["decode", "--plan", "TREE", "--shard", share, "-o", "shards"], &[]);
        }
        fine(&[&["merge", "--plan", "TREE", "shards", "-o", "tree", "--force"], keep].concat(), &[]);
        // No file of it has another name.
        fine(&["verify", "tree"], &[]);
    }
    for (args, want) in [
        (&["decode", "x.fsm", "--plan", "PLAN", "--shard", "0/2", "-o", "s"][..], 64),
        (&["decode", "--plan", "PLAN", "--shard", "2/2", "-o", "s"], 64),
        (&["decode", "--plan", "PLAN", "-o", "s"], 64),
        (&["decode", "--plan", "PLAN", "--shard", "0/2", "-o", "s", "--layout", "tree"], 64),
        (&["decode", "--plan", "PLAN", "--shard", "0/2", "-o", "s", "--on-error", "skip"], 64),
        (&["decode", "--plan", "PLAN", "--shard", "0/2", "-o", "s", "--scope", "redis:x"], 64),
        (&["decode", "--plan", "PLAN", "--shard", "0/2", "-o", "s", "--format", "tar"], 64),
        (&["decode", "--plan", "PLAN", "--shard", "0/2", "-o", "s", "--resume"], 64),
        (&["merge", "--plan", "PLAN", "shards", "-o", "o.tar.zst"], 64),
        (&["merge", "--plan", "PLAN", "shards", "-o", "-"], 64),
        (&["plan", "x.fsm", "-o", "P", "--on-error", "skip"], 64),
        (&["plan", "-", "-o", "P"], 1),
        (&["decode", "--plan", "x.fsm", "--shard", "0/2", "-o", "s"], 1),
        (&["merge", "--plan", "PLAN", "one", "-o", "o"], 1),
    ] {
        let done = run(args, &[]);
        assert_eq!(code(&done), want, "{args:?}: {}", stderr(&done));
    }
    assert_eq!(code(&ekvsnap(dir.path(), &["get", "x.fsm", "redis:lua:x", "--index", "PLAN"])), 0);
}

/// A plan needs intact files and gives a directory: any other request is rejected with its name, before any work is done.
#[test]
fn what_no_plan_can_be_of() {
    use ekvsnap::output::archive::Packing;
    let sources = [Source::from_bytes("x.fsm", snapshots(&load("redis-small"))[0].clone())];
    let refused = |options: Options| plan::plan(&sources, &options, &Silent).unwrap_err().to_string();
    let base = Options::default();
    for (options, want) in [
        (Options { skip_damage: true, ..base.clone() }, "a plan is made of intact snapshots"),
        (Options { archive: Some(Packing::Tar), ..base.clone() }, "ekvsnap pack makes an archive of it"),
        (Options { part_size: Some(0), ..base.clone() }, "cannot be 0"),
        (Options { loaders: true, ..base.clone() }, "loaders are for lines"),
    ] {
        let error = refused(options);
        assert!(error.contains(want), "{error}");
    }
    // A pipe, whatever its name.
    let dir = tempfile::tempdir().unwrap();
    let snapshot = dir.path().join("x.fsm");
    fs::write(&snapshot, &snapshots(&load("redis-small"))[0]).unwrap();
    for name in ["-", "/dev/stdin", "/dev/fd/0"] {
        let script = format!("cat x.fsm | \"$0\" plan {name} -o PLAN");
        let done = std::process::Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_ekvsnap")])
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert_eq!(code(&done), 1, "{name}: {}", stderr(&done));
        assert!(stderr(&done).contains("is not a file, and cannot be read again: name files"), "{}", stderr(&done));
        assert!(!dir.path().join("PLAN").exists());
    }
}

/// Every flag that a job in `deploy` gives to a command of ekvsnap is one that it has.
#[test]
fn jobs_use_flags_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let help = |command: &str| {
        let done = ekvsnap(Path::new("/"), &[command, "--help"]);
        String::from_utf8(done.stdout).unwrap()
    };
    let mut seen = 0;
    for file in
        ["kubernetes/decode.yaml", "kubernetes/cronjob.yaml", "slurm/decode.sh", "ray/decode.py", "spark/decode.py"]
    {
        let text = fs::read_to_string(root.join(file)).unwrap();
        for command in ["plan", "decode", "merge"] {
            let flags = help(command);
            // As words of a list in YAML and Python, and of a shell.
            let begins =
                [format!("\"ekvsnap\", \"{command}\""), format!("ekvsnap {command} "), format!("\"{command}\", ")];
            let lines = text.lines().filter(|line| begins.iter().any(|begin| line.contains(begin)));
            for line in lines.filter(|line| !line.starts_with('#') && !line.contains("usage:")) {
                let words = line.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
                for flag in words.filter(|word| word.starts_with("--") && word.len() > 2) {
                    let is_of_sbatch = line.contains("sbatch") || ["--wrap", "--output"].contains(&flag);
                    assert!(is_of_sbatch || flags.contains(flag), "{file}: {command} has no {flag}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 12, "only {seen} flags were found");
}
