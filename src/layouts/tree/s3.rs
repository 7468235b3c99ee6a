//! S3 as a tree (`docs/format/s3.md` §5): a sidecar next to each body.
//!
//! | path below `s3/BUCKET/` | content | when |
//! |---|---|---|
//! | NAME`.elastickv-meta.json` | the manifest's data about the object in NAME | always |
//! | `KEYMAP.jsonl` | names that are not the key | if there are any |

use crate::error::Result;
use crate::layouts::s3::names::META_SUFFIX;
use crate::layouts::s3::paths::KEYMAP;
use crate::layouts::s3::{Body, Describe, folder, render};
use crate::model::s3::Object;
use crate::output::split::SplitOutput;

/// Writes sidecars.
#[derive(Default)]
pub(crate) struct Sidecars {
    text: Vec<u8>,
    name: Vec<u8>,
}

impl Describe for Sidecars {
    fn object(&mut self, object: &Object<'_>, body: &Body<'_>, out: &mut SplitOutput<'_>) -> Result<()> {
        self.text.clear();
        render::sidecar(object.manifest, &mut self.text);
        self.name.clear();
        self.name.extend_from_slice(body.file);
        self.name.extend_from_slice(META_SUFFIX.as_bytes());
        out.put(body.dir, &self.name, &self.text)?;
        if body.name.keymap_kind().is_some() {
            let lines = out.lines(&format!("{}/{KEYMAP}", folder(&object.key.bucket)));
            render::keymap_line(&object.key.object, body.name, lines);
        }
        Ok(())
    }

    fn indexed(self) -> Vec<Vec<u8>> {
        Vec::new()
    }
}
