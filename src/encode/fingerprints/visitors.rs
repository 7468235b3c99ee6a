//! Turns the calls of a visitor into fingerprints of objects.

use super::{
    ADDED, BUCKET, CONTENT, Fingerprints, GENERATION, GUARD, INODE, ITEM, MESSAGE, NAME, OBJECT, QUEUE, SEQUENCE,
    TABLE, UPLOAD,
};
use crate::adapters::rows::RowVisitor;
use crate::error::{Error, Result};
use crate::format::mvcc::hlc_millis;
use crate::format::redis::stream::{StreamEntry, StreamId};
use crate::format::s3::Manifest;
use crate::format::s3::key::object_prefix;
use crate::format::{Adapter, Family, s3 as s3_format, sqs as sqs_format};
use crate::model::dynamodb::{self, Item, StaleItem, Table};
use crate::model::fs::{InodeVisitor, Node};
use crate::model::redis::{self, Key, StreamEnd, Type};
use crate::model::s3::{self, Bucket, Object, OrphanChunk, OrphanManifest, UploadRow};
use crate::model::sqs::{self, Message, Queue, Records, SideRecord};
use crate::output::json;

impl redis::Visitor for Fingerprints {
    fn string(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        let value = self.whole(value);
        self.key(key, value)
    }

    fn begin(&mut self, _: &Key<'_>) -> Result<()> {
        (self.ordered, self.unordered) = (self.both.secret.hasher(), 0);
        Ok(())
    }

    fn field(&mut self, _: &Key<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        self.element(name, value);
        Ok(())
    }

    fn item(&mut self, _: &Key<'_>, value: &[u8]) -> Result<()> {
        self.next(value);
        Ok(())
    }

    fn member(&mut self, _: &Key<'_>, member: &[u8]) -> Result<()> {
        self.element(member, b"");
        Ok(())
    }

    fn scored(&mut self, _: &Key<'_>, member: &[u8], score: f64) -> Result<()> {
        // All NaNs are equal.
        let bits = if score.is_nan() { f64::NAN.to_bits() } else { score.to_bits() };
        self.element(member, &bits.to_le_bytes());
        Ok(())
    }

    fn entry(&mut self, _: &Key<'_>, id: StreamId, entry: &StreamEntry<'_>) -> Result<()> {
        self.next(&[id.ms.to_le_bytes(), id.seq.to_le_bytes()].concat());
        for (name, value) in entry.fields() {
            self.next(name);
            self.next(value);
        }
        // Marks the end of the fields, so that fields of the next entry cannot be taken for fields of this one.
        self.ordered.update(&u64::MAX.to_le_bytes());
        Ok(())
    }

    fn end(&mut self, key: &Key<'_>, stream: StreamEnd) -> Result<()> {
        let ordered = self.end_ordered();
        let mut value = self.digest(&[&ordered.to_le_bytes(), &self.unordered.to_le_bytes()]);
        if key.kind == Type::Stream {
            let StreamEnd { length, last } = stream;
            let end = [length.to_le_bytes(), last.ms.to_le_bytes(), last.seq.to_le_bytes()].concat();
            value = self.digest(&[&value.to_le_bytes(), &end]);
        }
        self.key(key, value)
    }

    fn abandon(&mut self, _: &Key<'_>) -> Result<()> {
        Ok(())
    }

    fn stray_items(&mut self, _: &[u8], _: &[&[u8]]) -> Result<()> {
        Ok(())
    }

    fn stray_expiry(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}

impl sqs::Visitor for Fingerprints {
    fn message(&mut self, message: &Message<'_>) -> Result<()> {
        let value = message.value;
        // A delay hides a message too.
        let visible_at_millis = value.visible_at_millis.max(value.available_at_millis);
        let digest = self.message(&sqs_format::Message { visible_at_millis, ..*value }, message.partition);
        let of = std::mem::take(&mut self.of);
        // In a damaged queue one ID can be in several generations and partitions.
        let mut place = std::mem::take(&mut self.buffer);
        place.clear();
        place.extend_from_slice(b"generation ");
        json::integer(value.queue_generation, &mut place);
        match message.partition {
            None => place.extend_from_slice(b", no partition"),
            Some(partition) => {
                place.extend_from_slice(b", partition ");
                json::integer(partition, &mut place);
            }
        }
        let put = self.put(MESSAGE, &[&of, &place, value.message_id.as_bytes()], digest);
        (self.of, self.buffer) = (of, place);
        put
    }

