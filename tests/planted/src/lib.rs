//! Small programs, each with one planted bug of a kind that people write, and each once more without it. What finds
//! them, and how soon, is measured by `table.rs` and kept by `tests/planted.rs`.
#![forbid(unsafe_code)]

mod bugs;
pub mod table;
pub mod ways;

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::rc::Rc;

use twinloop_sim::{Scenario, Sim};

pub use bugs::BUGS;

/// A program with a bug in it.
#[derive(Clone, Copy, Debug)]
pub struct Bug {
    /// As its scenario is called; the mended program has `-mended` behind it.
    pub name: &'static str,
    /// What kind of mistake it is.
    pub kind: &'static str,
    /// Which faults bring it out.
    pub faults: &'static str,
    /// The world, with the bug or without it.
    build: fn(&mut Sim, Version),
    /// Of which the failure's text must have this.
    pub shows_as: &'static str,
}

/// Which of the two programs runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Planted,
    Mended,
}

impl Version {
    fn is_planted(self) -> bool {
        self == Version::Planted
    }
}

impl Bug {
    /// The world of the program with the bug.
    pub fn planted(&self) -> Scenario {
        let build = self.build;
        Scenario::new(self.name, self.kind, move |sim| build(sim, Version::Planted))
    }

    /// The same world, with the program as it should be.
    pub fn mended(&self) -> Scenario {
        let build = self.build;
        let name = Box::leak(format!("{}-mended", self.name).into_boxed_str());
        Scenario::new(name, "the same without the bug", move |sim| build(sim, Version::Mended))
    }
}

type Outcome = Result<(), Box<dyn Error>>;

/// What outlives every crash, as a user's notes do.
type Notes<T> = Rc<RefCell<Vec<T>>>;

fn notes<T>() -> Notes<T> {
    Rc::default()
}

/// A number that programs and checks share.
type Count = Rc<Cell<u64>>;

fn add_one(count: &Count) -> u64 {
    count.set(count.get() + 1);
    count.get()
}
