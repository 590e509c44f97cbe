//! Names and folders: which file is found by which path, and which of the changes to that a loss of power may undo. It knows
//! nothing of what is in a file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, is_separator};
use std::rc::Rc;

use twinloop::driver::OsError;

use super::contents::{Contents, Space};
use crate::kernel::errno::{
    EACCES, EBUSY, EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EXDEV,
};

/// The folders that every host has.
const FOLDERS: [&str; 12] = [
    "/dev", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/var/lib", "/var/log",
    "/var/tmp",
];
/// Where the kernel makes up what is read.
const MADE_UP: &str = "/proc/self";
/// The longest name, and the longest path (`NAME_MAX`, `PATH_MAX`).
const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4096;
/// How many changes of names may wait for a sync. Of more, the oldest reach the disk by themselves.
const CHANGES_MAX: usize = 4096;

pub(super) type Node = Rc<Inode>;

/// A file or a folder, whatever its names are.
pub(super) struct Inode {
    number: u64,
    /// It is the kernel's own: programs read it and do not change it.
    made_up: bool,
    what: What,
}

enum What {
    File(RefCell<Contents>),
    Folder(RefCell<BTreeMap<OsString, Node>>),
}

pub(super) struct Tree {
    root: Node,
    space: Rc<Space>,
    next_number: u64,
    /// What the disk does not have yet, the oldest first.
    unsynced: Vec<Change>,
}

/// A change that is done whole or not at all.
struct Change {
    slots: Vec<Slot>,
}

/// A name that has changed, and what it stood for before.
struct Slot {
    folder: Node,
    name: OsString,
    before: Option<Node>,
}

/// Where a path ends: in a folder, at a name, unless the path is that of a folder alone, as `/`, `.` and `..` are.
struct End {
    folder: Node,
    name: Option<OsString>,
    /// It ends in a dot.
    is_dot: bool,
    /// The path ends in a slash: what has the name is meant as a folder.
    as_folder: bool,
}

impl Tree {
    pub(super) fn new(space: &Rc<Space>) -> Tree {
        let root = Rc::new(Inode { number: 0, made_up: false, what: What::Folder(RefCell::default()) });
        let mut tree = Tree { root, space: Rc::clone(space), next_number: 1, unsynced: Vec::new() };
        for folder in FOLDERS {
            tree.put_folder(Path::new(folder), false);
        }
        tree.put_folder(Path::new(MADE_UP), true);
        tree
    }

    /// Puts a file there as if someone had done so before.
    pub(super) fn put_file(&mut self, path: &Path, contents: Vec<u8>) {
        let folder = self.put_folder(path.parent().expect("a file has a folder"), false);
        let name = path.file_name().expect("a file has a name").to_owned();
        // What the kernel makes up takes no room.
        let space = if folder.made_up { Rc::default() } else { Rc::clone(&self.space) };
        let contents = Contents::on_disk(&space, contents);
        let file = self.node(folder.made_up, What::File(RefCell::new(contents)));
        folder.names().insert(name, file);
    }

    fn put_folder(&mut self, path: &Path, made_up: bool) -> Node {
        let mut folder = Rc::clone(&self.root);
        for name in parts(path).map(OsString::from) {
            let there = folder.names().get(&name).cloned();
            let next = there.unwrap_or_else(|| {
                let made_up = made_up || folder.made_up;
                let new = self.node(made_up, What::Folder(RefCell::default()));
                folder.names().insert(name, Rc::clone(&new));
                new
            });
            folder = next;
        }
        folder
    }

    fn node(&mut self, made_up: bool, what: What) -> Node {
        let number = self.next_number;
        self.next_number += 1;
        Rc::new(Inode { number, made_up, what })
    }

    /// What has the path.
    pub(super) fn find(&self, path: &Path) -> Result<Node, OsError> {
        let end = self.end(path)?;
        match end.there()? {
            Some(node) if end.as_folder && !node.is_folder() => Err(ENOTDIR),
            Some(node) => Ok(node),
            None => Err(ENOENT),
        }
    }

