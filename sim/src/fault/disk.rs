//! How disks misbehave: what befalls an operation on files, how long it takes, and what a loss of power leaves of what was
//! not synced. It keeps no bytes.

use std::ops::Range;
use std::time::Duration;

use super::{checked, draw_duration};
use crate::choice::{Chooser, Site};
use crate::kernel::{Access, DiskFault, Doubtful, Left, SECTOR, sectors};

/// How a host's disk treats its programs. [`DiskFaults::default`] is a kind disk: each operation takes 100 µs and a
/// sync 1 ms, all goes well, and there is room for everything. But when a host crashes, the power is gone, and what was
/// not synced is in doubt also on such a disk: that is what a crash is.
///
/// A scenario changes those of its world in place: [`Sim::disks`](crate::Sim::disks), [`Sim::disk`](crate::Sim::disk).
///
/// A disk works in sectors of 512 bytes. Probabilities are those of one operation, unless something else is said.
///
/// ```
/// use twinloop::fs;
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
///
/// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     sim.client("host", || async {
///         let full = fs::write("/tmp/large", vec![0; 2_000]).await.expect_err("there is no room for it");
///         assert_eq!(full.code(), Some(28));
///         Ok(())
///     });
///     sim.disk("host").capacity(1_000);
/// });
/// assert!(report.verdict.is_passed());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DiskFaults {
    latency: Duration,
    sync_latency: Duration,
    jitter: Duration,
    slow_sync: f64,
    slow_sync_for: Range<Duration>,
    capacity: Option<u64>,
    short_read: f64,
    read_error: f64,
    write_error: f64,
    sync_error: f64,
    read_only: f64,
    latent_error: f64,
    rot: f64,
    misdirected_read: f64,
    misdirected_write: f64,
    lost_write: f64,
    unsynced_lost: f64,
    torn_write: f64,
    names_lost: f64,
    names_out_of_order: bool,
    left_undone: f64,
}

impl Default for DiskFaults {
    fn default() -> Self {
        DiskFaults {
            latency: Duration::from_micros(100),
            sync_latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            slow_sync: 0.0,
            slow_sync_for: Duration::from_millis(100)..Duration::from_secs(5),
            capacity: None,
            short_read: 0.0,
            read_error: 0.0,
            write_error: 0.0,
            sync_error: 0.0,
            read_only: 0.0,
            latent_error: 0.0,
            rot: 0.0,
            misdirected_read: 0.0,
            misdirected_write: 0.0,
            lost_write: 0.0,
            unsynced_lost: 0.5,
            torn_write: 0.5,
            names_lost: 0.5,
            names_out_of_order: false,
            left_undone: 0.0,
        }
    }
}

/// # Time and room
impl DiskFaults {
    /// Each operation takes at least this long.
    pub fn latency(&mut self, least: Duration) -> &mut Self {
        self.latency = least;
        self
    }

    /// Each sync takes at least this long.
    pub fn sync_latency(&mut self, least: Duration) -> &mut Self {
        self.sync_latency = least;
        self
    }

    /// Each operation may take up to this much longer, so that those under way at once are done in any order.
    pub fn jitter(&mut self, most: Duration) -> &mut Self {
        self.jitter = most;
        self
    }

    /// The probability that a sync takes as long as [`slow_sync_for`](DiskFaults::slow_sync_for) says.
    pub fn slow_sync(&mut self, probability: f64) -> &mut Self {
        self.slow_sync = checked(probability);
        self
    }

    /// How long a slow sync takes; 100 ms to 5 s if nothing is said.
    pub fn slow_sync_for(&mut self, range: Range<Duration>) -> &mut Self {
        self.slow_sync_for = range;
        self
    }

    /// For how many bytes there is room, in all files together. What does not fit is written as far as it does, and fails
    /// with `ENOSPC`. Default: no limit.
    pub fn capacity(&mut self, bytes: u64) -> &mut Self {
        self.capacity = Some(bytes);
        self
    }
}

/// # Errors that are told
impl DiskFaults {
    /// The probability that a read gives fewer bytes than there are.
    pub fn short_read(&mut self, probability: f64) -> &mut Self {
        self.short_read = checked(probability);
        self
    }

    /// The probability that a read fails with `EIO`. The next one may succeed.
    pub fn read_error(&mut self, probability: f64) -> &mut Self {
        self.read_error = checked(probability);
        self
    }

