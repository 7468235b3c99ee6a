//! Decides which snapshot file each group gets.

use std::io::Write as _;
use std::path::PathBuf;

use super::cluster::Cluster;
use super::files::{Sum, directory, opened};
use super::keys::StoreKeys;
use super::split;
use crate::dataset::{DataSet, Group};
use crate::error::{Error, ErrorKind, Result};
use crate::format::container::Checksum;
use crate::format::limits::FOOTER;
use crate::index::Layout;
use crate::output::single::SingleFile;
use crate::report::{Finding, Findings, Value, kinds};
use crate::source::index_of;
use crate::verify::data_dir::{FSM, fsm_name};

kinds! {
    Warning SEVERAL_ROUTES "restore_several_routes"
        "the snapshot has a catalog of several routes: if there are several groups, give the snapshots of all of them, because the rows of the others are not restored";
    Warning ENCRYPTED "restore_encrypted"
        "the snapshot has encrypted rows, and the server does not start with the keys.json of another store: give the key file (KEK), so that the restore writes one that it starts with";
}

/// Bytes that are copied at once.
const PIECE: usize = 1 << 20;

/// The stores of the groups.
pub(super) struct Stores {
    /// The index of each group's snapshot.
    index: Vec<u64>,
    /// For each group the input that it takes unchanged; `None`: rows are sent to groups.
    inputs: Option<Vec<usize>>,
}

/// A snapshot file that was written.
pub(super) struct Written {
    pub path: PathBuf,
    pub index: u64,
    pub crc32c: u32,
    pub bytes: u64,
    pub rows: u64,
}

/// Decides where the rows of the inputs go.
pub(super) fn plan(
    set: &DataSet<'_>,
    cluster: &Cluster,
    index: Option<u64>,
    has_keys: bool,
    findings: &mut Findings,
) -> Result<Stores> {
    let inputs: Vec<&Group<'_>> = set.inputs().collect();
    for input in &inputs {
        check(input)?;
    }
    let own: Vec<u64> = inputs.iter().map(|input| own_index(input)).collect();
    if let Some((asked, input)) = index.and_then(|asked| {
        let later = inputs.iter().find(|input| input.index.applied_index.is_some_and(|applied| applied > asked));
        later.map(|input| (asked, input))
    }) {
        let applied = input.index.applied_index.unwrap_or_default();
        return Err(Error::usage(format!(
            "the store in {} has applied index {applied}: with index {asked}, a server would skip new entries of its log as if they were applied; give a higher index",
            input.source.path().display()
        )));
    }
    let groups = cluster.groups.len();
    let alone = set.one_of_several();
    if let Some((_, routes)) = alone {
        let fields = vec![("routes", Value::from(routes))];
        findings.add(Finding { kind: &SEVERAL_ROUTES, fields });
    }
    let at = |input: usize| index.unwrap_or(own[input]);
    for input in inputs.iter().filter(|input| !has_keys && !input.index.sealed.is_empty()) {
        findings.add(Finding { kind: &ENCRYPTED, fields: vec![("input", Value::from(input.source.path()))] });
    }
    // A server with several groups has no encrypted log. Rows that are sent to groups get a file with a log in clear.
    let was_log_encrypted = inputs.iter().any(|input| input.index.header.cutover_index > 0);
    // A server would trust a catalog of other groups.
    let must_send = alone.is_some() || has_keys && was_log_encrypted && groups > 1;
    if let Some(taken) = if must_send { None } else { split::as_given(&inputs, cluster)? } {
        return Ok(Stores { index: taken.iter().map(|input| at(*input)).collect(), inputs: Some(taken) });
    }
    let common = index.unwrap_or(1);
    Ok(Stores { index: vec![common; groups], inputs: None })
}

/// Rejects an input from which a server would not start.
fn check(input: &Group<'_>) -> Result<()> {
    let index = &input.index;
    let refuse = |words: String| Err(Error::usage(format!("{}: {words}", input.source.path().display())));
    if index.layout == Layout::Timestamps {
        return refuse(
            "it has the state of the timestamp group, which has no rows: name the snapshots of the other groups".into(),
        );
    }
    if index.min_retained_ts > index.last_commit_ts {
        return refuse(format!(
            "its history before {} was compacted away, but its newest commit is {}: a server would refuse every read",
            index.min_retained_ts, index.last_commit_ts
        ));
    }
    Ok(())
}

/// The index of a snapshot that is taken unchanged: never below what its store has applied, because a server would skip new entries.
fn own_index(input: &Group<'_>) -> u64 {
    let named = index_of(input.source.path()).unwrap_or_default();
    named.max(input.index.applied_index.unwrap_or_default()).max(1)
}

impl Stores {
    /// Whether the files are identical to the inputs.
    pub fn as_given(&self) -> bool {
        self.inputs.is_some()
    }

    /// The index in the headers of the files from which the log is encrypted.
    pub fn raft_cutover(&self, set: &DataSet<'_>) -> u64 {
        let taken = self.inputs.iter().flat_map(|_| set.inputs());
        taken.map(|input| input.index.header.cutover_index).max().unwrap_or_default()
    }

    /// Writes the file of each group below its directory.
    pub fn write(
        &self,
        dirs: &[PathBuf],
        set: &DataSet<'_>,
        cluster: &Cluster,
        keys: Option<&StoreKeys>,
    ) -> Result<Vec<Written>> {
        let mut files = Vec::new();
        for (dir, index) in dirs.iter().zip(&self.index) {
            let dir = dir.join(FSM);
            directory(&dir)?;
            files.push(SingleFile::fresh(&dir.join(fsm_name(*index)))?);
        }
        let sums = match &self.inputs {
            None => split::write(set, cluster, &self.index, keys, &mut files)?,
            Some(taken) => {
                let inputs: Vec<&Group<'_>> = set.inputs().collect();
                let copies = taken.iter().zip(&mut files).map(|(input, file)| copy(inputs[*input], file));
                copies.collect::<Result<_>>()?
            }
        };
        let mut written = Vec::new();
        for ((file, index), (crc32c, bytes, rows)) in files.into_iter().zip(&self.index).zip(sums) {
            let path = file.target().to_path_buf();
            file.publish(false)?;
            written.push(Written { path, index: *index, crc32c, bytes, rows });
        }
        Ok(written)
    }
}

/// Copies a snapshot file, and adds the footer if it has none.
fn copy(input: &Group<'_>, file: &mut SingleFile) -> Result<Sum> {
    let (target, mut out) = opened(file)?;
    let bytes = input.source.file();
    let body = if input.index.crc32c.is_some() { bytes.len().saturating_sub(FOOTER) } else { bytes.len() };
    let mut crc = Checksum::default();
    let failed = |e| Error::io("write", &target, e);
    for piece in bytes.get(..body).unwrap_or_default().chunks(PIECE) {
        crc.update(piece);
        out.write_all(piece).map_err(failed)?;
    }
    if input.index.crc32c.is_some_and(|stored| stored != crc.value()) {
        return Err(Error::new(ErrorKind::Changed).input(input.source.path()));
    }
    out.write_all(&crc.value().to_be_bytes()).map_err(failed)?;
    Ok((crc.value(), (body + FOOTER) as u64, input.index.counts.summary().entries))
}
