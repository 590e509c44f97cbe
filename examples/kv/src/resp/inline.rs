//! The quoting rules of inline requests, the lines that a person types into telnet. Redis calls them `sdssplitargs`.

use std::ops::Range;

use super::ProtocolError;

/// Splits `line` into arguments: their bytes are appended to `bytes`, where each stands is appended to `args`.
///
/// Unlike in Redis, whose strings end there, NUL is an ordinary byte.
pub(super) fn split(
    line: &[u8],
    bytes: &mut Vec<u8>,
    args: &mut Vec<Range<usize>>,
) -> Result<(), ProtocolError> {
    let mut rest = line;
    loop {
        rest = skip_blanks(rest);
        if rest.is_empty() {
            return Ok(());
        }
        let start = bytes.len();
        rest = argument(rest, bytes)?;
        args.push(start..bytes.len());
    }
}

/// Appends the first argument of `rest`; what stands behind it.
fn argument<'a>(mut rest: &'a [u8], bytes: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        match rest {
            [] | [b' ' | b'\t' | b'\r' | b'\n', ..] => return Ok(rest),
            [b'"', quoted @ ..] => return after_quote(double_quoted(quoted, bytes)?),
            [b'\'', quoted @ ..] => return after_quote(single_quoted(quoted, bytes)?),
            [byte, behind @ ..] => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], bytes: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        let (byte, behind) = match rest {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'"', behind @ ..] => return Ok(behind),
            [b'\\', b'x', high, low, behind @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_digit(*high) << 4 | hex_digit(*low), behind)
            }
            [b'\\', escaped, behind @ ..] => (unescape(*escaped), behind),
            [byte, behind @ ..] => (*byte, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], bytes: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        let (byte, behind) = match rest {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'\'', behind @ ..] => return Ok(behind),
            [b'\\', b'\'', behind @ ..] => (b'\'', behind),
            [byte, behind @ ..] => (*byte, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
}

/// A closing quote ends its argument: only a blank or the line's end may follow.
fn after_quote(rest: &[u8]) -> Result<&[u8], ProtocolError> {
    match rest.first() {
        Some(&byte) if !is_blank(byte) => Err(ProtocolError::UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn skip_blanks(line: &[u8]) -> &[u8] {
    let blanks = line.iter().take_while(|&&byte| is_blank(byte)).count();
    &line[blanks..]
}

/// C's `isspace`.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn unescape(escaped: u8) -> u8 {
    match escaped {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
        let (mut bytes, mut args) = (Vec::new(), Vec::new());
        split(line, &mut bytes, &mut args)?;
        Ok(args.into_iter().map(|range| bytes[range].to_vec()).collect())
    }

    /// Each answer was compared with Redis 7.0.15.
    #[test]
    fn lines_are_split_as_redis_splits_them() {
        let cases: [(&[u8], &[&[u8]]); 10] = [
            (b"", &[]),
            (b" \t\r\x0b ", &[]),
            (b"  PING  ", &[b"PING"]),
            (b"a\tb\rc", &[b"a", b"b", b"c"]),
            (b"a\x0bb c", &[b"a\x0bb", b"c"]),
            (br#"a"b c" d"#, &[b"ab c", b"d"]),
            (b"'' \"\"", &[b"", b""]),
            (br#""\x41\n\r\t\a\b\q\xzz\"""#, &[b"A\n\r\t\x07\x08qxzz\""]),
            (br"'a\'b\n'", &[br"a'b\n"]),
            (b"\xff\x00", &[b"\xff\x00"]),
        ];
        for (line, expected) in cases {
            assert_eq!(
                arguments(line).as_deref(),
                Ok(&expected.iter().map(|a| a.to_vec()).collect::<Vec<_>>()[..])
            );
        }
    }

    #[test]
    fn quotes_must_be_balanced() {
        for line in [r#""a"#, "'a", r#""a"b"#, "'a'b", r#"""''"#, r#""a\"#, r#""a\""#] {
            assert_eq!(arguments(line.as_bytes()), Err(ProtocolError::UnbalancedQuotes), "{line}");
        }
    }
}
