//! Where text goes: results to standard output, errors to standard error. A reader who went away ends the output and
//! not the program.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use super::Exit;

/// The two streams of a command line.
pub(crate) struct Screen<'a> {
    out: Stream<'a>,
    err: Stream<'a>,
    /// Whether a person or a log may be watching, and progress is worth showing.
    pub(super) watched: bool,
    /// Whether results go to programs; then what is said to people goes to the other stream.
    for_programs: bool,
}

impl<'a> Screen<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, watched: bool) -> Screen<'a> {
        let [out, err] = [out, err].map(|to| Stream { to, ended: None });
        Screen { out, err, watched, for_programs: false }
    }

    /// Leaves the results to [`Screen::emit`]: a program reads them.
    pub(super) fn speak_json(&mut self) {
        self.for_programs = true;
    }

    /// Prints a line of results for people.
    pub(super) fn say(&mut self, line: impl fmt::Display) {
        if self.for_programs { self.err.write(&line) } else { self.out.write(&line) }
    }

    /// Prints a line of results for programs, where they are asked for.
    pub(super) fn emit(&mut self, result: &impl Serialize) {
        if self.for_programs {
            self.out.write(&serde_json::to_string(result).expect("counts and texts are JSON"));
        }
    }

    /// Prints a line about something that went wrong.
    pub(super) fn complain(&mut self, line: impl fmt::Display) {
        self.err.write(&line);
    }

    /// Makes sure that everything is written, before someone else writes to the same streams.
    pub(super) fn flush(&mut self) {
        self.out.flush();
        self.err.flush();
    }

    /// What to exit with when all would have been well with `exit`: results that could not be written are not well.
    pub(super) fn finish(mut self, exit: Exit) -> Exit {
        self.flush();
        match self.out.ended.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.complain(format_args!("cannot write the results: {error}"));
                if exit == Exit::Passed { Exit::CouldNotRun } else { exit }
            }
            _ => exit,
        }
    }
}

struct Stream<'a> {
    to: &'a mut dyn Write,
    /// Why nothing is written any more.
    ended: Option<io::Error>,
}

impl Stream<'_> {
    fn write(&mut self, line: &dyn fmt::Display) {
        if self.ended.is_none() {
            self.ended = writeln!(self.to, "{line}").err();
        }
    }

    fn flush(&mut self) {
        if self.ended.is_none() {
            self.ended = self.to.flush().err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails every write with an error of this kind, and counts the attempts.
    struct Broken(io::ErrorKind, usize);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The exit and the errors of a program that prints two lines and passes, and how often it wrote.
    fn print_to(kind: io::ErrorKind, exit: Exit) -> (Exit, String, usize) {
        let (mut out, mut err) = (Broken(kind, 0), Vec::new());
        let mut screen = Screen::new(&mut out, &mut err, false);
        screen.say("one");
        screen.say("two");
        let exit = screen.finish(exit);
        (exit, String::from_utf8(err).expect("text"), out.1)
    }

    #[test]
    fn a_reader_who_went_away_is_no_error() {
        assert_eq!(print_to(io::ErrorKind::BrokenPipe, Exit::Passed), (Exit::Passed, String::new(), 1));
    }

    #[test]
    fn results_that_cannot_be_written_are_one() {
        let (exit, errors, _) = print_to(io::ErrorKind::StorageFull, Exit::Passed);
        assert_eq!(
            (exit, errors.as_str()),
            (Exit::CouldNotRun, "cannot write the results: no storage space\n")
        );
        assert_eq!(print_to(io::ErrorKind::StorageFull, Exit::FailuresFound).0, Exit::FailuresFound);
    }
}
