//! The reader of replay files: line by line, with the place and the expectation in each error.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{ReplayFile, VERSION};
use crate::choice::Pick;

/// Why a text is no replay file, and where. Displayed as `line:column: problem`, so that it can follow a file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with a replay file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// Something else belongs here.
    Expected {
        /// What belongs here.
        expected: &'static str,
        /// What stands here instead; empty for the end of the line.
        found: String,
    },
    /// The file is of a version that this library does not read.
    UnknownVersion(String),
    /// No field is called so.
    UnknownField(String),
    /// The field has been given on an earlier line.
    RepeatedField(&'static str),
    /// The file ends without this field.
    MissingField(&'static str),
    /// The same draw has been given a value on an earlier line.
    RepeatedPick {
        /// The line of the first one.
        first_line: usize,
    },
    /// A pick of 0. Every draw that is not listed is 0, so it would say nothing.
    ZeroPick,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Expected { expected, found } if found.is_empty() => {
                write!(f, "expected {expected}, found the end of the line")
            }
            Problem::Expected { expected, found } => write!(f, "expected {expected}, found {found:?}"),
            Problem::UnknownVersion(version) => {
                write!(f, "version {version:?} is unknown; this program reads version {VERSION}")
            }
            Problem::UnknownField(field) => {
                write!(f, "no field is called {field:?}; there are scenario, seed, verdict, hash and pick")
            }
            Problem::RepeatedField(field) => write!(f, "{field} is given a second time"),
            Problem::MissingField(field) => write!(f, "the file ends without a line for {field}"),
            Problem::RepeatedPick { first_line } => {
                write!(f, "this draw has its value on line {first_line} already")
            }
            Problem::ZeroPick => write!(f, "expected a value of at least 1: a draw that is not listed is 0"),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.problem)
    }
}

impl std::error::Error for ReadError {}

impl FromStr for ReplayFile {
    type Err = ReadError;

    fn from_str(text: &str) -> Result<ReplayFile, ReadError> {
        let mut reader = Reader::default();
        for (index, line) in text.lines().enumerate() {
            let mut cursor = Cursor { number: index + 1, line, at: 0 };
            cursor.skip_blanks();
            match cursor.rest().strip_prefix('#') {
                Some(comment) if index == 0 => reader.story = comment.trim().to_owned(),
                Some(_) => {}
                None if cursor.rest().is_empty() => {}
                None if reader.versioned => reader.field(&mut cursor)?,
                None => reader.header(&mut cursor)?,
            }
        }
        reader.finish(text.lines().count() + 1)
    }
}

/// The fields read so far.
#[derive(Default)]
struct Reader {
    versioned: bool,
    story: String,
    scenario: Option<String>,
    seed: Option<u64>,
    verdict: Option<String>,
    hash: Option<u128>,
    picks: Vec<Pick>,
    /// The line of each pick, to find the second of two.
    pick_lines: BTreeMap<(String, u32), usize>,
}

