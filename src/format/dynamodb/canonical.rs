//! Items in the form that the server writes, walked without a parser.
//!
//! The server stores the attributes of an item and the members of a map in the order of their names, each once, and every value with its
//! type. A walk ends with `None` at anything else: another order, a repeated member, an unknown field, damage. Contents of values are not
//! checked: the caller does that, or leaves it to a parser.

use crate::format::proto::{Field, Fields};

/// The number of a value's type, and the field with the value.
pub type Member<'a> = (u32, Field<'a>);

/// Calls `each` for names and values, which must be in the order of the names; its first argument is `true` for the first one.
#[inline(always)]
pub fn sorted_members<'a>(
    message: &'a [u8],
    mut each: impl FnMut(bool, &'a [u8], Member<'a>) -> Option<()>,
) -> Option<()> {
    let mut last: Option<&[u8]> = None;
    elements(message, |entry| {
        let mut fields = Fields::new(entry);
        let (Some((1, Field::Bytes(name))), Some((2, Field::Bytes(message))), None) =
            (fields.next().ok()?, fields.next().ok()?, fields.next().ok()?)
        else {
            return None;
        };
        let is_first = match last.replace(name) {
            Some(last) if !is_before(last, name) => return None,
            last => last.is_none(),
        };
        each(is_first, name, member(message)?)
    })
}

/// Order of names; most differ in their first byte.
#[inline]
fn is_before(a: &[u8], b: &[u8]) -> bool {
    match (a.first(), b.first()) {
        (Some(x), Some(y)) if x != y => x < y,
        _ => a < b,
    }
}

/// The one field of a value.
#[inline]
pub fn member(message: &[u8]) -> Option<Member<'_>> {
    // The most frequent case: bytes of a field below 16, shorter than 128, and nothing after them.
    if let [key @ 0x08..0x80, len @ 0..0x80, bytes @ ..] = message
        && key & 7 == 2
        && bytes.len() == usize::from(*len)
    {
        return Some((u32::from(key >> 3), Field::Bytes(bytes)));
    }
    let mut fields = Fields::new(message);
    let (member, None) = (fields.next().ok()??, fields.next().ok()?) else { return None };
    Some(member)
}

/// Calls `each` for every field 1; there must be no other fields.
#[inline(always)]
pub fn elements<'a>(message: &'a [u8], mut each: impl FnMut(&'a [u8]) -> Option<()>) -> Option<()> {
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next().ok()? {
        let (1, Field::Bytes(element)) = field else { return None };
        each(element)?;
    }
    Some(())
}
