//! The visitor of the objects of all adapters.

use crate::adapters::rows::RowVisitor;
use crate::model;

/// Takes the objects of all adapters.
pub trait Visitor:
    model::redis::Visitor
    + model::sqs::QueueVisitor
    + model::dynamodb::TableVisitor
    + model::s3::BucketVisitor
    + model::fs::InodeVisitor
    + RowVisitor
{
}

impl<V> Visitor for V where
    V: model::redis::Visitor
        + model::sqs::QueueVisitor
        + model::dynamodb::TableVisitor
        + model::s3::BucketVisitor
        + model::fs::InodeVisitor
        + RowVisitor
{
}