    /// The probability that a write fails with `EIO`, and nothing of it is written.
    pub fn write_error(&mut self, probability: f64) -> &mut Self {
        self.write_error = checked(probability);
        self
    }

    /// The probability that a sync fails with `EIO`. As on Linux, what it was to write never reaches the disk, although
    /// programs go on seeing it, and the next sync succeeds.
    pub fn sync_error(&mut self, probability: f64) -> &mut Self {
        self.sync_error = checked(probability);
        self
    }

    /// The probability that a write finds that the system has made the disk read-only: this and every other change fails with
    /// `EROFS` until the host starts again.
    pub fn read_only(&mut self, probability: f64) -> &mut Self {
        self.read_only = checked(probability);
        self
    }

    /// The probability that a read meets a sector that has gone bad: it fails with `EIO`, and so does every other read of
    /// that sector until it is written again. [`Sim::copies`](crate::Sim::copies) bounds it.
    pub fn latent_error(&mut self, probability: f64) -> &mut Self {
        self.latent_error = checked(probability);
        self
    }
}

/// # Errors that nobody tells
impl DiskFaults {
    /// The probability that a bit of what a read gives has flipped, on the disk. [`Sim::copies`](crate::Sim::copies) bounds
    /// it.
    pub fn rot(&mut self, probability: f64) -> &mut Self {
        self.rot = checked(probability);
        self
    }

    /// The probability that a read gives what stands in another place of the file. [`Sim::copies`](crate::Sim::copies)
    /// bounds it.
    pub fn misdirected_read(&mut self, probability: f64) -> &mut Self {
        self.misdirected_read = checked(probability);
        self
    }

    /// The probability that a write goes to another place of the file, where it destroys what was there.
    /// [`Sim::copies`](crate::Sim::copies) bounds it.
    pub fn misdirected_write(&mut self, probability: f64) -> &mut Self {
        self.misdirected_write = checked(probability);
        self
    }

    /// The probability that a write goes nowhere, and no sync knows of that. [`Sim::copies`](crate::Sim::copies) bounds it.
    pub fn lost_write(&mut self, probability: f64) -> &mut Self {
        self.lost_write = checked(probability);
        self
    }
}

/// # When the power goes
impl DiskFaults {
    /// The probability, for each write and each change of a length that was not synced when the host crashed, that it has not
    /// reached the disk. 0.5 if nothing is said. 0: a crash loses no bytes.
    pub fn unsynced_lost(&mut self, probability: f64) -> &mut Self {
        self.unsynced_lost = checked(probability);
        self
    }

    /// The probability that such a write, if it was not lost and has several sectors, has reached the disk in part: the
    /// first few of them, or any. 0.5 if nothing is said.
    pub fn torn_write(&mut self, probability: f64) -> &mut Self {
        self.torn_write = checked(probability);
        self
    }

    /// The probability that not all names that were made, renamed or removed have reached the disk, where their folder was
    /// not synced: some of the last ones are lost. 0.5 if nothing is said. 0: a crash loses no names.
    pub fn names_lost(&mut self, probability: f64) -> &mut Self {
        self.names_lost = checked(probability);
        self
    }

    /// Whether any of the names may be lost, and not the last ones alone. A file system with a journal does not do so; POSIX
    /// allows it.
    pub fn names_out_of_order(&mut self, on: bool) -> &mut Self {
        self.names_out_of_order = on;
        self
    }

    /// The probability that an operation whose future was dropped before its end is not done.
    pub fn left_undone(&mut self, probability: f64) -> &mut Self {
        self.left_undone = checked(probability);
        self
    }

    pub(crate) fn room(&self) -> Option<u64> {
        self.capacity
    }
}

/// One host's disk.
pub(crate) struct DiskRule {
    host: String,
    faults: DiskFaults,
    /// Named when the disk is used first: most hosts have no use for theirs.
    sites: Option<Sites>,
}

/// What draws for a disk.
#[derive(Clone, Copy)]
struct Sites {
    jitter: Site,
    slow_sync: Site,
    short_read: Site,
    read_error: Site,
    write_error: Site,
    sync_error: Site,
    read_only: Site,
    latent_error: Site,
    rot: Site,
    misdirected_read: Site,
    misdirected_write: Site,
    lost_write: Site,
    unsynced_lost: Site,
    torn_write: Site,
    names_lost: Site,
    left_undone: Site,
}

