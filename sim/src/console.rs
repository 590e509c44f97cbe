//! What a host writes to its standard streams, kept for the story and for the scenario's checks.

use std::cell::RefCell;
use std::rc::Rc;

use twinloop::driver::Standard;

/// What the programs of a host have written to their standard output and their standard error, over all lives of the host.
/// Clones speak of the same host.
///
/// ```
/// use twinloop::standard_output;
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::run_world;
/// use twinloop_sim::story::Telling;
///
/// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     sim.client("host", || async {
///         standard_output()?.write(b"hello\n").await?;
///         Ok(())
///     });
///     let output = sim.output("host");
///     sim.check("it says hello", move || match output.text().as_str() {
///         "hello\n" => Ok(()),
///         other => Err(format!("it said {other:?}")),
///     });
/// });
/// assert!(report.verdict.is_passed());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Output(Rc<RefCell<Written>>);

#[derive(Debug, Default)]
struct Written {
    output: Stream,
    error: Stream,
}

#[derive(Debug, Default)]
struct Stream {
    bytes: Vec<u8>,
    /// How many of them, in whole lines, were told.
    told: usize,
}

impl Output {
    /// What was written to the standard output.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.borrow().output.bytes.clone()
    }

    /// The same as text; what is none is replaced by `�`.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow().output.bytes).into_owned()
    }

    /// What was written to the standard error.
    pub fn error_bytes(&self) -> Vec<u8> {
        self.0.borrow().error.bytes.clone()
    }

    /// Adds what was written; gives the lines that it completes, as they are told.
    pub(crate) fn add(&self, stream: Standard, bytes: &[u8]) -> Vec<String> {
        let mut written = self.0.borrow_mut();
        let (stream, name) = match stream {
            Standard::Error => (&mut written.error, "error"),
            Standard::Input | Standard::Output => (&mut written.output, "output"),
        };
        stream.bytes.extend_from_slice(bytes);
        let untold = &stream.bytes[stream.told..];
        let Some(end) = untold.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let text = String::from_utf8_lossy(&untold[..end]);
        let lines = text.split('\n').map(|line| format!("{name}: {line}")).collect();
        stream.told += end + 1;
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_when_it_is_whole_and_once() {
        let output = Output::default();
        assert!(output.add(Standard::Output, b"one").is_empty());
        assert_eq!(output.add(Standard::Output, b" line\nand\nmo"), ["output: one line", "output: and"]);
        assert_eq!(output.add(Standard::Error, b"\n"), ["error: "]);
        assert_eq!(output.add(Standard::Output, b"re\n"), ["output: more"]);
        assert_eq!(output.text(), "one line\nand\nmore\n");
        assert_eq!(output.error_bytes(), b"\n");
    }
}
