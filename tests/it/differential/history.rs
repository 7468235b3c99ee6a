//! Makes snapshot files of operations.
//!
//! A step writes, deletes or prepares the rows of an operation in one of the groups, some time after the previous step. Keys come from
//! small sets, so that operations affect the same rows.

use std::collections::BTreeSet;
use std::fmt::Debug;

use proptest::prelude::*;

pub use crate::kit::build::NOW;
use crate::kit::build::{Snapshot, be, marker, mvcc2_with, staged};

/// A row's key and value, without version.
pub type Row = (Vec<u8>, Vec<u8>);

/// An operation on a store.
pub trait Operation: Debug + Clone {
    /// The rows that it writes.
    fn rows(&self) -> Vec<Row>;
}

/// How the rows of a step get into the store.
#[derive(Debug, Clone, Copy)]
enum How {
    Put,
    Delete,
    /// With an expiry in the value header, this long after (or before) the read timestamp.
    Expiring(i8),
    /// By a transaction whose locks and intents still exist.
    Prepared(Fate, Change),
    /// By a transaction that left tombstones in place of them.
    Settled,
    /// In another group, with a copy in this one that a migration has staged.
    Copied(u64),
    /// Staged only: the group that it comes from is not an input.
    Staged(u64, Change),
}

/// The outcome of a transaction.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Committed,
    /// Only a success marker records it.
    Marked,
    RolledBack,
    Pending,
    Expired,
    /// Neither outcome nor primary lock.
    Gone,
    /// The intent is of another transaction.
    OtherStart,
    /// There is no intent.
    NoIntent,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Put,
    Delete,
}

/// An operation, with its time, place and kind of write.
#[derive(Debug, Clone)]
struct Step<Op> {
    op: Op,
    how: How,
    group: usize,
    /// The group that has the primary of a transaction.
    primary: usize,
    later: u64,
}

/// The form of a file.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Header and footer, as servers write them.
    Whole,
    Bare,
    Mvcc2,
    /// With the state of migrations, or more of it.
    Migrating(bool),
}

/// Snapshots of one data set, and their history.
#[derive(Clone)]
pub struct History<Op> {
    steps: Vec<Step<Op>>,
    forms: Vec<Form>,
    /// How far the last commit timestamps are behind the rows.
    lag: u64,
    pub files: Vec<Vec<u8>>,
}

impl<Op: Debug> Debug for History<Op> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:?}, lag {}", self.forms, self.lag)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "  {step:?}"))
    }
}

impl<Op: Operation> History<Op> {
    /// The files as they were after this number of sixteenths of all steps.
    pub fn first(&self, share: usize) -> Vec<Vec<u8>> {
        files(&self.steps[..self.steps.len() * share / 16], &self.forms, self.lag)
    }
}

/// Histories of up to `steps` operations.
pub fn history<Op: Operation>(op: impl Strategy<Value = Op>, steps: usize) -> impl Strategy<Value = History<Op>> {
    let step = (op, how(), 0..3usize, 0..3usize, 0..3u64);
    let step = step.prop_map(|(op, how, group, primary, later)| Step { op, how, group, primary, later });
    let form = prop_oneof![4 => Just(Form::Whole), 1 => Just(Form::Bare), 1 => Just(Form::Mvcc2),
        1 => any::<bool>().prop_map(Form::Migrating)];
    let forms = prop_oneof![3 => Just(1usize), 1 => Just(2), 1 => Just(3)]
        .prop_flat_map(move |n| prop::collection::vec(form.clone(), n));
    (prop::collection::vec(step, 0..steps), forms, 0..20u64).prop_map(|(steps, forms, lag)| {
        let files = files(&steps, &forms, lag);
        History { steps, forms, lag, files }
    })
}

fn how() -> impl Strategy<Value = How> {
    use Fate::{Committed, Expired, Gone, Marked, NoIntent, OtherStart, Pending, RolledBack};
    let fate = prop::sample::select(vec![
        Committed, Committed, Committed, Marked, RolledBack, Pending, Expired, Gone, OtherStart, NoIntent,
    ]);
    let change = prop_oneof![3 => Just(Change::Put), 1 => Just(Change::Delete)];
    prop_oneof![
        12 => Just(How::Put),
        3 => Just(How::Delete),
        1 => (-3..4i8).prop_map(How::Expiring),
        2 => (fate, change).prop_map(|(fate, change)| How::Prepared(fate, change)),
        1 => Just(How::Settled),
        1 => (0..3u64).prop_map(How::Copied),
        1 => (0..3u64, prop_oneof![Just(Change::Put), Just(Change::Delete)]).prop_map(|(job, c)| How::Staged(job, c)),
    ]
}

/// The groups while they are built.
struct Store {
    groups: Vec<Group>,
    now: u64,
    /// Used keys and timestamps: a store has no two versions of a key at one moment.
    taken: BTreeSet<(Vec<u8>, u64)>,
}

/// Key, timestamp, tombstone, expiry and body.
type Written = (Vec<u8>, u64, bool, u64, Vec<u8>);

#[derive(Default)]
struct Group {
    versions: Vec<Written>,
}

impl Store {
    fn write(&mut self, group: usize, key: Vec<u8>, tombstone: bool, expire_at: u64, body: Vec<u8>) {
        while !self.taken.insert((key.clone(), self.now)) {
            self.now += 1;
        }
        self.groups[group].versions.push((key, self.now, tombstone, expire_at, body));
    }

    fn put(&mut self, group: usize, key: Vec<u8>, body: Vec<u8>) {
        self.write(group, key, false, 0, body);
    }

    fn delete(&mut self, group: usize, key: Vec<u8>) {
        self.write(group, key, true, 0, Vec::new());
    }

