//! What of a replay file no longer matches the run that it gives, line by line. It runs nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::ReplayFile;
use super::reader::{Lines, ReadError, read};
use crate::verdict::{Report, one_line};

/// A replay file that was read from a path.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) path: PathBuf,
    pub(crate) file: ReplayFile,
    lines: Lines,
}

/// One line of a file that is no longer true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    path: PathBuf,
    line: usize,
    /// What the line says, and what is so instead.
    text: String,
}

impl Kept {
    /// The file at `path`, whose text is `text`.
    pub(crate) fn new(path: &Path, text: &str) -> Result<Kept, ReadError> {
        let (file, lines) = read(text)?;
        Ok(Kept { path: path.to_owned(), file, lines })
    }

    /// What `report`, of a run of the file's picks under `configuration`, has otherwise; nothing where it is the run of
    /// the file.
    pub(crate) fn mismatches(
        &self,
        configuration: &BTreeMap<String, String>,
        report: &Report,
    ) -> Vec<Mismatch> {
        let mut found = self.misconfigured(configuration);
        found.extend(self.isolated_otherwise(report));
        let stale = report.stale.iter();
        found.extend(stale.map(|stale| self.at(self.lines.of_pick(&stale.pick), format!("pick {stale}"))));
        found.extend(self.ended_otherwise(report));
        found.sort_by_key(|mismatch| mismatch.line);
        found
    }

    /// The settings that are not those of the file: then it is another scenario's, whatever its name.
    pub(crate) fn misconfigured(&self, configuration: &BTreeMap<String, String>) -> Vec<Mismatch> {
        let kept = &self.file.configuration;
        let changed = kept.iter().filter_map(|(key, value)| {
            let now = match configuration.get(key) {
                Some(now) if now == value => return None,
                Some(now) => format!("here it is {now}"),
                None => "here nothing is configured by that name".to_owned(),
            };
            Some(self.at(self.lines.of(&format!("config {key}")), format!("config {key} = {value}: {now}")))
        });
        let unsaid = configuration.iter().filter(|(key, _)| !kept.contains_key(*key)).map(|(key, now)| {
            let text = format!("scenario {}: no line says `config {key} = {now}`", self.file.scenario);
            self.at(self.lines.of("scenario"), text)
        });
        changed.chain(unsaid).collect()
    }

    fn isolated_otherwise(&self, report: &Report) -> Option<Mismatch> {
        let (kept, now) = (self.file.isolation, report.isolation);
        let text = || format!("isolation {kept}: this run shared more, {now}");
        (now < kept).then(|| self.at(self.lines.of("isolation"), text()))
    }

    /// A run that ends in another way has another hash too, which would say nothing more.
    fn ended_otherwise(&self, report: &Report) -> Option<Mismatch> {
        if !self.file.keeps(&report.verdict) {
            let now = match report.verdict.is_passed() {
                true => "it passes now".to_owned(),
                false => format!("now it is {}", one_line(&report.verdict.to_string())),
            };
            return Some(self.at(self.lines.of("verdict"), format!("verdict {}: {now}", self.file.verdict)));
        }
        if self.file.hash == report.hash {
            return None;
        }
        let now = match self.file.callbacks {
            Some(kept) if kept != report.callbacks => {
                format!("{} callbacks instead of {kept}", report.callbacks)
            }
            Some(kept) => format!("the same number of callbacks, {kept}, and not the same ones"),
            None => "its hash is another one".to_owned(),
        };
        let text = format!("hash {:032x}: the failure is the same, the run is not: {now}", self.file.hash);
        Some(self.at(self.lines.of("hash"), text))
    }

    /// What a line of the file says, and what is so instead.
    pub(crate) fn at(&self, line: usize, text: String) -> Mismatch {
        Mismatch { path: self.path.clone(), line, text }
    }

