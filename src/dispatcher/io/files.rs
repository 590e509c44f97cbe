//! The driver's calls on files, made through the latch where one may have to wait.

use crate::dispatcher::{Core, Interest};
use crate::driver::{Fd, FileOperation, FileOutcome, OsError};

impl Core {
    pub(crate) fn begin_file(&self, operation: FileOperation) -> Result<Fd, OsError> {
        let fd = self.driver.borrow_mut().begin_file(operation)?;
        self.sources.borrow_mut().open(fd);
        Ok(fd)
    }

    pub(crate) fn file_outcome(&self, operation: Fd) -> Result<FileOutcome, OsError> {
        self.attempt(operation, Interest::Read)?;
        let outcome = self.driver.borrow_mut().file_outcome(operation);
        let outcome = outcome.map_err(|error| self.noted(operation, Interest::Read, error))?;
        if let FileOutcome::Opened(file) = outcome {
            self.sources.borrow_mut().open(file);
        }
        Ok(outcome)
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
