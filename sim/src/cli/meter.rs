//! Progress for people, on standard error: a bar on a terminal, a line now and then in a log. Its clock is the only one
//! of this crate; nothing of it reaches a run.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

use crate::campaign::Findings;
use crate::shrink::Progress;

/// How often a log gets a line, in seconds of wall time.
const LOG_PERIOD_SECONDS: u64 = 10;

/// The progress of a campaign.
pub(super) struct SeedMeter {
    bar: ProgressBar,
    name: String,
    watched: bool,
    counts: Arc<Counts>,
    logged_periods: AtomicU64,
}

/// What the bar shows besides its position. The bar draws when it likes, so it reads them then.
#[derive(Default)]
struct Counts {
    failed: AtomicU64,
    virtual_seconds: AtomicU64,
}

impl SeedMeter {
    pub(super) fn new(name: &str, seeds: u64, watched: bool) -> SeedMeter {
        let counts = Arc::new(Counts::default());
        let bar = bar(seeds, watched);
        bar.set_style(seed_style(&counts));
        bar.set_message(name.to_owned());
        SeedMeter { bar, name: name.to_owned(), watched, counts, logged_periods: AtomicU64::new(0) }
    }

    /// Shows `findings`. To be called after every seed, from any thread.
    pub(super) fn show(&self, findings: &Findings) {
        self.counts.failed.store(findings.failed, Ordering::Relaxed);
        self.counts.virtual_seconds.store(findings.virtual_time.as_secs(), Ordering::Relaxed);
        self.bar.set_position(findings.seeds());
        if self.watched && self.bar.is_hidden() {
            self.log(findings);
        }
    }

    fn log(&self, findings: &Findings) {
        if is_due(&self.bar, &self.logged_periods) {
            let (name, seeds, failed) = (&self.name, HumanCount(findings.seeds()), findings.failed);
            let of = HumanCount(self.bar.length().unwrap_or(0));
            // A log that cannot be written does not stop the campaign: its result goes elsewhere.
            let _ = writeln!(io::stderr(), "{name}: {seeds} of {of} seeds, {failed} failed");
        }
    }

    /// Takes the bar away. Returns the wall time since the beginning.
    pub(super) fn finish(self) -> Duration {
        let elapsed = self.bar.elapsed();
        self.bar.finish_and_clear();
        elapsed
    }
}

/// The progress of a search that is no campaign.
pub(super) struct RunMeter {
    bar: ProgressBar,
    name: String,
    watched: bool,
    logged_periods: AtomicU64,
}

impl RunMeter {
    pub(super) fn new(name: &str, runs: u64, watched: bool) -> RunMeter {
        let bar = bar(runs, watched);
        bar.set_style(style("{msg} [{bar:16}] {human_pos} of at most {human_len} runs"));
        bar.set_message(name.to_owned());
        RunMeter { bar, name: name.to_owned(), watched, logged_periods: AtomicU64::new(0) }
    }

    pub(super) fn show(&self, runs: u64) {
        self.bar.set_position(runs);
        if self.watched && self.bar.is_hidden() && is_due(&self.bar, &self.logged_periods) {
            let of = HumanCount(self.bar.length().unwrap_or(0));
            // A log that cannot be written does not stop the search: its result goes elsewhere.
            let _ = writeln!(io::stderr(), "{}: {} of at most {of} runs", self.name, HumanCount(runs));
        }
    }

    /// The wall time since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.bar.elapsed()
    }

    /// Takes the bar away. Returns the wall time since the beginning.
    pub(super) fn finish(self) -> Duration {
        let elapsed = self.elapsed();
        self.bar.finish_and_clear();
        elapsed
    }
}

/// Whether a log is to get its next line.
fn is_due(bar: &ProgressBar, logged_periods: &AtomicU64) -> bool {
    let periods = bar.elapsed().as_secs() / LOG_PERIOD_SECONDS;
    logged_periods.swap(periods, Ordering::Relaxed) < periods
}

/// The progress of a search for a smaller failure.
pub(super) struct ShrinkMeter(ProgressBar);

impl ShrinkMeter {
    pub(super) fn new(budget_runs: usize, watched: bool) -> ShrinkMeter {
        let bar = bar(budget_runs as u64, watched);
        bar.set_style(style("shrinking [{bar:20}] {pos} of at most {human_len} runs, {msg} picks left"));
        ShrinkMeter(bar)
    }

    pub(super) fn show(&self, progress: &Progress<'_>) {
        self.0.set_message(progress.picks.to_string());
        self.0.set_position(progress.runs as u64);
    }

    pub(super) fn finish(self) {
        self.0.finish_and_clear();
    }
}

/// A bar that hides itself where standard error is no terminal.
fn bar(length: u64, watched: bool) -> ProgressBar {
    if watched {
        return ProgressBar::new(length);
    }
    let bar = ProgressBar::hidden();
    bar.set_length(length);
    bar
}

fn seed_style(counts: &Arc<Counts>) -> ProgressStyle {
    let (failed, world) = (Arc::clone(counts), Arc::clone(counts));
    style("{msg} [{bar:16}] {human_pos}/{human_len} seeds, {rate}/s; {world} virtual s in {wall} s; {failed} failed")
        .with_key("rate", |state: &ProgressState, to: &mut dyn fmt::Write| {
            let _ = write!(to, "{}", HumanCount(state.per_sec() as u64));
        })
        .with_key("wall", |state: &ProgressState, to: &mut dyn fmt::Write| {
            let _ = write!(to, "{:.1}", state.elapsed().as_secs_f64());
        })
        .with_key("world", move |_: &ProgressState, to: &mut dyn fmt::Write| {
            let _ = write!(to, "{}", HumanCount(world.virtual_seconds.load(Ordering::Relaxed)));
        })
        .with_key("failed", move |_: &ProgressState, to: &mut dyn fmt::Write| {
            let _ = write!(to, "{}", failed.failed.load(Ordering::Relaxed));
        })
}

fn style(template: &'static str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well formed").progress_chars("=> ")
}
