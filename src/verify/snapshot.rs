//! Every row of a snapshot: framing, order, header, key and body, of all versions.
//!
//! One thread hops over the frames and cuts the file into pieces; the pieces are checked on all threads and reported in
//! file order. The first broken frame ends the walk, since nothing tells where the next one begins; everything before it
//! is still checked.

use bumpalo::Bump;

use super::rows;
use crate::dataset::Lost;
use crate::decode::{Progress, engine};
use crate::error::{Error, ErrorKind, Result};
use crate::format::mvcc::{self, MvccFault, Operational};
use crate::format::{Family, frame, mvcc2};
use crate::source::Source;
use crate::survey::crc::Footer;
use crate::survey::{self, Checkpoints, Grain, Layout};

/// What a walk over a file found.
#[derive(Debug, Default)]
pub struct Walked {
    /// Versions of all keys.
    pub rows: u64,
    /// How many of them delete.
    pub tombstones: u64,
    /// Places that are damaged.
    pub damaged: u64,
    /// The first of them, by offset.
    pub shown: Vec<Lost>,
    /// The footer that matches; `None` when there is none, or a wrong one.
    pub crc32c: Option<u32>,
}

impl Walked {
    fn lose(&mut self, error: &Error, limit: usize) {
        self.damaged += 1;
        if self.shown.len() < limit {
            self.shown.push(Lost::of(error));
        }
    }

    fn absorb(&mut self, next: Walked, limit: usize) {
        self.rows += next.rows;
        self.tombstones += next.tombstones;
        self.damaged += next.damaged;
        let room = limit.saturating_sub(self.shown.len());
        self.shown.extend(next.shown.into_iter().take(room));
    }
}

/// Where the rows are, how they are framed, and where to cut.
struct Ground<'a> {
    source: &'a Source,
    layout: Layout,
    limit: usize,
    /// Starts of the pieces, and the end of the rows.
    cuts: Vec<usize>,
}

/// Walks over a whole file; shows at most `limit` places.
///
/// # Errors
/// A file that changed meanwhile. What is damaged is in the result.
pub fn walk(source: &Source, grain: Grain, limit: usize, progress: &dyn Progress) -> Result<Walked> {
    let mut all = Walked::default();
    let (layout, start) = match survey::stream(source.bytes()) {
        Ok(stream) => stream,
        Err(error) => {
            source.check_unchanged()?;
            all.lose(&error.input(source.path()), limit);
            return Ok(all);
        }
    };
    let (cuts, end) = hop(source.bytes(), layout, start, grain);
    let ground = Ground { source, layout, limit, cuts };
    progress.begin("rows", ground.cuts.len() as u64);
    let pieces = ground.cuts.len().saturating_sub(1);
    let mut ends = ground.cuts.iter().skip(1);
    engine::run(
        pieces,
        |i| Ok(ground.piece(i)),
        |walked| {
            progress.advance(1);
            progress.bytes(ends.next().map_or(0, |end| *end as u64));
            all.absorb(walked, limit);
            Ok(())
        },
    )?;
    ground.end(end, start, &mut all);
    source.check_unchanged()?;
    Ok(all)
}

/// What stands behind the rows: a footer or nothing; or the fault at which the frames break.
type End = Result<bool>;

/// Hops from frame to frame.
fn hop(file: &[u8], layout: Layout, start: usize, grain: Grain) -> (Vec<usize>, End) {
    let mut cuts = Checkpoints::new((grain.unit / 4).max(1));
    let mut at = start;
    let end = loop {
        match step(file, layout, at) {
            Ok(Step::Row(next)) => {
                cuts.offer(at);
                at = next;
            }
            Ok(Step::End { footer }) => break Ok(footer),
            Err(error) => break Err(error.at(at)),
        }
    };
    let mut cuts = cuts.positions().to_vec();
    cuts.push(at);
    (cuts, end)
}

enum Step {
    /// Where the next one begins.
    Row(usize),
    End {
        footer: bool,
    },
}

fn step(file: &[u8], layout: Layout, at: usize) -> Result<Step> {
    Ok(match layout {
        Layout::Empty | Layout::Timestamps => Step::End { footer: file.len() > at },
        Layout::Pebble => match frame::step(file, at)? {
            frame::Step::Entry(entry) => Step::Row(entry.end),
            frame::Step::End => Step::End { footer: false },
            frame::Step::Footer => Step::End { footer: true },
        },
        Layout::Mvcc2 => match mvcc2::step(file, at)? {
            mvcc2::Step::Entry(entry) => Step::Row(entry.end),
            mvcc2::Step::End => Step::End { footer: false },
            mvcc2::Step::Footer => Step::End { footer: true },
        },
    })
}

impl<'a> Ground<'a> {
    /// The checksums, once it is known where the rows end.
    fn end(&self, end: End, start: usize, all: &mut Walked) {
        let file = self.source.bytes();
        let rows_end = self.cuts.last().copied().unwrap_or(start);
        let mut lose = |error: Error| all.lose(&error.input(self.source.path()), self.limit);
        let intact = end.is_ok();
        let footer = match end {
            Ok(true) => Footer::of(file),
            Ok(false) => None,
            Err(error) => {
                lose(error);
                // A file that begins like a server's own must end in a footer.
                Footer::of(file).filter(|footer| file.starts_with(b"EKVTHLC") && !footer.matches())
            }
        };
        if intact
            && self.layout == Layout::Mvcc2
            && let Err(error) = survey::check_inner_crc(file, rows_end)
        {
            lose(error);
        }
        match footer {
            Some(footer) if footer.matches() => all.crc32c = Some(footer.stored),
            Some(footer) => lose(footer.mismatch().at(rows_end)),
            None => {}
        }
    }

