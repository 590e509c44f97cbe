//! Which part of a campaign this process is, by the variables that schedulers set. It reads them and splits nothing.

use super::Shard;

/// A scheduler, and the variables by which it tells a job which part it is.
struct Scheduler {
    name: &'static str,
    index: &'static str,
    /// What the first index is, if no variable says it.
    first: u64,
    first_said_by: Option<&'static str>,
    step_said_by: Option<&'static str>,
    count: Count,
}

/// How a scheduler says how many parts there are.
#[derive(Clone, Copy)]
enum Count {
    SaidBy(&'static str),
    /// The variable has the last index.
    UpTo(&'static str),
    /// It does not say: [`COUNT`] has to.
    Unsaid,
}

use Count::{SaidBy, Unsaid, UpTo};

const SCHEDULERS: &[Scheduler] = &[
    Scheduler {
        first_said_by: Some("SLURM_ARRAY_TASK_MIN"),
        step_said_by: Some("SLURM_ARRAY_TASK_STEP"),
        ..Scheduler::of("Slurm array", "SLURM_ARRAY_TASK_ID", SaidBy("SLURM_ARRAY_TASK_COUNT"), 0)
    },
    Scheduler::of("Kubernetes indexed job", "JOB_COMPLETION_INDEX", Unsaid, 0),
    Scheduler::of("AWS Batch array", "AWS_BATCH_JOB_ARRAY_INDEX", SaidBy("AWS_BATCH_JOB_ARRAY_SIZE"), 0),
    Scheduler::of("Google Cloud Batch", "BATCH_TASK_INDEX", SaidBy("BATCH_TASK_COUNT"), 0),
    Scheduler::of("Cloud Run job", "CLOUD_RUN_TASK_INDEX", SaidBy("CLOUD_RUN_TASK_COUNT"), 0),
    Scheduler {
        step_said_by: Some("LSB_JOBINDEX_STEP"),
        ..Scheduler::of("LSF array", "LSB_JOBINDEX", UpTo("LSB_JOBINDEX_END"), 1)
    },
    Scheduler {
        first_said_by: Some("SGE_TASK_FIRST"),
        step_said_by: Some("SGE_TASK_STEPSIZE"),
        ..Scheduler::of("Grid Engine array", "SGE_TASK_ID", UpTo("SGE_TASK_LAST"), 1)
    },
    Scheduler::of("PBS array", "PBS_ARRAY_INDEX", Unsaid, 0),
    Scheduler::of("GitLab parallel", "CI_NODE_INDEX", SaidBy("CI_NODE_TOTAL"), 1),
    Scheduler::of(
        "Buildkite parallelism",
        "BUILDKITE_PARALLEL_JOB",
        SaidBy("BUILDKITE_PARALLEL_JOB_COUNT"),
        0,
    ),
    Scheduler::of("CircleCI parallelism", "CIRCLE_NODE_INDEX", SaidBy("CIRCLE_NODE_TOTAL"), 0),
    Scheduler::of("Azure Pipelines slice", "SYSTEM_JOBPOSITIONINPHASE", SaidBy("SYSTEM_TOTALJOBSINPHASE"), 1),
    Scheduler::of(
        "Bitbucket parallel",
        "BITBUCKET_PARALLEL_STEP",
        SaidBy("BITBUCKET_PARALLEL_STEP_COUNT"),
        0,
    ),
    Scheduler::of("Semaphore parallelism", "SEMAPHORE_JOB_INDEX", SaidBy("SEMAPHORE_JOB_COUNT"), 1),
    Scheduler::of("GNU parallel", "PARALLEL_SEQ", Unsaid, 1),
    Scheduler::of("Open MPI", "OMPI_COMM_WORLD_RANK", SaidBy("OMPI_COMM_WORLD_SIZE"), 0),
    Scheduler::of("PMI", "PMI_RANK", SaidBy("PMI_SIZE"), 0),
];

/// How many parts there are, where the scheduler does not say. Where it does, the two must agree.
const COUNT: &str = "TWINLOOP_SHARDS";
/// The part itself: it goes before what any scheduler says. `1/1` is the whole.
const SHARD: &str = "TWINLOOP_SHARD";
const CURE: &str = "say which part this is with --shard I/N, or that it is all of them with --shard 1/1";

/// A part, and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detected {
    /// The part.
    pub(crate) shard: Shard,
    /// By which variables.
    pub(crate) source: String,
}

/// The value of a variable, if it is set.
type Read<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The part that the environment asks for. None if no scheduler is there, or none that has parts. It is an error if a
/// variable has no sense, if the part or the number of parts is not known, or if two do not agree: a campaign that
/// guessed would run some seeds twice and others never.
pub(crate) fn detect(read: Read<'_>) -> Result<Option<Detected>, String> {
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
                    "{} says shard {}, and {} says {}: {CURE}",
                    other.source, other.shard, detected.source, detected.shard
                ));
            }
            Some(_) => {}
            None => found = Some(detected),
        }
    }
    match number(read, COUNT)? {
        // Every worker would run every seed.
        Some(count) if count != 1 && found.is_none() => {
            Err(format!("{COUNT}={count}, and no scheduler says which of them this is: {CURE}"))
        }
        _ => Ok(found),
    }
}

