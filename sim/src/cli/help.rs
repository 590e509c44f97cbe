//! What a program says of itself: its commands, and its scenarios. `args.rs` has the words that it takes.

use std::fmt::Write as _;

use super::Cli;

impl Cli {
    pub(super) fn list(&self) -> String {
        let width = self.scenarios.iter().map(|scenario| scenario.name().len()).max().unwrap_or(0);
        let mut list = String::new();
        for scenario in &self.scenarios {
            // Writing to a string cannot fail.
            let _ = writeln!(list, "{:width$}  {}", scenario.name(), scenario.about());
        }
        list
    }

    pub(super) fn help(&self, program: &str) -> String {
        let mut help =
            format!("{}: {}\n\nUsage: {program} COMMAND [ARGUMENTS]\n\n{HELP}", self.name, self.about);
        if self.real.is_some() {
            help.push_str(HELP_REAL);
        }
        for command in &self.commands {
            let _ = writeln!(help, "  {:23} {}", command.name, command.about);
        }
        if !self.scenarios.is_empty() {
            help.push_str("\nScenarios (the first is meant where none is named):\n");
        }
        for line in self.list().lines() {
            let _ = writeln!(help, "  {line}");
        }
        help + HELP_EXIT
    }
}

const HELP: &str = "\
Commands:
  explore [SCENARIO]      run many seeds; shrink a failure and keep it in a file
    --seeds A..B            these seeds, B excluded (0..1000)
    --jobs N                on N threads (as many as the machine runs at once)
    --check                 run every seed twice and compare
    --all                   go on after the first failure; tell one of each kind
    --replays DIR           keep failures in DIR (replays)
    --budget N              spend N runs on shrinking each failure (3000)
    --any-failure           a smaller run may fail in another way
    --time SECONDS          begin no seed after that
    --shard I/N             the I-th of N parts of the seeds; without it, what
                            Slurm, Kubernetes, GitLab and the like have set
    --out DIR               keep a ledger in DIR: to go on later, and to merge
    --json                  results as JSON lines, text to standard error
    --isolation LEVEL       what a run shares with those before: same-thread,
                            fresh-thread, fork, process
    --strict                a run fails that makes a call of the system which
                            nothing controls (with twinloop-interpose)
    --reached               a sometimes! that was never true, a reachable! that
                            was never reached, an always! that was never
                            checked is a failure
  search WAY [SCENARIO]   find a failure in other ways than seed by seed:
                            guided      go on from where something was new
                            exhaustive  all runs with few unusual picks
                            priorities  one thread is ahead, then another one
    --runs N, --seed S      at most N runs (10000), from seed S on (0)
    --jobs N                on N threads; the same runs, however many
    --picks K, --values V   exhaustive: K unusual picks (2), V values each (3)
    --changes D             priorities: so many changes of who is ahead (2)
    --replays DIR, --budget N, --any-failure, --time SECONDS, --json
                            as for explore
  replay FILE|SEED [SCENARIO]
                          run it twice; say whether the failure is still there
    --isolation, --strict   as for explore
  show FILE|SEED [SCENARIO]
                          tell what happens in the run, line by line; behind
                          `←` stands what each line is due to
    --everything            with every callback
    --why                   only what led to the failure
    --host NAME             only what happens on this host and to its messages
    --connection A-B        only what is said between A and B, each a host, a
                            port, HOST:PORT or an address with its port
    --export FORMAT FILE    write it to FILE too, for ui.perfetto.dev
                            (perfetto), for ShiViz (shiviz), or as a sequence
                            diagram (mermaid)
  shrink FILE             make the failure of FILE smaller still
    --budget N, --any-failure
  merge DIR               put the ledgers of DIR together, and write a page
    --reached               as for explore, of all scenarios together
  list                    list the scenarios
  help                    show this page (also --help, -h)
  --version               show the version
";

const HELP_REAL: &str = "  real [SCENARIO] [ARGS]  run the same scenario on the real driver\n";

const HELP_EXIT: &str = "
Exit codes: 0 passed, 1 failures found, 2 usage, 3 two runs that must be the
same differ, 75 could not run.
";
