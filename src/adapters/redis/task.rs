//! Reads one split: collects the rows of each key, decides its type, and gives it to the visitor.
//!
//! Mutual dependency with `collection`, `stream`, `list`, `pieces` and `orphans`: they are methods of the task, one file for each type.

use super::collection::{self, Shape};
use super::expiry;
use super::findings;
use super::key::{Found, Kind, parse};
use super::merge::{KeyStream, Merge};
use super::pieces::{Helpers, Pieces};
use super::splits::{Split, Splits};
use super::{list, orphans, stream};
use crate::dataset::{DataSet, Row, RowsOf, Shared};
use crate::error::Result;
use crate::format::redis::stream::StreamMeta;
use crate::format::redis::string;
use crate::format::{Family, adapter};
use crate::model::redis::{Key, Standing, StreamEnd, Type, Visitor};
use crate::options::Options;
use crate::report::{Finding, Findings};

/// The result of reading a split, besides the objects.
#[derive(Debug, Default)]
pub struct Report {
    /// Live list items that belong to a list.
    pub items_reached: u64,
    /// Keys left out because they had expired (`Options::drop_expired`).
    pub dropped: u64,
    /// Findings of the split.
    pub findings: Findings,
    /// Keys with rows in more than one input.
    pub shared: Vec<Shared>,
}

/// State of one split.
pub(super) struct Task<'s, 'a, 'v, V: ?Sized> {
    pub set: &'s DataSet<'a>,
    pub options: &'s Options,
    pub visitor: &'v mut V,
    pub report: Report,
    /// Helper threads for large collections.
    pub helpers: Option<Helpers<'s, V>>,
    /// Whether there is no filter.
    takes_all: bool,
}

/// Reads the keys of one split.
///
/// # Errors
/// The first damaged row of the split, and the error of the visitor.
pub fn read<V: Visitor>(
    set: &DataSet<'_>,
    splits: &Splits,
    split: &Split,
    options: &Options,
    visitor: &mut V,
) -> Result<Report> {
    read_with(set, (splits, split), options, visitor, None)
}

/// As [`read`], with large collections in pieces, if the visitor supports it.
///
/// # Errors
/// As [`read`].
pub fn read_with<V: Visitor>(
    set: &DataSet<'_>,
    (splits, split): (&Splits, &Split),
    options: &Options,
    visitor: &mut V,
    pieces: Option<&dyn Pieces<V>>,
) -> Result<Report> {
    let helpers = pieces.map(|pieces| Helpers { pieces, are_busy: &splits.are_busy });
    let mut task = Task { helpers, ..Task::new(set, options, visitor) };
    let mut merge = Merge::new(set, splits, split)?;
    while let Some(key) = merge.next_key() {
        if let Err(error) = task.gather_and_give(&mut merge, key) {
            let RowsOf { ranges, is_row } = splits.rows_of(key.to_vec());
            set.tolerate_object(error, ranges, &is_row)?;
        }
        for n in 0..merge.here() {
            let i = merge.at(n);
            task.drain(merge.stream(i), key)?;
        }
    }
    task.report.shared = merge.shared().collect();
    Ok(task.report)
}

/// The row of a key that has only one: most strings need no collecting.
fn lone_string<'a>(merge: &mut Merge<'_, 'a>, key: &[u8]) -> Result<Option<(Family, Row<'a>)>> {
    let stream = merge.stream(merge.at(0));
    let family = stream.family;
    if !matches!(family, Family::Str | Family::Hll | Family::Bare) {
        return Ok(None);
    }
    Ok(stream.take(key)?.map(|head| (family, head.row)))
}

impl<'s, 'a, 'v, V: ?Sized> Task<'s, 'a, 'v, V> {
    /// A task that has read nothing, without helpers.
    pub fn new(set: &'s DataSet<'a>, options: &'s Options, visitor: &'v mut V) -> Self {
        Task { set, options, visitor, report: Report::default(), helpers: None, takes_all: options.filter.is_trivial() }
    }

    /// Skips rows of `key` that are not asked for, but checks their keys.
    pub(super) fn drain(&mut self, stream: &mut KeyStream<'_, 'a>, key: &[u8]) -> Result<()> {
        let entries = stream.family == Family::StreamEntry;
        while let Some(head) = stream.take(key)? {
            if entries && let Err(error) = stream::id_of(self.set, &head) {
                self.set.skip(error)?;
            }
        }
        Ok(())
    }
}

