//! The bytes of one file: what programs see, what the disk has, and what is on the way between them. It knows no names, and
//! draws no chance: what is lost when the power goes is asked of the caller.
//!
//! A disk writes whole sectors, each of them or none. A sector of which programs see something else than the disk has
//! is `stale`, and what the disk has is kept there. A sync clears that; it is what a failed one leaves that no later
//! sync repairs.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::ops::Range;
use std::rc::Rc;

use twinloop::driver::OsError;

use crate::kernel::errno::{EFBIG, EIO, ENOSPC};

/// What a disk writes at once.
pub(crate) const SECTOR: usize = 512;
/// No file is larger: a simulation keeps its files in memory.
const LENGTH_MAX: u64 = 1 << 30;
/// How much may wait for a sync. Of more, the kernel writes the oldest back by itself.
const UNSYNCED_BYTES_MAX: usize = 4 << 20;
const UNSYNCED_MAX: usize = 4096;

/// How much room a disk has, and how much of it is used.
#[derive(Default)]
pub(super) struct Space {
    used: Cell<u64>,
    capacity: Cell<Option<u64>>,
}

pub(super) struct Contents {
    space: Rc<Space>,
    /// What programs see.
    bytes: Vec<u8>,
    /// What the disk has, where that is something else.
    stale: BTreeMap<u64, Box<[u8; SECTOR]>>,
    length_on_disk: usize,
    /// What was done since the last sync, the oldest first.
    unsynced: VecDeque<Unsynced>,
    unsynced_bytes: usize,
    /// Sectors that can not be read until they are written again.
    bad: BTreeSet<u64>,
}

enum Unsynced {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

/// Something that the disk did not have yet when the power went.
pub(crate) enum Doubtful {
    /// A write, to so many sectors.
    Write { sectors: usize },
    /// A change of a file's length.
    Length,
}

/// What is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    All,
    Nothing,
    /// Of a write, the sectors that are marked.
    Sectors(Vec<bool>),
}

impl Space {
    pub(super) fn limit(&self, capacity: Option<u64>) {
        self.capacity.set(capacity);
    }

    /// How much of `wanted` there is room for.
    fn room_for(&self, wanted: u64) -> u64 {
        let room = |capacity: u64| capacity.saturating_sub(self.used.get());
        self.capacity.get().map_or(wanted, |capacity| wanted.min(room(capacity)))
    }
}

impl Contents {
    pub(super) fn new(space: &Rc<Space>) -> Contents {
        Contents::on_disk(space, Vec::new())
    }

    /// What has been there before the simulation began.
    pub(super) fn on_disk(space: &Rc<Space>, bytes: Vec<u8>) -> Contents {
        space.used.set(space.used.get() + bytes.len() as u64);
        Contents {
            space: Rc::clone(space),
            length_on_disk: bytes.len(),
            bytes,
            stale: BTreeMap::new(),
            unsynced: VecDeque::new(),
            unsynced_bytes: 0,
            bad: BTreeSet::new(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Up to `most` bytes from `offset` on.
    pub(super) fn read(&self, offset: u64, most: usize) -> Result<&[u8], OsError> {
        let start = usize::try_from(offset).map_or(self.len(), |offset| offset.min(self.len()));
        let end = self.len().min(start.saturating_add(most));
        if start < end && self.bad.range(sectors(start..end)).next().is_some() {
            return Err(EIO);
        }
        Ok(&self.bytes[start..end])
    }

    /// Writes all of `bytes`, or as much as there is room for, which is an error.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), OsError> {
        let (start, fits) = self.make_room(offset, bytes.len())?;
        let written = &bytes[..fits];
        if fits > 0 {
            let range = start..start + fits;
            self.keep_stale(range.clone());
            self.resize(self.len().max(range.end));
            self.bytes[range.clone()].copy_from_slice(written);
            self.mend(range);
            self.note(Unsynced::Write { offset: start, bytes: written.to_vec() });
        }
        if fits < bytes.len() { Err(ENOSPC) } else { Ok(()) }
    }

    /// Does for a write of `length` bytes all but the writing.
    pub(super) fn write_nothing(&mut self, offset: u64, length: usize) -> Result<(), OsError> {
        let (start, fits) = self.make_room(offset, length)?;
        if start + fits > self.len() && fits > 0 {
            self.set_length((start + fits) as u64)?;
        }
        if fits < length { Err(ENOSPC) } else { Ok(()) }
    }

    pub(super) fn set_length(&mut self, length: u64) -> Result<(), OsError> {
        let (end, _) = self.make_room(length, 0)?;
        if !self.has_room(length) {
            return Err(ENOSPC);
        }
        if end < self.len() {
            self.keep_stale(end..self.len());
            self.mend(end.next_multiple_of(SECTOR)..self.len());
        }
        self.resize(end);
        self.note(Unsynced::Length(end));
        Ok(())
    }

    /// All that was done so far is on the disk.
    pub(super) fn sync(&mut self) {
        for unsynced in mem::take(&mut self.unsynced) {
            self.reach_disk(&unsynced);
        }
        self.unsynced_bytes = 0;
        self.length_on_disk = self.len();
    }

    /// What was done since the last sync never reaches the disk, also not by a later one: the kernel takes it for written
    /// once it has told the error. Programs see it until the power goes.
    pub(super) fn fail_to_sync(&mut self) {
        for unsynced in mem::take(&mut self.unsynced) {
            if let Unsynced::Write { offset, bytes } = unsynced {
                for sector in sectors(offset..offset + bytes.len()) {
                    self.stale.entry(sector).or_insert_with(|| Box::new([0; SECTOR]));
                }
            }
        }
        self.unsynced_bytes = 0;
    }

    /// The power is gone: programs will see what the disk has.
    pub(super) fn lose_power(&mut self, left: &mut dyn FnMut(Doubtful) -> Left) {
        let seen = self.len().max(self.length_on_disk);
        self.resize(seen);
        for (sector, had) in mem::take(&mut self.stale) {
            let start = sector as usize * SECTOR;
            let end = seen.min(start + SECTOR);
            if start < end {
                self.bytes[start..end].copy_from_slice(&had[..end - start]);
            }
        }
        self.resize(self.length_on_disk);
        for unsynced in mem::take(&mut self.unsynced) {
            self.survive(&unsynced, left);
        }
        self.unsynced_bytes = 0;
        self.length_on_disk = self.len();
    }

    /// The sector can not be read from now on.
    pub(super) fn spoil(&mut self, sector: u64) {
        self.bad.insert(sector);
    }

    /// A bit of the sector is another one from now on.
    pub(super) fn rot(&mut self, sector: u64, bit: usize) {
        let at = sector as usize * SECTOR + bit / 8 % SECTOR;
        let at = at.min(self.len() - 1);
        self.bytes[at] ^= 1 << (bit % 8);
    }

    /// Whether the disk has room for the file to end there.
    pub(super) fn has_room(&self, end: u64) -> bool {
        let more = end.saturating_sub(self.len() as u64);
        self.space.room_for(more) == more
    }

    /// Where something of `length` at `offset` begins, and how much of it there is room for.
    fn make_room(&self, offset: u64, length: usize) -> Result<(usize, usize), OsError> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= LENGTH_MAX).ok_or(EFBIG)?;
        let more = end.saturating_sub(self.len() as u64);
        let missing = more - self.space.room_for(more);
        Ok((offset as usize, length.saturating_sub(missing as usize)))
    }

