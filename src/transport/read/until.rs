//! Reading up to a separator or the end of a line.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::claim::Claim;
use crate::{ErrorKind, TransportError};

/// The future of [`StreamTransport::read_until`](crate::StreamTransport::read_until).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadUntil<'a> {
    pub(super) claim: Claim<'a>,
    pub(super) separator: &'a [u8],
    pub(super) limit: usize,
    /// No separator begins before here.
    pub(super) searched: usize,
}

impl Future for ReadUntil<'_> {
    type Output = Result<Vec<u8>, TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (separator, limit, searched) = (this.separator, this.limit, &mut this.searched);
        this.claim.poll_buffered(context, |buffer, finished| {
            let unread = buffer.unread();
            let within = &unread[..unread.len().min(limit)];
            if let Some(at) = find(&within[*searched..], separator) {
                return Some(Ok(buffer.take(*searched + at + separator.len())));
            }
            *searched = (within.len() + 1).saturating_sub(separator.len()).max(*searched);
            match () {
                () if unread.len() >= limit => Some(Err(ErrorKind::Limit)),
                () if finished => Some(Err(ErrorKind::Incomplete)),
                () => None,
            }
        })
    }
}

/// The future of [`StreamTransport::read_line`](crate::StreamTransport::read_line).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadLine<'a> {
    pub(super) claim: Claim<'a>,
    pub(super) limit: usize,
    /// No line feed stands before here.
    pub(super) searched: usize,
}

impl Future for ReadLine<'_> {
    type Output = Result<Option<Vec<u8>>, TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (limit, searched) = (this.limit, &mut this.searched);
        this.claim.poll_buffered(context, |buffer, finished| {
            let unread = buffer.unread();
            let within = &unread[..unread.len().min(limit)];
            if let Some(at) = find(&within[*searched..], b"\n") {
                let mut line = buffer.take(*searched + at + 1);
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Some(Ok(Some(line)));
            }
            *searched = within.len();
            match () {
                () if unread.len() >= limit => Some(Err(ErrorKind::Limit)),
                () if finished && unread.is_empty() => Some(Ok(None)),
                () if finished => Some(Ok(Some(buffer.take(unread.len())))),
                () => None,
            }
        })
    }
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
