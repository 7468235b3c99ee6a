//! The records about items that the splits of a first pass make for the sorter.

use crate::error::Result;
use crate::format::wire::{self, Reader};
use crate::layouts::dynamodb::{Gather, Share};
use crate::output::split::Collector;
use crate::run::engine::Done;
use crate::run::sort::{Record, Sorter};

/// The records of a split, in the order of row keys.
pub(super) struct Noted<R>(pub Vec<R>);

impl<R: Record> Done for Noted<R> {
    fn held(&self) -> usize {
        self.0.capacity() * size_of::<R>()
    }
}

impl<R: Record> Share for Noted<R> {
    fn held(&self) -> usize {
        Done::held(self)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        wire::number(self.0.len() as u64, out);
        // Writing to memory does not fail.
        self.0.iter().for_each(|record| drop(record.write(out)));
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let count = reader.count()?;
        (0..count).map(|_| reader.take(R::STORED).map(R::read)).collect::<Option<_>>().map(Noted)
    }
}

/// Passes the records of all splits to a sorter.
pub(super) struct Sorting<'t, R: Record>(pub Sorter<'t, R>);

impl<'t, R: Record> Gather<'t> for Sorting<'_, R> {
    type Share = Noted<R>;

    fn take(&mut self, _: usize, share: Noted<R>, _: &mut Collector<'t>) -> Result<()> {
        self.0.extend(&share.0)
    }
}
