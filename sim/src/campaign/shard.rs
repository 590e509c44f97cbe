//! A campaign's part: one of several machines, jobs or workers. It splits seeds and reads the variables by which schedulers
//! say which part is whose; it runs nothing.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The `index`-th of `count` equal parts, from 1: written `3/8`.
///
/// ```
/// use twinloop_sim::campaign::Shard;
///
/// let third: Shard = "3/8".parse().unwrap();
/// assert_eq!(third.part_of(&(0..1000)), 250..375);
/// assert!("9/8".parse::<Shard>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// The whole, as one part.
    pub const WHOLE: Shard = Shard { index: 1, count: 1 };

    /// Its part of `seeds`. The parts of all shards together are `seeds`, and no two have a seed in common; a part is empty
    /// where there are more shards than seeds.
    pub fn part_of(self, seeds: &Range<u64>) -> Range<u64> {
        let length = u128::from(seeds.end.saturating_sub(seeds.start));
        let bound = |parts: u64| {
            let before = length * u128::from(parts) / u128::from(self.count);
            seeds.start + u64::try_from(before).expect("a part of a u64 is one")
        };
        bound(self.index - 1)..bound(self.index)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// `I/N`, where I is from 1 to N.
impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let form = "a shard is given as I/N, for example 1/8, where I is from 1 to N";
        let (index, count) = text.split_once('/').ok_or(form)?;
        let number = |digits: &str| digits.parse::<u64>().map_err(|error| format!("{error} ({form})"));
        let shard = Shard { index: number(index)?, count: number(count)? };
        if (1..=shard.count).contains(&shard.index) { Ok(shard) } else { Err(form.to_owned()) }
    }
}

/// Variables by which a scheduler tells a job which part it is.
struct Scheduler {
    name: &'static str,
    index: &'static str,
    /// None where it does not say how many there are: then `TWINLOOP_SHARDS` has to.
    count: Option<&'static str>,
    /// What the first index is.
    base: Base,
}

enum Base {
    Number(u64),
    /// The variables of the first index and of the step.
    Stepped {
        first: &'static str,
        step: &'static str,
    },
}

const SCHEDULERS: &[Scheduler] = &[
    Scheduler {
        name: "Slurm array",
        index: "SLURM_ARRAY_TASK_ID",
        count: Some("SLURM_ARRAY_TASK_COUNT"),
        base: Base::Stepped { first: "SLURM_ARRAY_TASK_MIN", step: "SLURM_ARRAY_TASK_STEP" },
    },
    Scheduler::of("Kubernetes indexed job", "JOB_COMPLETION_INDEX", None, 0),
    Scheduler::of("AWS Batch array", "AWS_BATCH_JOB_ARRAY_INDEX", Some("AWS_BATCH_JOB_ARRAY_SIZE"), 0),
    Scheduler::of("Google Cloud Batch", "BATCH_TASK_INDEX", Some("BATCH_TASK_COUNT"), 0),
    Scheduler::of("Cloud Run job", "CLOUD_RUN_TASK_INDEX", Some("CLOUD_RUN_TASK_COUNT"), 0),
    Scheduler::of("LSF array", "LSB_JOBINDEX", Some("LSB_JOBINDEX_END"), 1),
    Scheduler::of("Grid Engine array", "SGE_TASK_ID", Some("SGE_TASK_LAST"), 1),
    Scheduler::of("PBS array", "PBS_ARRAY_INDEX", None, 0),
    Scheduler::of("GitLab parallel", "CI_NODE_INDEX", Some("CI_NODE_TOTAL"), 1),
    Scheduler::of("Buildkite parallelism", "BUILDKITE_PARALLEL_JOB", Some("BUILDKITE_PARALLEL_JOB_COUNT"), 0),
    Scheduler::of("CircleCI parallelism", "CIRCLE_NODE_INDEX", Some("CIRCLE_NODE_TOTAL"), 0),
    Scheduler::of("GNU parallel", "PARALLEL_SEQ", None, 1),
    Scheduler::of("Open MPI", "OMPI_COMM_WORLD_RANK", Some("OMPI_COMM_WORLD_SIZE"), 0),
    Scheduler::of("PMI", "PMI_RANK", Some("PMI_SIZE"), 0),
];

