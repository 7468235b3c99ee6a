//! Plans the place of each file in the output. The thread that walks plans, batch by batch; other threads write.

use super::above::Above;
use super::findings;
use super::names::{self, Names};
use super::paths::Paths;
use super::places::{Named, Places, Within, is_long};
use crate::error::Result;
use crate::model::fs::{Found, Name, Node, Reference, Subject, Visitor};
use crate::report::{self, Finding, Findings, Value};
use crate::run::Scratch;

/// Maximum number of files and directories in a batch; and the bytes that end one.
const MOST_PLANNED: usize = 256;
const MOST_BYTES: u64 = 4 << 20;

/// A file or directory to write.
pub struct Planned {
    /// What it is.
    pub node: Node,
    /// Its names from the root.
    pub named: Named,
    /// The directory that it is in, if its line needs it, and its name there if the path does not show it.
    pub within: Option<Within>,
    /// Its place.
    pub tree: Vec<u8>,
    /// Kind of its KEYMAP line, and the name that the line is for.
    pub keymap: Option<(&'static str, Vec<u8>)>,
    /// The place of its data, if this is a further name.
    pub link: Option<Vec<u8>>,
    /// Its anomalies.
    pub notes: Vec<&'static report::Kind>,
    /// The key that represents its path if that is not written completely, if objects are reported.
    pub key: Option<Vec<u8>>,
}

impl Planned {
    /// Its path, or its place: to name it in a finding.
    fn shown(&self) -> &[u8] {
        if let Named::Whole(path) = &self.named { path } else { &self.tree }
    }

    /// Whether something exists at its place. On disk a further name of a file has nothing of its own; neither has one in an archive that
    /// is placed apart, by the number of the file.
    pub fn has_place(&self, names: Names) -> bool {
        self.link.as_ref().is_none_or(|link| names.raw && *link != self.tree)
    }

    /// A finding about it.
    pub fn finding(&self, kind: &'static report::Kind) -> Finding {
        Finding::new(kind).with("path", self.shown()).with("inode", Value::Exact(self.node.number))
    }
}

/// What one task writes.
#[derive(Default)]
pub struct Batch {
    /// In the order of the output.
    pub planned: Vec<Planned>,
    /// Findings on the way to them.
    pub findings: Findings,
}

/// Plans.
pub struct Plan<'p> {
    places: Places,
    /// The first places of what can be met again.
    paths: Paths<'p>,
    /// If objects are reported: the directories above the last planned one.
    above: Option<Above>,
    /// Whether each line has its directory.
    for_restore: bool,
    batch: Batch,
    /// Approximate bytes of the batch, and the bytes that end one.
    bytes: u64,
    most_bytes: u64,
}

impl<'p> Plan<'p> {
    /// An empty plan. `told`: whether objects are reported; `for_restore`: whether each line has its directory; a batch has about
    /// `task_size` bytes at most.
    pub fn new(names: Names, scratch: &'p dyn Scratch, told: bool, for_restore: bool, task_size: usize) -> Self {
        let (places, paths, above) = (Places::new(names), Paths::new(scratch), told.then(Above::default));
        let most_bytes = MOST_BYTES.min(task_size as u64);
        Plan { places, paths, above, for_restore, batch: Batch::default(), bytes: 0, most_bytes }
    }

    /// Whether more fits into the batch.
    pub fn has_room(&self) -> bool {
        self.batch.planned.len() < MOST_PLANNED && self.bytes < self.most_bytes
    }

    /// Takes the batch, with the other findings; `None`: it is empty.
    pub fn take(&mut self, findings: Findings) -> Option<Batch> {
        self.bytes = 0;
        let mut batch = std::mem::take(&mut self.batch);
        batch.findings.merge(findings);
        Some(batch).filter(|batch| !batch.planned.is_empty() || batch.findings.iter().next().is_some())
    }

    /// Plans something that was not met before, which gets its own file or directory.
    fn first(&self, found: &Found<'_>) -> Planned {
        let placed = self.places.place(found);
        let keymap = match found.name {
            Name::Entry { name, .. } => placed.keymap.map(|kind| (kind, name.to_vec())),
            Name::Root | Name::Lost | Name::Deleted => None,
        };
        let mut notes = found.notes.to_vec();
        if placed.apart {
            notes.insert(0, &findings::APART);
        }
        let (named, within) = self.named(found);
        Planned { node: found.node, named, within, tree: placed.path, keymap, link: None, notes, key: None }
    }

    fn named(&self, found: &Found<'_>) -> (Named, Option<Within>) {
        let named = self.places.named(&found.name);
        let within = if self.for_restore { self.places.within(&found.name, &named) } else { None };
        (named, within)
    }

    fn add(&mut self, mut planned: Planned) {
        if let Some(above) = &mut self.above {
            let Node { number, inode } = &planned.node;
            match &planned.named {
                Named::Whole(path) => above.whole(path, *number, inode.kind.is_dir()),
                Named::Below(parent, name) => planned.key = above.below(*parent, name, *number, inode.kind.is_dir()),
                Named::Nowhere => {}
            }
        }
        if planned.notes.contains(&&findings::APART) {
            self.batch.findings.add(planned.finding(&findings::APART));
        }
        let size = planned.node.inode.size.min(MOST_BYTES);
        self.bytes += size + (planned.shown().len() + planned.tree.len()) as u64;
        self.batch.planned.push(planned);
    }
}

