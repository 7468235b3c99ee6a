//! The file of a key, back to the key.

use std::io::Read;
use std::marker::PhantomData;

use crate::error::Result;
use crate::format::limits::MAX_RAW_VALUE;
use crate::layouts::reading::{Text, raw_of, wrong};
use crate::layouts::redis::read::{Line, Named, Object, Session, StreamLine, give_entry, served};
use crate::model::redis::{Key, Type, Visitor};
use crate::output::reading::broken;

/// Gives the key whose file is at `path`.
pub(in crate::layouts) fn key<V: Visitor>(
    session: &mut Session<'_, V>,
    kind: Type,
    segment: &str,
    path: &[u8],
    bytes: &mut dyn Read,
) -> Result<()> {
    let name = raw_of(path, segment, |segment| session.sidecars.name(segment))?;
    match kind {
        Type::String | Type::Hll => {
            let key = Key {
                bare: kind == Type::String && session.sidecars.is_bare(&name)?,
                ..served(&name, kind, session.sidecars.expiry(kind, segment)?)
            };
            string(session, &key, path, bytes)
        }
        Type::Stream => stream(session, &name, path, bytes),
        _ => {
            let held = session.held;
            let object = Object { session, kind, named: Named::ByPath(&name) };
            Text::new(path, bytes).document(held.budget, object, held.failed)
        }
    }
}

fn string<V: Visitor>(session: &mut Session<'_, V>, key: &Key<'_>, path: &[u8], bytes: &mut dyn Read) -> Result<()> {
    let mut value = Vec::new();
    bytes
        .take(MAX_RAW_VALUE + 1)
        .read_to_end(&mut value)
        .map_err(|e| broken(std::path::Path::new(&*String::from_utf8_lossy(path)), e))?;
    if value.len() as u64 > MAX_RAW_VALUE {
        return Err(wrong(path, "it is longer than a snapshot can hold"));
    }
    session.visitor.string(key, &value)
}

fn stream<V: Visitor>(session: &mut Session<'_, V>, name: &[u8], path: &[u8], bytes: &mut dyn Read) -> Result<()> {
    let (held, open) = (session.held, served(name, Type::Stream, None));
    session.visitor.begin(&open)?;
    let (mut lines, mut ended) = (Text::new(path, bytes).lines(), false);
    while let Some(line) = lines.next(held.budget, PhantomData::<Line>, held.failed)? {
        if ended || line.key.is_some() {
            return Err(lines.wrong("no decode writes this line in such a place"));
        }
        match line.read().map_err(|why| lines.wrong(why))? {
            StreamLine::Entry(id, value) => {
                give_entry(session.visitor, &open, id, &value)
                    .map_err(|fault| lines.wrong(format_args!("{fault:?}")))??;
            }
            StreamLine::End(end, expire_at_ms) => {
                session.visitor.end(&Key { expire_at_ms, ..open }, end)?;
                ended = true;
            }
        }
    }
    if ended { Ok(()) } else { Err(wrong(path, "the line that ends the stream is missing")) }
}