/// How many parts there are, where the scheduler does not say.
const COUNT: &str = "TWINLOOP_SHARDS";
/// The part itself: it goes before what any scheduler says. `1/1` is the whole.
const SHARD: &str = "TWINLOOP_SHARD";

/// A part, and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detected {
    /// The part.
    pub(crate) shard: Shard,
    /// By which variables.
    pub(crate) source: String,
}

/// The part that the environment asks for; `read` reads a variable. None if no scheduler is there, or none that has parts.
/// It is an error if a variable has no sense, if the number of parts is not known, or if two schedulers do not agree: a
/// campaign that guessed would run some seeds twice and others never.
pub(crate) fn detect(read: &dyn Fn(&str) -> Option<String>) -> Result<Option<Detected>, String> {
    if let Some(text) = read(SHARD) {
        let shard = text.parse().map_err(|error| format!("{SHARD}={text}: {error}"))?;
        return Ok(Some(Detected { shard, source: SHARD.to_owned() }));
    }
    let mut found: Option<Detected> = None;
    for scheduler in SCHEDULERS {
        let Some(detected) = scheduler.detect(read)? else { continue };
        match &found {
            Some(other) if other.shard != detected.shard => {
                return Err(format!(
                    "{} says shard {}, and {} says {}: say which with --shard",
                    other.source, other.shard, detected.source, detected.shard
                ));
            }
            Some(_) => {}
            None => found = Some(detected),
        }
    }
    // One part is no part: `CI_NODE_TOTAL` is 1 where nothing is parallel.
    Ok(found.filter(|detected| detected.shard.count > 1))
}

impl Scheduler {
    const fn of(
        name: &'static str,
        index: &'static str,
        count: Option<&'static str>,
        base: u64,
    ) -> Scheduler {
        Scheduler { name, index, count, base: Base::Number(base) }
    }

    fn detect(&self, read: &dyn Fn(&str) -> Option<String>) -> Result<Option<Detected>, String> {
        let Some(index) = number(read, self.index)? else { return Ok(None) };
        let (count, said_by) = match self.count.map(|name| number(read, name).map(|count| (count, name))) {
            Some(counted) => counted?,
            None => (number(read, COUNT)?, COUNT),
        };
        let count = count.ok_or_else(|| {
            format!("{} is set ({}), and {said_by} is not: how many shards are there?", self.index, self.name)
        })?;
        let index = self.position(index, read)?;
        let shard = Shard { index, count };
        if !(1..=count).contains(&index) {
            return Err(format!("{} says shard {shard} by {} and {said_by}", self.name, self.index));
        }
        Ok(Some(Detected { shard, source: format!("{} ({}, {said_by})", self.name, self.index) }))
    }

    /// Counted from 1.
    fn position(&self, index: u64, read: &dyn Fn(&str) -> Option<String>) -> Result<u64, String> {
        let (first, step) = match self.base {
            Base::Number(first) => (first, 1),
            Base::Stepped { first, step } => {
                (number(read, first)?.unwrap_or(0), number(read, step)?.unwrap_or(1).max(1))
            }
        };
        let before = index
            .checked_sub(first)
            .ok_or_else(|| format!("{}={index} is below the first index, {first}", self.index))?;
        Ok(before / step + 1)
    }
}

