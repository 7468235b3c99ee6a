//! Lines of keys as a decode writes them.

use bumpalo::Bump;

use crate::error::Result;
use crate::layouts::reading::Scanner;
use crate::layouts::redis::elements_of;
use crate::layouts::redis::read::{Session, served};
use crate::model::redis::{Key, StreamEnd, Type, Visitor};

/// A key, which is given only after its line was read to the end.
pub(super) struct Line<'l> {
    name: &'l [u8],
    content: Content<'l>,
    expire_at_ms: Option<u64>,
}

enum Content<'l> {
    Value(&'l [u8]),
    Elements(Vec<Element<'l>>),
}

/// An element of a collection; what its type does not have is empty.
#[derive(Default)]
struct Element<'l> {
    first: &'l [u8],
    second: &'l [u8],
    score: f64,
}

impl<'l> Line<'l> {
    /// Reads a line of keys of this type. `None`: it is in another form.
    pub fn read(line: &'l [u8], kind: Type, arena: &'l Bump) -> Option<Line<'l>> {
        let mut line = Scanner::new(line, arena);
        line.eat(b"{\"key\":")?;
        let name = line.bytes()?;
        let content = if matches!(kind, Type::String | Type::Hll) {
            line.eat(b",\"value\":")?;
            Content::Value(line.bytes()?)
        } else {
            line.eat(b",\"")?;
            line.eat(elements_of(kind).as_bytes())?;
            line.eat(b"\":[")?;
            Content::Elements(elements(&mut line, kind)?)
        };
        line.eat(b",\"expire_at_ms\":")?;
        let expire_at_ms = if line.eat(b"null").is_some() { None } else { Some(line.unsigned()?) };
        line.end(b"}\n")?;
        Some(Line { name, content, expire_at_ms: expire_at_ms.filter(|ms| *ms > 0) })
    }

    /// Gives the key.
    pub fn give<V: Visitor>(&self, kind: Type, session: &mut Session<'_, V>) -> Result<()> {
        let key = served(self.name, kind, None);
        let ended = Key { expire_at_ms: self.expire_at_ms, ..key };
        match &self.content {
            Content::Value(value) => {
                let bare = kind == Type::String && session.sidecars.is_bare(self.name)?;
                session.visitor.string(&Key { bare, ..ended }, value)
            }
            Content::Elements(elements) => {
                session.visitor.begin(&key)?;
                elements.iter().try_for_each(|element| element.give(&key, session.visitor))?;
                session.visitor.end(&ended, StreamEnd::default())
            }
        }
    }
}

impl Element<'_> {
    fn give(&self, key: &Key<'_>, visitor: &mut impl Visitor) -> Result<()> {
        match key.kind {
            Type::Hash => visitor.field(key, self.first, self.second),
            Type::Zset => visitor.scored(key, self.first, self.score),
            Type::List => visitor.item(key, self.first),
            _ => visitor.member(key, self.first),
        }
    }
}

/// Elements up to the end of their array.
fn elements<'l>(line: &mut Scanner<'l>, kind: Type) -> Option<Vec<Element<'l>>> {
    let mut elements = Vec::new();
    if line.eat(b"]").is_some() {
        return Some(elements);
    }
    loop {
        elements.push(element(line, kind)?);
        if line.eat(b",").is_none() {
            line.eat(b"]")?;
            return Some(elements);
        }
    }
}

#[inline]
fn element<'l>(line: &mut Scanner<'l>, kind: Type) -> Option<Element<'l>> {
    let mut element = Element::default();
    match kind {
        Type::Hash => {
            line.eat(b"{\"name\":")?;
            element.first = line.bytes()?;
            line.eat(b",\"value\":")?;
            element.second = line.bytes()?;
            line.eat(b"}")?;
        }
        Type::Zset => {
            line.eat(b"{\"member\":")?;
            element.first = line.bytes()?;
            line.eat(b",\"score\":")?;
            element.score = score(line)?;
            line.eat(b"}")?;
        }
        _ => element.first = line.bytes()?,
    }
    Some(element)
}

fn score(line: &mut Scanner<'_>) -> Option<f64> {
    if line.eat(b"\"").is_none() {
        return line.float();
    }
    match line.rest_of_string()? {
        "+inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        "nan" => Some(f64::NAN),
        _ => None,
    }
}
