//! The names of an export (`aws-export.md` §2). They depend only on the data and the options, so that the same inputs give the same bytes,
//! however they are divided into files.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::dataset::DataSet;
use crate::format::hex;
use crate::format::mvcc::hlc_millis;
use crate::layouts::dynamodb::paths::Paths;
use crate::model::dynamodb::Table;
use crate::options::Options;
use crate::report::time::clamped;

/// The folder of exports, with the name that AWS gives it.
const FOLDER: &str = "AWSDynamoDB";
/// A placeholder for region and account: the server has neither.
const ARN: &str = "arn:aws:dynamodb:us-east-1:000000000000:table";
/// A placeholder for the bucket, which is not known yet.
pub(super) const BUCKET: &str = "YOUR-BUCKET";
/// Digits of the milliseconds in the ID of an export, and bytes of its end.
const DIGITS: usize = 14;
const TAIL: usize = 4;

/// Values that all exports of a run have in common.
#[derive(Debug)]
pub(super) struct Run {
    /// The moment whose state is exported (HLC).
    pub moment: u64,
    /// The moment itself and the options, hashed.
    digest: [u8; 32],
}

impl Run {
    /// The values of a decode.
    pub fn of(set: &DataSet<'_>, options: &Options) -> Run {
        let newest = set.inputs().map(|group| group.index.last_commit_ts).max().unwrap_or(0);
        let moment = newest.min(set.view().as_of);
        let recorded = serde_json::to_vec(&options.recorded(false)).unwrap_or_default();
        let digest = Sha256::new_with_prefix(moment.to_be_bytes()).chain_update(recorded).finalize();
        Run { moment, digest: digest.into() }
    }
}

/// The names of the export of one table.
#[derive(Debug)]
pub(super) struct Names {
    /// The table's folder, which is the prefix of the export in a bucket.
    pub prefix: String,
    /// The ID, in the form of AWS.
    pub id: String,
    /// Its ARN and that of the table.
    pub arn: String,
    pub table_arn: String,
    /// A UUID.
    pub table_id: String,
    /// The moment of the state.
    pub time: String,
}

impl Names {
    /// The names of a table.
    pub fn of(run: &Run, table: &Table) -> Names {
        let digest: [u8; 32] = Sha256::new_with_prefix(run.digest).chain_update(&table.encoded).finalize().into();
        let id = format!("{:0DIGITS$}-{}", hlc_millis(run.moment), hex::text(&digest[..TAIL]));
        let table_arn = format!("{ARN}/{}", String::from_utf8_lossy(&table.name));
        let arn = format!("{table_arn}/export/{id}");
        let Paths { scope: prefix, .. } = Paths::of(table);
        Names { prefix, id, arn, table_arn, table_id: table_id(table), time: instant(run.moment) }
    }

    /// The key of a file of the export in a bucket that has the folder `dynamodb`.
    pub fn key(&self, file: &str) -> String {
        format!("{}/{FOLDER}/{}/{file}", self.prefix, self.id)
    }

    /// The key of a file that all exports of the table share.
    pub fn shared_key(&self, file: &str) -> String {
        format!("{}/{FOLDER}/{file}", self.prefix)
    }
}

/// Another generation has another ID.
fn table_id(table: &Table) -> String {
    let digest = Sha256::new_with_prefix(table.schema.generation.to_be_bytes()).chain_update(&table.encoded).finalize();
    let digits = hex::text(&digest);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..32]].join("-")
}

/// A moment (HLC) with milliseconds, as AWS writes it.
pub(super) fn instant(moment: u64) -> String {
    let millis = hlc_millis(moment);
    let moment = i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    moment.map_or_else(|| clamped(millis), |moment| format!("{moment:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        assert_eq!(instant(1_604_474_914_028 << 16), "2020-11-04T07:28:34.028Z");
        assert_eq!(instant(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(instant(u64::MAX), "9999-12-31T23:59:59Z");
    }
}
