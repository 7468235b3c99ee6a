//! S3: buckets are created, and objects are put with their metadata. An object that was uploaded in parts is uploaded in the same parts
//! again (`s3_parts.rs`).
//!
//! A body comes in pieces and is signed as a whole. So each object or part waits in memory, or a large one in a temporary file, until it is
//! complete. Objects and parts are sent in parallel (`flight.rs`); an upload is completed when all its parts are there. The ETag that the
//! service returns is compared with the recorded one.

use std::collections::HashSet;

use super::flight::{Flight, held};
use super::run::Target;
use super::s3_parts::{Parts, Upload};
use super::s3_put::{Body, Metadata};
use super::sign::encoded;
use super::{Answer, Content, Request, Service, between};
use crate::error::{Error, Remedy, Result};
use crate::format::Family;
use crate::format::s3::etag::Form;
use crate::load::course::Course;
use crate::load::pass::passes_over;
use crate::load::{Input, Options, Outcome};
use crate::model::s3::{Bucket, BucketVisitor, Object, OrphanChunk, OrphanManifest, UploadRow, Visitor};

/// Creates all buckets of the inputs, and puts their objects.
pub(in crate::load) fn load(input: &Input, url: &str, options: &Options, course: Course<'_>) -> Result<Outcome> {
    let service = Service::of(url, "s3", options.connections)?;
    std::thread::scope(|scope| {
        let flight = Flight::new(scope, &service, service.connections);
        let mut buckets = Buckets::new(&service, flight, course, options);
        buckets.read(input, options).inspect_err(|_| buckets.abort())?;
        buckets.course.finish()
    })
}

struct Buckets<'c> {
    service: &'c Service,
    flight: Flight<Sent>,
    course: Course<'c>,
    dry_run: bool,
    /// Whether buckets may have objects already.
    merges: bool,
    /// Names of the buckets that the service refuses.
    refused: HashSet<Vec<u8>>,
    /// What was read of the object, or of its part.
    body: Body,
    /// The multipart upload of the current object.
    upload: Option<Upload>,
    /// Whether the current object is not put in its original parts, which was reported.
    is_recut: bool,
    /// Whether the current object is loaded.
    taken: bool,
    /// The path of the current object.
    path: String,
}

impl<'c> Buckets<'c> {
    fn new(service: &'c Service, flight: Flight<Sent>, course: Course<'c>, options: &Options) -> Buckets<'c> {
        Buckets {
            service,
            flight,
            course,
            dry_run: options.dry_run,
            merges: options.merges(),
            refused: HashSet::new(),
            body: Body::default(),
            upload: None,
            is_recut: false,
            taken: false,
            path: String::new(),
        }
    }
}

/// The result of a request.
enum Sent {
    /// An object.
    Object(Known, Put),
    /// A part of the current upload: its ETag.
    Part(String),
}

/// What is known about an object in flight.
struct Known {
    name: String,
    /// The ETag that the service must return; `None`: none is compared.
    etag: Option<String>,
}

/// What happened to an object.
enum Put {
    /// It is stored, with this ETag, if the service returns one.
    Taken(Option<String>),
    /// The service refuses it, and why.
    LeftOut(String),
}

fn path_of(bucket: &[u8], key: &[u8]) -> String {
    format!("/{}/{}", encoded(bucket, false), encoded(key, true))
}