    pub(super) fn find_folder(&self, path: &Path) -> Result<Node, OsError> {
        self.find(path).and_then(|node| if node.is_folder() { Ok(node) } else { Err(ENOTDIR) })
    }

    /// The file that has the path, which is made if there is none.
    pub(super) fn find_or_create(&mut self, path: &Path, new: bool) -> Result<Node, OsError> {
        let end = self.end(path)?;
        if end.as_folder && end.name.is_some() {
            // No matter what is there (`open_last_lookups`).
            return Err(EISDIR);
        }
        match (end.there()?, &end.name) {
            (Some(_), _) if new => Err(EEXIST),
            (Some(node), _) if node.is_folder() => Err(EISDIR),
            (Some(node), _) => Ok(node),
            (None, _) if end.folder.made_up => Err(ENOENT),
            (None, Some(name)) => {
                let file = self.node(false, What::File(RefCell::new(Contents::new(&self.space))));
                self.change([(&end.folder, name, Some(Rc::clone(&file)))]);
                Ok(file)
            }
            (None, None) => unreachable!("a path without a name is that of a folder, which is there"),
        }
    }

    pub(super) fn create_folder(&mut self, path: &Path) -> Result<(), OsError> {
        let end = self.end(path)?;
        let Some(name) = end.free_name()? else { return Err(EEXIST) };
        let folder = self.node(false, What::Folder(RefCell::default()));
        self.change([(&end.folder, name, Some(folder))]);
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> Result<(), OsError> {
        let end = self.end(path)?;
        let node = end.there()?.ok_or(ENOENT)?;
        match &end.name {
            Some(_) if node.made_up && !node.is_folder() => Err(EPERM),
            Some(_) if end.as_folder && !node.is_folder() => Err(ENOTDIR),
            Some(name) if !node.is_folder() => {
                self.change([(&end.folder, name, None)]);
                Ok(())
            }
            _ => Err(EISDIR),
        }
    }

    pub(super) fn remove_folder(&mut self, path: &Path) -> Result<(), OsError> {
        let end = self.end(path)?;
        let node = end.there()?.ok_or(ENOENT)?;
        match &end.name {
            None if end.is_dot => Err(EINVAL),
            None => Err(if Rc::ptr_eq(&node, &self.root) { EBUSY } else { ENOTEMPTY }),
            Some(_) if !node.is_folder() => Err(ENOTDIR),
            Some(_) if node.made_up => Err(EPERM),
            Some(_) if !node.names().is_empty() => Err(ENOTEMPTY),
            Some(name) => {
                self.change([(&end.folder, name, None)]);
                Ok(())
            }
        }
    }

    pub(super) fn hard_link(&mut self, from: &Path, to: &Path) -> Result<(), OsError> {
        let node = self.find(from)?;
        let end = self.end(to)?;
        let Some(name) = end.free_name()? else { return Err(EEXIST) };
        if end.as_folder {
            return Err(ENOENT);
        }
        if node.made_up != end.folder.made_up {
            return Err(EXDEV);
        }
        if node.is_folder() || node.made_up {
            return Err(EPERM);
        }
        self.change([(&end.folder, name, Some(node))]);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> Result<(), OsError> {
        let (old, new) = (self.end(from)?, self.end(to)?);
        if old.folder.made_up != new.folder.made_up {
            return Err(EXDEV);
        }
        let (Some(old_name), Some(new_name)) = (&old.name, &new.name) else { return Err(EBUSY) };
        let node = old.there()?.ok_or(ENOENT)?;
        let replaced = new.there()?;
        if node.made_up {
            return Err(EPERM);
        }
        if !node.is_folder() && (old.as_folder || new.as_folder) {
            return Err(ENOTDIR);
        }
        if node.is_folder() && self.is_within(&new.folder, to, &node) {
            return Err(EINVAL);
        }
        if let Some(replaced) = replaced {
            if replaced.is_folder() && self.is_within(&old.folder, from, &replaced) {
                return Err(ENOTEMPTY);
            }
            if Rc::ptr_eq(&replaced, &node) {
                return Ok(());
            }
            node.may_replace(&replaced)?;
        }
        self.change([(&old.folder, old_name, None), (&new.folder, new_name, Some(node))]);
        Ok(())
    }

    /// Whether `folder`, to which `path` leads, is `node` or below it.
    fn is_within(&self, folder: &Node, path: &Path, node: &Node) -> bool {
        let above = path.ancestors().skip(1).filter_map(|above| self.find(above).ok());
        Rc::ptr_eq(folder, node) || above.into_iter().any(|above| Rc::ptr_eq(&above, node))
    }

    /// The names in `folder` survive from now on: its own changes, and those before on which they build.
    pub(super) fn sync(&mut self, folder: &Node) {
        let mut names: Vec<(u64, OsString)> = Vec::new();
        let mut at = self.unsynced.len();
        while at > 0 {
            at -= 1;
            let concerns = |slot: &Slot| Rc::ptr_eq(&slot.folder, folder) || names.contains(&slot.key());
            if self.unsynced[at].slots.iter().any(concerns) {
                names.extend(self.unsynced.remove(at).slots.iter().map(Slot::key));
            }
        }
    }

    /// All names survive from now on.
    pub(super) fn sync_all(&mut self) {
        self.unsynced.clear();
    }

    /// The power is gone. `lost` says which of so many changes, the oldest first, the disk has not got; what builds on such a
    /// one is lost as well.
    pub(super) fn lose_power(&mut self, lost: &mut dyn FnMut(usize) -> Vec<bool>) {
        if self.unsynced.is_empty() {
            return;
        }
        let unsynced = std::mem::take(&mut self.unsynced);
        let mut names: Vec<(u64, OsString)> = Vec::new();
        let mut undone = Vec::new();
        for (change, is_lost) in unsynced.iter().zip(lost(unsynced.len())) {
            if is_lost || change.slots.iter().any(|slot| names.contains(&slot.key())) {
                names.extend(change.slots.iter().map(Slot::key));
                undone.push(change);
            }
        }
        for slot in undone.into_iter().rev().flat_map(|change| change.slots.iter().rev()) {
            slot.folder.set(&slot.name, slot.before.clone());
        }
    }

    /// Calls `visit` with each file that has a name, once for each.
    pub(super) fn each_file(&self, visit: &mut dyn FnMut(&Path, &RefCell<Contents>)) {
        let mut seen = std::collections::BTreeSet::new();
        let mut left = vec![(std::path::PathBuf::from("/"), Rc::clone(&self.root))];
        while let Some((path, node)) = left.pop() {
            match &node.what {
                What::File(contents) if seen.insert(node.number) => visit(&path, contents),
                What::File(_) => {}
                What::Folder(names) => {
                    let below = names.borrow();
                    left.extend(below.iter().rev().map(|(name, node)| (path.join(name), Rc::clone(node))));
                }
            }
        }
    }

    /// Has names stand for something else, all in one.
    fn change<const N: usize>(&mut self, changes: [(&Node, &OsString, Option<Node>); N]) {
        let slots = changes.map(|(folder, name, now)| Slot {
            folder: Rc::clone(folder),
            name: name.clone(),
            before: folder.set(name, now),
        });
        self.unsynced.push(Change { slots: slots.into() });
        if self.unsynced.len() > CHANGES_MAX {
            self.unsynced.remove(0);
        }
    }

    /// Goes from folder to folder. There are no links, so that `..` leads to where one came from.
    fn end(&self, path: &Path) -> Result<End, OsError> {
        let bytes = path.as_os_str().as_encoded_bytes();
        if bytes.is_empty() {
            return Err(ENOENT);
        }
        if bytes.len() >= PATH_MAX {
            return Err(ENAMETOOLONG);
        }
        let mut way = vec![Rc::clone(&self.root)];
        let mut name: Option<OsString> = None;
        let mut is_dot = false;
        for part in parts(path) {
            if let Some(name) = name.take() {
                let folder = way.last().expect("it begins at the root");
                let next = folder.look_up(&name)?.ok_or(ENOENT)?;
                if !next.is_folder() {
                    return Err(ENOTDIR);
                }
                way.push(next);
            }
            is_dot = part == ".";
            match part.as_str() {
                "." => {}
                ".." => way.truncate((way.len() - 1).max(1)),
                _ => name = Some(part.into()),
            }
        }
        let folder = way.pop().expect("it begins at the root");
        Ok(End { folder, name, is_dot, as_folder: bytes.ends_with(b"/") })
    }
}

impl End {
    /// What is there.
    fn there(&self) -> Result<Option<Node>, OsError> {
        match &self.name {
            None => Ok(Some(Rc::clone(&self.folder))),
            Some(name) => self.folder.look_up(name),
        }
    }

    /// The name, if something may be given it.
    fn free_name(&self) -> Result<Option<&OsString>, OsError> {
        match (&self.name, self.there()?) {
            (Some(_), None) if self.folder.made_up => Err(ENOENT),
            (Some(name), None) => Ok(Some(name)),
            (_, Some(_)) => Ok(None),
            (None, None) => unreachable!("a path without a name is that of a folder, which is there"),
        }
    }
}

impl Slot {
    fn key(&self) -> (u64, OsString) {
        (self.folder.number, self.name.clone())
    }
}

impl Inode {
    pub(super) fn is_folder(&self) -> bool {
        matches!(self.what, What::Folder(_))
    }

    pub(super) fn is_made_up(&self) -> bool {
        self.made_up
    }

    /// `EISDIR` for a folder.
    pub(super) fn contents(&self) -> Result<&RefCell<Contents>, OsError> {
        match &self.what {
            What::File(contents) => Ok(contents),
            What::Folder(_) => Err(EISDIR),
        }
    }

    /// The names in a folder, and whether each is that of a folder.
    pub(super) fn listed(&self) -> Vec<(OsString, bool)> {
        self.names().iter().map(|(name, node)| (name.clone(), node.is_folder())).collect()
    }

    /// What is opened to be written.
    pub(super) fn to_write(&self) -> Result<(), OsError> {
        match self.what {
            What::Folder(_) => Err(EISDIR),
            What::File(_) if self.made_up => Err(EACCES),
            What::File(_) => Ok(()),
        }
    }

    fn names(&self) -> std::cell::RefMut<'_, BTreeMap<OsString, Node>> {
        match &self.what {
            What::Folder(names) => names.borrow_mut(),
            What::File(_) => unreachable!("names are looked for in folders"),
        }
    }

    /// What has the name in a folder. A name that is too long for any file system is told here and not earlier.
    fn look_up(&self, name: &OsStr) -> Result<Option<Node>, OsError> {
        if name.len() > NAME_MAX { Err(ENAMETOOLONG) } else { Ok(self.names().get(name).cloned()) }
    }

    fn set(&self, name: &OsStr, node: Option<Node>) -> Option<Node> {
        match node {
            Some(node) => self.names().insert(name.to_owned(), node),
            None => self.names().remove(name),
        }
    }

    fn may_replace(&self, other: &Inode) -> Result<(), OsError> {
        match (self.is_folder(), other.is_folder()) {
            (true, false) => Err(ENOTDIR),
            (false, true) => Err(EISDIR),
            (true, true) if !other.names().is_empty() => Err(ENOTEMPTY),
            _ => Ok(()),
        }
    }
}

/// The parts of a path as Linux sees them, to which a dot at the end means something. A path need not be text, and on the
/// system that the simulation runs on it may begin with a drive.
fn parts(path: &Path) -> impl Iterator<Item = String> {
    let drives = path.components().filter(|part| matches!(part, Component::Prefix(_))).count();
    let text = path.to_string_lossy().into_owned();
    let parts: Vec<String> = text.split(is_separator).skip(drives).map(str::to_owned).collect();
    parts.into_iter().filter(|part| !part.is_empty())
}
