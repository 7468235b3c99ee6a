//! Decides which version of a key is the newest, although versions of one key need not be adjacent (`container.md` §3.2).

/// The user keys that may still get older versions: all are prefixes of the raw key just read.
///
/// Raw keys ascend, so when a raw key no longer begins with an open key, no later one does. The newest version of a key comes first: the
/// first row of a key opens it, and every later one is older.
#[derive(Debug, Clone, Default)]
pub struct PrefixStack<'a> {
    stack: Vec<&'a [u8]>,
}

impl<'a> PrefixStack<'a> {
    /// Adds the next row in raw order; returns whether it is the first, and therefore newest, of its key.
    #[inline(always)]
    pub fn enter(&mut self, raw_key: &[u8], user_key: &'a [u8]) -> bool {
        // Nearly always only the key of the previous row is open.
        if let [open] = &mut self.stack[..] {
            if !begins(raw_key, open) {
                *open = user_key;
                return true;
            }
            if open.len() == user_key.len() {
                return false;
            }
        }
        self.enter_among(raw_key, user_key)
    }

    #[inline(never)]
    fn enter_among(&mut self, raw_key: &[u8], user_key: &'a [u8]) -> bool {
        // Not only from the top: a longer key can be below a shorter one that was opened after it.
        self.stack.retain(|open| begins(raw_key, open));
        // All open keys and this one are prefixes of one raw key: equal length means equal key.
        if self.stack.iter().any(|open| open.len() == user_key.len()) {
            return false;
        }
        self.stack.push(user_key);
        true
    }

    /// Whether `user_key` is open.
    pub fn contains(&self, user_key: &[u8]) -> bool {
        self.stack.contains(&user_key)
    }

    /// Takes over the open keys of a later part of the file; `last` is the last raw key that it read.
    pub fn absorb(&mut self, later: PrefixStack<'a>, last: &[u8]) {
        self.stack.retain(|open| last.starts_with(open) && !later.contains(open));
        self.stack.extend(later.stack);
    }
}

/// Whether `key` begins with `open`. Neighbouring keys usually differ at their end: so the end is compared first.
#[inline]
fn begins(key: &[u8], open: &[u8]) -> bool {
    match open.len().checked_sub(1) {
        Some(last) => key.get(last) == open.get(last) && key.starts_with(open),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that ends while a shorter one, opened later, continues.
    #[test]
    fn keys_that_do_not_end_in_the_order_of_a_stack() {
        let rows: &[(&[u8], &[u8])] = &[
            (b"a\xfe\x01\xfe0000000", b"a\xfe\x01"),
            (b"a\xfe\x01\xff\xff0000", b"a"),
            (b"a\xfe\x02\xfe0000000", b"a\xfe\x02"),
        ];
        let mut open = PrefixStack::default();
        for (raw, user) in rows {
            assert!(open.enter(raw, user), "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn versions_that_are_not_adjacent() {
        // Raw keys: "a"+FE, "a\xfe…"+FE between two versions of "a", then "b".
        let rows: &[(&[u8], &[u8], bool)] = &[
            (b"a\xfe0000000", b"a", true),
            (b"a\xfe00000005555555\xfe", b"a\xfe0000000", true),
            (b"a\xfe00000005555556\xfe", b"a\xfe0000000", false),
            (b"a\xfe0000001", b"a", false),
            (b"b\xfe0000000", b"b", true),
            (b"b\xfe0000001", b"b", false),
        ];
        let mut open = PrefixStack::default();
        for (raw, user, newest) in rows {
            assert_eq!(open.enter(raw, user), *newest, "{}", raw.escape_ascii());
        }
    }
}
