//! Reading up to a separator or the end of a line, as a vector of its own or onto the end of the caller's.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::claim::Claim;
use crate::transport::buffer::Buffer;
use crate::{ErrorKind, TransportError};

/// The future of [`StreamTransport::read_until`](crate::StreamTransport::read_until).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadUntil<'a> {
    pub(super) claim: Claim<'a>,
    pub(super) separator: &'a [u8],
    pub(super) search: Search,
}

impl Future for ReadUntil<'_> {
    type Output = Result<Vec<u8>, TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ReadUntil { claim, separator, search } = self.get_mut();
        claim.poll_buffered(context, |buffer, finished| {
            let end = search.end_of(separator, buffer.unread(), finished)?;
            Some(end.map(|end| buffer.take(end)))
        })
    }
}

/// The future of [`StreamTransport::read_until_into`](crate::StreamTransport::read_until_into).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadUntilInto<'a> {
    pub(super) claim: Claim<'a>,
    pub(super) separator: &'a [u8],
    pub(super) search: Search,
    pub(super) target: &'a mut Vec<u8>,
}

impl Future for ReadUntilInto<'_> {
    type Output = Result<usize, TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ReadUntilInto { claim, separator, search, target } = self.get_mut();
        claim.poll_buffered(context, |buffer, finished| {
            let end = search.end_of(separator, buffer.unread(), finished)?;
            Some(end.inspect(|&end| {
                target.extend_from_slice(&buffer.unread()[..end]);
                buffer.consume(end);
            }))
        })
    }
}

/// The future of [`StreamTransport::read_line`](crate::StreamTransport::read_line).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadLine<'a> {
    pub(super) claim: Claim<'a>,
    pub(super) search: Search,
}

impl Future for ReadLine<'_> {
    type Output = Result<Option<Vec<u8>>, TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ReadLine { claim, search } = self.get_mut();
        claim.poll_buffered(context, |buffer, finished| search.take_line(buffer, finished, <[u8]>::to_vec))
    }
}

/// The future of [`StreamTransport::read_line_into`](crate::StreamTransport::read_line_into).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadLineInto<'a> {
    pub(super) claim: Claim<'a>,
    pub(super) search: Search,
    pub(super) target: &'a mut Vec<u8>,
}

impl Future for ReadLineInto<'_> {
    type Output = Result<bool, TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ReadLineInto { claim, search, target } = self.get_mut();
        let line = claim.poll_buffered(context, |buffer, finished| {
            search.take_line(buffer, finished, |line| target.extend_from_slice(line))
        });
        line.map_ok(|line| line.is_some())
    }
}

/// The search for a separator. What was looked at is not looked at again when more has come.
#[derive(Debug)]
pub(super) struct Search {
    limit: usize,
    /// No separator begins before here.
    searched: usize,
}

impl Search {
    pub(super) fn within(limit: usize) -> Search {
        Search { limit, searched: 0 }
    }

    /// Where the first separator ends. `None`: more has to come.
    fn end_of(
        &mut self,
        separator: &[u8],
        unread: &[u8],
        finished: bool,
    ) -> Option<Result<usize, ErrorKind>> {
        let within = &unread[..unread.len().min(self.limit)];
        // Inside of a `peek` there are none of the bytes that were seen before.
        self.searched = self.searched.min(within.len());
        if let Some(at) = find(&within[self.searched..], separator) {
            return Some(Ok(self.searched + at + separator.len()));
        }
        self.searched = (within.len() + 1).saturating_sub(separator.len()).max(self.searched);
        match () {
            () if unread.len() >= self.limit => Some(Err(ErrorKind::Limit)),
            () if finished => Some(Err(ErrorKind::Incomplete)),
            () => None,
        }
    }

    /// Takes a line off the buffer and gives it without its ending to `keep`. The end of the stream ends a line too, and
    /// an empty rest is none.
    fn take_line<T>(
        &mut self,
        buffer: &mut Buffer,
        finished: bool,
        keep: impl FnOnce(&[u8]) -> T,
    ) -> Option<Result<Option<T>, ErrorKind>> {
        let unread = buffer.unread();
        let (line, end) = match self.end_of(b"\n", unread, finished)? {
            Ok(end) => (without_ending(&unread[..end]), end),
            Err(ErrorKind::Incomplete) if unread.is_empty() => return Some(Ok(None)),
            Err(ErrorKind::Incomplete) => (unread, unread.len()),
            Err(kind) => return Some(Err(kind)),
        };
        let kept = keep(line);
        buffer.consume(end);
        Some(Ok(Some(kept)))
    }
}

/// `line` without the LF or CR LF at its end.
fn without_ending(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Where `needle` first stands in `haystack`.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = needle[0];
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|&byte| byte == first) {
        if haystack[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}
