//! What a run in another process is asked and answers: lines of JSON on standard input and output, among whatever else is
//! printed there.

use std::io::Read;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::campaign::Run;
use crate::choice::Choices;
use crate::determinism::trail::{self, Trail};
use crate::story::Telling;
use crate::verdict::Report;

/// Begins the line with the answer. Both sides are the same program, so it needs no version.
const MARK: &str = "twinloop-answer: ";

/// One run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) choices: Choices,
    pub(crate) telling: Telling,
    /// The steps that whoever asks wants to have in words, if he watches.
    pub(crate) window: Option<Range<u64>>,
    /// Whether calls past the C library are caught.
    pub(crate) is_strict: bool,
}

/// What it left behind.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) report: Report,
    pub(crate) trail: Option<Trail>,
}

/// Makes the run that is asked for, here.
pub(crate) fn answer(run: Run<'_>, request: &Request) -> Answer {
    let run = || run(&request.choices, request.telling);
    match &request.window {
        None => Answer { report: run(), trail: None },
        Some(window) => {
            let (report, trail) = trail::watch(window.clone(), run);
            Answer { report, trail: Some(trail) }
        }
    }
}

impl Request {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a request is plain text and numbers")
    }

    pub(crate) fn read(from: &mut dyn Read) -> Result<Request, String> {
        serde_json::from_reader(from).map_err(|error| format!("standard input is no request: {error}"))
    }
}

impl Answer {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an answer is plain text and numbers")
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Answer, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("the process gave a broken answer: {error}"))
    }

    /// On a line of its own: a test harness may have printed half of one.
    pub(crate) fn print(&self) {
        println!("\n{MARK}{}", String::from_utf8(self.to_bytes()).expect("JSON is text"));
    }

    /// The answer among what a process has printed.
    pub(crate) fn find(printed: &[u8]) -> Option<Result<Answer, String>> {
        let mut lines = printed.split(|byte| *byte == b'\n');
        lines.find_map(|line| line.strip_prefix(MARK.as_bytes())).map(Answer::from_bytes)
    }
}