    fn side_record(&mut self, record: &SideRecord<'_>) -> Result<()> {
        let digest = self.whole(record.value);
        let of = std::mem::take(&mut self.of);
        let put = self.put(GUARD, &[&of, record.key], digest);
        self.of = of;
        put
    }
}

impl Fingerprints {
    /// The fingerprint of all members of a message.
    fn message(&mut self, message: &sqs_format::Message<'_>, partition: Option<u32>) -> u128 {
        // Without `..`, so that no member is forgotten.
        let sqs_format::Message {
            message_id,
            body,
            md5_of_body,
            md5_of_message_attributes,
            message_attributes,
            sender_id,
            send_timestamp_millis,
            available_at_millis,
            visible_at_millis,
            receive_count,
            first_receive_millis,
            current_receipt_token,
            queue_generation,
            message_group_id,
            message_deduplication_id,
            sequence_number,
            dead_letter_source_arn,
        } = *message;
        let times = [send_timestamp_millis, available_at_millis, visible_at_millis, first_receive_millis];
        let counters = [receive_count.cast_unsigned(), queue_generation, sequence_number];
        let partition = partition.map_or(u64::MAX, u64::from);
        let numbers = times.map(i64::cast_unsigned).into_iter().chain(counters).chain([partition]);
        let mut bytes = [[0; 8]; 8];
        bytes.iter_mut().zip(numbers).for_each(|(bytes, number)| *bytes = number.to_le_bytes());
        let of_attributes = if message_attributes.is_empty() { 0 } else { self.attributes(message_attributes) };
        self.digest(&[
            bytes.as_flattened(),
            message_id.as_bytes(),
            body,
            md5_of_body.as_bytes(),
            md5_of_message_attributes.as_bytes(),
            &of_attributes.to_le_bytes(),
            sender_id.as_bytes(),
            current_receipt_token,
            message_group_id.as_bytes(),
            message_deduplication_id.as_bytes(),
            dead_letter_source_arn.as_bytes(),
        ])
    }

    fn attributes(&mut self, attributes: &[(&str, &[u8])]) -> u128 {
        for (name, value) in attributes {
            self.next(name.as_bytes());
            self.next(value);
        }
        self.end_ordered()
    }
}

impl sqs::QueueVisitor for Fingerprints {
    fn queue(&mut self, queue: &Queue<'_>) -> Result<()> {
        let mut value = Vec::new();
        // A record without its name is identified by its key.
        let name = String::from_utf8_lossy(queue.name);
        let name = if queue.record.name.is_empty() { &*name } else { queue.record.name };
        let record = crate::format::sqs::Queue { name, generation: 0, ..*queue.record };
        record.encode(&mut value).map_err(|fault| Error::internal(format!("a queue: {fault:?}")))?;
        let digest = self.whole(&value);
        self.put(QUEUE, &[queue.encoded], digest)?;
        for (kind, number) in [(GENERATION, queue.record.generation), (SEQUENCE, queue.last_sequence)] {
            if number > 0 {
                self.put(kind, &[queue.encoded], u128::from(number))?;
            }
        }
        Ok(())
    }

    fn records(&mut self, of: &Records<'_>) -> Result<()> {
        self.of.clear();
        self.of.extend_from_slice(of.queue);
        Ok(())
    }

    fn generation(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}

impl Fingerprints {
    /// A table, by the schema of its row.
    pub fn schema(&mut self, table: &[u8], schema: &[u8]) -> Result<()> {
        let digest = self.whole(schema);
        self.put(TABLE, &[table], digest)
    }
}

impl<'a> dynamodb::Visitor<'a> for Fingerprints {
    fn item(&mut self, _: &Table, item: &Item<'a>) -> Result<()> {
        let digest = self.whole(item.value.stored());
        self.put(ITEM, &[item.row_key], digest)
    }

    fn stale(&mut self, _: &StaleItem<'a>) -> Result<()> {
        Ok(())
    }
}

impl Fingerprints {
    /// The content of a record, as JSON.
    fn json(&mut self, kind: u8, name: &[u8], encode: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let encoded = encode(&mut buffer);
        let digest = self.whole(&buffer);
        self.buffer = buffer;
        encoded?;
        self.put(kind, &[name], digest)
    }

