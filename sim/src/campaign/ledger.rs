//! What a campaign has come to, as a file of JSON lines that grows as it runs: to be resumed after an interruption,
//! and to be merged with those of other shards. It keeps counts and failures; replays are files of their own.
//!
//! ```text
//! {"ledger":{"version":2,"scenario":"kv","seeds":[250,375],"shard":"3/8","whole":[0,1000]}}
//! {"catalogue":[{"kind":"sometimes","name":"the queue is full","place":"src/queue.rs:12"}]}
//! {"failure":{"seed":261,"verdict":"failed: history: ...","signature":"...","hash":"..."}}
//! {"through":{"seed":350,"passed":99,"failed":1,"virtual_ns":841230000000,"turns":79410,"callbacks":64210,"reached":{"sometimes: the queue is full":7}}}
//! {"end":{"seed":375}}
//! ```
//!
//! The lines are in the order of the seeds and depend on nothing but the scenario and the seeds: a shard that runs
//! again writes the same bytes. Two that write one ledger at a time, since a scheduler took the first for lost, write
//! them both.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Counted, Findings, Nondeterminism, Shard};
use crate::reached::{Listed, Reached};
use crate::verdict::one_line;

/// The version that is written, and the only one that is read.
const VERSION: u32 = 2;
/// After how many seeds the counts are noted: what an interruption costs at most.
const CHECKPOINT: u64 = 100;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// The first one.
    Ledger(Head),
    /// What the program says of itself, if it says anything: the second one. A later one takes its place.
    Catalogue(Vec<Listed>),
    Failure(Failed),
    Nondeterminism(Differed),
    /// The counts of the seeds since the line of this kind before.
    Through(Counts),
    /// The campaign is over: every seed before this one was run.
    End(End),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) version: u32,
    pub(crate) scenario: String,
    /// The first seed, and the one behind the last.
    pub(crate) seeds: [u64; 2],
    pub(crate) shard: String,
    /// The seeds of all shards together.
    pub(crate) whole: [u64; 2],
}

/// A seed that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failed {
    pub(crate) seed: u64,
    pub(crate) verdict: String,
    pub(crate) signature: String,
    pub(crate) hash: String,
}

/// A seed whose two runs were not the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Differed {
    pub(crate) seed: u64,
    pub(crate) first: String,
    pub(crate) second: String,
}

impl Differed {
    pub(crate) fn of(found: &Nondeterminism) -> Differed {
        let told = |(verdict, hash): &(String, u128)| format!("hash {hash:032x}, {}", one_line(verdict));
        Differed { seed: found.seed, first: told(&found.first), second: told(&found.second) }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Every seed before this one is counted, here or in a line before.
    pub(crate) seed: u64,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) virtual_ns: u64,
    pub(crate) turns: u64,
    pub(crate) callbacks: u64,
    /// What of the catalogue came about, by kind and name, and how often.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) reached: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) seed: u64,
}

/// A ledger as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ledger {
    pub(crate) head: Head,
    pub(crate) catalogue: Vec<Listed>,
    pub(crate) failures: Vec<Failed>,
    pub(crate) nondeterminism: Vec<Differed>,
    /// All of them together.
    pub(crate) counts: Counts,
    pub(crate) is_over: bool,
}

impl Ledger {
    /// Reads `text`. What follows the last line of counts is left out, since it was not counted: a campaign that was
    /// interrupted runs those seeds again. Says how many bytes were taken, without the end: whoever goes on writes
    /// another.
    pub(crate) fn parse(text: &str) -> Result<(Ledger, usize), String> {
        let mut ledger: Option<Ledger> = None;
        let (mut failures, mut nondeterminism) = (Vec::new(), Vec::new());
        let (mut taken, mut at) = (0, 0);
        for (number, line) in text.split_inclusive('\n').enumerate() {
            // The last line may be cut off: it was being written.
            let Some(line) = line.strip_suffix('\n') else { break };
            at += line.len() + 1;
            let parsed = serde_json::from_str(line)
                .map_err(|error| format!("{}:{}: {error}", number + 1, error.column()))?;
            match (parsed, &mut ledger) {
                (Line::Ledger(head), None) if head.version == VERSION => {
                    let counts = Counts { seed: head.seeds[0], ..Counts::default() };
                    ledger = Some(Ledger::new(head, counts));
                    taken = at;
                }
                (Line::Ledger(head), None) => {
                    let version = head.version;
                    return Err(format!(
                        "{}: version {version} is unknown; this program reads {VERSION}",
                        number + 1
                    ));
                }
                (_, None) | (Line::Ledger(_), Some(_)) => {
                    return Err(format!("{}: a ledger begins with its head, and has one", number + 1));
                }
                (Line::Catalogue(catalogue), Some(ledger)) => {
                    ledger.catalogue = catalogue;
                    taken = at;
                }
                (Line::Failure(failed), Some(_)) => failures.push(failed),
                (Line::Nondeterminism(differed), Some(_)) => nondeterminism.push(differed),
                (Line::Through(counts), Some(ledger)) => {
                    ledger.counts.add(&counts);
                    ledger.failures.append(&mut failures);
                    ledger.nondeterminism.append(&mut nondeterminism);
                    taken = at;
                }
                (Line::End(_), Some(ledger)) => ledger.is_over = true,
            }
        }
        ledger.map(|ledger| (ledger, taken)).ok_or_else(|| "1: there is no head".to_owned())
    }

    fn new(head: Head, counts: Counts) -> Ledger {
        let (catalogue, failures, nondeterminism) = (Vec::new(), Vec::new(), Vec::new());
        Ledger { head, catalogue, failures, nondeterminism, counts, is_over: false }
    }
}