    fn resize(&mut self, length: usize) {
        let used = self.space.used.get() - self.len() as u64 + length as u64;
        self.space.used.set(used);
        self.bytes.resize(length, 0);
    }

    /// Keeps what the disk has in these places, before programs see something else there.
    fn keep_stale(&mut self, range: Range<usize>) {
        let on_disk = range.start..range.end.min(self.length_on_disk);
        for sector in sectors(on_disk) {
            let Contents { stale, bytes, .. } = self;
            stale.entry(sector).or_insert_with(|| {
                let mut had = Box::new([0; SECTOR]);
                let start = bytes.len().min(sector as usize * SECTOR);
                let part = &bytes[start..bytes.len().min(start + SECTOR)];
                had[..part.len()].copy_from_slice(part);
                had
            });
        }
    }

    /// What is written anew can be read again.
    fn mend(&mut self, range: Range<usize>) {
        if !self.bad.is_empty() {
            for sector in sectors(range) {
                self.bad.remove(&sector);
            }
        }
    }

    fn note(&mut self, unsynced: Unsynced) {
        self.unsynced_bytes += unsynced.weight();
        self.unsynced.push_back(unsynced);
        while self.unsynced.len() > UNSYNCED_MAX || self.unsynced_bytes > UNSYNCED_BYTES_MAX {
            let oldest = self.unsynced.pop_front().expect("something is too much");
            self.unsynced_bytes -= oldest.weight();
            self.reach_disk(&oldest);
        }
    }

    /// Sectors are written as programs see them by now.
    fn reach_disk(&mut self, unsynced: &Unsynced) {
        match unsynced {
            Unsynced::Write { offset, bytes } => {
                let end = offset + bytes.len();
                for sector in sectors(*offset..end) {
                    self.stale.remove(&sector);
                }
                self.length_on_disk = self.length_on_disk.max(end.min(self.len()));
            }
            Unsynced::Length(length) => {
                let _ = self.stale.split_off(&(*length as u64 / SECTOR as u64));
                self.length_on_disk = (*length).min(self.len());
            }
        }
    }

    fn survive(&mut self, unsynced: &Unsynced, left: &mut dyn FnMut(Doubtful) -> Left) {
        match unsynced {
            Unsynced::Length(length) => {
                if left(Doubtful::Length) == Left::All {
                    self.resize(*length);
                }
            }
            Unsynced::Write { offset, bytes } => {
                let range = *offset..offset + bytes.len();
                let touched = sectors(range.clone());
                let count = (touched.end - touched.start) as usize;
                let left = match left(Doubtful::Write { sectors: count }) {
                    Left::Nothing => return,
                    Left::All => vec![true; count],
                    Left::Sectors(left) => left,
                };
                for (sector, _) in touched.zip(left).filter(|(_, is_left)| *is_left) {
                    let start = range.start.max(sector as usize * SECTOR);
                    let end = range.end.min((sector as usize + 1) * SECTOR);
                    self.resize(self.len().max(end));
                    self.bytes[start..end].copy_from_slice(&bytes[start - offset..end - offset]);
                }
            }
        }
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        self.resize(0);
    }
}

impl Unsynced {
    fn weight(&self) -> usize {
        match self {
            Unsynced::Write { bytes, .. } => bytes.len(),
            Unsynced::Length(_) => 0,
        }
    }
}

/// The sectors that have bytes of `range`.
pub(crate) fn sectors(range: Range<usize>) -> Range<u64> {
    if range.is_empty() {
        return 0..0;
    }
    (range.start / SECTOR) as u64..range.end.div_ceil(SECTOR) as u64
}

#[cfg(test)]
mod tests;