impl Visitor for Plan<'_> {
    fn enter(&mut self, directory: &Found<'_>, wanted: bool) {
        let planned = self.first(directory);
        self.places.enter(directory.node.number, &directory.name, &planned.tree, wanted);
        if wanted {
            self.add(planned);
        }
    }

    fn enter_unreachable(&mut self, number: u64) {
        self.places.enter(number, &Name::Lost, &names::unreachable(number), true);
    }

    fn leave(&mut self) {
        self.places.leave();
    }

    fn file(&mut self, file: &Found<'_>) {
        let planned = self.first(file);
        self.add(planned);
    }

    fn further_name(&mut self, file: &Found<'_>, first: Reference) -> Result<()> {
        let ((named, within), tree) = (self.named(file), self.places.place(file).path);
        let (link, notes) = (Some(self.paths.get(first)?), file.notes.to_vec());
        self.add(Planned { node: file.node, named, within, tree, keymap: None, link, notes, key: None });
        Ok(())
    }

    fn refer(&mut self, found: &Found<'_>) -> Result<Reference> {
        self.paths.add(&self.places.place(found).path)
    }

    fn path_of(&self, subject: &Subject<'_>) -> Result<Vec<u8>> {
        let told = |path: Option<&[u8]>| path.filter(|path| !is_long(path)).map(<[u8]>::to_vec);
        Ok(match *subject {
            Subject::Found(found) => match self.places.named(&found.name) {
                Named::Whole(path) => path,
                Named::Below(..) | Named::Nowhere => self.places.place(found).path,
            },
            Subject::Entry { name, path } => {
                told(path).unwrap_or_else(|| [self.places.directory(), b"/", name].concat())
            }
            Subject::Directory(path) => told(path).unwrap_or_else(|| self.places.directory().to_vec()),
            Subject::Reference(first) => self.paths.get(first)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::fs::Inode;
    use crate::run::scratch::Anywhere;

    /// A finding names its subject by the path from the root, or by its place if there is no path, or only a very long one.
    #[test]
    fn findings_name_their_subjects() {
        let mut plan = Plan::new(Names { raw: false }, &Anywhere, false, false, 1);
        let found = |name| Found { node: Node { number: 7, inode: Inode::default() }, name, notes: &[] };
        let long = [b'a'; 5000];
        let shown = |plan: &Plan<'_>, subject| String::from_utf8(plan.path_of(&subject).unwrap()).unwrap();
        plan.enter(&found(Name::Root), true);
        assert_eq!(shown(&plan, Subject::Directory(Some(b""))), "");
        plan.enter(&found(Name::Entry { name: b"d", path: Some(b"d") }), true);
        for (path, directory, name) in [
            (Some(&b"d"[..]), "d", "d"),
            (Some(&long), "fs/tree/d", "fs/tree/d/a b"),
            (None, "fs/tree/d", "fs/tree/d/a b"),
        ] {
            assert_eq!(shown(&plan, Subject::Directory(path)), directory);
            assert_eq!(shown(&plan, Subject::Entry { name: b"a b", path }), name);
        }
        plan.enter_unreachable(9);
        assert_eq!(shown(&plan, Subject::Directory(None)), "fs/lost+found/9.dir");
        let file = found(Name::Entry { name: b"a b", path: None });
        let place = "fs/lost+found/9.dir/a%20b";
        assert_eq!(shown(&plan, Subject::Found(&file)), place);
        let first = plan.refer(&file).unwrap();
        plan.leave();
        assert_eq!(shown(&plan, Subject::Reference(first)), place);
        assert_eq!(shown(&plan, Subject::Found(&found(Name::Entry { name: b"x", path: Some(b"d/x") }))), "d/x");
    }

    #[test]
    fn a_further_name_has_no_file_of_its_own() {
        let mut plan = Plan::new(Names { raw: false }, &Anywhere, false, false, 1);
        let node = Node { number: 7, inode: Inode::default() };
        let found = |name| Found { node, name: Name::Entry { name, path: Some(name) }, notes: &[] };
        plan.enter(&Found { name: Name::Root, ..found(b"") }, true);
        let long = [b'n'; 241];
        let first = plan.refer(&found(b"a")).unwrap();
        plan.file(&found(b"a"));
        plan.further_name(&found(&long), first).unwrap();
        plan.file(&found(&long));
        let batch = plan.take(Findings::default()).unwrap();
        let links: Vec<_> = batch.planned.iter().map(|planned| planned.link.as_deref()).collect();
        assert_eq!(links, [None, None, Some(&b"fs/tree/a"[..]), None]);
        let keymaps: Vec<_> = batch.planned.iter().map(|planned| planned.keymap.is_some()).collect();
        assert_eq!(keymaps, [false, false, false, true]);
        assert!(plan.take(Findings::default()).is_none());
    }
}
