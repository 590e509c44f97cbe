//! A scenario: a name and the recipe that builds its world. It knows no seed; the campaign brings them.

use std::sync::Arc;

use crate::choice::Choices;
use crate::small::run_world;
use crate::verdict::Report;
use crate::{Sim, story};

/// A named world to explore: hosts, their programs, faults and the checks after the run.
///
/// It is `Clone + Send + Sync`, so that a campaign can run many seeds on several threads at once; each run builds its
/// world anew from the recipe, on the thread that runs it.
#[derive(Clone)]
pub struct Scenario {
    name: &'static str,
    about: &'static str,
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
        Scenario { name, about, build: Arc::new(build) }
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
