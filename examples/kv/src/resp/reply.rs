//! The client's half: bytes to replies. Which request a reply answers is not known here.

use std::fmt;

use super::{Cursor, Limits, ProtocolError, number};

/// How deep arrays may stand in arrays. It bounds the recursion when a reply is dropped or compared.
const NESTING_MAX: usize = 32;

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A line that is no error, as `OK`.
    Simple(Vec<u8>),
    /// An error: a code as `ERR`, and its text.
    Error(Vec<u8>),
    /// An integer.
    Integer(i64),
    /// Any bytes, or null: there is no such key.
    Bulk(Option<Vec<u8>>),
    /// Replies, or null.
    Array(Option<Vec<Reply>>),
}

/// As redis-cli shows it, in one line.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Simple(text) => write!(f, "{}", text.escape_ascii()),
            Reply::Error(text) => write!(f, "(error) {}", text.escape_ascii()),
            Reply::Integer(number) => write!(f, "(integer) {number}"),
            Reply::Bulk(None) | Reply::Array(None) => f.write_str("(nil)"),
            Reply::Bulk(Some(bytes)) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Reply::Array(Some(items)) => {
                let texts: Vec<String> = items.iter().map(Reply::to_string).collect();
                write!(f, "[{}]", texts.join(", "))
            }
        }
    }
}

/// An incremental parser of replies, one for each connection.
///
/// ```
/// use kv::resp::{Limits, Reply, ReplyParser};
///
/// let mut parser = ReplyParser::new(Limits::default());
/// assert_eq!(parser.parse(b"*2\r\n:7\r\n$2\r\n")?, None);
///
/// let expected = Reply::Array(Some(vec![Reply::Integer(7), Reply::Bulk(Some(b"ab".to_vec()))]));
/// assert_eq!(parser.parse(b"*2\r\n:7\r\n$2\r\nab\r\n")?, Some((expected, 16)));
/// # Ok::<(), kv::resp::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct ReplyParser {
    limits: Limits,
    cursor: Cursor,
    /// The length of the bulk string at the cursor, once its line has been read.
    bulk_len: Option<usize>,
    /// The arrays around the cursor, the innermost last.
    open: Vec<OpenArray>,
}

#[derive(Debug)]
struct OpenArray {
    missing: usize,
    items: Vec<Reply>,
}

enum Piece {
    Whole(Reply),
    Opening(OpenArray),
}

impl ReplyParser {
    /// A parser at the start of a connection.
    pub fn new(limits: Limits) -> ReplyParser {
        ReplyParser { limits, cursor: Cursor::default(), bulk_len: None, open: Vec::new() }
    }

