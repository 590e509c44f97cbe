//! The driver's calls that open what stays on this machine: pairs, pipes, FIFOs, standard streams.

use std::path::Path;

use crate::dispatcher::Core;
use crate::driver::{Fd, Half, OsError, Standard};

impl Core {
    pub(crate) fn stream_pair(&self) -> Result<(Fd, Fd), OsError> {
        let pair = self.driver.borrow_mut().stream_pair()?;
        self.open_both(pair)
    }

    /// The end that is read from, and the one that is written to.
    pub(crate) fn pipe(&self) -> Result<(Fd, Fd), OsError> {
        let ends = self.driver.borrow_mut().pipe()?;
        self.open_both(ends)
    }

    pub(crate) fn open_fifo(&self, path: &Path, end: Half, create: bool) -> Result<Fd, OsError> {
        let fd = self.driver.borrow_mut().open_fifo(path, end, create)?;
        self.sources.borrow_mut().open(fd);
        Ok(fd)
    }

    pub(crate) fn standard(&self, stream: Standard) -> Result<Fd, OsError> {
        let fd = self.driver.borrow_mut().standard(stream)?;
        self.sources.borrow_mut().open_cutting(fd);
        Ok(fd)
    }

    pub(crate) fn datagram_pair(&self) -> Result<(Fd, Fd), OsError> {
        let pair = self.driver.borrow_mut().datagram_pair()?;
        self.open_both(pair)
    }

    fn open_both(&self, (first, second): (Fd, Fd)) -> Result<(Fd, Fd), OsError> {
        let mut sources = self.sources.borrow_mut();
        sources.open(first);
        sources.open(second);
        Ok((first, second))
    }
}
