//! A place in one line of a replay file, and the words that may stand there. It knows no fields.

use super::{Problem, ReadError};
use crate::isolation::Isolation;

/// A place in one line.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    pub(super) number: usize,
    line: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The beginning of a line, behind its blanks.
    pub(super) fn new(number: usize, line: &'a str) -> Cursor<'a> {
        let mut cursor = Cursor { number, line, at: 0 };
        cursor.skip_blanks();
        cursor
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    pub(super) fn skip_blanks(&mut self) {
        self.at = self.line.len() - self.rest().trim_start().len();
    }

    /// The characters up to the next blank.
    pub(super) fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let word = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    pub(super) fn token(&mut self, token: &str, expected: &'static str) -> Result<(), ReadError> {
        self.skip_blanks();
        if !self.rest().starts_with(token) {
            return Err(self.expected(expected));
        }
        self.at += token.len();
        self.skip_blanks();
        Ok(())
    }

    pub(super) fn number(&mut self, expected: &'static str) -> Result<u32, ReadError> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let number = self.rest()[..digits].parse().map_err(|_| self.expected(expected))?;
        self.at += digits;
        Ok(number)
    }

    pub(super) fn text(&self, expected: &'static str) -> Result<String, ReadError> {
        match self.rest().trim_end() {
            "" => Err(self.expected(expected)),
            text => Ok(text.to_owned()),
        }
    }

    pub(super) fn seed(&self) -> Result<u64, ReadError> {
        self.rest().trim_end().parse().map_err(|_| self.expected("a seed (a number from 0 to 2^64-1)"))
    }

    pub(super) fn count(&self, expected: &'static str) -> Result<u64, ReadError> {
        self.rest().trim_end().parse().map_err(|_| self.expected(expected))
    }

    pub(super) fn isolation(&self) -> Result<Isolation, ReadError> {
        let expected = "a level of isolation: same-thread, fresh-thread, fork or process";
        self.rest().trim_end().parse().map_err(|_| self.expected(expected))
    }

    pub(super) fn yes_or_no(&self) -> Result<bool, ReadError> {
        match self.rest().trim_end() {
            "yes" => Ok(true),
            "no" => Ok(false),
            _ => Err(self.expected("yes or no")),
        }
    }

    /// What a setting of the scenario is called.
    pub(super) fn key(&mut self) -> Result<&'a str, ReadError> {
        let rest = self.rest();
        let key = &rest[..rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len())];
        if key.is_empty() {
            return Err(self.expected("what is configured"));
        }
        self.at += key.len();
        Ok(key)
    }

    pub(super) fn hash(&self) -> Result<u128, ReadError> {
        let digits = self.rest().trim_end();
        let hexadecimal = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let hash = if hexadecimal { u128::from_str_radix(digits, 16).ok() } else { None };
        hash.ok_or_else(|| self.expected("a hash of 32 hexadecimal digits"))
    }

    /// A site's name as `{:?}` writes it.
    pub(super) fn quoted(&mut self) -> Result<String, ReadError> {
        if !self.rest().starts_with('"') {
            return Err(self.expected("a site in quotation marks"));
        }
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err(self.expected("the closing quotation mark of the site"));
            };
            match c {
                '\\' => text.push(self.escape()?),
                '"' => break,
                c => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        self.at += 1;
        Ok(text)
    }

    fn escape(&mut self) -> Result<char, ReadError> {
        const EXPECTED: &str = r#"an escape: \" \\ \n \r \t \0 or \u{...}"#;
        const ONE_LETTER: [(&str, char); 7] = [
            ("\\\"", '"'),
            ("\\\\", '\\'),
            ("\\'", '\''),
            ("\\n", '\n'),
            ("\\r", '\r'),
            ("\\t", '\t'),
            ("\\0", '\0'),
        ];
        let rest = self.rest();
        if let Some((escape, c)) = ONE_LETTER.iter().find(|(escape, _)| rest.starts_with(escape)) {
            self.at += escape.len();
            return Ok(*c);
        }
        let code = rest.strip_prefix("\\u{").and_then(|tail| tail.split_once('}')).map(|(code, _)| code);
        let Some(code) = code else { return Err(self.expected(EXPECTED)) };
        let c = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
        let c = c.ok_or_else(|| self.expected(EXPECTED))?;
        self.at += "\\u{}".len() + code.len();
        Ok(c)
    }

    pub(super) fn end(&mut self) -> Result<(), ReadError> {
        self.skip_blanks();
        if self.rest().is_empty() { Ok(()) } else { Err(self.expected("the end of the line")) }
    }

    pub(super) fn expected(&self, expected: &'static str) -> ReadError {
        self.error(Problem::Expected { expected, found: self.rest().trim_end().to_owned() })
    }

    pub(super) fn error(&self, problem: Problem) -> ReadError {
        ReadError { line: self.number, column: self.line[..self.at].chars().count() + 1, problem }
    }
}