impl Counts {
    fn add(&mut self, more: &Counts) {
        self.seed = more.seed;
        self.passed += more.passed;
        self.failed += more.failed;
        self.virtual_ns += more.virtual_ns;
        self.turns += more.turns;
        self.callbacks += more.callbacks;
        for (key, count) in &more.reached {
            *self.reached.entry(key.clone()).or_default() += count;
        }
    }

    /// As a campaign has them.
    pub(crate) fn to_findings(&self) -> Findings {
        Findings {
            passed: self.passed,
            failed: self.failed,
            virtual_time: Duration::from_nanos(self.virtual_ns),
            turns: self.turns,
            callbacks: self.callbacks,
            reached: Reached::from_keys(&self.reached),
            ..Findings::default()
        }
    }
}

/// Writes the ledger of a campaign that runs.
pub(crate) struct Writer {
    file: File,
    path: PathBuf,
    since: Counts,
    reached: Reached,
}

impl Writer {
    /// Begins the ledger of the `shard` of `whole` in `folder`, or goes on with the one that is there. Says what it
    /// holds already.
    pub(crate) fn open(
        folder: &Path,
        scenario: &str,
        shard: Shard,
        whole: &Range<u64>,
    ) -> Result<(Writer, Ledger), String> {
        let seeds = shard.part_of(whole);
        let path = folder.join(file_name(scenario, &seeds));
        let failed = |what: &str, error: io::Error| format!("cannot {what} {}: {error}", path.display());
        fs::create_dir_all(folder).map_err(|error| failed("create the folder of", error))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| failed("open", error))?;
        let text = fs::read_to_string(&path).map_err(|error| failed("read", error))?;
        let head = Head {
            version: VERSION,
            scenario: scenario.to_owned(),
            seeds: [seeds.start, seeds.end],
            shard: shard.to_string(),
            whole: [whole.start, whole.end],
        };
        // A first line that is cut off is no ledger yet.
        let (ledger, taken) = if text.contains('\n') {
            let (ledger, taken) =
                Ledger::parse(&text).map_err(|error| format!("{}:{error}", path.display()))?;
            if (&ledger.head.scenario, ledger.head.seeds) != (&head.scenario, head.seeds) {
                let Head { scenario, seeds: [start, end], .. } = ledger.head;
                return Err(format!("{} is the ledger of {scenario}, seeds {start}..{end}", path.display()));
            }
            (Some(ledger), taken)
        } else {
            (None, 0)
        };
        file.set_len(taken as u64).map_err(|error| failed("shorten", error))?;
        file.seek(SeekFrom::End(0)).map_err(|error| failed("seek in", error))?;
        let mut writer = Writer::to(file, path);
        let mut ledger = match ledger {
            Some(ledger) => ledger,
            None => {
                writer.write(&Line::Ledger(head.clone()))?;
                Ledger::new(head, Counts { seed: seeds.start, ..Counts::default() })
            }
        };
        writer.say_what_there_is(&mut ledger, Listed::all())?;
        Ok((writer, ledger))
    }

    /// Writes to `file`, which is at `path`, from where it stands.
    pub(crate) fn to(file: File, path: PathBuf) -> Writer {
        Writer { file, path, since: Counts::default(), reached: Reached::default() }
    }

    /// Writes the program's catalogue, unless it stands there: an interruption may have come before it, and the
    /// program may have changed since.
    fn say_what_there_is(&mut self, ledger: &mut Ledger, catalogue: Vec<Listed>) -> Result<(), String> {
        if ledger.catalogue != catalogue {
            self.write(&Line::Catalogue(catalogue.clone()))?;
            ledger.catalogue = catalogue;
        }
        Ok(())
    }

    /// Notes the next seed.
    pub(crate) fn note(&mut self, counted: &Counted<'_>) -> Result<(), String> {
        let Counted { seed, report, nondeterminism, .. } = counted;
        if let Some(found) = nondeterminism {
            self.write(&Line::Nondeterminism(Differed::of(found)))?;
        }
        let since = &mut self.since;
        since.seed = seed + 1;
        since.virtual_ns += u64::try_from(report.virtual_time.as_nanos()).unwrap_or(u64::MAX);
        since.turns += report.turns;
        since.callbacks += report.callbacks;
        self.reached.and(&report.reached);
        if report.verdict.is_passed() {
            since.passed += 1;
        } else {
            since.failed += 1;
            self.write(&Line::Failure(Failed {
                seed: *seed,
                verdict: one_line(&report.verdict.to_string()),
                signature: report.verdict.signature(),
                hash: format!("{:032x}", report.hash),
            }))?;
        }
        // At round seeds, so that a shard that was interrupted ends with the bytes of one that was not.
        if self.since.seed % CHECKPOINT == 0 { self.checkpoint() } else { Ok(()) }
    }

    fn checkpoint(&mut self) -> Result<(), String> {
        let reached = std::mem::take(&mut self.reached).by_key();
        let counts = Counts { reached, ..std::mem::take(&mut self.since) };
        self.write(&Line::Through(counts))
    }

    /// The campaign is over.
    pub(crate) fn end(mut self, seed: u64) -> Result<(), String> {
        if self.since.seed != 0 {
            self.checkpoint()?;
        }
        self.write(&Line::End(End { seed }))?;
        self.file.sync_all().map_err(|error| format!("cannot write {}: {error}", self.path.display()))
    }

    fn write(&mut self, line: &Line) -> Result<(), String> {
        let mut text = serde_json::to_string(line).expect("counts and texts are JSON");
        text.push('\n');
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| format!("cannot write {}: {error}", self.path.display()))
    }
}

/// The name of the ledger of these seeds.
pub(crate) fn file_name(scenario: &str, seeds: &Range<u64>) -> String {
    format!("{}-{}-{}.jsonl", scenario.replace("::", "."), seeds.start, seeds.end)
}