    /// As [`at`](Kept::at), for the line of a field.
    pub(crate) fn at_field(&self, field: &str, text: String) -> Mismatch {
        self.at(self.lines.of(field), text)
    }
}

/// `FILE:LINE: text`, as compilers have it.
impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::toy;
    use crate::story::Telling;
    use crate::verdict::Verdict;

    const TEXT: &str = "\
# lost
twinloop-replay 1
scenario toy
seed 8
config clients = 3
isolation process
verdict failed: check: 7 lost
hash 00000000000000000000000000000001
callbacks 90

pick \"a: loss\" #0 = 2
";

    /// What no longer matches where a run draws three times of four alternatives at one site and ends with `verdict`.
    fn told(text: &str, configuration: &[(&str, &str)], verdict: &Verdict) -> Vec<String> {
        let kept = Kept::new(Path::new("a.replay"), text).expect("a well-formed file");
        let mut report = toy::run(&kept.file.choices(), Telling::Silent, |chooser| {
            let site = chooser.site("a: loss");
            (0..3).for_each(|_| _ = chooser.pick(site, 4));
            verdict.clone()
        });
        report.isolation = kept.file.isolation;
        let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        let configuration = configuration.iter().map(owned).collect();
        kept.mismatches(&configuration, &report).iter().map(Mismatch::to_string).collect()
    }

    const CLIENTS: [(&str, &str); 1] = [("clients", "3")];

    #[test]
    fn a_run_that_differs_only_in_its_hash_says_how_far_it_is() {
        let lost = toy::failed("8 lost");
        assert_eq!(
            told(TEXT, &CLIENTS, &lost),
            [
                "a.replay:8: hash 00000000000000000000000000000001: the failure is the same, the run is not: 100 callbacks \
              instead of 90"
            ]
        );
        let as_many = told(&TEXT.replace("callbacks 90", "callbacks 100"), &CLIENTS, &lost);
        assert!(
            as_many[0].ends_with("the same number of callbacks, 100, and not the same ones"),
            "{as_many:?}"
        );
        let unsaid = told(&TEXT.replace("callbacks 90", ""), &CLIENTS, &lost);
        assert!(unsaid[0].ends_with("the run is not: its hash is another one"), "{unsaid:?}");
    }

    #[test]
    fn another_end_is_told_at_the_verdict_alone() {
        assert_eq!(
            told(TEXT, &CLIENTS, &toy::failed("found")),
            ["a.replay:7: verdict failed: check: 7 lost: now it is failed: check: found"]
        );
        assert_eq!(
            told(TEXT, &CLIENTS, &Verdict::Passed),
            ["a.replay:7: verdict failed: check: 7 lost: it passes now"]
        );
    }

    #[test]
    fn each_pick_is_told_at_its_own_line() {
        let picks = "pick \"a: loss\" #1 = 4\n# why\npick \"b: loss\" #0 = 1\npick \"a: loss\" #5 = 1\n";
        let told = told(&format!("{TEXT}{picks}"), &CLIENTS, &Verdict::Passed);
        assert_eq!(
            told[1..],
            [
                "a.replay:12: pick \"a: loss\" #1 = 4: the draw has 4 alternatives, up to 3",
                "a.replay:14: pick \"b: loss\" #0 = 1: no site is called so; of its kind there are \"a: loss\"",
                "a.replay:15: pick \"a: loss\" #5 = 1: the site draws 3 times, up to #2",
            ]
        );
    }

    #[test]
    fn settings_are_told_where_they_differ_and_where_the_file_has_none() {
        let passed = Verdict::Passed;
        assert_eq!(
            told(TEXT, &[("clients", "4"), ("keys", "9")], &passed)[..2],
            [
                "a.replay:3: scenario toy: no line says `config keys = 9`",
                "a.replay:5: config clients = 3: here it is 4",
            ]
        );
        let none = told(TEXT, &[], &passed);
        assert_eq!(none[0], "a.replay:5: config clients = 3: here nothing is configured by that name");
    }
}
