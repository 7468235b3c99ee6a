//! Messages as a decode writes them: members in their order, and attributes as the server stores them.

use bumpalo::Bump;

use crate::format::b64::STANDARD;
use crate::format::sqs;
use crate::layouts::reading::Scanner;
use crate::model::sqs::Message;

/// Reads a line and passes the message on. `None`: it is in another form.
pub(super) fn message<T>(line: &[u8], arena: &Bump, give: impl FnOnce(&Message<'_>) -> T) -> Option<T> {
    let mut line = Scanner::new(line, arena);
    line.eat(b"{\"message_id\":")?;
    let message_id = line.string()?;
    line.eat(b",\"body\":")?;
    let body = line.bytes()?;
    let md5_of_body = line.if_any(b",\"md5_of_body\":", Scanner::string)?;
    let md5_of_message_attributes = line.if_any(b",\"md5_of_message_attributes\":", Scanner::string)?;
    let attributes = line.if_any(b",\"message_attributes\":{", attributes)?;
    let value = sqs::Message {
        message_id,
        body,
        md5_of_body,
        md5_of_message_attributes,
        message_attributes: &attributes,
        sender_id: line.if_any(b",\"sender_id\":", Scanner::string)?,
        send_timestamp_millis: number(&mut line, b",\"send_timestamp_millis\":")?,
        available_at_millis: number(&mut line, b",\"available_at_millis\":")?,
        visible_at_millis: number(&mut line, b",\"visible_at_millis\":")?,
        receive_count: number(&mut line, b",\"receive_count\":")?,
        first_receive_millis: line.if_any(b",\"first_receive_millis\":", Scanner::number)?,
        current_receipt_token: line.if_any(b",\"current_receipt_token\":", |line| line.base64(&STANDARD))?,
        queue_generation: number(&mut line, b",\"queue_generation\":")?,
        message_group_id: line.if_any(b",\"message_group_id\":", Scanner::string)?,
        message_deduplication_id: line.if_any(b",\"message_deduplication_id\":", Scanner::string)?,
        sequence_number: line.if_any(b",\"sequence_number\":", Scanner::unsigned)?,
        dead_letter_source_arn: line.if_any(b",\"dead_letter_source_arn\":", Scanner::string)?,
    };
    let partition = line.if_any(b",\"partition\":", |line| line.number().map(Some))?;
    line.end(b"}\n")?;
    Some(give(&Message { value: &value, partition }))
}

fn number<N: TryFrom<u64>>(line: &mut Scanner<'_>, name: &[u8]) -> Option<N> {
    line.eat(name)?;
    line.number()
}

/// Names of attributes, with the text of their values.
fn attributes<'l>(line: &mut Scanner<'l>) -> Option<Vec<(&'l str, &'l [u8])>> {
    let mut all = Vec::new();
    loop {
        let name = line.string()?;
        line.eat(b":")?;
        all.push((name, line.taken(attribute)?));
        if line.eat(b",").is_none() {
            line.eat(b"}")?;
            return Some(all);
        }
    }
}

fn attribute(line: &mut Scanner<'_>) -> Option<()> {
    line.eat(b"{\"DataType\":")?;
    line.string()?;
    line.if_any(b",\"StringValue\":", Scanner::string)?;
    line.if_any(b",\"BinaryValue\":", Scanner::string)?;
    line.eat(b"}")
}
