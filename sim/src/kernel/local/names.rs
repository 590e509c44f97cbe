//! The names of Unix sockets and FIFOs: paths, which survive a crash, and abstract names, which do not.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use twinloop::driver::{Fd, OsError, UnixAddress};
use twinloop::table::Key;

use crate::kernel::Kernel;
use crate::kernel::errno::{EADDRINUSE, ECONNREFUSED, EINVAL, ENOENT};
use crate::kernel::files::absolute;

#[derive(Default)]
pub(super) struct Names {
    paths: BTreeMap<PathBuf, Node>,
    abstract_names: BTreeMap<Vec<u8>, Key>,
}

/// What stands at a path.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Node {
    /// A socket, by its descriptor's key. If that one is gone, the path is stale.
    Socket(Key),
    /// A FIFO, and the pipe behind it since someone opened it last.
    Fifo(Option<Key>),
}

impl Names {
    /// What is left when the power is gone: the disk.
    pub(super) fn after_crash(self) -> Names {
        Names { paths: self.paths, abstract_names: BTreeMap::new() }
    }

    pub(super) fn node(&self, path: &Path) -> Option<Node> {
        self.paths.get(path).copied()
    }

    /// The first path of the FIFO with this pipe behind it.
    pub(super) fn path_of_fifo(&self, pipe: Key) -> Option<&Path> {
        let mut nodes = self.paths.iter();
        nodes.find(|(_, node)| **node == Node::Fifo(Some(pipe))).map(|(path, _)| path.as_path())
    }

    pub(super) fn put(&mut self, path: PathBuf, node: Node) {
        self.paths.insert(path, node);
    }

    pub(super) fn remove(&mut self, path: &Path) -> Option<Node> {
        self.paths.remove(path)
    }
}

/// The path of a name, which need not be text on the system that the simulation runs on.
fn path_of(address: &UnixAddress) -> Option<PathBuf> {
    address.path_bytes().map(|bytes| absolute(Path::new(OsStr::new(&*String::from_utf8_lossy(bytes)))))
}

impl Kernel {
    /// Refuses a name that is in use (bind(2)), unless it is stale and is to be replaced.
    pub(super) fn claim_name(&mut self, address: &UnixAddress, replace_stale: bool) -> Result<(), OsError> {
        if let Some(name) = address.abstract_name() {
            let is_used = self.locals.names.abstract_names.contains_key(name);
            return if is_used { Err(EADDRINUSE) } else { Ok(()) };
        }
        let path = path_of(address).ok_or(EINVAL)?;
        match self.locals.names.node(&path) {
            Some(Node::Socket(key)) if replace_stale && self.sockets.get(key).is_none() => Ok(()),
            Some(_) => Err(EADDRINUSE),
            None if self.files.is_there(&path) => Err(EADDRINUSE),
            None => Ok(()),
        }
    }

    /// Has a claimed name lead to `fd`.
    pub(super) fn name(&mut self, fd: Fd, address: &UnixAddress) {
        let names = &mut self.locals.names;
        if let Some(name) = address.abstract_name() {
            names.abstract_names.insert(name.to_vec(), fd.key());
        } else if let Some(path) = path_of(address) {
            names.put(path, Node::Socket(fd.key()));
        }
    }

    /// The descriptor closes: its name goes along, unless it leads to another one (R147), as that of an accepted stream
    /// does, and a path that was removed and taken by someone else.
    pub(super) fn unname(&mut self, fd: Fd, address: &UnixAddress) {
        let names = &mut self.locals.names;
        if let Some(name) = address.abstract_name() {
            if names.abstract_names.get(name) == Some(&fd.key()) {
                names.abstract_names.remove(name);
            }
        } else if let Some(path) = path_of(address) {
            if names.node(&path) == Some(Node::Socket(fd.key())) {
                names.remove(&path);
            }
        }
    }

    /// The open socket of a name (`unix_find_other`).
    pub(super) fn named(&self, address: &UnixAddress) -> Result<Key, OsError> {
        let key = match (address.abstract_name(), path_of(address)) {
            (Some(name), _) => *self.locals.names.abstract_names.get(name).ok_or(ECONNREFUSED)?,
            (None, None) => return Err(EINVAL),
            (None, Some(path)) => match self.locals.names.node(&path) {
                Some(Node::Socket(key)) => key,
                Some(Node::Fifo(_)) => return Err(ECONNREFUSED),
                None if self.files.is_there(&path) => return Err(ECONNREFUSED),
                None => return Err(ENOENT),
            },
        };
        if self.sockets.get(key).is_some() { Ok(key) } else { Err(ECONNREFUSED) }
    }

    /// Removes the path of a socket or FIFO; what is open stays so. Says whether there was one.
    pub(in crate::kernel) fn remove_node(&mut self, path: &Path) -> bool {
        self.locals.names.remove(path).is_some()
    }

    pub(in crate::kernel) fn rename_node(&mut self, from: &Path, to: PathBuf) {
        if let Some(node) = self.locals.names.remove(from) {
            self.locals.names.put(to, node);
        }
    }

    /// The names of sockets and FIFOs in a folder.
    pub(in crate::kernel) fn nodes_in(&self, folder: &Path) -> Vec<OsString> {
        let inside = self.locals.names.paths.keys().filter(|path| path.parent() == Some(folder));
        inside.filter_map(|path| path.file_name()).map(OsStr::to_owned).collect()
    }

    pub(in crate::kernel) fn has_node(&self, path: &Path) -> bool {
        self.locals.names.node(path).is_some()
    }
}
