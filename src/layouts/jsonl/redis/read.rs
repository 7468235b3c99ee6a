//! Reads lines of keys back as keys.

use std::marker::PhantomData;

use bumpalo::Bump;

use super::canonical;
use crate::error::Result;
use crate::layouts::reading::Lines;
use crate::layouts::redis::read::{Line, Named, Object, Session, StreamLine, give_entry, served};
use crate::model::redis::{Key, Type, Visitor};

/// Gives the keys of lines, other than streams.
pub(in crate::layouts) fn keys<V: Visitor>(
    session: &mut Session<'_, V>,
    kind: Type,
    lines: &mut Lines<'_>,
) -> Result<()> {
    let (held, mut arena) = (session.held, Bump::new());
    loop {
        arena.reset();
        if let Some(line) = lines.canonical(|line| canonical::Line::read(line, kind, &arena)) {
            line.give(kind, session)?;
            continue;
        }
        if lines.next(held.budget, Object { session, kind, named: Named::InLine }, held.failed)?.is_none() {
            return Ok(());
        }
    }
}

/// Gives the streams of a file.
pub(in crate::layouts) fn streams<V: Visitor>(session: &mut Session<'_, V>, lines: &mut Lines<'_>) -> Result<()> {
    let held = session.held;
    let mut open = session.stream.take();
    while let Some(line) = lines.next(held.budget, PhantomData::<Line>, held.failed)? {
        let read = line.read().map_err(|why| lines.wrong(why))?;
        let name = line.key.ok_or_else(|| lines.wrong("it has no key"))?.0;
        if open.as_ref().is_some_and(|open| *open != name) {
            return Err(lines.wrong("the stream before it has no line that ends it"));
        }
        let key = served(&name, Type::Stream, None);
        if open.is_none() {
            session.visitor.begin(&key)?;
        }
        match read {
            StreamLine::Entry(id, value) => {
                give_entry(session.visitor, &key, id, &value)
                    .map_err(|fault| lines.wrong(format_args!("{fault:?}")))??;
                open = Some(name);
            }
            StreamLine::End(end, expire_at_ms) => {
                session.visitor.end(&Key { expire_at_ms, ..key }, end)?;
                open = None;
            }
        }
    }
    // A part may end inside a stream. Whether the last part does is checked after all files were read.
    *session.stream = open;
    Ok(())
}