impl Sites {
    fn new(chooser: &mut Chooser, host: &str) -> Sites {
        let mut site = |what: &str| chooser.site(&format!("{host} disk: {what}"));
        Sites {
            jitter: site("jitter"),
            slow_sync: site("slow sync"),
            short_read: site("short read"),
            read_error: site("read error"),
            write_error: site("write error"),
            sync_error: site("sync error"),
            read_only: site("read-only"),
            latent_error: site("latent error"),
            rot: site("rot"),
            misdirected_read: site("misdirected read"),
            misdirected_write: site("misdirected write"),
            lost_write: site("lost write"),
            unsynced_lost: site("unsynced lost"),
            torn_write: site("torn write"),
            names_lost: site("names lost"),
            left_undone: site("left undone"),
        }
    }
}

/// Whether the bytes at a place may be damaged here.
pub(crate) type MayDamage<'a> = &'a dyn Fn(Range<usize>) -> bool;

impl DiskRule {
    pub(crate) fn new(host: &str, faults: DiskFaults) -> DiskRule {
        DiskRule { host: host.to_owned(), faults, sites: None }
    }

    fn sites(&mut self, chooser: &mut Chooser) -> Sites {
        *self.sites.get_or_insert_with(|| Sites::new(chooser, &self.host))
    }

    pub(crate) fn faults(&self) -> &DiskFaults {
        &self.faults
    }

    pub(crate) fn change(&mut self, faults: DiskFaults) {
        self.faults = faults;
    }

    /// How long an operation takes.
    pub(crate) fn draw_latency(&mut self, chooser: &mut Chooser, is_sync: bool) -> Duration {
        let sites = self.sites(chooser);
        let faults = &self.faults;
        let least = if is_sync { faults.sync_latency } else { faults.latency };
        let slow = is_sync && chooser.chance(sites.slow_sync, faults.slow_sync);
        let least = if slow { draw_duration(chooser, sites.slow_sync, &faults.slow_sync_for) } else { least };
        if faults.jitter.is_zero() {
            return least;
        }
        draw_duration(chooser, sites.jitter, &(least..least + faults.jitter))
    }

    /// Whether an operation that nobody waits for is not done.
    pub(crate) fn draw_left_undone(&mut self, chooser: &mut Chooser) -> bool {
        let sites = self.sites(chooser);
        chooser.chance(sites.left_undone, self.faults.left_undone)
    }

    /// What befalls an operation; it is one thing at most.
    pub(crate) fn judge(
        &mut self,
        chooser: &mut Chooser,
        access: &Access,
        may_damage: MayDamage<'_>,
    ) -> Option<DiskFault> {
        let sites = self.sites(chooser);
        match access {
            Access::Sync => {
                chooser.chance(sites.sync_error, self.faults.sync_error).then_some(DiskFault::Refused)
            }
            Access::Read { range, of } if !range.is_empty() => {
                self.judge_read(chooser, range, *of, may_damage)
            }
            Access::Write { range, of } if !range.is_empty() => {
                self.judge_write(chooser, range, *of, may_damage)
            }
            _ => None,
        }
    }

    fn judge_read(
        &mut self,
        chooser: &mut Chooser,
        range: &Range<usize>,
        of: usize,
        may_damage: MayDamage<'_>,
    ) -> Option<DiskFault> {
        let sites = self.sites(chooser);
        let faults = &self.faults;
        if chooser.chance(sites.read_error, faults.read_error) {
            return Some(DiskFault::Refused);
        }
        let may_damage_sector = |sector: &u64| may_damage(bytes_of(*sector, of));
        if chooser.chance(sites.latent_error, faults.latent_error) {
            let sector = draw_sector(chooser, sites.latent_error, range);
            return Some(sector).filter(may_damage_sector).map(DiskFault::Unreadable);
        }
        if chooser.chance(sites.rot, faults.rot) {
            let sector = Some(draw_sector(chooser, sites.rot, range)).filter(may_damage_sector)?;
            let seen = range.start.max(sector as usize * SECTOR)..range.end.min(bytes_of(sector, of).end);
            let at = seen.start + chooser.pick(sites.rot, seen.len());
            let bit = (at - sector as usize * SECTOR) * 8 + chooser.pick(sites.rot, 8);
            return Some(DiskFault::Rotten { sector, bit });
        }
        if chooser.chance(sites.misdirected_read, faults.misdirected_read) && may_damage(range.clone()) {
            let sector = draw_other_sector(chooser, sites.misdirected_read, range, of)?;
            return Some(DiskFault::ReadElsewhere(sector));
        }
        if range.len() > 1 && chooser.chance(sites.short_read, faults.short_read) {
            let cut = 1 + chooser.pick(sites.short_read, range.len() - 1);
            return Some(DiskFault::Short(range.len() - cut));
        }
        None
    }

