//! Findings of the layouts about DynamoDB (`dynamodb.md` §5, `rules.md` §2).

use crate::report::kinds;

kinds! {
    Warning UNTYPED "ddb_untyped_values" "values of no type, which the server does not write; rendered as NULL";
}
