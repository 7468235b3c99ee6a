//! How keys are counted.

use crate::layouts::counted::{Counts, Each, FileCount, in_folder};
use crate::model::redis::Type;

/// Text that only the last line of a stream has: within a string both quotes would be escaped.
const META: &[u8] = b",\"_meta\":true,";

/// Keys, by type.
#[derive(Debug)]
pub struct Keys;

impl Counts for Keys {
    fn kinds(&self) -> &'static [&'static str] {
        const KINDS: [&str; Type::ALL.len()] = {
            let (mut kinds, mut at) = ([""; Type::ALL.len()], 0);
            while at < kinds.len() {
                kinds[at] = Type::ALL[at].plural();
                at += 1;
            }
            kinds
        };
        &KINDS
    }

    fn file<'p>(&self, below: &'p [u8]) -> Option<FileCount<'p>> {
        let (scope, rest) = in_folder(below)?;
        let kind = |name: &[u8]| std::str::from_utf8(name).ok().and_then(Type::of_plural);
        if let Some((folder, _)) = in_folder(rest) {
            return kind(folder).map(|kind| FileCount::file(scope, kind.plural()));
        }
        let kind = kind(rest.strip_suffix(b".jsonl")?)?;
        let each = if kind == Type::Stream { Each::Occurrence(META) } else { Each::Line };
        Some(FileCount { scope, kind: kind.plural(), each })
    }
}