impl Reader {
    fn header(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ReadError> {
        let before = cursor.clone();
        if cursor.word() != "twinloop-replay" {
            return Err(before.expected("`twinloop-replay 1` as the first line"));
        }
        cursor.skip_blanks();
        match cursor.rest().trim_end() {
            VERSION => self.versioned = true,
            "" => return Err(cursor.expected("a version")),
            other => return Err(cursor.error(Problem::UnknownVersion(other.to_owned()))),
        }
        Ok(())
    }

    fn field(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ReadError> {
        let before = cursor.clone();
        let name = cursor.word();
        cursor.skip_blanks();
        match name {
            "scenario" => {
                set(&mut self.scenario, "scenario", &before, cursor.text("the name of a scenario")?)
            }
            "seed" => set(&mut self.seed, "seed", &before, cursor.seed()?),
            "verdict" => set(&mut self.verdict, "verdict", &before, cursor.text("a verdict")?),
            "hash" => set(&mut self.hash, "hash", &before, cursor.hash()?),
            "pick" => self.pick(cursor),
            other => Err(before.error(Problem::UnknownField(other.to_owned()))),
        }
    }

    fn pick(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ReadError> {
        let start = cursor.clone();
        let site = cursor.quoted()?;
        cursor.token("#", "`#` and the number of a draw")?;
        let occurrence = cursor.number("the number of a draw (from 0 to 2^32-1)")?;
        cursor.token("=", "`=`")?;
        let before_value = cursor.clone();
        let value = cursor.number("a value (from 1 to 2^32-1)")?;
        if value == 0 {
            return Err(before_value.error(Problem::ZeroPick));
        }
        cursor.end()?;
        if let Some(&first_line) = self.pick_lines.get(&(site.clone(), occurrence)) {
            return Err(start.error(Problem::RepeatedPick { first_line }));
        }
        self.pick_lines.insert((site.clone(), occurrence), cursor.number);
        self.picks.push(Pick { site, occurrence, value });
        Ok(())
    }

    fn finish(self, line: usize) -> Result<ReplayFile, ReadError> {
        let at_end = |problem| ReadError { line, column: 1, problem };
        if !self.versioned {
            let expected = "`twinloop-replay 1` as the first line";
            return Err(at_end(Problem::Expected { expected, found: String::new() }));
        }
        let missing = |field| at_end(Problem::MissingField(field));
        Ok(ReplayFile {
            scenario: self.scenario.ok_or_else(|| missing("scenario"))?,
            seed: self.seed.ok_or_else(|| missing("seed"))?,
            picks: self.picks,
            verdict: self.verdict.ok_or_else(|| missing("verdict"))?,
            hash: self.hash.ok_or_else(|| missing("hash"))?,
            story: self.story,
        })
    }
}

fn set<T>(field: &mut Option<T>, name: &'static str, at: &Cursor<'_>, value: T) -> Result<(), ReadError> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(at.error(Problem::RepeatedField(name))),
    }
}

/// A place in one line.
#[derive(Clone)]
struct Cursor<'a> {
    number: usize,
    line: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn skip_blanks(&mut self) {
        self.at = self.line.len() - self.rest().trim_start().len();
    }