impl Buckets<'_> {
    fn call(&self, method: &'static str, path: &str, query: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        self.service.send(&Request { method, path, query, headers: &[], content: Content::Bytes(body) })
    }

    /// Whether the service takes the bucket.
    fn create(&mut self, bucket: &Bucket<'_>) -> Result<bool> {
        let path = format!("/{}", encoded(bucket.name, false));
        let there = self.call("HEAD", &path, &[], b"")?;
        if there.is_fine() {
            return self.refuse_full(bucket.name, &path).map(|()| true);
        }
        let region = &self.service.region;
        let body = if region == "us-east-1" {
            String::new()
        } else {
            format!(
                "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
            )
        };
        let answer = self.call("PUT", &path, &[], body.as_bytes())?;
        if answer.is_fine() {
            // Some services create a bucket again that is there, and do not let everyone look for it.
            return if there.status == 404 { Ok(true) } else { self.refuse_full(bucket.name, &path).map(|()| true) };
        }
        if matches!(answer.status, 403 | 404) {
            return Err(self.service.refused(&format!("create the bucket {}", bucket.name.escape_ascii()), &answer));
        }
        self.course.left_out(&[bucket.name], answer.words());
        self.refused.insert(bucket.name.to_vec());
        Ok(false)
    }

    /// Sets who may read a bucket. Services can have their own rules for this: then it stays private.
    fn set_acl(&mut self, bucket: &Bucket<'_>) -> Result<()> {
        let acl = bucket.record.acl;
        if matches!(acl, "" | "private") {
            return Ok(());
        }
        let is_known = acl.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        let mut why = "no service has it".to_owned();
        if is_known {
            let path = format!("/{}", encoded(bucket.name, false));
            let (query, headers) = ([("acl", "")], [("x-amz-acl", acl.as_bytes())]);
            let content = Content::Bytes(b"");
            let request = Request { method: "PUT", path: &path, query: &query, headers: &headers, content };
            let answer = self.service.send(&request)?;
            if answer.is_fine() {
                return Ok(());
            }
            why = answer.words();
        }
        self.course.changed(&[bucket.name], format!("its ACL \"{acl}\" is not set: {why}"));
        Ok(())
    }

    /// Refuses a bucket that has objects, or that may have some.
    fn refuse_full(&self, name: &[u8], path: &str) -> Result<()> {
        if self.merges {
            return Ok(());
        }
        let listed = self.call("GET", path, &[("list-type", "2"), ("max-keys", "1")], b"")?;
        let name = name.escape_ascii();
        let error = match listed.is_fine() && listed.text.contains("<ListBucketResult") {
            true if !listed.text.contains("<Key>") => return Ok(()),
            true => self.service.failed(&format!("the bucket {name} is not empty")),
            false => self.service.refused(&format!("list the bucket {name}, which may not be empty"), &listed),
        };
        Err(error.with_remedy(Remedy::Merge))
    }

    /// Begins a multipart upload, if the object had parts.
    fn begin_parts(&mut self, object: &Object<'_>) -> Result<()> {
        self.upload = None;
        self.is_recut = false;
        let names = [&object.key.bucket[..], &object.key.object[..]];
        let parts = match Parts::of(object.manifest) {
            Parts::None => return Ok(()),
            Parts::Joined => {
                self.is_recut = true;
                let how =
                    "it has parts that the service does not accept: it is uploaded in one part, and its ETag changes";
                self.course.changed(&names, how);
                return Ok(());
            }
            Parts::Cut(parts) => {
                self.is_recut = true;
                self.course.changed(&names, "it is uploaded in parts of other sizes, and its ETag changes");
                parts
            }
            Parts::Recorded(parts) => parts,
        };
        let metadata = Metadata::of(object.manifest, |_| ());
        let request = Request {
            method: "POST",
            path: &self.path,
            query: &[("uploads", "")],
            headers: &metadata.headers(),
            content: Content::Bytes(b""),
        };
        let answer = self.service.send(&request)?;
        let id = between(&answer.text, "<UploadId>", "</UploadId>").filter(|_| answer.is_fine());
        let id = id.ok_or_else(|| self.service.refused("begin an upload in parts", &answer))?.to_owned();
        self.upload = Some(Upload::new(id, parts));
        Ok(())
    }

    /// Sends the current part.
    fn send_part(&mut self) -> Result<()> {
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let Some(number) = upload.next_part() else { return Ok(()) };
        let (number, id, path) = (number.to_string(), upload.id.clone(), self.path.clone());
        let body = std::mem::take(&mut self.body);
        self.begin_request(move |service| {
            let answer = body.put(service, &path, &[("partNumber", &number), ("uploadId", &id)], &[])?;
            match &answer.etag {
                Some(etag) if answer.is_fine() => Ok(Sent::Part(etag.clone())),
                _ => Err(service.refused("upload a part", &answer)),
            }
        })
    }

    /// Reports an object as loaded: it is stored, and all objects before it are.
    fn loaded(&mut self, known: &Known, etag: Option<&str>) {
        if let Some(recorded) = known.etag.as_deref().filter(|recorded| etag != Some(*recorded)) {
            let how = format!("its ETag is {}, and not {recorded}", etag.unwrap_or("not told"));
            self.course.changed_named(&known.name, how);
        }
        self.course.stored("objects", 1, &known.name);
    }

    /// What is known about the current object.
    fn known(&self, object: &Object<'_>) -> Known {
        let recorded = object.manifest.etag.trim_matches('"');
        let is_compared = Form::of(recorded) != Form::Other && !self.is_recut;
        let name = self.course.name(&[&object.key.bucket, &object.key.object]);
        Known { name, etag: is_compared.then(|| recorded.to_owned()) }
    }

    /// Completes a multipart upload and returns the ETag, if the service gives it.
    fn complete(&self, upload: &Upload) -> Result<Option<String>> {
        let answer = self.call("POST", &self.path, &[("uploadId", &upload.id)], upload.list().as_bytes())?;
        // An error can follow a status that says success.
        if !answer.is_fine() || answer.text.contains("<Error>") {
            return Err(self.service.refused("complete an upload in parts", &answer));
        }
        let etag = between(&answer.text, "<ETag>", "</ETag>");
        Ok(etag.map(|etag| etag.replace("&quot;", "").replace("&#34;", "").trim_matches('"').to_owned()))
    }

    /// Aborts a multipart upload: its stored parts would cost money, and no list of objects shows them.
    fn abort(&mut self) {
        if let Some(upload) = self.upload.take() {
            // Whatever the service answers, the run ends with the earlier error, or continues without the object.
            let _ = self.call("DELETE", &self.path, &[("uploadId", &upload.id)], b"");
        }
    }

    /// Puts the current object, if the service accepts it.
    fn put(&mut self, object: &Object<'_>) -> Result<()> {
        let (known, metadata) = (self.known(object), Metadata::of(object.manifest, |_| ()));
        let (body, path) = (std::mem::take(&mut self.body), self.path.clone());
        self.begin_request(move |service| {
            let answer = body.put(service, &path, &[], &metadata.headers())?;
            if answer.is_fine() {
                return Ok(Sent::Object(known, Put::Taken(answer.etag)));
            }
            // A 404 of the service itself has a code, for the bucket that is missing. A 404 without a code means that the name does not
            // reach the service.
            let has_no_place = answer.status == 404 && answer.code().is_empty();
            if !has_no_place && !matches!(answer.status, 400 | 413 | 414 | 431) {
                return Err(service.refused(&format!("put {}", known.name), &answer));
            }
            Ok(Sent::Object(known, Put::LeftOut(answer.words())))
        })
    }

    /// Sends the rest of a multipart upload and completes it.
    fn end_parts(&mut self, object: &Object<'_>) -> Result<()> {
        self.send_part()?;
        self.take_all()?;
        let Some(upload) = &self.upload else { return Ok(()) };
        if let Some(how) = upload.difference() {
            self.course.changed(&[&object.key.bucket, &object.key.object], how);
        }
        let etag = self.complete(upload)?;
        self.upload = None;
        let known = self.known(object);
        self.loaded(&known, etag.as_deref());
        Ok(())
    }
}