impl Scheduler {
    const fn of(name: &'static str, index: &'static str, count: Count, first: u64) -> Scheduler {
        Scheduler { name, index, first, first_said_by: None, step_said_by: None, count }
    }

    /// None if it does not run this process, or has not split anything: CircleCI says "0 of 1" everywhere.
    fn detect(&self, read: Read<'_>) -> Result<Option<Detected>, String> {
        let Some(index) = number(read, self.index)? else { return Ok(None) };
        // LSF says so where there is no array.
        if index == 0 && self.index == "LSB_JOBINDEX" {
            return Ok(None);
        }
        let said = |variable: Option<&str>, otherwise| match variable {
            Some(name) => Ok::<_, String>(number(read, name)?.unwrap_or(otherwise)),
            None => Ok(otherwise),
        };
        let first = said(self.first_said_by, self.first)?;
        let step = said(self.step_said_by, 1)?.max(1);
        let (count, said_by) = self.count(first, step, read)?;
        if count == 1 {
            return Ok(None);
        }
        let source = format!("{} ({}, {said_by})", self.name, self.index);
        let before = index.checked_sub(first).filter(|before| before % step == 0);
        match before.map(|before| before / step) {
            Some(before) if before < count => {
                Ok(Some(Detected { shard: Shard { index: before + 1, count }, source }))
            }
            _ => Err(format!(
                "{source} says index {index} of {count}, where the first is {first}, in steps of {step}: {CURE}"
            )),
        }
    }

    /// How many parts there are, and the variable that says so.
    fn count(&self, first: u64, step: u64, read: Read<'_>) -> Result<(u64, &'static str), String> {
        let asked = number(read, COUNT)?;
        let (said, said_by) = match self.count {
            SaidBy(name) => (number(read, name)?, name),
            UpTo(name) => (number(read, name)?.map(|last| last.saturating_sub(first) / step + 1), name),
            Unsaid => (asked, COUNT),
        };
        match (said, asked) {
            (None, _) => Err(format!(
                "{} is set ({}), and {said_by} is not: how many shards are there? Set it, or {CURE}",
                self.index, self.name
            )),
            (Some(said), Some(asked)) if said > 1 && said != asked => {
                Err(format!("{} ({said_by}) says {said} shards, and {COUNT}={asked}: {CURE}", self.name))
            }
            (Some(said), _) => Ok((said, said_by)),
        }
    }
}

fn number(read: Read<'_>, name: &str) -> Result<Option<u64>, String> {
    let Some(text) = read(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    // SGE says so where there is no array.
    if text == "undefined" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| format!("{name}={text}: {error}"))
}

#[cfg(test)]
mod tests {
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

