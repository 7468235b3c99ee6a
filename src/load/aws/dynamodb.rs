//! DynamoDB: tables are created with their indexes, and items are written in batches of 25.
//!
//! If the service refuses one item, it refuses the whole batch. Its items are then written one by one, and refused items are reported.
//! Items that a busy service leaves unprocessed are sent again. Batches are sent in parallel (`flight.rs`): no two have an item in common.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::flight::{Flight, held};
use super::run::Target;
use super::{Answer, Service};
use crate::error::{Remedy, Result};
use crate::format::dynamodb::item::{Map, Value as Attribute};
use crate::format::dynamodb::{KeyValue, PrimaryKey};
use crate::layouts::dynamodb::definition::definition;
use crate::layouts::dynamodb::render::ItemRenderer;
use crate::load::backoff::Backoff;
use crate::load::course::Course;
use crate::load::pass::passes_over;
use crate::load::{Input, Options, Outcome};
use crate::model::dynamodb::{Item, StaleItem, Table, TableVisitor, Visitor};

/// Maximum number of items in a batch, and of their bytes.
const MOST_ITEMS: usize = 25;
const MOST_BYTES: usize = 4 << 20;
/// How often the state of a table is polled, and the pause between.
const ASKED: u32 = 600;
const PAUSE: Duration = Duration::from_millis(200);
/// How often unprocessed items are sent again.
const ROUNDS: u32 = 12;

/// Creates all tables of the inputs, and writes their items.
pub(in crate::load) fn load(input: &Input, url: &str, options: &Options, course: Course<'_>) -> Result<Outcome> {
    let service = Service::of(url, "dynamodb", options.connections)?;
    std::thread::scope(|scope| {
        let mut tables = Tables {
            service: &service,
            flight: Flight::new(scope, &service, service.connections),
            course,
            dry_run: options.dry_run,
            merges: options.merges(),
            refused: HashSet::new(),
            batch: Batch::default(),
        };
        tables.read(input, options)?;
        tables.course.finish()
    })
}

struct Tables<'c> {
    service: &'c Service,
    flight: Flight<Written>,
    course: Course<'c>,
    dry_run: bool,
    /// Whether tables may exist already.
    merges: bool,
    /// Names of the tables that the service refuses.
    refused: HashSet<Vec<u8>>,
    batch: Batch,
}

/// A batch that was written.
struct Written {
    items: u64,
    /// The name of its last item.
    last: String,
    /// Items that the service refuses, and why.
    refused: Vec<(String, String)>,
}

/// Items of one table.
#[derive(Default)]
struct Batch {
    table: String,
    /// Each as `{"Item":{…}}`, with its name.
    items: Vec<(String, String)>,
    bytes: usize,
}

impl Tables<'_> {
    /// The name of a table, as text.
    fn name(table: &Table) -> String {
        String::from_utf8_lossy(&table.name).into_owned()
    }

    /// Whether the service takes the table.
    fn create(&mut self, table: &Table) -> Result<bool> {
        let name = Tables::name(table);
        let answer = call(self.service, "CreateTable", &definition(&name, &table.schema).to_string())?;
        match answer.code() {
            _ if answer.is_fine() => self.await_table(&name).map(|()| true),
            "ResourceInUseException" if self.merges => Ok(true),
            "ResourceInUseException" => {
                Err(self.service.failed(&format!("the table {name} exists")).with_remedy(Remedy::Merge))
            }
            "ValidationException" => {
                self.course.left_out(&[&table.name], answer.words());
                self.refused.insert(table.name.clone());
                Ok(false)
            }
            _ => Err(self.service.refused(&format!("create the table {name}"), &answer)),
        }
    }

    /// Waits until the table and its indexes accept writes.
    fn await_table(&self, name: &str) -> Result<()> {
        let body = json!({ "TableName": name }).to_string();
        for _ in 0..ASKED {
            let answer = call(self.service, "DescribeTable", &body)?;
            // The service may not know a table yet that it has just created.
            let is_unknown = answer.code() == "ResourceNotFoundException";
            if !is_unknown && is_ready(&self.service.json(&format!("describe the table {name}"), &answer)?) {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        Err(self.service.failed(&format!("the table {name} does not become active")))
    }
}

impl<'c> Target<'c, Written> for Tables<'c> {
    fn course(&mut self) -> &mut Course<'c> {
        &mut self.course
    }

    fn flight(&mut self) -> &mut Flight<Written> {
        &mut self.flight
    }

    fn take(&mut self, written: Written) {
        let loaded = written.items.saturating_sub(written.refused.len() as u64);
        for (name, why) in written.refused {
            self.course.left_out_named(&name, why);
        }
        self.course.stored("items", loaded, &written.last);
    }

    fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.batch.table.clone_from(&batch.table);
        if self.dry_run {
            self.course.loaded_all("items", batch.items.len() as u64);
        } else if !batch.items.is_empty() {
            self.begin_request(move |service| batch.write(service))?;
        }
        Ok(())
    }
}

fn call(service: &Service, operation: &str, body: &str) -> Result<Answer> {
    service.call(&format!("DynamoDB_20120810.{operation}"), body)
}