    /// A piece has the first entry of the next one too, and not its own first: so each meets the key before it.
    fn piece(&self, i: usize) -> Walked {
        let mut piece = Piece::new(self);
        let (mut at, end) = (self.cuts[i], self.cuts[i + 1]);
        if i > 0 {
            at = piece.pass_over(at).unwrap_or(end);
        }
        while at < end {
            at = piece.entry(at).unwrap_or(end);
        }
        if i + 2 < self.cuts.len() {
            piece.entry(end);
        }
        piece.found
    }
}

/// The walk over one piece.
struct Piece<'g, 'a> {
    ground: &'g Ground<'a>,
    arena: Bump,
    found: Walked,
    /// The key before, as it stands in the file.
    previous: Option<&'a [u8]>,
}

impl<'g, 'a> Piece<'g, 'a> {
    fn new(ground: &'g Ground<'a>) -> Self {
        Piece { ground, arena: Bump::new(), found: Walked::default(), previous: None }
    }

    /// Takes only the key of an entry.
    fn pass_over(&mut self, at: usize) -> Option<usize> {
        let file = self.ground.source.bytes();
        let (key, end) = match self.ground.layout {
            Layout::Empty | Layout::Timestamps => return None,
            Layout::Pebble => match frame::step(file, at).ok()? {
                frame::Step::Entry(entry) => (entry.raw_key, entry.end),
                _ => return None,
            },
            Layout::Mvcc2 => match mvcc2::step(file, at).ok()? {
                mvcc2::Step::Entry(entry) => (entry.user_key, entry.end),
                _ => return None,
            },
        };
        self.previous = Some(key);
        Some(end)
    }

    /// Checks the entry at `at`; gives where the next one begins.
    fn entry(&mut self, at: usize) -> Option<usize> {
        let file = self.ground.source.bytes();
        match self.ground.layout {
            Layout::Empty | Layout::Timestamps => None,
            Layout::Pebble => {
                let Ok(frame::Step::Entry(entry)) = frame::step(file, at) else { return None };
                if let Err(error) = self.pebble(&entry) {
                    self.lose(error, at);
                }
                self.previous = Some(entry.raw_key);
                Some(entry.end)
            }
            Layout::Mvcc2 => {
                let Ok(mvcc2::Step::Entry(entry)) = mvcc2::step(file, at) else { return None };
                self.mvcc2(&entry);
                self.previous = Some(entry.user_key);
                Some(entry.end)
            }
        }
    }

    fn lose(&mut self, error: Error, at: usize) {
        let error = error.at(at).input(self.ground.source.path());
        self.found.lose(&error, self.ground.limit);
    }

    fn ascends(&self, key: &[u8], user_key: &[u8]) -> Result<()> {
        match self.previous {
            Some(previous) if key <= previous => {
                Err(Error::new(ErrorKind::KeyOrder).row(Family::of(user_key), user_key))
            }
            _ => Ok(()),
        }
    }

    /// One fault a row, in the order of `container.md` §8.1.
    fn pebble(&mut self, entry: &frame::Entry<'a>) -> Result<()> {
        if let Some(row) = Operational::of(entry.raw_key, entry.raw_value) {
            self.ascends(entry.raw_key, entry.raw_key)?;
            let value = row.value(entry.raw_value);
            return value.map(drop).map_err(|fault| Error::from(fault).row(Family::Bare, entry.raw_key));
        }
        self.found.rows += 1;
        let (user_key, _) = mvcc::split_key(entry.raw_key)?;
        let located = |fault: MvccFault| Error::from(fault).row(Family::of(user_key), user_key);
        mvcc::check_value_len(entry.raw_value).map_err(located)?;
        self.ascends(entry.raw_key, user_key)?;
        let value = mvcc::split_value(entry.raw_value).map_err(located)?;
        self.version(user_key, value.tombstone, value.body)
    }

    fn version(&mut self, user_key: &[u8], tombstone: bool, body: &[u8]) -> Result<()> {
        if tombstone {
            self.found.tombstones += 1;
            return Ok(());
        }
        let family = Family::of(user_key);
        let checked = rows::check(&self.arena, family, user_key, body);
        self.arena.reset();
        checked.map_err(|fault| Error::from(fault).row(family, user_key))
    }

    fn mvcc2(&mut self, entry: &mvcc2::KeyEntry<'a>) {
        let mut previous = None;
        if let Err(error) = self.ascends(entry.user_key, entry.user_key) {
            self.lose(error, entry.start);
        }
        for version in entry.versions() {
            self.found.rows += 1;
            let family = Family::of(entry.user_key);
            let ordered = previous.replace(version.commit_ts) < Some(version.commit_ts);
            let checked = match ordered {
                true => self.version(entry.user_key, version.tombstone, version.body),
                false => Err(Error::new(ErrorKind::KeyOrder).row(family, entry.user_key)),
            };
            if let Err(error) = checked {
                self.lose(error, entry.start);
            }
        }
    }
}

/// Whether the row that begins at `at` is damaged by itself, so that the walk has counted it.
pub fn is_damaged_row(source: &Source, at: usize) -> bool {
    let Ok((layout, _)) = survey::stream(source.bytes()) else { return false };
    let ground = Ground { source, layout, limit: 0, cuts: Vec::new() };
    let mut piece = Piece::new(&ground);
    piece.entry(at);
    piece.found.damaged > 0
}
