//! RESP2, the Redis serialization protocol: bytes to requests, bytes to replies, and replies to bytes.
//!
//! No I/O and no commands here. Both parsers work on a byte buffer that the caller fills; they keep their place between
//! calls, so that a large message which arrives in many pieces is looked at once, and they never reserve memory for a
//! length that a peer merely announced.
//!
//! Source: <https://redis.io/docs/latest/develop/reference/protocol-spec/>, and Redis 7.0 where that text is silent.

mod inline;
pub mod number;
mod reply;
mod request;

use std::fmt;
use std::ops::Range;

pub use reply::{Reply, ReplyParser};
pub use request::{Parser, Request};

/// Bounds on what a peer may send. A message beyond a bound is a [`ProtocolError`].
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes in one bulk string. Redis allows 512 MiB, we 16 MiB unless told.
    pub bulk_len_max: usize,
    /// Arguments of one request, or elements of one array in a reply. 1,048,576 as in Redis.
    pub arguments_max: usize,
    /// Bytes in one line: an inline request, a length, a simple string or an error. 64 KiB as in Redis.
    pub line_len_max: usize,
    /// Bytes in one whole message, framing included. Redis calls it `client-query-buffer-limit`; 64 MiB unless told.
    pub message_len_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bulk_len_max: 16 << 20,
            arguments_max: 1 << 20,
            line_len_max: 64 << 10,
            message_len_max: 64 << 20,
        }
    }
}

/// Bytes that are not RESP2, or beyond a [limit](Limits). There is no way to find the next message: close the connection.
///
/// The text of those that a server meets is the text of Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The number after `*` is not a number, or beyond [`Limits::arguments_max`].
    InvalidMultibulkLength,
    /// The number after `$` is not a number, negative in a request, or beyond [`Limits::bulk_len_max`].
    InvalidBulkLength,
    /// An argument does not start with `$`.
    ExpectedBulk {
        /// What it starts with, if anything.
        got: Option<u8>,
    },
    /// A quotation in an inline request does not end, or text follows its end.
    UnbalancedQuotes,
    /// The line after `*` is longer than [`Limits::line_len_max`].
    MultibulkLineTooLong,
    /// The line after `$` is longer than [`Limits::line_len_max`].
    BulkLineTooLong,
    /// An inline request is longer than [`Limits::line_len_max`].
    InlineTooLong,
    /// A message is longer than [`Limits::message_len_max`]. Redis closes without a word here.
    MessageTooLong,
    /// A reply is not a RESP2 reply.
    NotAReply {
        /// Its first byte.
        got: Option<u8>,
    },
    /// A line or a bulk string of a reply does not end in CR LF.
    MissingLineEnd,
    /// A simple string or an error of a reply is longer than [`Limits::line_len_max`].
    ReplyLineTooLong,
    /// The number after `:` is not a number.
    InvalidInteger,
    /// The arrays of a reply are nested too deeply.
    TooDeep,
}

impl ProtocolError {
    /// Appends the error reply that a server sends before it closes the connection.
    pub fn encode(&self, out: &mut Vec<u8>) {
        error(out, format!("ERR {self}").as_bytes());
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            ProtocolError::InvalidMultibulkLength => "invalid multibulk length",
            ProtocolError::InvalidBulkLength => "invalid bulk length",
            ProtocolError::ExpectedBulk { got } => {
                // Redis prints the line's end itself, and then replaces it as in every error.
                let got = char::from(got.unwrap_or(b' '));
                return write!(f, "Protocol error: expected '$', got '{got}'");
            }
            ProtocolError::UnbalancedQuotes => "unbalanced quotes in request",
            ProtocolError::MultibulkLineTooLong => "too big mbulk count string",
            ProtocolError::BulkLineTooLong => "too big bulk count string",
            ProtocolError::InlineTooLong => "too big inline request",
            ProtocolError::MessageTooLong => "too big message",
            ProtocolError::NotAReply { got: Some(byte) } => {
                return write!(f, "Protocol error: '{}' starts no reply", byte.escape_ascii());
            }
            ProtocolError::NotAReply { got: None } => "an empty line is no reply",
            ProtocolError::MissingLineEnd => "a reply does not end in CR LF",
            ProtocolError::ReplyLineTooLong => "too long a line in a reply",
            ProtocolError::InvalidInteger => "invalid integer in a reply",
            ProtocolError::TooDeep => "too deeply nested a reply",
        };
        write!(f, "Protocol error: {text}")
    }
}

