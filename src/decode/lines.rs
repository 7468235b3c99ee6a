//! Writes lines of one kind as they are made, for a pipe.

use std::io::Write;

use super::filter::Pattern;
use super::{DecodeResult, Layout, Options, Progress, fill, on_threads};
use crate::error::{Error, Remedy, Result};
use crate::format::adapter::{self, Adapter, Naming};
use crate::layouts::place::{Place, Shape};
use crate::output::tee::{Part, teed};
use crate::output::tree::Digests;
use crate::registry;
use crate::source::Source;

/// The message if the filter does not select one kind.
const WANT: &str = "standard output takes lines of one kind only: choose one Redis type, one table, bucket or queue, or the file system";

fn want() -> Error {
    Error::command_line(WANT).with_remedy(Remedy::OneKind)
}

/// Which lines are wanted.
struct Chosen {
    adapter: Adapter,
    /// The type, if keys have one.
    kind: Option<String>,
}

impl Chosen {
    /// What the filter selects. Lines of another kind would have another shape, and lines of another table would not name their table.
    fn of(options: &Options) -> Result<Chosen> {
        let Options { filter, .. } = options;
        let takes_types = |adapter: &Adapter| filter.types.is_empty() || adapter.spec().naming == Naming::Key;
        let mut left = adapter::all().filter(|adapter| options.wants(*adapter)).filter(takes_types);
        let (Some(adapter), None) = (left.next(), left.next()) else { return Err(want()) };
        let kind = filter.types.first().cloned();
        let is_one = match adapter.spec().naming {
            Naming::Key => filter.types.len() == 1,
            Naming::Path => true,
            Naming::Scoped(_) => {
                let mut names = filter.include.iter().map(Pattern::plain_name);
                names.next().flatten().is_some_and(|first| names.all(|other| other == Some(first)))
            }
        };
        if is_one { Ok(Chosen { adapter, kind }) } else { Err(want()) }
    }

    fn is_in(&self, path: &[u8]) -> bool {
        let is_asked = |place: Place| {
            let is_lines = !matches!(place.shape, Shape::Scope | Shape::Whole | Shape::ItemFile | Shape::Ttl);
            is_lines && place.adapter == self.adapter && self.kind.as_deref().is_none_or(|kind| place.kind == kind)
        };
        registry::place(Layout::JSONL, path).is_some_and(is_asked)
    }
}

/// Writes the lines of one kind, which the filter of `options` selects, to `out`. Their layout is that of packed lines.
///
/// Lines are written as they are made: after an error the lines before it are in `out`.
///
/// # Errors
/// The filter selects several kinds; an input that is not a valid snapshot, a damaged row, a failed write.
pub fn lines(
    sources: &[Source],
    options: &Options,
    progress: &dyn Progress,
    out: &mut dyn Write,
) -> Result<DecodeResult> {
    let chosen = Chosen::of(options)?;
    let options = Options {
        adapters: vec![chosen.adapter],
        layout: Layout::JSONL,
        archive: None,
        loaders: false,
        ..options.clone()
    };
    options.check()?;
    let decode =
        |tree: &_, scratch: &_| on_threads(options.threads, || fill::fill(sources, tree, scratch, &options, progress))?;
    let filled = teed(
        move |path: &[u8]| chosen.is_in(path),
        Digests::None,
        decode,
        |chunk| if chunk.part == Part::End { Ok(()) } else { out.write_all(&chunk.bytes).map_err(Error::stdout) },
    )?;
    out.flush().map_err(Error::stdout)?;
    Ok(filled)
}
