//! The server's half: bytes to requests. What a request means is not known here.

use std::ops::{Index, Range};

use super::{Cursor, Limits, ProtocolError, inline, number};

/// Arguments that a parser keeps room for between two requests.
const ARGUMENTS_KEPT: usize = 1024;

/// One request: its arguments, the first of them the command's name. Nothing is copied out of the connection's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    bytes: &'a [u8],
    args: &'a [Range<usize>],
}

impl<'a> Request<'a> {
    /// The number of arguments, the command's name included. 0 is a request to ignore.
    pub fn len(&self) -> usize {
        self.args.len()
    }

    /// Whether there is nothing to do: an empty line, or an array of no elements.
    pub fn is_empty(&self) -> bool {
        self.args.is_empty()
    }

    /// The argument at `index`, or `None` if there are fewer.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.args.get(index).map(|range| &self.bytes[range.clone()])
    }

    /// The arguments from `first` on; none if there are fewer.
    pub fn from(&self, first: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        self.args.get(first..).unwrap_or_default().iter().map(move |range| &bytes[range.clone()])
    }
}

impl Index<usize> for Request<'_> {
    type Output = [u8];
    fn index(&self, index: usize) -> &[u8] {
        &self.bytes[self.args[index].clone()]
    }
}

/// An incremental parser of requests, one for each connection.
///
/// ```
/// use kv::resp::{Limits, Parser};
///
/// let mut parser = Parser::new(Limits::default());
/// assert!(parser.parse(b"*2\r\n$3\r\nGET\r\n$1\r\n")?.is_none(), "the key has not come yet");
///
/// let buffer = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n";
/// let (request, consumed) = parser.parse(buffer)?.expect("a whole request is there");
/// assert_eq!((&request[0], &request[1]), (&b"GET"[..], &b"k"[..]));
///
/// let (request, _) = parser.parse(&buffer[consumed..])?.expect("another one");
/// assert_eq!(&request[0], b"PING");
/// # Ok::<(), kv::resp::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Parser {
    limits: Limits,
    cursor: Cursor,
    /// Arguments still to come; `None` before the line that tells how many there are.
    missing: Option<usize>,
    /// The length of the argument at the cursor; `None` before the line that tells it.
    bulk_len: Option<usize>,
    args: Vec<Range<usize>>,
    /// The arguments of an inline request, whose quoting must be taken off.
    unquoted: Vec<u8>,
}

impl Parser {
    /// A parser at the start of a connection.
    pub fn new(limits: Limits) -> Parser {
        Parser {
            limits,
            cursor: Cursor::default(),
            missing: None,
            bulk_len: None,
            args: Vec::new(),
            unquoted: Vec::new(),
        }
    }