impl Batch {
    fn write(self, service: &Service) -> Result<Written> {
        let refused = self.write_all(service)?;
        let last = self.items.last().map(|(name, _)| name.clone()).unwrap_or_default();
        Ok(Written { items: self.items.len() as u64, last, refused })
    }

    /// Writes the items and returns those that are refused.
    fn write_all(&self, service: &Service) -> Result<Vec<(String, String)>> {
        let mut body = format!("{{\"RequestItems\":{{{}:[", Value::from(self.table.as_str()));
        for (n, (_, item)) in self.items.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            let _ = write!(body, "{comma}{{\"PutRequest\":{item}}}");
        }
        body.push_str("]}}");
        let mut backoff = Backoff::new(PAUSE, ROUNDS);
        loop {
            let answer = call(service, "BatchWriteItem", &body)?;
            if answer.code() == "ValidationException" {
                return self.put_each(service);
            }
            let told = service.json(&format!("write to the table {}", self.table), &answer)?;
            let left = &told["UnprocessedItems"];
            if left.as_object().is_none_or(serde_json::Map::is_empty) {
                return Ok(Vec::new());
            }
            body = json!({ "RequestItems": left }).to_string();
            match backoff.pause() {
                Some(pause) => service.pause(pause),
                None => return Err(service.failed(&format!("it did not store all items of the table {}", self.table))),
            }
        }
    }

    /// Writes the items one by one and returns those that are refused.
    fn put_each(&self, service: &Service) -> Result<Vec<(String, String)>> {
        let mut refused = Vec::new();
        for (name, item) in &self.items {
            let body = format!("{{\"TableName\":{},{}", Value::from(self.table.as_str()), &item[1..]);
            let answer = call(service, "PutItem", &body)?;
            match answer.code() {
                _ if answer.is_fine() => {}
                "ValidationException" => refused.push((name.clone(), answer.words())),
                _ => return Err(service.refused(&format!("write {name}"), &answer)),
            }
        }
        Ok(refused)
    }
}

/// Whether a table and its indexes accept writes, by its description.
fn is_ready(told: &Value) -> bool {
    let table = &told["Table"];
    let indexes = table["GlobalSecondaryIndexes"].as_array();
    let is_active = |index: &Value| index["IndexStatus"].as_str().is_none_or(|status| status == "ACTIVE");
    table["TableStatus"] == "ACTIVE" && indexes.is_none_or(|all| all.iter().all(is_active))
}

/// The parts of an item's name.
fn parts<'p>(table: &'p Table, key: &'p PrimaryKey<'_>) -> Vec<&'p [u8]> {
    let range = key.range.map(KeyValue::raw);
    [Some(&table.name[..]), Some(key.hash.raw()), range].into_iter().flatten().collect()
}

impl<'a> Visitor<'a> for Tables<'_> {
    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        let parts = parts(table, &item.key);
        if !self.course.takes("items", &parts) {
            return Ok(());
        }
        if self.refused.contains(&table.name) {
            self.course.left_out(&parts, "its table was not taken");
            return Ok(());
        }
        if numbers_change(item.value.attributes()) {
            self.course.changed(&parts, "numbers are written in another form");
        }
        let mut line = Vec::new();
        ItemRenderer::default().line(item.value, &mut line);
        let line = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        let name = Tables::name(table);
        let most = MOST_BYTES.min(held(self.service.connections));
        let is_full = self.batch.items.len() >= MOST_ITEMS || self.batch.bytes + line.len() > most;
        if is_full || self.batch.table != name {
            self.flush()?;
            self.batch.table = name;
        }
        self.course.sends(line.len());
        self.batch.bytes += line.len();
        let name = self.course.name(&parts);
        self.batch.items.push((name, line));
        Ok(())
    }

    fn stale(&mut self, _: &StaleItem<'a>) -> Result<()> {
        Ok(())
    }
}

impl TableVisitor for Tables<'_> {
    fn table(&mut self, table: &Table) -> Result<()> {
        self.course.meets_scope();
        if self.dry_run || self.create(table)? {
            self.course.loaded("tables");
        }
        Ok(())
    }

    fn generation(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}

passes_over!(['c] Tables<'c>: redis, sqs, s3, fs, added);

/// Whether the service would write a number differently: it writes digits without an exponent, a plus sign or redundant zeros.
fn numbers_change(attributes: Map<'_>) -> bool {
    attributes.stored().any(|entry| value_changes(entry.value()))
}

fn value_changes(value: Attribute<'_>) -> bool {
    match value {
        Attribute::N(text) => !is_plain(text),
        Attribute::Ns(texts) => texts.iter().any(|text| !is_plain(text)),
        Attribute::L(list) => list.iter().any(value_changes),
        Attribute::M(map) => numbers_change(map),
        _ => false,
    }
}

fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "1"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let no_zeros = whole == "0" || !whole.starts_with('0');
    are_digits(whole) && are_digits(fraction) && no_zeros && !fraction.ends_with('0') && text != "-0"
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn numbers() {
        for text in ["0", "1", "-1", "10", "0.5", "-123.45", "100"] {
            assert!(is_plain(text), "{text}");
        }
        for text in ["1E3", "+1", "01", "1.0", "1.", ".5", "-0", "", "1e-2", "0.50"] {
            assert!(!is_plain(text), "{text}");
        }
    }
}