    #[track_caller]
    fn refused(variables: &[(&str, &str)], expected: &str) {
        let error = detect_in(variables).expect_err("nothing is guessed");
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn each_scheduler_is_understood() {
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
        found(
            &[("SYSTEM_JOBPOSITIONINPHASE", "1"), ("SYSTEM_TOTALJOBSINPHASE", "3")],
            "1/3 by Azure Pipelines slice (SYSTEM_JOBPOSITIONINPHASE, SYSTEM_TOTALJOBSINPHASE)",
        );
    }

    #[test]
    fn arrays_that_begin_elsewhere_or_go_by_steps_leave_no_part_out() {
        for (number, id) in ["10", "12", "14", "16"].into_iter().enumerate() {
            let part = number + 1;
            found(
                &[
                    ("SLURM_ARRAY_TASK_ID", id),
                    ("SLURM_ARRAY_TASK_COUNT", "4"),
                    ("SLURM_ARRAY_TASK_MIN", "10"),
                    ("SLURM_ARRAY_TASK_STEP", "2"),
                ],
                &format!("{part}/4 by Slurm array (SLURM_ARRAY_TASK_ID, SLURM_ARRAY_TASK_COUNT)"),
            );
            found(
                &[
                    ("SGE_TASK_ID", id),
                    ("SGE_TASK_FIRST", "10"),
                    ("SGE_TASK_LAST", "17"),
                    ("SGE_TASK_STEPSIZE", "2"),
                ],
                &format!("{part}/4 by Grid Engine array (SGE_TASK_ID, SGE_TASK_LAST)"),
            );
        }
        found(
            &[("LSB_JOBINDEX", "5"), ("LSB_JOBINDEX_END", "6"), ("LSB_JOBINDEX_STEP", "2")],
            "3/3 by LSF array (LSB_JOBINDEX, LSB_JOBINDEX_END)",
        );
    }

    #[test]
    fn an_array_with_gaps_is_refused() {
        let task = |id| {
            [("SLURM_ARRAY_TASK_ID", id), ("SLURM_ARRAY_TASK_COUNT", "3"), ("SLURM_ARRAY_TASK_MIN", "1")]
        };
        refused(&task("7"), "says index 7 of 3, where the first is 1");
        let task = [("SGE_TASK_ID", "2"), ("SGE_TASK_LAST", "9"), ("SGE_TASK_STEPSIZE", "4")];
        refused(&task, "says index 2 of 3, where the first is 1, in steps of 4: say which");
    }

    #[test]
    fn where_nothing_is_parallel_there_is_no_shard() {
        assert_eq!(detect_in(&[]), Ok(None));
        assert_eq!(detect_in(&[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "1")]), Ok(None));
        assert_eq!(detect_in(&[("SGE_TASK_ID", "undefined"), ("SGE_TASK_LAST", "undefined")]), Ok(None));
        assert_eq!(detect_in(&[("LSB_JOBINDEX", "0")]), Ok(None));
        assert_eq!(detect_in(&[("TWINLOOP_SHARDS", "1")]), Ok(None));
        // A job of CircleCI that is one, and splits by itself.
        found(
            &[
                ("CIRCLE_NODE_INDEX", "0"),
                ("CIRCLE_NODE_TOTAL", "1"),
                ("PARALLEL_SEQ", "2"),
                ("TWINLOOP_SHARDS", "8"),
            ],
            "2/8 by GNU parallel (PARALLEL_SEQ, TWINLOOP_SHARDS)",
        );
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
        refused(
            &[("JOB_COMPLETION_INDEX", "3")],
            "TWINLOOP_SHARDS is not: how many shards are there? Set it, or say which part this is with --shard",
        );
        refused(
            &[
                ("CI_NODE_INDEX", "1"),
                ("CI_NODE_TOTAL", "2"),
                ("SLURM_ARRAY_TASK_ID", "3"),
                ("SLURM_ARRAY_TASK_COUNT", "4"),
            ],
            "says 1/2: say which part this is with --shard",
        );
        refused(
            &[("CIRCLE_NODE_INDEX", "4"), ("CIRCLE_NODE_TOTAL", "4")],
            "CircleCI parallelism (CIRCLE_NODE_INDEX, CIRCLE_NODE_TOTAL) says index 4 of 4",
        );
        refused(&[("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "4")], "says index 0 of 4, where the first is 1");
        refused(&[("TWINLOOP_SHARD", "0/3")], "TWINLOOP_SHARD=0/3: a shard is given as I/N");
        refused(&[("CI_NODE_INDEX", "x"), ("CI_NODE_TOTAL", "2")], "CI_NODE_INDEX=x: invalid digit");
    }

    /// Each of the workers would take itself for the whole, or for a part of another campaign.
    #[test]
    fn a_number_of_parts_that_fits_nothing_is_refused() {
        refused(
            &[("TWINLOOP_SHARDS", "64")],
            "TWINLOOP_SHARDS=64, and no scheduler says which of them this is",
        );
        refused(
            &[("TWINLOOP_SHARDS", "64"), ("SLURM_ARRAY_TASK_ID", "5"), ("SLURM_ARRAY_TASK_COUNT", "2")],
            "Slurm array (SLURM_ARRAY_TASK_COUNT) says 2 shards, and TWINLOOP_SHARDS=64",
        );
    }
}