    fn judge_write(
        &mut self,
        chooser: &mut Chooser,
        range: &Range<usize>,
        of: usize,
        may_damage: MayDamage<'_>,
    ) -> Option<DiskFault> {
        let sites = self.sites(chooser);
        let faults = &self.faults;
        if chooser.chance(sites.read_only, faults.read_only) {
            return Some(DiskFault::ReadOnly);
        }
        if chooser.chance(sites.write_error, faults.write_error) {
            return Some(DiskFault::Refused);
        }
        if chooser.chance(sites.lost_write, faults.lost_write) && may_damage(range.clone()) {
            return Some(DiskFault::WriteLost);
        }
        if chooser.chance(sites.misdirected_write, faults.misdirected_write) && may_damage(range.clone()) {
            let sector = draw_other_sector(chooser, sites.misdirected_write, range, of)?;
            let start = sector as usize * SECTOR;
            let hit = start..start + range.len();
            return may_damage(hit).then_some(DiskFault::WrittenElsewhere(sector));
        }
        None
    }

    /// Which of `count` changes of names a loss of power undoes, the oldest first.
    pub(crate) fn draw_names_lost(&mut self, chooser: &mut Chooser, count: usize) -> Vec<bool> {
        let site = self.sites(chooser).names_lost;
        if !chooser.chance(site, self.faults.names_lost) {
            return vec![false; count];
        }
        if self.faults.names_out_of_order {
            return (0..count).map(|_| chooser.pick(site, 2) == 1).collect();
        }
        let kept = count - 1 - chooser.pick(site, count);
        (0..count).map(|change| change >= kept).collect()
    }

    /// What a loss of power leaves of something that was not synced.
    pub(crate) fn draw_left(&mut self, chooser: &mut Chooser, doubtful: &Doubtful) -> Left {
        let sites = self.sites(chooser);
        if chooser.chance(sites.unsynced_lost, self.faults.unsynced_lost) {
            return Left::Nothing;
        }
        match *doubtful {
            Doubtful::Write { sectors }
                if sectors > 1 && chooser.chance(sites.torn_write, self.faults.torn_write) =>
            {
                Left::Sectors(self.draw_torn(chooser, sectors))
            }
            _ => Left::All,
        }
    }

    /// The first few sectors, all but the last if nothing else is drawn; or any of them.
    fn draw_torn(&mut self, chooser: &mut Chooser, sectors: usize) -> Vec<bool> {
        let site = self.sites(chooser).torn_write;
        if chooser.pick(site, 2) == 1 {
            return (0..sectors).map(|_| chooser.pick(site, 2) == 0).collect();
        }
        let kept = sectors - 1 - chooser.pick(site, sectors - 1);
        (0..sectors).map(|sector| sector < kept).collect()
    }
}

/// What a file of `length` bytes has in a sector.
fn bytes_of(sector: u64, length: usize) -> Range<usize> {
    let start = sector as usize * SECTOR;
    start..length.min(start + SECTOR)
}

fn draw_sector(chooser: &mut Chooser, site: Site, range: &Range<usize>) -> u64 {
    let sectors = sectors(range.clone());
    sectors.start + chooser.pick(site, (sectors.end - sectors.start) as usize) as u64
}

/// A sector of the file in which `range` does not begin, if there is one.
fn draw_other_sector(chooser: &mut Chooser, site: Site, range: &Range<usize>, of: usize) -> Option<u64> {
    let own = (range.start / SECTOR) as u64;
    let others: Vec<u64> = sectors(0..of).filter(|sector| *sector != own).collect();
    if others.is_empty() { None } else { Some(others[chooser.pick(site, others.len())]) }
}
