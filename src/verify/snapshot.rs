//! Checks every row of a snapshot in all versions: key and body.
//!
//! The faults that stop a decode are known before ([`super::snapshots`]). This walk finds those that a decode of the present state does not
//! read: damaged bodies of old versions, and of internal rows. It ends at the first broken frame.
//!
//! One thread moves over the frames and cuts the file into pieces. The pieces are checked by all threads and reported in file order.

use bumpalo::Bump;

use super::rows;
use crate::dataset::{Losses, Lost};
use crate::decode::{Progress, engine};
use crate::error::{Error, ErrorKind, Result};
use crate::format::mvcc::{self, Operational};
use crate::format::{Family, frame, mvcc2};
use crate::index::{self, Checkpoints, Granularity, Layout};
use crate::source::Source;
use crate::source::crc::Footer;

/// The result of a walk over a file.
#[derive(Debug, Default)]
pub struct Walked {
    /// Versions of all keys, up to the first broken frame.
    pub rows: u64,
    /// Whether a frame is broken: what follows it was not walked over.
    pub ends_early: bool,
    /// Number of versions that delete a key.
    pub tombstones: u64,
    /// Places that a decode cannot read.
    pub damaged: u64,
    /// Damaged rows that a decode does not read.
    pub unread: u64,
    /// The first of them, by offset.
    pub shown: Vec<Lost>,
    /// The footer that matches; `None` if there is none, or a wrong one.
    pub crc32c: Option<u32>,
    /// Encrypted rows whose keys are missing: their bodies were not checked.
    pub unopened: u64,
    /// Rows that are marked as clear, but are encrypted: somebody changed their mark.
    pub state_changed: u64,
}

/// The rows, their framing, and the cuts.
struct Ground<'a> {
    source: &'a Source,
    layout: Layout,
    /// Starts of the pieces, and the end of the rows.
    cuts: Vec<usize>,
    /// Whether clear rows are tried with every key.
    try_clear: bool,
}

/// How much of a file is checked and shown.
#[derive(Debug, Clone, Copy)]
pub struct Depth {
    /// Maximum number of places that are shown.
    pub limit: usize,
    /// Whether each clear row is tried with every key: the mark of an encrypted row is not authenticated.
    pub try_clear: bool,
}

/// The result of a walk over one piece.
#[derive(Default)]
struct Piece {
    rows: u64,
    tombstones: u64,
    unopened: u64,
    /// Positions of damaged rows.
    damaged: Vec<usize>,
    /// Positions of rows whose mark was changed, and the key that opens them.
    state_changed: Vec<(usize, u32)>,
}

/// Walks over a whole file. `lost`: what a decode cannot read, by input and offset.
///
/// # Errors
/// A file that changed at the same time, or a temporary file that cannot be read.
pub fn walk(
    source: &Source,
    lost: &Losses,
    granularity: Granularity,
    depth: Depth,
    progress: &dyn Progress,
) -> Result<Walked> {
    let limit = depth.limit;
    let name = source.path().to_string_lossy();
    let known = || lost.positions(&name);
    let mut all = Walked { damaged: known().count() as u64, ..Walked::default() };
    // The decode reports a file without a known stream.
    let Ok((layout, start)) = index::stream(source.bytes()) else { return Ok(all) };
    let (cuts, end) = cut_pieces(source.stored(), layout, start, granularity);
    let ground = Ground { source, layout, cuts, try_clear: depth.try_clear };
    progress.begin("rows", ground.cuts.len() as u64);
    let pieces = ground.cuts.len().saturating_sub(1);
    let mut ends = ground.cuts.iter().skip(1);
    let mut known = known();
    let mut next = known.next().transpose()?;
    engine::run(
        pieces,
        |i| Ok(ground.piece(i)),
        |piece| {
            progress.advance(1);
            progress.bytes(ends.next().map_or(0, |end| *end as u64));
            all.rows += piece.rows;
            all.tombstones += piece.tombstones;
            all.unopened += piece.unopened;
            all.state_changed += piece.state_changed.len() as u64;
            for (at, key_id) in piece.state_changed {
                let room = all.shown.len() < limit;
                all.shown.extend(room.then(|| ground.state_changed(at, key_id)).flatten());
            }
            for at in piece.damaged {
                while next.is_some_and(|offset| offset < at as u64) {
                    next = known.next().transpose()?;
                }
                if next != Some(at as u64) {
                    all.unread += 1;
                    let room = all.shown.len() < limit;
                    all.shown.extend(room.then(|| ground.why(at)).flatten());
                }
            }
            Ok(())
        },
    )?;
    all.ends_early = end.is_none();
    let footer = end.filter(|has_footer| *has_footer).and_then(|_| Footer::of(source.stored()));
    all.crc32c = source.footer(|| footer).filter(|footer| footer.matches()).map(|footer| footer.stored);
    source.check_unchanged()?;
    Ok(all)
}

impl engine::Done for Piece {
    fn held(&self) -> usize {
        self.damaged.capacity() * size_of::<usize>() + self.state_changed.capacity() * size_of::<(usize, u32)>()
    }
}