impl<'a, V: Visitor> Task<'_, 'a, '_, V> {
    fn gather_and_give(&mut self, merge: &mut Merge<'_, 'a>, key: &'a [u8]) -> Result<()> {
        if merge.here() == 1
            && let Some((family, row)) = lone_string(merge, key)?
        {
            let kind = if family == Family::Hll { Kind::Hll } else { Kind::Str };
            return if self.wants(key, kind) {
                self.string(key, Some(row), family, None, Standing::Served)
            } else {
                Ok(())
            };
        }
        let mut found = Found::default();
        for n in 0..merge.here() {
            let i = merge.at(n);
            let (filter, findings) = (&self.options.filter, &mut self.report.findings);
            found.gather(self.set, key, i, merge.stream(i), &mut |error| {
                if filter.takes(adapter::REDIS, key, &[]) {
                    orphans::planted(&error, findings);
                }
            })?;
        }
        self.key(merge, key, &found)
    }

    fn wants(&self, key: &[u8], kind: Kind) -> bool {
        let filter = &self.options.filter;
        let taken = || filter.takes_type(kind.of_type().plural()) && filter.meets(adapter::REDIS, key, &[]);
        self.takes_all || (taken() && filter.takes_change(adapter::REDIS, key, &[]))
    }

    fn key(&mut self, merge: &mut Merge<'_, 'a>, key: &'a [u8], found: &Found<'a>) -> Result<()> {
        let mut kinds = found.kinds();
        let winner = kinds.next();
        if let Some(kind) = winner {
            self.object(merge, key, found, kind, expiry::of_key(self.set, found, kind)?, Standing::Served)?;
            let others: Vec<Kind> = kinds.collect();
            self.conflict(merge, key, found, kind, &others)?;
        } else if let Some((row, ms)) = found.ttl {
            self.orphan_ttl(key, &row, ms)?;
        }
        if found.stream_meta.is_none() {
            self.headless_stream(merge, key, found)?;
        }
        Ok(())
    }

    /// Gives one object. `expiry` is used unless a string states its own.
    fn object(
        &mut self,
        merge: &mut Merge<'_, 'a>,
        key: &'a [u8],
        found: &Found<'a>,
        kind: Kind,
        expiry: Option<u64>,
        standing: Standing,
    ) -> Result<()> {
        if !self.wants(key, kind) {
            return if kind == Kind::List {
                list::pass_over(self, found, list::base(self.set, found)?, key)
            } else {
                Ok(())
            };
        }
        match kind {
            Kind::Str => self.string(key, found.str, Family::Str, expiry, standing),
            Kind::Hll => self.string(key, found.hll, Family::Hll, expiry, standing),
            Kind::Bare => self.string(key, found.bare, Family::Bare, expiry, standing),
            Kind::List => {
                let meta = list::base(self.set, found)?;
                match self.unless_dropped(key, Type::List, expiry, standing) {
                    Some(key) => list::give(self, found, meta, &key),
                    None => list::pass_over(self, found, meta, key),
                }
            }
            Kind::Hash | Kind::HashBlob => self.collection(merge, key, found, Shape::Hash, expiry, standing),
            Kind::Set | Kind::SetBlob => self.collection(merge, key, found, Shape::Set, expiry, standing),
            Kind::Zset | Kind::ZsetBlob => self.collection(merge, key, found, Shape::Zset, expiry, standing),
            Kind::Stream => {
                let meta = stream::base(self.set, found)?;
                match self.unless_dropped(key, Type::Stream, expiry, standing) {
                    Some(key) => stream::give(self, merge, found.entries, meta, &key).map(|_| ()),
                    None => Ok(()),
                }
            }
            Kind::StreamBlob => match self.unless_dropped(key, Type::Stream, expiry, standing) {
                Some(key) => stream::give(self, merge, None, Some(StreamMeta::default()), &key).map(|_| ()),
                None => Ok(()),
            },
        }
    }

    fn collection(
        &mut self,
        merge: &mut Merge<'_, 'a>,
        key: &'a [u8],
        found: &Found<'a>,
        shape: Shape,
        expiry: Option<u64>,
        standing: Standing,
    ) -> Result<()> {
        let wide = match shape {
            Shape::Hash => &found.hash,
            Shape::Set => &found.set,
            Shape::Zset => &found.zset,
        };
        let meta = collection::base(self.set, shape, wide)?;
        match self.unless_dropped(key, shape.of_type(), expiry, standing) {
            Some(key) => collection::give(self, merge, shape, wide, meta, &key),
            None => Ok(()),
        }
    }