    /// The characters up to the next blank.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let word = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn token(&mut self, token: &str, expected: &'static str) -> Result<(), ReadError> {
        self.skip_blanks();
        if !self.rest().starts_with(token) {
            return Err(self.expected(expected));
        }
        self.at += token.len();
        self.skip_blanks();
        Ok(())
    }

    fn number(&mut self, expected: &'static str) -> Result<u32, ReadError> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let number = self.rest()[..digits].parse().map_err(|_| self.expected(expected))?;
        self.at += digits;
        Ok(number)
    }

    fn text(&self, expected: &'static str) -> Result<String, ReadError> {
        match self.rest().trim_end() {
            "" => Err(self.expected(expected)),
            text => Ok(text.to_owned()),
        }
    }

    fn seed(&self) -> Result<u64, ReadError> {
        self.rest().trim_end().parse().map_err(|_| self.expected("a seed (a number from 0 to 2^64-1)"))
    }

    fn hash(&self) -> Result<u128, ReadError> {
        let digits = self.rest().trim_end();
        let hexadecimal = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let hash = if hexadecimal { u128::from_str_radix(digits, 16).ok() } else { None };
        hash.ok_or_else(|| self.expected("a hash of 32 hexadecimal digits"))
    }

    /// A site's name as `{:?}` writes it.
    fn quoted(&mut self) -> Result<String, ReadError> {
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

    fn end(&mut self) -> Result<(), ReadError> {
        self.skip_blanks();
        if self.rest().is_empty() { Ok(()) } else { Err(self.expected("the end of the line")) }
    }

    fn expected(&self, expected: &'static str) -> ReadError {
        self.error(Problem::Expected { expected, found: self.rest().trim_end().to_owned() })
    }

    fn error(&self, problem: Problem) -> ReadError {
        ReadError { line: self.number, column: self.line[..self.at].chars().count() + 1, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_tell_place_and_expectation() {
        const HEADER: &str = "twinloop-replay 1\n";
        const FIELDS: &str = "twinloop-replay 1\nscenario kv\nseed 1\nverdict failed: a: b\n";
        let cases: &[(&str, &str, &str)] = &[
            ("", "", "1:1: expected `twinloop-replay 1` as the first line, found the end of the line"),
            (
                "# only a story\n",
                "",
                "2:1: expected `twinloop-replay 1` as the first line, found the end of the line",
            ),
            ("", "seed 1", "1:1: expected `twinloop-replay 1` as the first line, found \"seed 1\""),
            ("", "twinloop-replay", "1:16: expected a version, found the end of the line"),
            ("", "\n  twinloop-replay 2", "2:19: version \"2\" is unknown; this program reads version 1"),
            ("", "twinloop-replay 1 x", "1:17: version \"1 x\" is unknown; this program reads version 1"),
            (
                HEADER,
                "sede 1",
                "2:1: no field is called \"sede\"; there are scenario, seed, verdict, hash and pick",
            ),
            (HEADER, "scenario ", "2:10: expected the name of a scenario, found the end of the line"),
            (HEADER, "seed -1", "2:6: expected a seed (a number from 0 to 2^64-1), found \"-1\""),
            (
                HEADER,
                "seed 18446744073709551616",
                "2:6: expected a seed (a number from 0 to 2^64-1), found \"18446744073709551616\"",
            ),
            (HEADER, "seed 1\n seed 1", "3:2: seed is given a second time"),
            (HEADER, "hash 12", "2:6: expected a hash of 32 hexadecimal digits, found \"12\""),
            (
                HEADER,
                "hash +0000000000000000000000000000000",
                "2:6: expected a hash of 32 hexadecimal digits, found \"+0000000000000000000000000000000\"",
            ),
            (HEADER, "pick loss #0 = 1", "2:6: expected a site in quotation marks, found \"loss #0 = 1\""),
            (
                HEADER,
                "pick \"loss #0 = 1",
                "2:18: expected the closing quotation mark of the site, found the end of the line",
            ),
            (
                HEADER,
                r#"pick "ü\x" #0 = 1"#,
                r#"2:8: expected an escape: \" \\ \n \r \t \0 or \u{...}, found "\\x\" #0 = 1""#,
            ),
            (
                HEADER,
                r#"pick "\u{d800}" #0 = 1"#,
                r#"2:7: expected an escape: \" \\ \n \r \t \0 or \u{...}, found "\\u{d800}\" #0 = 1""#,
            ),
            (HEADER, "pick \"loss\" 0 = 1", "2:13: expected `#` and the number of a draw, found \"0 = 1\""),
            (
                HEADER,
                "pick \"loss\" # = 1",
                "2:15: expected the number of a draw (from 0 to 2^32-1), found \"= 1\"",
            ),
            (
                HEADER,
                "pick \"loss\" #4294967296 = 1",
                "2:14: expected the number of a draw (from 0 to 2^32-1), found \"4294967296 = 1\"",
            ),
            (HEADER, "pick \"loss\" #0 1", "2:16: expected `=`, found \"1\""),
            (
                HEADER,
                "pick \"loss\" #0 =",
                "2:17: expected a value (from 1 to 2^32-1), found the end of the line",
            ),
            (
                HEADER,
                "pick \"loss\" #0 = 0",
                "2:18: expected a value of at least 1: a draw that is not listed is 0",
            ),
            (HEADER, "pick \"loss\" #0 = 1 2", "2:20: expected the end of the line, found \"2\""),
            (
                HEADER,
                "pick \"loss\" #0 = 1\n#\npick \"loss\" #0 = 2",
                "4:6: this draw has its value on line 2 already",
            ),
            (HEADER, "seed 1\n", "3:1: the file ends without a line for scenario"),
            (FIELDS, "", "5:1: the file ends without a line for hash"),
        ];
        for (before, line, expected) in cases {
            let text = format!("{before}{line}");
            let error = text.parse::<ReplayFile>().expect_err(&text);
            assert_eq!(error.to_string(), *expected, "for {text:?}");
        }
    }
}