fn number(read: &dyn Fn(&str) -> Option<String>, name: &str) -> Result<Option<u64>, String> {
    let Some(text) = read(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    // SGE says so where there is no array.
    if text == "undefined" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| format!("{name}={text}: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn detect_in(variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let read = |name: &str| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        detect(&read).map(|found| found.map(|found| format!("{} by {}", found.shard, found.source)))
    }

    #[track_caller]
    fn found(variables: &[(&str, &str)], expected: &str) {
        assert_eq!(detect_in(variables), Ok(Some(expected.to_owned())));
    }

    proptest! {
        #[test]
        fn shards_are_a_partition(start in 0..u64::MAX, length in 0..u64::MAX, count in 1..100_u64) {
            let seeds = start..start.saturating_add(length);
            let mut next = seeds.start;
            let lengths: Vec<u64> = (1..=count)
                .map(|index| {
                    let part = Shard { index, count }.part_of(&seeds);
                    assert_eq!(part.start, next);
                    next = part.end;
                    part.end - part.start
                })
                .collect();
            assert_eq!(next, seeds.end);
            let (least, most) = (lengths.iter().min().expect("one"), lengths.iter().max().expect("one"));
            assert!(most - least <= 1, "{lengths:?}");
        }
    }

    #[test]
    fn each_scheduler_is_understood() {
        found(
            &[
                ("SLURM_ARRAY_TASK_ID", "14"),
                ("SLURM_ARRAY_TASK_COUNT", "4"),
                ("SLURM_ARRAY_TASK_MIN", "10"),
                ("SLURM_ARRAY_TASK_STEP", "2"),
            ],
            "3/4 by Slurm array (SLURM_ARRAY_TASK_ID, SLURM_ARRAY_TASK_COUNT)",
        );
        found(
            &[("JOB_COMPLETION_INDEX", "0"), ("TWINLOOP_SHARDS", "5")],
            "1/5 by Kubernetes indexed job (JOB_COMPLETION_INDEX, TWINLOOP_SHARDS)",
        );
        found(
            &[("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "2")],
            "2/2 by GitLab parallel (CI_NODE_INDEX, CI_NODE_TOTAL)",
        );
        found(
            &[("PARALLEL_SEQ", "7"), ("TWINLOOP_SHARDS", "8")],
            "7/8 by GNU parallel (PARALLEL_SEQ, TWINLOOP_SHARDS)",
        );
        found(
            &[("AWS_BATCH_JOB_ARRAY_INDEX", "9"), ("AWS_BATCH_JOB_ARRAY_SIZE", "10")],
            "10/10 by AWS Batch array (AWS_BATCH_JOB_ARRAY_INDEX, AWS_BATCH_JOB_ARRAY_SIZE)",
        );
    }

    #[test]
    fn where_nothing_is_parallel_there_is_no_shard() {
        assert_eq!(detect_in(&[]), Ok(None));
        assert_eq!(detect_in(&[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "1")]), Ok(None));
        assert_eq!(detect_in(&[("SGE_TASK_ID", "undefined"), ("SGE_TASK_LAST", "undefined")]), Ok(None));
    }

    #[test]
    fn what_is_said_goes_before_what_is_found() {
        found(
            &[("TWINLOOP_SHARD", "2/3"), ("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "9")],
            "2/3 by TWINLOOP_SHARD",
        );
    }

    #[test]
    fn nothing_is_guessed() {
        let error = detect_in(&[("JOB_COMPLETION_INDEX", "3")]).expect_err("how many?");
        assert!(error.contains("TWINLOOP_SHARDS is not: how many shards are there?"), "{error}");
        let error = detect_in(&[
            ("CI_NODE_INDEX", "1"),
            ("CI_NODE_TOTAL", "2"),
            ("SLURM_ARRAY_TASK_ID", "3"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
        ]);
        assert!(error.expect_err("which one?").ends_with("says 1/2: say which with --shard"));
        let error = detect_in(&[("CIRCLE_NODE_INDEX", "4"), ("CIRCLE_NODE_TOTAL", "4")]);
        assert!(error.expect_err("an index too many").contains("CircleCI parallelism says shard 5/4"));
        assert!(detect_in(&[("TWINLOOP_SHARD", "0/3")]).is_err());
        assert!(detect_in(&[("CI_NODE_INDEX", "x"), ("CI_NODE_TOTAL", "2")]).is_err());
    }
}