    /// The reply at the start of `buffer` and its length in bytes, or `None` if it is not complete yet.
    ///
    /// `buffer` starts at the first byte that no reply has consumed. As long as the answer is `None`, it may only grow
    /// at its end.
    ///
    /// # Errors
    ///
    /// The bytes are not RESP2 or beyond a limit. The parser is of no use afterwards.
    pub fn parse(&mut self, buffer: &[u8]) -> Result<Option<(Reply, usize)>, ProtocolError> {
        while let Some(piece) = self.piece(buffer)? {
            if self.cursor.at > self.limits.message_len_max {
                return Err(ProtocolError::MessageTooLong);
            }
            match piece {
                Piece::Opening(array) => self.open.push(array),
                Piece::Whole(reply) => {
                    if let Some(outermost) = self.place(reply) {
                        return Ok(Some((outermost, self.cursor.finish())));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Puts `reply` into the array it stands in, and closes the arrays that are full now; the outermost reply if that
    /// is complete.
    fn place(&mut self, mut reply: Reply) -> Option<Reply> {
        while let Some(mut array) = self.open.pop() {
            array.items.push(reply);
            array.missing -= 1;
            if array.missing > 0 {
                self.open.push(array);
                return None;
            }
            reply = Reply::Array(Some(array.items));
        }
        Some(reply)
    }

    fn piece(&mut self, buffer: &[u8]) -> Result<Option<Piece>, ProtocolError> {
        if let Some(len) = self.bulk_len {
            return self.bulk(buffer, len);
        }
        let too_long = ProtocolError::ReplyLineTooLong;
        let Some(line) = self.cursor.line(buffer, b'\r', 1, self.limits.line_len_max, too_long)? else {
            return Ok(None);
        };
        if buffer[line.end + 1] != b'\n' {
            return Err(ProtocolError::MissingLineEnd);
        }
        let reply = match &buffer[line] {
            [b'+', text @ ..] => Reply::Simple(text.to_vec()),
            [b'-', text @ ..] => Reply::Error(text.to_vec()),
            [b':', digits @ ..] => {
                Reply::Integer(number::parse_i64(digits).ok_or(ProtocolError::InvalidInteger)?)
            }
            [b'$', digits @ ..] => match self.bulk_len(digits)? {
                None => Reply::Bulk(None),
                Some(len) => return self.bulk(buffer, len),
            },
            [b'*', digits @ ..] => match self.array_len(digits)? {
                None => Reply::Array(None),
                Some(0) => Reply::Array(Some(Vec::new())),
                Some(missing) => return Ok(Some(Piece::Opening(OpenArray { missing, items: Vec::new() }))),
            },
            other => return Err(ProtocolError::NotAReply { got: other.first().copied() }),
        };
        Ok(Some(Piece::Whole(reply)))
    }

    fn bulk(&mut self, buffer: &[u8], len: usize) -> Result<Option<Piece>, ProtocolError> {
        let end = self.cursor.at + len;
        let Some(line_end) = buffer.get(end..end + 2) else {
            self.bulk_len = Some(len);
            return Ok(None);
        };
        if line_end != b"\r\n" {
            return Err(ProtocolError::MissingLineEnd);
        }
        let bytes = buffer[self.cursor.at..end].to_vec();
        self.cursor.at = end + 2;
        self.bulk_len = None;
        Ok(Some(Piece::Whole(Reply::Bulk(Some(bytes)))))
    }

    /// A bulk string's length, `None` for null.
    fn bulk_len(&self, digits: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let len = length(digits).ok_or(ProtocolError::InvalidBulkLength)?;
        if len.is_some_and(|len| len > self.limits.bulk_len_max) {
            return Err(ProtocolError::InvalidBulkLength);
        }
        Ok(len)
    }

    /// An array's length, `None` for null.
    fn array_len(&self, digits: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let len = length(digits).ok_or(ProtocolError::InvalidMultibulkLength)?;
        if len.is_some_and(|len| len > self.limits.arguments_max) {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        if self.open.len() == NESTING_MAX {
            return Err(ProtocolError::TooDeep);
        }
        Ok(len)
    }
}

/// A length or null, or `None` if it is neither.
fn length(digits: &[u8]) -> Option<Option<usize>> {
    match number::parse_i64(digits)? {
        -1 => Some(None),
        len => usize::try_from(len).ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resp;

    fn encode(out: &mut Vec<u8>, reply: &Reply) {
        match reply {
            Reply::Simple(text) => resp::simple(out, std::str::from_utf8(text).expect("made of ASCII")),
            Reply::Error(text) => resp::error(out, text),
            Reply::Integer(value) => resp::integer(out, *value),
            Reply::Bulk(bytes) => resp::optional_bulk(out, bytes.as_deref()),
            Reply::Array(None) => out.extend_from_slice(b"*-1\r\n"),
            Reply::Array(Some(items)) => {
                resp::array(out, items.len());
                items.iter().for_each(|item| encode(out, item));
            }
        }
    }

    fn any_reply() -> impl Strategy<Value = Reply> {
        let leaf = prop_oneof![
            "[ -~]{0,8}".prop_map(|text| Reply::Simple(text.into_bytes())),
            "[ -~]{0,8}".prop_map(|text| Reply::Error(text.into_bytes())),
            any::<i64>().prop_map(Reply::Integer),
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..8)).prop_map(Reply::Bulk),
            Just(Reply::Array(None)),
        ];
        leaf.prop_recursive(4, 16, 4, |inner| {
            proptest::collection::vec(inner, 0..4).prop_map(|items| Reply::Array(Some(items)))
        })
    }

    fn parse_bytewise(bytes: &[u8]) -> Result<Vec<Reply>, ProtocolError> {
        let (mut parser, mut buffer, mut replies) =
            (ReplyParser::new(Limits::default()), Vec::new(), Vec::new());
        for &byte in bytes {
            buffer.push(byte);
            while let Some((reply, consumed)) = parser.parse(&buffer)? {
                replies.push(reply);
                buffer.drain(..consumed);
            }
        }
        Ok(replies)
    }

    proptest! {
        #[test]
        fn replies_survive_the_wire_in_single_bytes(
            replies in proptest::collection::vec(any_reply(), 0..4),
        ) {
            let mut bytes = Vec::new();
            replies.iter().for_each(|reply| encode(&mut bytes, reply));
            prop_assert_eq!(parse_bytewise(&bytes), Ok(replies));
        }

        #[test]
        fn random_bytes_never_panic(bytes in "[-+:$*0-9a\r\n]{0,60}") {
            let mut parser = ReplyParser::new(Limits::default());
            let whole = parser.parse(bytes.as_bytes());
            let first = parse_bytewise(bytes.as_bytes()).map(|replies| replies.into_iter().next());
            if let Ok(whole) = whole {
                prop_assert!(first.is_err() || first == Ok(whole.map(|(reply, _)| reply)));
            } else {
                prop_assert!(first.is_err());
            }
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| [b"*1\r\n".repeat(depth), b":1\r\n".to_vec()].concat();
        assert!(parse_bytewise(&nested(NESTING_MAX)).is_ok_and(|replies| replies.len() == 1));
        assert_eq!(parse_bytewise(&nested(NESTING_MAX + 1)), Err(ProtocolError::TooDeep));
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let cases: [(&[u8], ProtocolError); 6] = [
            (b"%1\r\n", ProtocolError::NotAReply { got: Some(b'%') }),
            (b"\r\n", ProtocolError::NotAReply { got: None }),
            (b":x\r\n", ProtocolError::InvalidInteger),
            (b"$-2\r\n", ProtocolError::InvalidBulkLength),
            (b"+OK\rx", ProtocolError::MissingLineEnd),
            (b"$2\r\nabxx", ProtocolError::MissingLineEnd),
        ];
        for (bytes, error) in cases {
            assert_eq!(parse_bytewise(bytes), Err(error));
        }
    }
}
