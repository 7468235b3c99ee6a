//! `ekvsnap decode --resume`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::out;
use super::progress::Bar;
use crate::decode::{Options, Outcome};
use crate::error::Result;
use crate::plan::{Begun, resume};
use crate::report;
use crate::report::visible::Visible;
use crate::source::Source;

/// Decodes and keeps finished work. A run that ends early reports where that is.
pub(super) fn run(
    sources: &mut [Source],
    target: &Path,
    shards: Option<u32>,
    options: &Options,
    as_json: bool,
    bar: &Bar,
) -> Result<Outcome> {
    let mut kept: Option<PathBuf> = None;
    let mut begun = |begun: Begun<'_>| {
        kept = Some(begun.dir.to_path_buf());
        tell(begun, as_json);
    };
    let done = resume(sources, target, shards, options, bar, &mut begun);
    if let (Err(_), Some(dir)) = (&done, &kept) {
        bar.clear();
        out::tell(&format!("hint: {}\n", goes_on(dir)));
    }
    done
}

fn tell(Begun { dir, done, count }: Begun<'_>, as_json: bool) {
    if as_json {
        let path = report::Value::from(dir);
        return out::line(&json!({ "event": "hint", "code": "resume", "path": path, "done": done, "shards": count }));
    }
    let shown = Visible(dir.display());
    let words = match done {
        0 => format!("{shown}: keeps what is finished, in case this run is killed\n"),
        done => format!("{shown}: {done} of {count} shards are finished already\n"),
    };
    out::report(&words);
}

/// How to use the work of a run that ended early.
pub(super) fn goes_on(dir: &Path) -> String {
    format!("{} has what is finished, and the same command continues from there", Visible(dir.display()))
}
