//! Which generation of a queue is live (`rules.md` §4).

/// Which messages of a queue are live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// The live generation; `None`: unknown, so all messages are live.
    pub generation: Option<u64>,
    /// What to warn about.
    pub disagreement: Option<Disagreement>,
}

/// Record and generation row have different generations. They are written in one transaction, so this is a fault of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disagreement {
    /// The generation in the queue record, which counts.
    pub record: u64,
    /// The generation in the generation row.
    pub row: u64,
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the queue record says generation {}, the generation row {}; the record was used",
            self.record, self.row
        )
    }
}

impl Live {
    /// Decides from the `generation` of the queue record (0 = unknown) and the value of the generation row, if there is one.
    pub fn decide(record: u64, row: Option<u64>) -> Live {
        let said = |n: u64| (n != 0).then_some(n);
        let disagreement = match (said(record), row) {
            (Some(record), Some(row)) if record != row => Some(Disagreement { record, row }),
            _ => None,
        };
        Live { generation: said(record).or(row.and_then(said)), disagreement }
    }

    /// Whether a message of this generation is live.
    pub fn has(self, queue_generation: u64) -> bool {
        self.generation.is_none_or(|live| live == queue_generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions() {
        for (record, row, generation, disagrees) in [
            (0, None, None, false),
            (0, Some(0), None, false),
            (0, Some(3), Some(3), false),
            (3, None, Some(3), false),
            (3, Some(3), Some(3), false),
            (3, Some(4), Some(3), true),
            (4, Some(3), Some(4), true),
            (3, Some(0), Some(3), true),
        ] {
            let live = Live::decide(record, row);
            assert_eq!(live.generation, generation, "{record} {row:?}");
            assert_eq!(live.disagreement.is_some(), disagrees, "{record} {row:?}");
            assert_eq!(live.has(0), generation.is_none());
            assert!(live.has(generation.unwrap_or(9)));
        }
    }
}
