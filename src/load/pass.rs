//! Visitors that do nothing. A target takes the objects of one adapter, but a reader of outputs needs a visitor for each adapter.

/// Visitors of some adapters that do nothing.
macro_rules! passes_over {
    ($generics:tt $target:ty: $($adapter:ident),*) => {
        $($crate::load::pass::passes_over!(@$adapter $generics $target);)*
    };
    (@redis [$($generics:tt)*] $target:ty) => {
        impl<$($generics)*> $crate::model::redis::Visitor for $target {
            fn string(&mut self, _: &$crate::model::redis::Key<'_>, _: &[u8]) -> $crate::Result<()> { Ok(()) }
            fn begin(&mut self, _: &$crate::model::redis::Key<'_>) -> $crate::Result<()> { Ok(()) }
            fn field(&mut self, _: &$crate::model::redis::Key<'_>, _: &[u8], _: &[u8]) -> $crate::Result<()> { Ok(()) }
            fn item(&mut self, _: &$crate::model::redis::Key<'_>, _: &[u8]) -> $crate::Result<()> { Ok(()) }
            fn member(&mut self, _: &$crate::model::redis::Key<'_>, _: &[u8]) -> $crate::Result<()> { Ok(()) }
            fn scored(&mut self, _: &$crate::model::redis::Key<'_>, _: &[u8], _: f64) -> $crate::Result<()> { Ok(()) }
            fn entry(
                &mut self,
                _: &$crate::model::redis::Key<'_>,
                _: $crate::format::redis::stream::StreamId,
                _: &$crate::format::redis::stream::StreamEntry<'_>,
            ) -> $crate::Result<()> {
                Ok(())
            }
            fn end(
                &mut self,
                _: &$crate::model::redis::Key<'_>,
                _: $crate::model::redis::StreamEnd,
            ) -> $crate::Result<()> {
                Ok(())
            }
            fn abandon(&mut self, _: &$crate::model::redis::Key<'_>) -> $crate::Result<()> { Ok(()) }
            fn stray_items(&mut self, _: &[u8], _: &[&[u8]]) -> $crate::Result<()> { Ok(()) }
            fn stray_expiry(&mut self, _: &[u8], _: u64) -> $crate::Result<()> { Ok(()) }
        }
    };
    (@sqs [$($generics:tt)*] $target:ty) => {
        impl<$($generics)*> $crate::model::sqs::Visitor for $target {
            fn message(&mut self, _: &$crate::model::sqs::Message<'_>) -> $crate::Result<()> { Ok(()) }
            fn side_record(&mut self, _: &$crate::model::sqs::SideRecord<'_>) -> $crate::Result<()> { Ok(()) }
        }
        impl<$($generics)*> $crate::model::sqs::QueueVisitor for $target {
            fn queue(&mut self, _: &$crate::model::sqs::Queue<'_>) -> $crate::Result<()> { Ok(()) }
            fn records(&mut self, _: &$crate::model::sqs::Records<'_>) -> $crate::Result<()> { Ok(()) }
            fn generation(&mut self, _: &[u8], _: u64) -> $crate::Result<()> { Ok(()) }
        }
    };
    (@dynamodb [$($generics:tt)*] $target:ty) => {
        impl<'pass_item, $($generics)*> $crate::model::dynamodb::Visitor<'pass_item>
            for $target
        {
            fn item(
                &mut self,
                _: &$crate::model::dynamodb::Table,
                _: &$crate::model::dynamodb::Item<'pass_item>,
            ) -> $crate::Result<()> {
                Ok(())
            }
            fn stale(&mut self, _: &$crate::model::dynamodb::StaleItem<'pass_item>) -> $crate::Result<()> { Ok(()) }
        }
        impl<$($generics)*> $crate::model::dynamodb::TableVisitor for $target {
            fn table(&mut self, _: &$crate::model::dynamodb::Table) -> $crate::Result<()> { Ok(()) }
            fn generation(&mut self, _: &[u8], _: u64) -> $crate::Result<()> { Ok(()) }
        }
    };
    (@s3 [$($generics:tt)*] $target:ty) => {
        impl<$($generics)*> $crate::model::s3::Visitor for $target {
            fn begin(&mut self, _: &$crate::model::s3::Object<'_>) -> $crate::Result<()> { Ok(()) }
            fn body(&mut self, _: &[u8]) -> $crate::Result<()> { Ok(()) }
            fn end(&mut self, _: &$crate::model::s3::Object<'_>) -> $crate::Result<()> { Ok(()) }
            fn abandon(&mut self, _: &$crate::model::s3::Object<'_>) -> $crate::Result<()> { Ok(()) }
            fn orphan_manifest(&mut self, _: &$crate::model::s3::OrphanManifest<'_>) -> $crate::Result<()> { Ok(()) }
            fn orphan_chunk(&mut self, _: &$crate::model::s3::OrphanChunk<'_>) -> $crate::Result<()> { Ok(()) }
        }
        impl<$($generics)*> $crate::model::s3::BucketVisitor for $target {
            fn bucket(&mut self, _: &$crate::model::s3::Bucket<'_>) -> $crate::Result<()> { Ok(()) }
            fn upload_row(&mut self, _: &$crate::model::s3::UploadRow<'_>) -> $crate::Result<()> { Ok(()) }
            fn generation(&mut self, _: &[u8], _: u64) -> $crate::Result<()> { Ok(()) }
        }
    };
    (@fs [$($generics:tt)*] $target:ty) => {
        impl<$($generics)*> $crate::model::fs::InodeVisitor for $target {
            fn inode(&mut self, _: &$crate::model::fs::Node) -> $crate::Result<()> { Ok(()) }
            fn name(&mut self, _: u64, _: &[u8], _: &$crate::model::fs::Node) -> $crate::Result<()> { Ok(()) }
            fn content(&mut self, _: &$crate::model::fs::Node, _: u64, _: &[u8]) -> $crate::Result<()> { Ok(()) }
            fn end_content(&mut self, _: &$crate::model::fs::Node) -> $crate::Result<()> { Ok(()) }
        }
    };
    (@added [$($generics:tt)*] $target:ty) => {
        impl<$($generics)*> $crate::adapters::rows::RowVisitor for $target {
            fn stored_row(&mut self, _: $crate::format::Adapter, _: &[u8], _: &[u8]) -> $crate::Result<()> { Ok(()) }
            fn stored_object(&mut self, _: $crate::format::Adapter, _: &'static str) -> $crate::Result<()> { Ok(()) }
        }
    };
}
pub(super) use passes_over;
