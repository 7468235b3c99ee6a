//! Redis keys as row groups.
//!
//! | folder below `redis/db_0/` | a row for each |
//! |---|---|
//! | `keys` | key, with its type and expiry |
//! | `strings`, `hll` | value |
//! | `hashes`, `lists`, `sets`, `zsets`, `streams` | element |
//! | `_orphans/…` | the same for keys that the server does not serve; `ttl`, `list_items` |

use super::sets::To;
use crate::error::Result;
use crate::layouts::redis::run::Writer;
use crate::layouts::rows::redis::Rows;
use crate::options::Options;
use crate::output::split::SplitOutput;

/// Writes rows.
pub(crate) type Redis<'o, 't> = Rows<'o, To<'t, SplitOutput<'t>>>;

impl<'o, 't> Writer<'o, 't> for Redis<'o, 't> {
    fn new(out: SplitOutput<'t>, options: &'o Options) -> Self {
        Rows::new(To::new(out, options.parquet_size()), &options.filter)
    }

    fn prepare(out: SplitOutput<'t>, options: &'o Options) -> Result<SplitOutput<'t>> {
        let mut all = <Self as Writer>::new(out, options);
        all.prepare()?;
        Writer::finish(all)
    }

    fn finish(self) -> Result<SplitOutput<'t>> {
        Rows::finish(self).finish()
    }
}
