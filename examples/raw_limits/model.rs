//! A decoded output in memory, to be written again.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::{Answer, Result};

/// Directories, parents first, and their files, by name. MANIFEST.json and CHECKSUMS are not data.
#[derive(PartialEq)]
pub struct Model {
    pub dirs: Vec<PathBuf>,
    pub files: Vec<Entry>,
    data: Vec<u8>,
}

#[derive(PartialEq)]
pub struct Entry {
    pub dir: usize,
    pub name: OsString,
    body: Range<usize>,
}

impl Model {
    pub fn load(root: &Path) -> Result<Model> {
        let mut model = Model { dirs: vec![PathBuf::new()], files: Vec::new(), data: Vec::new() };
        let mut next = 0;
        while next < model.dirs.len() {
            model.load_dir(root, next)?;
            next += 1;
        }
        Ok(model)
    }

    fn load_dir(&mut self, root: &Path, dir: usize) -> Result<()> {
        let path = root.join(&self.dirs[dir]);
        let mut names: Vec<OsString> = fs::read_dir(&path)?.map(|e| Ok(e?.file_name())).collect::<Result<_>>()?;
        names.sort_unstable();
        for name in names {
            let control = dir == 0 && [OsStr::new("MANIFEST.json"), OsStr::new("CHECKSUMS")].contains(&&*name);
            let at = path.join(&name);
            if fs::symlink_metadata(&at)?.is_dir() {
                self.dirs.push(self.dirs[dir].join(name));
            } else if !control {
                let start = self.data.len();
                File::open(&at)?.read_to_end(&mut self.data)?;
                self.files.push(Entry { dir, name, body: start..self.data.len() });
            }
        }
        Ok(())
    }

    pub fn body(&self, file: &Entry) -> &[u8] {
        &self.data[file.body.clone()]
    }

    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    pub fn answer(&self, started: Instant, sum: u64) -> Answer {
        let seconds = started.elapsed().as_secs_f64();
        Answer { seconds, files: self.files.len(), bytes: self.data.len(), sum }
    }
}
