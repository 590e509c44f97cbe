//! sim
pub mod choice;
mod scenario;
pub mod story;
mod verdict;

pub use scenario::Scenario;
pub use verdict::{Report, Verdict};

/// stub, replaced soon
pub struct Sim;
impl Sim {
    pub(crate) fn new(_: choice::Chooser, _: story::Telling) -> Sim {
        Sim
    }
    pub(crate) fn run(self) -> Report {
        unreachable!()
    }
}
