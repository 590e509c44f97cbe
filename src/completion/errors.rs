//! Why a completion has no value.

use std::error::Error;
use std::fmt;

/// The completion ended without a value: one side cancelled it, or was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl Error for Cancelled {}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the completion was cancelled")
    }
}

/// Why [`Completion::read`](super::Completion::read) finds no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// The completion has not ended.
    Pending,
    /// It was cancelled.
    Cancelled,
    /// This `Completion` gave the value before, to whoever awaited or took it.
    Taken,
}

impl Error for ReadError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Pending => {
                f.write_str("the completion is still pending: await it, or ask is_finished() first")
            }
            ReadError::Cancelled => Cancelled.fmt(f),
            ReadError::Taken => {
                f.write_str("the value was taken before: clone the Completion to have it twice")
            }
        }
    }
}
