//! The driver's calls on files, made through the latch where one may have to wait.

use std::path::Path;

use crate::dispatcher::{Core, Interest};
use crate::driver::{Fd, FileOptions, OsError};

impl Core {
    pub(crate) fn open_file(&self, path: &Path, options: &FileOptions) -> Result<Fd, OsError> {
        let fd = self.driver.borrow_mut().open_file(path, options)?;
        self.sources.borrow_mut().open(fd);
        Ok(fd)
    }

    /// No short count means anything here: a file ends, and a pipe may be filled at any moment.
    pub(crate) fn read_file_at(&self, file: Fd, offset: u64, buffer: &mut [u8]) -> Result<usize, OsError> {
        let asked = buffer.len();
        self.transfer(file, Interest::Read, asked, false, |driver| driver.read_file_at(file, offset, buffer))
    }

    /// A short count may mean the end of the file as well as a full stream, so that it says nothing of the latch.
    pub(crate) fn send_file(&self, fd: Fd, file: Fd, offset: u64, count: usize) -> Result<usize, OsError> {
        self.transfer(fd, Interest::Write, count, false, |driver| driver.send_file(fd, file, offset, count))
    }
}
