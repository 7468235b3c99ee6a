//! A list that only grows, for things that are registered once and live as long as the process.

use std::sync::OnceLock;

/// Nothing can be registered: the list is full, or the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no room for another one, or one of this name exists")]
pub struct Full;

/// At most `N` items, in the order in which they were added.
#[derive(Debug)]
pub(crate) struct Slots<T: 'static, const N: usize>([OnceLock<&'static T>; N]);

impl<T, const N: usize> Slots<T, N> {
    /// Empty.
    pub const fn new() -> Self {
        Slots([const { OnceLock::new() }; N])
    }

    /// Adds an item; returns its position.
    pub fn add(&self, one: &'static T) -> Result<usize, Full> {
        self.0.iter().position(|slot| slot.set(one).is_ok()).ok_or(Full)
    }

    /// The item at a position.
    pub fn get(&self, at: usize) -> Option<&'static T> {
        self.0.get(at)?.get().copied()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &'static T> {
        self.0.iter().map_while(|slot| slot.get().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_full_at_its_end() {
        static ALL: Slots<u8, 2> = Slots::new();
        assert_eq!((ALL.add(&7), ALL.add(&8), ALL.add(&9)), (Ok(0), Ok(1), Err(Full)));
        assert_eq!((ALL.get(1), ALL.get(2)), (Some(&8), None));
        assert_eq!(ALL.all().collect::<Vec<_>>(), [&7, &8]);
    }
}