    /// A bucket.
    pub fn bucket(&mut self, bucket: &Bucket<'_>) -> Result<()> {
        self.json(BUCKET, bucket.name, |out| Ok(bucket.record.encode(out)?))
    }

    /// A row of an unfinished upload.
    pub fn upload_row(&mut self, row: &UploadRow<'_>) -> Result<()> {
        let digest = self.whole(row.value);
        self.put(UPLOAD, &[row.user_key], digest)
    }
}

/// The parts of a manifest that clients see, as JSON.
fn visible(manifest: &Manifest<'_>, out: &mut Vec<u8>) -> Result<()> {
    // Written parts are in the order of the body, each once.
    // A single part with the ETag of the whole replaces parts that are not known (`adapters/s3/encode.rs`).
    let is_whole = matches!(manifest.parts, [part] if part.etag == manifest.etag);
    let parts = if manifest.is_multipart() && !is_whole { manifest.parts } else { &[] };
    let parts = parts.iter().map(|part| s3_format::Part {
        part_no: part.part_no,
        etag: part.etag,
        size_bytes: part.size_bytes,
        ..s3_format::Part::default()
    });
    let parts: Vec<_> = parts.collect();
    let last_modified_hlc = match manifest.last_modified_hlc {
        0 => 0,
        // The counter within a millisecond is ignored.
        hlc => (hlc_millis(hlc) << 16) + 1,
    };
    Ok(Manifest { upload_id: "", parts: &parts, last_modified_hlc, ..*manifest }.encode(out)?)
}

impl s3::Visitor for Fingerprints {
    fn begin(&mut self, _: &Object<'_>) -> Result<()> {
        self.ordered = self.both.secret.hasher();
        Ok(())
    }

    fn body(&mut self, piece: &[u8]) -> Result<()> {
        self.ordered.update(piece);
        Ok(())
    }

    fn end(&mut self, object: &Object<'_>) -> Result<()> {
        let body = self.end_ordered().to_be_bytes();
        let key = object_prefix(Family::S3Object, object.key);
        self.json(OBJECT, key.as_bytes(), |out| {
            visible(object.manifest, out)?;
            out.extend_from_slice(&body);
            Ok(())
        })
    }

    fn abandon(&mut self, object: &Object<'_>) -> Result<()> {
        Err(Error::internal(format!("the body of \"{}\" does not end", object.key.object.escape_ascii())))
    }

    fn orphan_manifest(&mut self, _: &OrphanManifest<'_>) -> Result<()> {
        Ok(())
    }

    fn orphan_chunk(&mut self, _: &OrphanChunk<'_>) -> Result<()> {
        Ok(())
    }
}

impl InodeVisitor for Fingerprints {
    fn inode(&mut self, node: &Node) -> Result<()> {
        self.json(INODE, &node.number.to_be_bytes(), |out| Ok(node.inode.encode(out)?))
    }

    fn name(&mut self, parent: u64, name: &[u8], node: &Node) -> Result<()> {
        self.put(NAME, &[&[&parent.to_be_bytes(), name].concat()], u128::from(node.number))
    }

    fn content(&mut self, _: &Node, offset: u64, bytes: &[u8]) -> Result<()> {
        self.extents.skip(offset - self.at);
        self.extents.add(bytes);
        self.at = offset + bytes.len() as u64;
        Ok(())
    }

    fn end_content(&mut self, file: &Node) -> Result<()> {
        let at = std::mem::take(&mut self.at);
        self.extents.skip(file.inode.size.saturating_sub(at));
        let digest = std::mem::take(&mut self.extents).finish();
        let digest = digest.first_chunk().map_or(0, |half| u128::from_be_bytes(*half));
        self.put(CONTENT, &[&file.number.to_be_bytes()], digest)
    }
}

impl RowVisitor for Fingerprints {
    fn stored_row(&mut self, _: Adapter, key: &[u8], value: &[u8]) -> Result<()> {
        let digest = self.whole(value);
        self.put(ADDED, &[key], digest)
    }

    fn stored_object(&mut self, _: Adapter, _: &'static str) -> Result<()> {
        Ok(())
    }
}