    /// The request at the start of `buffer` and its length in bytes, or `None` if it is not complete yet.
    ///
    /// `buffer` starts at the first byte that no request has consumed. As long as the answer is `None`, it may only
    /// grow at its end: the parser does not look again at what it has seen. A request of no arguments
    /// ([`Request::is_empty`]) is to be consumed and ignored.
    ///
    /// # Errors
    ///
    /// The bytes are not RESP2 or beyond a limit. The parser is of no use afterwards.
    pub fn parse<'a>(&'a mut self, buffer: &'a [u8]) -> Result<Option<(Request<'a>, usize)>, ProtocolError> {
        if self.missing.is_none() {
            self.forget_arguments();
            match buffer.first() {
                None => return Ok(None),
                Some(b'*') => self.missing = self.multibulk_len(buffer)?,
                Some(_) => return self.inline(buffer),
            }
        }
        while let Some(missing) = self.missing {
            if missing == 0 {
                self.missing = None;
                let request = Request { bytes: buffer, args: &self.args };
                return Ok(Some((request, self.cursor.finish())));
            }
            if !self.argument(buffer)? {
                return Ok(None);
            }
            self.missing = Some(missing - 1);
        }
        Ok(None)
    }

    fn forget_arguments(&mut self) {
        self.args.clear();
        self.args.shrink_to(ARGUMENTS_KEPT);
        self.unquoted.clear();
    }

    fn inline<'a>(&'a mut self, buffer: &'a [u8]) -> Result<Option<(Request<'a>, usize)>, ProtocolError> {
        let len_max = self.limits.line_len_max;
        let Some(line) = self.cursor.line(buffer, b'\n', 0, len_max, ProtocolError::InlineTooLong)? else {
            return Ok(None);
        };
        // A CR before the LF is a blank like any other.
        inline::split(&buffer[line], &mut self.unquoted, &mut self.args)?;
        Ok(Some((Request { bytes: &self.unquoted, args: &self.args }, self.cursor.finish())))
    }

    /// The number of arguments; a negative one is none, as in Redis.
    fn multibulk_len(&mut self, buffer: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let Some(line) = self.length_line(buffer, ProtocolError::MultibulkLineTooLong)? else {
            return Ok(None);
        };
        let len = number::parse_i64(&buffer[line.start + 1..line.end])
            .ok_or(ProtocolError::InvalidMultibulkLength)?;
        let len = usize::try_from(len.max(0)).map_err(|_| ProtocolError::InvalidMultibulkLength)?;
        if len > self.limits.arguments_max {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        Ok(Some(len))
    }

    /// Takes one argument; whether it was complete.
    fn argument(&mut self, buffer: &[u8]) -> Result<bool, ProtocolError> {
        if self.bulk_len.is_none() {
            self.bulk_len = self.read_bulk_len(buffer)?;
        }
        let Some(len) = self.bulk_len else { return Ok(false) };
        let start = self.cursor.at;
        // The two bytes behind are CR LF; Redis does not look, and neither do we.
        let next = start + len + 2;
        if next > self.limits.message_len_max {
            return Err(ProtocolError::MessageTooLong);
        }
        if buffer.len() < next {
            return Ok(false);
        }
        self.args.push(start..start + len);
        self.cursor.at = next;
        self.bulk_len = None;
        Ok(true)
    }

    fn read_bulk_len(&mut self, buffer: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let Some(line) = self.length_line(buffer, ProtocolError::BulkLineTooLong)? else {
            return Ok(None);
        };
        let [b'$', digits @ ..] = &buffer[line.clone()] else {
            return Err(ProtocolError::ExpectedBulk { got: buffer[line].first().copied() });
        };
        let len = number::parse_i64(digits)
            .and_then(|len| usize::try_from(len).ok())
            .filter(|&len| len <= self.limits.bulk_len_max)
            .ok_or(ProtocolError::InvalidBulkLength)?;
        Ok(Some(len))
    }

    /// A line with a length ends in CR and one more byte: like Redis, we do not look whether that is LF.
    fn length_line(
        &mut self,
        buffer: &[u8],
        too_long: ProtocolError,
    ) -> Result<Option<Range<usize>>, ProtocolError> {
        self.cursor.line(buffer, b'\r', 1, self.limits.line_len_max, too_long)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Parsed = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

    fn small() -> Limits {
        Limits { bulk_len_max: 20, arguments_max: 5, line_len_max: 24, message_len_max: 64 }
    }

    /// All requests of a stream which arrives in the given pieces, and the error that ended it.
    fn parse_pieces<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Parsed {
        let (mut parser, mut buffer, mut requests) = (Parser::new(limits), Vec::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                match parser.parse(&buffer) {
                    Err(error) => return (requests, Some(error)),
                    Ok(None) => break,
                    Ok(Some((request, consumed))) => {
                        requests.push(request.from(0).map(<[u8]>::to_vec).collect());
                        assert!(consumed > 0, "a request has at least one byte");
                        buffer.drain(..consumed);
                    }
                }
            }
        }
        (requests, None)
    }

    fn parse(limits: Limits, bytes: &[u8]) -> Parsed {
        parse_pieces(limits, [bytes])
    }

    /// Bytes that look enough like requests to reach every branch.
    fn nearly_requests() -> impl Strategy<Value = Vec<u8>> {
        let token = prop_oneof![
            Just(b"*".to_vec()),
            Just(b"$".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\"a b\" 'c'".to_vec()),
            Just(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".to_vec()),
            Just(b"*1\r\n$4\r\nPING\r\n".to_vec()),
            (-2i64..30).prop_map(|number| format!("{number}").into_bytes()),
            (0usize..7).prop_map(|len| format!("*{len}\r\n").into_bytes()),
            (0usize..25).prop_map(|len| format!("${len}\r\n{}\r\n", "x".repeat(len)).into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..4),
        ];
        proptest::collection::vec(token, 0..20).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_requests(
            bytes in nearly_requests(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let whole = parse(small(), &bytes);
            prop_assert_eq!(&parse_pieces(small(), bytes.chunks(1)), &whole);

            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            prop_assert_eq!(&parse_pieces(small(), pieces), &whole);
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(Limits::default(), &bytes);
            parse(small(), &bytes);
        }

        #[test]
        fn what_a_client_encodes_is_what_is_parsed(
            requests in proptest::collection::vec(
                proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..5), 0..5),
        ) {
            let mut bytes = Vec::new();
            for request in &requests {
                crate::resp::request(&mut bytes, &request.iter().map(Vec::as_slice).collect::<Vec<_>>());
            }
            prop_assert_eq!(parse(Limits::default(), &bytes), (requests, None));
        }
    }

    #[test]
    fn empty_requests_are_consumed() {
        let (requests, error) = parse(Limits::default(), b"\r\n\n  \r\n*0\r\n*-1\r\n*-2\r\nPING\n");
        assert_eq!(error, None);
        assert_eq!(requests.concat(), [b"PING"]);
        assert_eq!(requests.len(), 7);
    }

    /// Each answer was compared with Redis 7.0.15.
    #[test]
    fn errors_are_those_of_redis() {
        let long = "1".repeat(70_000);
        let cases = [
            ("*x\r\n".to_string(), "invalid multibulk length"),
            ("*\r\n".to_string(), "invalid multibulk length"),
            ("*+1\r\n".to_string(), "invalid multibulk length"),
            ("*1\n$4\r\nPING\r\n".to_string(), "invalid multibulk length"),
            ("*2147483648\r\n".to_string(), "invalid multibulk length"),
            ("*9223372036854775808\r\n".to_string(), "invalid multibulk length"),
            ("*1\r\nx4\r\n".to_string(), "expected '$', got 'x'"),
            ("*1\r\n\r\n".to_string(), "expected '$', got ' '"),
            ("*1\r\n$-1\r\n".to_string(), "invalid bulk length"),
            ("*1\r\n$x\r\n".to_string(), "invalid bulk length"),
            ("*1\r\n$\r\n".to_string(), "invalid bulk length"),
            ("*1\r\n$04\r\nPING\r\n".to_string(), "invalid bulk length"),
            ("*1\r\n$4\nPING\r\n".to_string(), "invalid bulk length"),
            ("*1\r\n$536870913\r\n".to_string(), "invalid bulk length"),
            ("ECHO \"a\r\n".to_string(), "unbalanced quotes in request"),
            (format!("*{long}"), "too big mbulk count string"),
            (format!("*1\r\n${long}"), "too big bulk count string"),
            (long, "too big inline request"),
        ];
        for (bytes, expected) in cases {
            let (_, error) = parse(Limits::default(), bytes.as_bytes());
            let mut reply = Vec::new();
            error.expect("the bytes are no request").encode(&mut reply);
            assert_eq!(String::from_utf8_lossy(&reply), format!("-ERR Protocol error: {expected}\r\n"));
        }
    }

    #[test]
    fn limits_hold_to_the_byte() {
        let with_bulk = |len: usize| format!("*1\r\n${len}\r\n{}\r\n", "x".repeat(len)).into_bytes();
        assert_eq!(parse(small(), &with_bulk(20)).1, None);
        assert_eq!(parse(small(), &with_bulk(21)).1, Some(ProtocolError::InvalidBulkLength));
        assert_eq!(parse(small(), b"*5\r\n").1, None);
        assert_eq!(parse(small(), b"*6\r\n").1, Some(ProtocolError::InvalidMultibulkLength));
        assert_eq!(parse(small(), &[b'x'; 24]).1, None);
        assert_eq!(parse(small(), &[b'x'; 25]).1, Some(ProtocolError::InlineTooLong));
        let wide = [&b"*3\r\n"[..], &with_bulk(20)[4..], &with_bulk(20)[4..], &with_bulk(20)[4..]].concat();
        assert_eq!(parse(small(), &wide).1, Some(ProtocolError::MessageTooLong));
    }

    #[test]
    fn an_announced_length_reserves_nothing() {
        let mut parser = Parser::new(Limits::default());
        assert!(parser.parse(b"*1000000\r\n$16000000\r\nab").expect("so far it is fine").is_none());
        assert_eq!(parser.args.capacity() + parser.unquoted.capacity(), 0);
    }
}