    /// Gives strings, HLL keys and bare strings. `expiry` is used if the value states none.
    fn string(
        &mut self,
        key: &'a [u8],
        row: Option<Row<'a>>,
        family: Family,
        expiry: Option<u64>,
        standing: Standing,
    ) -> Result<()> {
        let Some(row) = row else { return Ok(()) };
        let value = match family {
            Family::Hll => parse(self.set, family, &row, string::hll)?,
            Family::Str => parse(self.set, family, &row, string::string)?,
            _ => string::Enveloped { payload: row.body, ttl: string::InlineTtl::Legacy },
        };
        let expiry = expiry::in_envelope(value.ttl).unwrap_or(expiry);
        let kind = if family == Family::Hll { Type::Hll } else { Type::String };
        let key = self.unless_dropped(key, kind, expiry, standing);
        match key.map(|key| Key { bare: family == Family::Bare, ..key }) {
            Some(key) if self.options.filter.takes_size(value.payload.len() as u64) => {
                self.visitor.committed(row.commit_ts);
                self.visitor.string(&key, value.payload)
            }
            _ => Ok(()),
        }
    }

    /// The key, or `None` if it is left out because it has expired (`Options::drop_expired`).
    fn unless_dropped(
        &mut self,
        name: &'a [u8],
        kind: Type,
        expire_at_ms: Option<u64>,
        standing: Standing,
    ) -> Option<Key<'a>> {
        let dropped = self.options.drop_expired.is_some_and(|when| expire_at_ms.is_some_and(|at| at <= when));
        self.report.dropped += u64::from(dropped);
        (!dropped).then_some(Key { name, kind, expire_at_ms, standing, bare: false })
    }

    /// Handles several types under one key: the others are reported, and given on request.
    fn conflict(
        &mut self,
        merge: &mut Merge<'_, 'a>,
        key: &'a [u8],
        found: &Found<'a>,
        winner: Kind,
        others: &[Kind],
    ) -> Result<()> {
        if others.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = others.iter().map(|kind| kind.name()).collect();
        let finding = Finding::new(&findings::TYPE_CONFLICT).with("user_key_len", key.len());
        let finding = finding.with("key", key).with("type", winner.name()).with("others", names.join(", "));
        self.report.findings.add(finding);
        for kind in others {
            // The content of an old blob is given together with the other parts of a stream without meta.
            if self.options.include_orphans && *kind != Kind::StreamBlob {
                self.object(merge, key, found, *kind, expiry::of_type(found, *kind), Standing::Orphan)?;
            } else if *kind == Kind::List {
                let meta = list::base(self.set, found)?;
                list::pass_over(self, found, meta, key)?;
            }
        }
        Ok(())
    }

    fn orphan_ttl(&mut self, key: &'a [u8], row: &Row<'a>, ms: u64) -> Result<()> {
        if !self.options.filter.classify(adapter::REDIS, key, &[], self.options.include_orphans) {
            return Ok(());
        }
        let finding = Finding::new(&findings::ORPHAN_TTL).with("key", key).with("expire_at_ms", ms);
        self.report.findings.add(finding.with("offset", row.offset));
        if self.options.include_orphans { self.visitor.stray_expiry(key, ms) } else { Ok(()) }
    }

    /// Handles entries or an old blob of a stream without meta: the server serves nothing of it.
    fn headless_stream(&mut self, merge: &mut Merge<'_, 'a>, key: &'a [u8], found: &Found<'a>) -> Result<()> {
        if found.entries.is_none() && found.stream_blob.is_none() {
            return Ok(());
        }
        let filter = &self.options.filter;
        let taken = || filter.classify(adapter::REDIS, key, &[], self.options.include_orphans);
        let wanted = self.takes_all || (filter.takes_type(Type::Stream.plural()) && taken());
        if !wanted {
            return Ok(());
        }
        let orphan = Key { name: key, kind: Type::Stream, expire_at_ms: None, standing: Standing::Orphan, bare: false };
        if found.entries.is_some() {
            let count = if self.options.include_orphans {
                stream::give(self, merge, found.entries, None, &orphan)?
            } else {
                stream::pass_over(self.set, merge, found.entries, key)?
            };
            let finding = Finding::new(&findings::STREAM_ORPHAN).with("user_key_len", key.len());
            let finding = finding.with("observed_entries", count);
            self.report.findings.add(finding.with("key", key));
        }
        if let Some(blob) = found.stream_blob {
            let finding = Finding::new(&findings::STREAM_BLOB).with("user_key_len", key.len());
            self.report.findings.add(finding.with("bytes", blob.body.len()).with("key", key));
            if self.options.include_orphans && found.entries.is_none() {
                stream::give_blob(self, &blob, &orphan)?;
            }
        }
        Ok(())
    }

    /// Gives a collection: `elements` gives its elements and returns what the stream states about itself.
    pub(super) fn give<T>(
        &mut self,
        key: &Key<'_>,
        elements: impl FnOnce(&mut Self) -> Result<(T, StreamEnd)>,
    ) -> Result<T> {
        self.visitor.begin(key)?;
        match elements(self) {
            Ok((given, stream)) => self.visitor.end(key, stream).map(|()| given),
            Err(error) => self.visitor.abandon(key).and(Err(error)),
        }
    }
}
