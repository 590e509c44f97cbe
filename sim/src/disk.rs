//! Between the programs' files and the disk: when an operation is done, what befalls it, what a crash leaves, and which hosts
//! may be struck where. The files themselves are the kernel's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use twinloop::driver::{Fd, FileOperation, OsError};
use twinloop::table::Key;

use crate::fabric::{Due, HostIndex};
use crate::fault::Call;
use crate::kernel::{Access, DiskFault, Left};
use crate::record::{fd_number, item};
use crate::state::{Machine, State};
use crate::story::LineKind;

/// The grain of what [`Copies`] protect.
const REGION: usize = 4096;

/// Hosts that keep the same, some of which must keep it.
#[derive(Clone, Debug)]
pub(crate) struct Copies {
    pub(crate) hosts: Vec<HostIndex>,
    /// On how many of them each region stays whole.
    pub(crate) survive: usize,
}

impl Copies {
    /// Whether `host` may be struck in the region. Who is spared is a matter of the seed and the region alone, whatever file
    /// it is in: files are renamed, and a copy may have another name.
    fn may_strike(&self, seed: u64, host: HostIndex, region: usize) -> bool {
        let Some(at) = self.hosts.iter().position(|other| *other == host) else { return true };
        let count = self.hosts.len();
        let first = (mixed(seed ^ mixed(region as u64)) % count as u64) as usize;
        (at + count - first) % count >= self.survive
    }
}

/// SplitMix64's last step: each bit of the answer depends on each of the number.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// What a host's disk has at the end of a run: from [`Sim::disk_of`](crate::Sim::disk_of), for checks.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    files: Rc<RefCell<BTreeMap<PathBuf, Vec<u8>>>>,
}

impl Disk {
    /// All that is in the file at `path`, as the host's programs would read it; `None` if there is no such file, and before
    /// the end of the run.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let from_root: PathBuf = Path::new("/").join(path);
        let plain: PathBuf = from_root.components().filter(|part| *part != Component::CurDir).collect();
        self.files.borrow().get(&plain).cloned()
    }

    pub(crate) fn fill(&self, files: Vec<(PathBuf, Vec<u8>)>) {
        *self.files.borrow_mut() = files.into_iter().collect();
    }
}

impl State {
    /// A program asks for an operation on files: begins the wait for its end.
    pub(crate) fn begin_file(&mut self, host: HostIndex, asked: FileOperation) -> Result<Fd, OsError> {
        let State { now, machines, fabric, chooser, record, .. } = self;
        let Machine { kernel, disk, .. } = &mut machines[host];
        let is_sync = matches!(asked, FileOperation::Sync { .. } | FileOperation::SyncDirectory { .. });
        let (fd, work) = kernel.begin_file(asked)?;
        let latency = disk.draw_latency(chooser, is_sync);
        fabric.schedule(*now + latency, record.stamp(), Due::File { host, work });
        Ok(fd)
    }

    /// An operation on files is done.
    pub(crate) fn finish_file(&mut self, host: HostIndex, work: Key) {
        let State { now, machines, chooser, record, copies, .. } = self;
        let Machine { name, kernel, disk, rule, condition, .. } = &mut machines[host];
        if !kernel.is_under_way(work) {
            return;
        }
        if kernel.is_given_up(work) && disk.draw_left_undone(chooser) {
            record.item(item::DISK_FAULT, *now, host, &[]);
            record.tell(*now, name, LineKind::Fault, || format!("disk: {}: not done", kernel.told(work)));
            record.claim_picks(chooser.drawn());
            return kernel.leave_undone(work);
        }
        let access = kernel.access(work);
        let seed = chooser.seed();
        let may_strike = |range: Range<usize>| may_strike(copies, seed, host, range);
        let fault = match access {
            Access::Open if !rule.may_open(kernel.open_count() + condition.foreign_descriptors, 1) => {
                Some(DiskFault::NoDescriptor)
            }
            Access::Open if rule.draw_error(chooser, Call::Open).is_some() => Some(DiskFault::TableFull),
            _ => disk.judge(chooser, &access, &may_strike),
        };
        if let Some(fault) = fault {
            record.item(item::DISK_FAULT, *now, host, &fault.numbers());
            record.tell(*now, name, LineKind::Fault, || format!("disk: {}: {fault}", kernel.told(work)));
            record.claim_picks(chooser.drawn());
        }
        kernel.limit_space(disk.faults().room());
        let performed = kernel.perform(work, fault);
        record.item(item::FILE, *now, host, &[fd_number(performed.fd), performed.code, performed.count]);
        self.explain_edges(host);
    }

    /// The power goes: what was not synced is in doubt.
    pub(crate) fn lose_unsynced(&mut self, host: HostIndex) {
        let State { now, machines, chooser, record, .. } = self;
        let Machine { name, kernel, disk, .. } = &mut machines[host];
        let mut names = 0;
        kernel.lose_names(&mut |count| {
            let lost = disk.draw_names_lost(chooser, count);
            names = lost.iter().filter(|is_lost| **is_lost).count();
            lost
        });
        let mut losses: BTreeMap<PathBuf, Loss> = BTreeMap::new();
        kernel.lose_contents(&mut |path, doubtful| {
            let left = disk.draw_left(chooser, &doubtful);
            losses.entry(path.to_owned()).or_default().note(&left);
            left
        });
        if names > 0 {
            record.item(item::DISK_LOSS, *now, host, &[names as u64]);
            record.tell(*now, name, LineKind::Fault, || {
                format!("disk: {names} changes of names were not synced and are lost")
            });
        }
        losses.retain(|_, loss| loss.lost + loss.torn > 0);
        for (path, loss) in losses {
            record.item(item::DISK_LOSS, *now, host, &[loss.lost, loss.torn]);
            record.tell(*now, name, LineKind::Fault, || format!("disk: {}: {loss}", path.display()));
            record.claim_picks(chooser.drawn());
        }
    }
}

/// Whether `host` may be struck everywhere in `range`, whoever it keeps copies with.
fn may_strike(copies: &[Copies], seed: u64, host: HostIndex, range: Range<usize>) -> bool {
    let mut regions = range.start / REGION..range.end.div_ceil(REGION);
    regions.all(|region| copies.iter().all(|copies| copies.may_strike(seed, host, region)))
}

/// What a crash has taken of a file.
#[derive(Default)]
struct Loss {
    lost: u64,
    torn: u64,
    of: u64,
}

impl Loss {
    fn note(&mut self, left: &Left) {
        self.of += 1;
        match left {
            Left::All => {}
            Left::Nothing => self.lost += 1,
            Left::Sectors(_) => self.torn += 1,
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of {} unsynced changes, {} are lost and {} torn", self.of, self.lost, self.torn)
    }
}