impl<'c> Target<'c, Sent> for Buckets<'c> {
    fn course(&mut self) -> &mut Course<'c> {
        &mut self.course
    }

    fn flight(&mut self) -> &mut Flight<Sent> {
        &mut self.flight
    }

    fn take(&mut self, sent: Sent) {
        match (sent, &mut self.upload) {
            (Sent::Part(etag), Some(upload)) => upload.done.push(etag),
            (Sent::Part(_), None) => {}
            (Sent::Object(known, Put::Taken(etag)), _) => self.loaded(&known, etag.as_deref()),
            (Sent::Object(known, Put::LeftOut(why)), _) => self.course.left_out_named(&known.name, why),
        }
    }
}

impl Visitor for Buckets<'_> {
    fn begin(&mut self, object: &Object<'_>) -> Result<()> {
        let names = [&object.key.bucket[..], &object.key.object[..]];
        self.body = Body::default();
        self.path = path_of(&object.key.bucket, &object.key.object);
        self.taken = self.course.takes("objects", &names);
        if self.taken && self.refused.contains(&object.key.bucket[..]) {
            self.course.left_out(&names, "its bucket was not taken");
            self.taken = false;
        }
        if self.taken && std::str::from_utf8(&object.key.object).is_err() {
            self.course.left_out(&names, "its name is not UTF-8, as names of S3 must be");
            self.taken = false;
        }
        if !self.taken {
            return Ok(());
        }
        let course = &mut self.course;
        Metadata::of(object.manifest, |name| course.changed(&names, format!("its {name} cannot be sent in a header")));
        if self.dry_run { Ok(()) } else { self.begin_parts(object) }
    }

    fn body(&mut self, mut piece: &[u8]) -> Result<()> {
        if !self.taken {
            return Ok(());
        }
        self.course.sends(piece.len());
        if self.dry_run {
            return Ok(());
        }
        let held = held(self.service.connections);
        let failed = |e| Error::io("write a temporary file in", std::env::temp_dir(), e);
        if let Some(upload) = &mut self.upload {
            upload.len += piece.len() as u64;
        }
        while let Some(size) = self.upload.as_ref().and_then(Upload::size) {
            let missing = usize::try_from(size.saturating_sub(self.body.len)).unwrap_or(usize::MAX);
            if piece.len() < missing {
                break;
            }
            let (now, later) = piece.split_at(missing);
            self.body.push(now, held).map_err(failed)?;
            piece = later;
            self.send_part()?;
            if piece.is_empty() {
                return Ok(());
            }
        }
        self.body.push(piece, held).map_err(failed)
    }

    fn end(&mut self, object: &Object<'_>) -> Result<()> {
        if !self.taken {
            return Ok(());
        }
        match (self.dry_run, self.upload.is_some()) {
            (true, _) => self.course.loaded("objects"),
            (false, true) => self.end_parts(object)?,
            (false, false) => self.put(object)?,
        }
        Ok(())
    }

    fn abandon(&mut self, _: &Object<'_>) -> Result<()> {
        self.body = Body::default();
        if self.upload.is_some() {
            // Its parts in flight are no parts of the next upload, and a service keeps those that arrive after the end of theirs.
            self.take_all()?;
        }
        self.abort();
        Ok(())
    }

    fn orphan_manifest(&mut self, _: &OrphanManifest<'_>) -> Result<()> {
        Ok(())
    }

    fn orphan_chunk(&mut self, _: &OrphanChunk<'_>) -> Result<()> {
        Ok(())
    }
}

impl BucketVisitor for Buckets<'_> {
    fn bucket(&mut self, bucket: &Bucket<'_>) -> Result<()> {
        self.course.meets_scope();
        if !self.dry_run && !self.create(bucket)? {
            return Ok(());
        }
        if !self.dry_run {
            self.set_acl(bucket)?;
        }
        self.course.loaded("buckets");
        Ok(())
    }

    fn upload_row(&mut self, row: &UploadRow<'_>) -> Result<()> {
        if row.family == Family::S3Upload {
            self.course.left_out(&[&row.bucket], "it has an upload that is not finished");
        }
        Ok(())
    }

    fn generation(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}

passes_over!(['c] Buckets<'c>: redis, sqs, dynamodb, fs, added);

#[cfg(test)]
mod tests;
