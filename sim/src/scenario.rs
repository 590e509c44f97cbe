//! A scenario: a name and the recipe that builds its world. It knows no seed; the campaign brings them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::choice::Choices;
use crate::small::run_world;
use crate::verdict::{Report, one_line};
use crate::{Sim, story};

/// A named world to explore: hosts, their programs, faults and the checks after the run.
///
/// It is `Clone + Send + Sync`, so that a campaign can run many seeds on several threads at once; each run builds its
/// world anew from the recipe, on the thread that runs it.
#[derive(Clone)]
pub struct Scenario {
    name: &'static str,
    about: &'static str,
    configuration: BTreeMap<String, String>,
    build: Arc<dyn Fn(&mut Sim) + Send + Sync>,
}

impl Scenario {
    /// The scenario `name`, whose world `build` builds. `about` is one line for people.
    ///
    /// Names are what replay files and the command line know a scenario by: lower-case words with dashes.
    pub fn new(
        name: &'static str,
        about: &'static str,
        build: impl Fn(&mut Sim) + Send + Sync + 'static,
    ) -> Scenario {
        Scenario { name, about, configuration: BTreeMap::new(), build: Arc::new(build) }
    }

    /// Says what of the world is neither in its code nor drawn: a number of clients from the command line, a variant of
    /// a loop. Replay files keep it, and say where another world's run is compared with theirs. It changes nothing in
    /// the world: `build` has to know the value.
    ///
    /// ```
    /// use twinloop_sim::{Scenario, Units};
    ///
    /// fn slow(latency: u64) -> Scenario {
    ///     let build = move |sim: &mut twinloop_sim::Sim| _ = sim.links().latency(latency.ms());
    ///     Scenario::new("slow", "links of some latency", build).config("latency", latency)
    /// }
    /// assert_eq!(slow(40).configuration()["latency"], "40");
    /// ```
    ///
    /// # Panics
    ///
    /// If `key` has blanks or `=` in it, or if there is nothing to be seen of `value`.
    pub fn config(mut self, key: &str, value: impl ToString) -> Scenario {
        configure(&mut self.configuration, key, &value.to_string());
        self
    }

    /// What [`config`](Scenario::config) was told, by name.
    pub fn configuration(&self) -> &BTreeMap<String, String> {
        &self.configuration
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it explores, in one line.
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// Runs it once under `choices`. With `telling`, the report has the run's story, which costs time and memory.
    pub fn run(&self, choices: &Choices, telling: story::Telling) -> Report {
        run_world(choices, telling, |sim| (self.build)(sim))
    }
}

/// Adds a setting that a replay file can hold.
pub(crate) fn configure(configuration: &mut BTreeMap<String, String>, key: &str, value: &str) {
    let is_word = !key.is_empty() && !key.contains(|c: char| c.is_whitespace() || c == '=');
    assert!(is_word, "{key:?} is no name for a setting: one word without `=`");
    let value = one_line(value);
    assert!(!value.is_empty(), "the setting {key} has no value: say one, such as none");
    configuration.insert(key.to_owned(), value);
}