/// Moves from frame to frame; returns the cuts, and whether a footer follows the last row. `None`: a frame is broken.
fn cut_pieces(file: &[u8], layout: Layout, start: usize, granularity: Granularity) -> (Vec<usize>, Option<bool>) {
    let mut cuts = Checkpoints::new((granularity.task_size / 4).max(1));
    let mut at = start;
    let end = loop {
        match step(file, layout, at) {
            Ok(Step::Row(next)) => {
                cuts.offer(at);
                at = next;
            }
            Ok(Step::End { footer }) => break Some(footer),
            Err(_) => break None,
        }
    };
    let mut cuts = cuts.positions().to_vec();
    cuts.push(at);
    (cuts, end)
}

enum Step {
    /// Position of the next row.
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

impl Ground<'_> {
    fn piece(&self, i: usize) -> Piece {
        let (mut piece, mut arena) = (Piece::default(), Bump::new());
        let (mut at, end) = (self.cuts[i], self.cuts[i + 1]);
        while at < end {
            let Some(next) = self.entry(at, &mut arena, &mut |row| piece.take(at, row)) else { break };
            at = next;
        }
        piece
    }

    /// What is wrong with the damaged row at `at`.
    #[cold]
    fn why(&self, at: usize) -> Option<Lost> {
        let mut why = None;
        self.entry(at, &mut Bump::new(), &mut |row: Checked<'_>| {
            if let (None, Err(fault)) = (&why, row.body) {
                let error = Error::from(fault).row(row.family, row.user_key);
                why = Some(Lost::of(&self.source.locate(error.at(at))));
            }
        });
        why
    }

    /// Calls `each` for the versions of the entry at `at`, and returns the position of the next one. The index reports rows whose header
    /// cannot be read.
    fn entry(&self, at: usize, arena: &mut Bump, each: &mut dyn FnMut(Checked<'_>)) -> Option<usize> {
        let file = self.source.bytes();
        match self.layout {
            Layout::Empty | Layout::Timestamps => None,
            Layout::Pebble => {
                let Ok(frame::Step::Entry(entry)) = frame::step(file, at) else { return None };
                if Operational::of(entry.raw_key, entry.raw_value).is_none()
                    && let Ok((user_key, _)) = mvcc::split_key(entry.raw_key)
                {
                    self.pebble(arena, user_key, &entry).into_iter().for_each(each);
                }
                Some(entry.end)
            }
            Layout::Mvcc2 => {
                let Ok(mvcc2::Step::Entry(entry)) = mvcc2::step(file, at) else { return None };
                for version in entry.versions() {
                    each(checked(arena, entry.user_key, version.tombstone, version.body));
                }
                Some(entry.end)
            }
        }
    }
}

impl<'a> Ground<'a> {
    fn pebble(&self, arena: &mut Bump, user_key: &'a [u8], entry: &frame::Entry<'a>) -> Option<Checked<'a>> {
        let values = self.source.values();
        let Ok(value) = values.split(entry.raw_value) else {
            values.without_key(entry.raw_value)?;
            let family = Family::of(user_key);
            return Some(Checked { family, user_key, tombstone: false, body: Ok(()), unopened: true, opened_by: None });
        };
        let row = checked(arena, user_key, value.tombstone, value.body);
        let is_tried = self.try_clear && !value.tombstone && values.sealed(entry.raw_value).is_none();
        let opened_by = is_tried.then(|| self.source.keys().opens_clear(entry.raw_key, entry.raw_value)).flatten();
        Some(Checked { opened_by, ..row })
    }

    #[cold]
    fn state_changed(&self, at: usize, key_id: u32) -> Option<Lost> {
        let Ok(frame::Step::Entry(entry)) = frame::step(self.source.stored(), at) else { return None };
        let (user_key, _) = mvcc::split_key(entry.raw_key).ok()?;
        let error = Error::new(ErrorKind::StateChanged(key_id)).row(Family::of(user_key), user_key);
        Some(Lost::of(&self.source.locate(error.at(at))))
    }
}

/// A version and the result for its body.
struct Checked<'a> {
    family: Family,
    user_key: &'a [u8],
    tombstone: bool,
    body: crate::format::fault::Result<()>,
    /// Its key is missing.
    unopened: bool,
    /// It is marked as clear, but this key opens it.
    opened_by: Option<u32>,
}

fn checked<'a>(arena: &mut Bump, user_key: &'a [u8], tombstone: bool, body: &[u8]) -> Checked<'a> {
    let family = Family::of(user_key);
    let body = if tombstone { Ok(()) } else { rows::check(arena, family, user_key, body) };
    arena.reset();
    Checked { family, user_key, tombstone, body, unopened: false, opened_by: None }
}

impl Piece {
    fn take(&mut self, at: usize, row: Checked<'_>) {
        self.rows += 1;
        self.tombstones += u64::from(row.tombstone);
        self.unopened += u64::from(row.unopened);
        if let Some(key_id) = row.opened_by {
            self.state_changed.push((at, key_id));
            return;
        }
        if row.body.is_err() && self.damaged.last() != Some(&at) {
            self.damaged.push(at);
        }
    }
}
