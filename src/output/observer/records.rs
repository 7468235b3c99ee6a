//! What a unit tells of its objects: one behind the other in one buffer, without an allocation for each.

use std::sync::Arc;

use super::{Mark, Object, Secret};
use crate::error::{Error, Result};
use crate::format::Adapter;

const HAS_RANGE: u8 = 1;
const HAS_EXPIRY: u8 = 2;
const HAS_VALUE: u8 = 4;
const HAS_REST: u8 = 8;

/// The objects of a unit.
pub struct Objects {
    secret: Option<Arc<Secret>>,
    /// Scopes and kinds; there are few of them in a unit, and objects of one come together.
    scopes: Vec<(Adapter, String)>,
    kinds: Vec<&'static str>,
    bytes: Vec<u8>,
}

impl Objects {
    /// None.
    pub(super) fn new(secret: Option<Arc<Secret>>) -> Objects {
        Objects { secret, scopes: Vec::new(), kinds: Vec::new(), bytes: Vec::new() }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that they take, about.
    pub(crate) fn held(&self) -> usize {
        self.bytes.capacity() + self.scopes.iter().map(|(_, scope)| scope.len() + 32).sum::<usize>()
    }

    /// What marks are made with, if they are asked for.
    #[inline]
    pub fn secret(&self) -> Option<&Secret> {
        self.secret.as_deref()
    }

    /// Adds an object.
    pub fn add(&mut self, object: &Object<'_>) {
        let (scope, kind) = (self.scope(object), self.kind(object.kind));
        let Object { key, range, size, expire_at_ms, value, rest, .. } = *object;
        let flag = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
        let flags = flag(range.is_some(), HAS_RANGE)
            | flag(expire_at_ms.is_some(), HAS_EXPIRY)
            | flag(value.is_some(), HAS_VALUE)
            | flag(rest.is_some(), HAS_REST);
        let out = &mut self.bytes;
        out.reserve(64 + key.len() + range.map_or(0, <[u8]>::len));
        out.extend_from_slice(&[flags, kind]);
        out.extend_from_slice(&scope.to_le_bytes());
        out.extend_from_slice(&size.to_le_bytes());
        expire_at_ms.iter().for_each(|at| out.extend_from_slice(&at.to_le_bytes()));
        value.iter().for_each(|mark| out.extend_from_slice(mark));
        rest.iter().for_each(|mark| out.extend_from_slice(mark));
        for part in [Some(key), range].into_iter().flatten() {
            out.extend_from_slice(&(part.len() as u64).to_le_bytes());
            out.extend_from_slice(part);
        }
    }

    fn scope(&mut self, object: &Object<'_>) -> u32 {
        match self.scopes.last() {
            Some((adapter, scope)) if *adapter == object.adapter && scope == object.scope => {}
            _ => self.scopes.push((object.adapter, object.scope.to_owned())),
        }
        (self.scopes.len() - 1) as u32
    }

    fn kind(&mut self, kind: &'static str) -> u8 {
        let known = self.kinds.iter().position(|known| *known == kind);
        known.unwrap_or_else(|| {
            self.kinds.push(kind);
            self.kinds.len() - 1
        }) as u8
    }

    /// Gives the objects in the order in which they were added.
    ///
    /// # Errors
    /// What `each` gives.
    pub fn each(&self, each: &mut dyn FnMut(&Object<'_>) -> Result<()>) -> Result<()> {
        let mut rest = Rest(&self.bytes);
        while !rest.0.is_empty() {
            let object = self.read(&mut rest).ok_or_else(|| Error::internal("an object was not told as a whole"))?;
            each(&object)?;
        }
        Ok(())
    }

    fn read<'o>(&'o self, rest: &mut Rest<'o>) -> Option<Object<'o>> {
        let [flags, kind] = rest.array()?;
        let (adapter, scope) = self.scopes.get(u32::from_le_bytes(rest.array()?) as usize)?;
        let size = u64::from_le_bytes(rest.array()?);
        let has = |flag: u8| flags & flag != 0;
        let expire_at_ms = if has(HAS_EXPIRY) { Some(u64::from_le_bytes(rest.array()?)) } else { None };
        let value: Option<Mark> = if has(HAS_VALUE) { Some(rest.array()?) } else { None };
        let beside: Option<Mark> = if has(HAS_REST) { Some(rest.array()?) } else { None };
        let key = rest.part()?;
        let range = if has(HAS_RANGE) { Some(rest.part()?) } else { None };
        let kind = self.kinds.get(usize::from(kind))?;
        Some(Object { adapter: *adapter, scope, kind, key, range, size, expire_at_ms, value, rest: beside })
    }
}

/// What was not read yet.
struct Rest<'o>(&'o [u8]);

impl<'o> Rest<'o> {
    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn part(&mut self) -> Option<&'o [u8]> {
        let len = usize::try_from(u64::from_le_bytes(self.array()?)).ok()?;
        let (part, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::adapter;

    #[test]
    fn objects_come_back() {
        let mark = |n: u8| Some([n; 16]);
        let object = |adapter, scope, kind, key, range, expire_at_ms, value, rest| Object {
            adapter,
            scope,
            kind,
            key,
            range,
            size: u64::MAX,
            expire_at_ms,
            value,
            rest,
        };
        let want = [
            object(adapter::REDIS, "db_0", "strings", &b"k"[..], None, Some(7), None, None),
            object(adapter::REDIS, "db_0", "hashes", b"", None, None, mark(1), mark(2)),
            object(adapter::DYNAMODB, "t", "items", b"h", Some(&b""[..]), None, mark(3), None),
            object(adapter::DYNAMODB, "u", "items", b"h", Some(b"\0r"), None, None, mark(4)),
            object(adapter::DYNAMODB, "t", "tables", b"t", None, None, None, None),
        ];
        let mut objects = Objects::new(None);
        assert!(objects.is_empty());
        want.iter().for_each(|object| objects.add(object));
        let mut got = 0;
        objects
            .each(&mut |object| {
                assert_eq!(*object, want[got]);
                got += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(got, want.len());
        objects.bytes.pop();
        assert!(objects.each(&mut |_| Ok(())).is_err());
    }
}
