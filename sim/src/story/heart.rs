//! The heart of a story: so few of the lines that led to a failure that they are read at a glance. It knows causes,
//! and no host's business.

use std::collections::{BTreeMap, BTreeSet};

use super::{Focus, Line, LineKind, Story};

/// How many steps from a fault, or from the failure, lines are told of a failure that many led to.
const STEPS_MAX: usize = 3;

impl Story {
    /// Of what led to the failure, what faults did and programs said: all of it if that is `count` lines at most,
    /// otherwise what is nearest to the faults, and to the failure if it is a program's own.
    pub(crate) fn heart(&self, count: usize) -> Story {
        let why = self.focus(&Focus::Failure);
        let why = why.keep(|line| line.kind != LineKind::Message && line.kind != LineKind::Callback);
        let Some(failure) = why.lines.last() else { return Story::default() };
        // A check looks at what all hosts have come to: its own line says nothing that its verdict does not, and what
        // came last has no more to do with it than what came before.
        let is_programs_own =
            self.lines.iter().any(|line| line.host == failure.host && line.number != failure.number);
        let has_faults = why.lines.iter().any(|line| line.kind == LineKind::Fault);
        let from_faults = steps_from_faults(&why);
        let to_failure = steps_to_failure(&why, failure.number);
        let mut ranked: Vec<(usize, usize)> = Vec::new();
        for line in why.lines.iter().filter(|line| is_programs_own || line.number != failure.number) {
            let before = from_faults.get(&line.number).filter(|_| has_faults);
            let behind = to_failure.get(&line.number).filter(|_| is_programs_own || !has_faults);
            let steps = before.into_iter().chain(behind).min();
            ranked.push((steps.copied().unwrap_or(usize::MAX), line.number));
        }
        if ranked.len() > count {
            ranked.retain(|(steps, _)| *steps <= STEPS_MAX);
            ranked.sort_unstable();
            if !has_faults {
                ranked.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
            }
            ranked.truncate(count);
        }
        let told: BTreeSet<usize> = ranked.into_iter().map(|(_, number)| number).collect();
        why.keep(|line| told.contains(&line.number))
    }
}

/// How many steps each line is from a fault that is due to no other one.
fn steps_from_faults(story: &Story) -> BTreeMap<usize, usize> {
    let mut steps: BTreeMap<usize, usize> = BTreeMap::new();
    for line in &story.lines {
        let before = line.causes.iter().filter_map(|cause| steps.get(cause)).min();
        match (before, line.kind) {
            (Some(before), _) => steps.insert(line.number, before + 1),
            (None, LineKind::Fault) => steps.insert(line.number, 0),
            (None, _) => None,
        };
    }
    steps
}

/// How many steps the failure is from each line that it is due to.
fn steps_to_failure(story: &Story, failure: usize) -> BTreeMap<usize, usize> {
    let mut steps = BTreeMap::from([(failure, 0)]);
    for Line { number, causes, .. } in story.lines.iter().rev() {
        let Some(&behind) = steps.get(number) else { continue };
        for cause in causes {
            let known = steps.entry(*cause).or_insert(behind + 1);
            *known = (*known).min(behind + 1);
        }
    }
    steps
}
