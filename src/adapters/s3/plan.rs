//! Which chunks make an object's body, and in which order (`docs/format/s3.md` §5, `docs/format/rules.md` §4).
//!
//! A manifest declares parts; each part has chunks 0 to n-1 of one version, inline or as references. Stored chunks of
//! other versions, and chunks of a part declared without chunks, are left over and are ignored. A declared chunk that
//! is not stored, a chunk beyond the declared number, and a chunk that is stored twice are damage.

use std::borrow::Cow;

use crate::format::s3::chunk::{ChunkFault, ChunkId};
use crate::format::s3::{Manifest, Part};

/// A chunk that the manifest declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its position.
    pub id: ChunkId,
    /// Index of its part in [`Plan::parts`].
    pub part: usize,
    /// Its length in bytes, if the manifest has it.
    pub size: Option<u64>,
}

impl Expected {
    /// Checks the three lengths of an offloaded chunk, in bytes. (Wrong lengths of inline chunks are only warnings.)
    pub fn check_reference(&self, reference: u64, stored: u64) -> Result<(), ChunkFault> {
        let manifest = self.size.unwrap_or_default();
        if self.size == Some(reference) && reference == stored {
            return Ok(());
        }
        Err(ChunkFault::Reference { id: self.id, manifest, reference, stored })
    }
}

fn find_part(parts: &[Part<'_>], id: ChunkId) -> Option<usize> {
    parts.binary_search_by_key(&(id.part_no, id.version, id.offloaded), Part::identity).ok()
}

/// The body of one object, chunk by chunk.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    parts: Cow<'a, [Part<'a>]>,
}

impl<'a> Plan<'a> {
    /// The plan of a manifest; it borrows the parts unless they are out of order.
    pub fn new(manifest: &Manifest<'a>) -> Plan<'a> {
        Plan { parts: manifest.parts_in_order() }
    }

    /// The parts in body order.
    pub fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// Every declared chunk in body order.
    pub fn chunks(&self) -> Chunks<'_> {
        Chunks { parts: &self.parts, part: 0, chunk_no: 0 }
    }

    /// Whether the wanted rows of one family come in body order when read in key order. This is true unless a part
    /// number is declared twice, which no server does: then the rows must be sorted by [`ChunkId`] first.
    pub fn is_in_key_order(&self) -> bool {
        self.parts.windows(2).all(|pair| pair[0].part_no != pair[1].part_no)
    }

    /// Starts to match stored rows with the plan.
    pub fn join(&self) -> Join<'_> {
        Join { chunks: self.chunks() }
    }
}

/// Iterates over the declared chunks. It stores two numbers, however long the body is.
#[derive(Debug, Clone)]
pub struct Chunks<'p> {
    parts: &'p [Part<'p>],
    part: usize,
    chunk_no: u64,
}

impl Chunks<'_> {
    /// The next chunk, without taking it.
    pub fn peek(&mut self) -> Option<Expected> {
        while self.chunk_no >= self.parts.get(self.part)?.chunk_count {
            self.part += 1;
            self.chunk_no = 0;
        }
        let part = &self.parts[self.part];
        let (part_no, version, offloaded) = part.identity();
        let id = ChunkId { part_no, version, offloaded, chunk_no: self.chunk_no };
        let size = usize::try_from(self.chunk_no).ok().and_then(|n| part.chunk_sizes.get(n)).copied();
        Some(Expected { id, part: self.part, size })
    }
}

impl Iterator for Chunks<'_> {
    type Item = Expected;

    fn next(&mut self) -> Option<Expected> {
        let next = self.peek()?;
        self.chunk_no += 1;
        Some(next)
    }
}

/// Matches stored rows with a plan. Feed the rows of the manifest's upload in ascending [`ChunkId`] order, both
/// families merged, left-overs included; then call [`finish`](Join::finish).
#[derive(Debug, Clone)]
pub struct Join<'p> {
    chunks: Chunks<'p>,
}