    fn step<Op: Operation>(&mut self, step: &Step<Op>) {
        let (group, primary) = (step.group % self.groups.len(), step.primary % self.groups.len());
        self.now += step.later;
        for (key, body) in step.op.rows() {
            match step.how {
                How::Put => self.put(group, key, body),
                How::Delete => self.delete(group, key),
                How::Expiring(by) => {
                    let expire_at = (NOW + 30).saturating_add_signed(by.into());
                    self.write(group, key, false, expire_at, body);
                }
                How::Copied(job) => {
                    self.put(primary, key.clone(), body.clone());
                    // The same moment: it is the same version.
                    self.groups[group].versions.push((staged(job, &key), self.now, false, 0, body));
                }
                How::Staged(job, change) => {
                    // Versions of a key have different timestamps, in whatever group they are.
                    while !self.taken.insert((key.clone(), self.now)) {
                        self.now += 1;
                    }
                    let delete = matches!(change, Change::Delete);
                    let body = if delete { Vec::new() } else { body };
                    self.groups[group].versions.push((staged(job, &key), self.now, delete, 0, body));
                }
                How::Prepared(fate, change) => self.prepare(group, primary, fate, change, &key, &body),
                How::Settled => {
                    self.put(group, key.clone(), body);
                    self.delete(group, [b"!txn|lock|", &key[..]].concat());
                    self.delete(group, [b"!txn|int|", &key[..]].concat());
                }
            }
        }
    }

    fn prepare(&mut self, group: usize, primary: usize, fate: Fate, change: Change, key: &[u8], body: &[u8]) {
        let start = self.now;
        let name = [b"!redis|str|primary of ", key].concat();
        let expire_at = if matches!(fate, Fate::Expired) { NOW - 5 } else { 0 };
        let lock = |flags: u8| [&[1][..], &be(&[start, expire_at]), &[flags], &sized(&name)].concat();
        let (op, value) = match change {
            Change::Put => (0, body),
            Change::Delete => (1, &b""[..]),
        };
        self.put(group, [b"!txn|lock|", key].concat(), lock(0));
        if !matches!(fate, Fate::NoIntent) {
            let start = if matches!(fate, Fate::OtherStart) { start + 1 } else { start };
            let intent = [&[1][..], &be(&[start]), &[op], &sized(value)].concat();
            self.put(group, [b"!txn|int|", key].concat(), intent);
        }
        let record = |prefix: &str| [prefix.as_bytes(), &name, &be(&[start])].concat();
        match fate {
            Fate::Committed | Fate::Marked | Fate::OtherStart | Fate::NoIntent => {
                self.now += 1;
                while self.taken.contains(&(key.to_vec(), self.now)) {
                    self.now += 1;
                }
                self.taken.insert((key.to_vec(), self.now));
                if let Fate::Marked = fate {
                    let key = marker(key, start, self.now, &name);
                    return self.put(group, key, Vec::new());
                }
                self.put(primary, record("!txn|cmt|"), [&[1], &be(&[self.now])[..]].concat());
            }
            Fate::RolledBack => self.put(primary, record("!txn|rb|"), vec![1]),
            Fate::Pending | Fate::Expired => self.put(primary, [b"!txn|lock|", &name[..]].concat(), lock(1)),
            Fate::Gone => {}
        }
    }
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&be(&[bytes.len() as u64])[..], bytes].concat()
}

fn files<Op: Operation>(steps: &[Step<Op>], forms: &[Form], lag: u64) -> Vec<Vec<u8>> {
    let groups = forms.iter().map(|_| Group::default()).collect();
    let mut store = Store { groups, now: NOW, taken: BTreeSet::new() };
    steps.iter().for_each(|step| store.step(step));
    let last_commit = store.now.saturating_sub(lag);
    store.groups.iter().zip(forms).map(|(group, form)| group.file(*form, last_commit)).collect()
}

impl Group {
    fn file(&self, form: Form, last_commit: u64) -> Vec<u8> {
        let ready = [1, 3].map(u64::to_le_bytes).concat();
        let marked = [&b"EKVMIG2!"[..], &2u64.to_le_bytes(), b"ok", &0u64.to_le_bytes()].concat();
        match form {
            Form::Mvcc2 => return self.mvcc2(1, b"", last_commit),
            Form::Migrating(false) => return self.mvcc2(2, &[&ready[..], b"abc"].concat(), last_commit),
            Form::Migrating(true) => return self.mvcc2(2, &[&ready[..], b"abc", &marked].concat(), last_commit),
            Form::Whole | Form::Bare => {}
        }
        let mut snapshot = Snapshot::new().last_commit(last_commit);
        for (key, ts, tombstone, expire_at, body) in &self.versions {
            snapshot = snapshot.version(*ts, key, u8::from(*tombstone), *expire_at, body);
        }
        match form {
            Form::Bare => snapshot.bare(),
            _ => snapshot.raw("_meta_last_commit_ts", last_commit.to_le_bytes()).build(),
        }
    }

    fn mvcc2(&self, version: u8, state: &[u8], last_commit: u64) -> Vec<u8> {
        let mut versions = self.versions.clone();
        versions.sort();
        let keys: BTreeSet<&[u8]> = versions.iter().map(|(key, ..)| key.as_slice()).collect();
        let of = |key: &[u8]| -> Vec<(u64, bool, u64, &[u8])> {
            let mine = versions.iter().filter(|version| version.0 == key);
            mine.map(|(_, ts, tombstone, expire_at, body)| (*ts, *tombstone, *expire_at, body.as_slice())).collect()
        };
        let all: Vec<_> = keys.into_iter().map(|key| (key, of(key))).collect();
        let all: Vec<_> = all.iter().map(|(key, versions)| (*key, versions.as_slice())).collect();
        mvcc2_with(version, state, last_commit, &all)
    }
}