impl std::error::Error for ProtocolError {}

/// Appends the simple string `text`, which must have neither CR nor LF.
pub fn simple(out: &mut Vec<u8>, text: &str) {
    debug_assert!(!text.contains(['\r', '\n']), "a simple string is one line: {text:?}");
    out.push(b'+');
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends an error. `text` may quote what a client sent: its CR and LF become spaces, as in Redis.
pub fn error(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'-');
    out.extend(text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

/// Appends an integer.
pub fn integer(out: &mut Vec<u8>, value: i64) {
    header(out, b':', value);
}

/// Appends a count as an integer; one beyond `i64` is told as the largest integer.
pub fn count(out: &mut Vec<u8>, value: usize) {
    integer(out, i64::try_from(value).unwrap_or(i64::MAX));
}

/// Appends a bulk string.
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    header(out, b'$', length(bytes.len()));
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends a bulk string, or the null bulk string for `None`.
pub fn optional_bulk(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => bulk(out, bytes),
        None => null(out),
    }
}

/// Appends the null bulk string.
pub fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"$-1\r\n");
}

/// Appends the head of an array; the caller appends its `len` elements next.
pub fn array(out: &mut Vec<u8>, len: usize) {
    header(out, b'*', length(len));
}

/// Appends `arguments` as a request: what a client sends.
pub fn request(out: &mut Vec<u8>, arguments: &[&[u8]]) {
    array(out, arguments.len());
    for argument in arguments {
        bulk(out, argument);
    }
}

fn header(out: &mut Vec<u8>, kind: u8, value: i64) {
    out.push(kind);
    number::append_i64(out, value);
    out.extend_from_slice(b"\r\n");
}

fn length(len: usize) -> i64 {
    i64::try_from(len).expect("no allocation is larger than isize::MAX bytes")
}

/// A parser's place in a message that may be incomplete. Offsets count from the message's first byte.
#[derive(Debug, Default)]
struct Cursor {
    /// The first byte that is not understood yet.
    at: usize,
    /// Bytes before this one hold no end of the line that starts at `at`.
    searched: usize,
}

impl Cursor {
    /// The line at the cursor without its end, or `None` if it is not complete yet. Moves past it.
    ///
    /// It ends at `end`, with `tail` more bytes behind, whatever they are.
    fn line(
        &mut self,
        buffer: &[u8],
        end: u8,
        tail: usize,
        len_max: usize,
        too_long: ProtocolError,
    ) -> Result<Option<Range<usize>>, ProtocolError> {
        let from = self.searched.max(self.at);
        let found = buffer[from..].iter().position(|&byte| byte == end).map(|offset| from + offset);
        let line = self.at..found.unwrap_or(buffer.len());
        // Decided by the line alone, never by how it was cut into pieces.
        if line.len() > len_max {
            return Err(too_long);
        }
        self.searched = line.end;
        if found.is_none() || buffer.len() <= line.end + tail {
            return Ok(None);
        }
        self.at = line.end + 1 + tail;
        Ok(Some(line))
    }

    /// Back to the first byte of the next message; how many bytes this one had.
    fn finish(&mut self) -> usize {
        let consumed = self.at;
        *self = Cursor::default();
        consumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_encoded_as_redis_encodes_them() {
        let mut out = Vec::new();
        simple(&mut out, "OK");
        error(&mut out, b"ERR a\r\nb");
        integer(&mut out, -7);
        array(&mut out, 3);
        bulk(&mut out, b"a\r\n");
        optional_bulk(&mut out, None);
        bulk(&mut out, b"");
        assert_eq!(out, b"+OK\r\n-ERR a  b\r\n:-7\r\n*3\r\n$3\r\na\r\n\r\n$-1\r\n$0\r\n\r\n");
    }
}