impl Join<'_> {
    /// What a stored row is: the next chunk of the body, or `None` if it is left over.
    pub fn row(&mut self, id: ChunkId) -> Result<Option<Expected>, ChunkFault> {
        let count = find_part(self.chunks.parts, id).map_or(0, |at| self.chunks.parts[at].chunk_count);
        if count == 0 {
            return Ok(None);
        }
        match self.chunks.peek() {
            Some(next) if next.id < id => Err(ChunkFault::Missing(next.id)),
            Some(next) if next.id == id => {
                self.chunks.next();
                Ok(Some(next))
            }
            _ if id.chunk_no >= count => Err(ChunkFault::Surplus(id, count)),
            _ => Err(ChunkFault::Repeated(id)),
        }
    }

    /// Checks that nothing is missing at the end.
    pub fn finish(mut self) -> Result<(), ChunkFault> {
        self.chunks.peek().map_or(Ok(()), |next| Err(ChunkFault::Missing(next.id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (part, version, offloaded, chunks)
    type Row = (u64, u64, bool, u64);

    fn part(&(part_no, version, offloaded, chunk_count): &Row) -> Part<'static> {
        // The version of the other kind must have no effect.
        let (part_version, chunk_ref_version) = if offloaded { (99, version) } else { (version, 99) };
        Part { part_no, part_version, chunk_ref_version, offloaded, chunk_count, ..Part::default() }
    }

    fn with_plan<T>(rows: &[Row], check: impl FnOnce(Plan<'_>) -> T) -> T {
        let parts: Vec<_> = rows.iter().map(part).collect();
        check(Plan::new(&Manifest { parts: &parts, ..Manifest::default() }))
    }

    fn id((part_no, version, offloaded, chunk_no): Row) -> ChunkId {
        ChunkId { part_no, version, offloaded, chunk_no }
    }

    fn joined(declared: &[Row], stored: &[Row]) -> Result<usize, ChunkFault> {
        with_plan(declared, |plan| {
            let mut join = plan.join();
            let mut taken = 0;
            for &row in stored {
                taken += usize::from(join.row(id(row))?.is_some());
            }
            join.finish().map(|()| taken)
        })
    }

    #[test]
    fn order_of_the_body() {
        let declared = [(2, 0, false, 1), (1, 5, true, 1), (1, 5, false, 2), (1, 4, false, 0), (2, 0, false, 3)];
        let want =
            [(1, 5, false, 0), (1, 5, false, 1), (1, 5, true, 0), (2, 0, false, 0), (2, 0, false, 1), (2, 0, false, 2)];
        with_plan(&declared, |plan| {
            assert!(plan.chunks().map(|c| c.id).eq(want.map(id)));
            assert!(!plan.is_in_key_order());
            assert_eq!(plan.parts().len(), 4);
        });
        with_plan(&[(1, 5, false, 2), (2, 4, false, 1)], |plan| {
            assert!(plan.is_in_key_order() && matches!(plan.parts, Cow::Borrowed(_)));
        });
        with_plan(&[], |plan| assert_eq!(plan.chunks().count(), 0));
        with_plan(&[(1, 0, false, u64::MAX)], |plan| assert_eq!(plan.chunks().take(9).count(), 9));
    }

    #[test]
    fn sizes() {
        let part = Part { chunk_count: 2, chunk_sizes: &[7], ..Part::default() };
        let parts = [part];
        let plan = Plan::new(&Manifest { parts: &parts, ..Manifest::default() });
        let sizes: Vec<_> = plan.chunks().map(|c| c.size).collect();
        assert_eq!(sizes, [Some(7), None]);
        let chunk = plan.chunks().next().unwrap();
        assert_eq!(chunk.check_reference(7, 7), Ok(()));
        for (reference, stored) in [(7, 8), (8, 7), (8, 8)] {
            let fault = ChunkFault::Reference { id: chunk.id, manifest: 7, reference, stored };
            assert_eq!(chunk.check_reference(reference, stored), Err(fault));
        }
        assert!(Expected { size: None, ..chunk }.check_reference(0, 0).is_err());
    }

    #[test]
    fn joins() {
        use ChunkFault::*;
        let two = [(1, 5, false, 2), (2, 0, true, 1)];
        let (a, b, c) = ((1, 5, false, 0), (1, 5, false, 1), (2, 0, true, 0));
        let surplus = id((1, 5, false, 2));
        for (declared, stored, want) in [
            (&two[..], &[a, b, c][..], Ok(3)),
            (&two, &[(1, 4, false, 0), a, b, (1, 5, true, 7), (1, 6, false, 0), c, (3, 0, false, 0)], Ok(3)),
            (&two, &[a, b], Err(Missing(id(c)))),
            (&two, &[a, c], Err(Missing(id(b)))),
            (&two, &[b, c], Err(Missing(id(a)))),
            (&two, &[], Err(Missing(id(a)))),
            (&two, &[a, b, (1, 5, false, 2), c], Err(Surplus(surplus, 2))),
            (&two, &[a, (1, 5, false, 2), c], Err(Missing(id(b)))),
            (&two, &[a, b, c, (2, 0, true, 1)], Err(Surplus(id((2, 0, true, 1)), 1))),
            (&two, &[a, a, b, c], Err(Repeated(id(a)))),
            (&two, &[a, b, c, c], Err(Repeated(id(c)))),
            (&[(1, 0, false, 0)], &[(1, 0, false, 0), (1, 0, false, 1)], Ok(0)),
            (&[], &[a], Ok(0)),
            (&[], &[], Ok(0)),
        ] {
            assert_eq!(joined(declared, stored), want, "{declared:?} {stored:?}");
        }
    }
}
