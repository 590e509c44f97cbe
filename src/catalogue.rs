//! What a program tells a simulation about itself: where it is willing to misbehave, and what it asserts. The list of
//! all of it is made by the linker. Nothing here draws, counts or judges: the driver does.
//!
//! | macro | what it says | in a simulation | elsewhere |
//! |---|---|---|---|
//! | [`buggify!`](crate::buggify) | something unusual, and legal, may be done here | true when the oracle says so | false |
//! | [`always!`](crate::always) | this holds whenever it is looked at | ends the run if it does not | `debug_assert!` |
//! | [`unreachable!`](crate::unreachable) | nobody comes here | ends the run | panics in a debug build |
//! | [`sometimes!`](crate::sometimes) | this holds in some run or other | counted | nothing |
//! | [`reachable!`](crate::reachable) | somebody comes here in some run or other | counted | nothing |
//!
//! A campaign adds up the counts of its runs and lists what was never reached: what a test suite only seems to cover.
//!
//! # What they cost
//!
//! With the feature `catalogue` each site costs the look at a flag of the process until that makes a simulated driver:
//! four instructions in a release build for x86-64 (two loads, a test and a branch that is never taken), counted by
//! callgrind. An `always!` whose detail has arguments took seven, since it keeps them in memory. At its start the
//! process enters each site into a list.
//!
//! `twinloop-sim` turns the feature on. A release build that is linked without it pays nothing at all: [`is_watched`] is a
//! constant, and the counts of instructions with and without the macros were the same.
//!
//! # What is linked
//!
//! The list is made of what the linker keeps: in libraries too, in functions that nobody calls and in generic ones that
//! nobody uses, on Linux and on Windows as tried, on every system that the crate `inventory` knows. A library of which
//! a program uses nothing is not linked, and so not listed.
//!
//! # Names
//!
//! What is said twice in the same words is one item, so give each its own. A name belongs to replay files and ledgers:
//! it should outlive edits. A `buggify!` without a name is known by its function's path and its position among the
//! nameless ones of that function.

mod listening;
mod macros;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Handle;
use crate::driver::Driver;

pub use listening::{Listening, listen};

/// What an item of the catalogue says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// [`always!`](crate::always)
    Always,
    /// [`unreachable!`](crate::unreachable)
    Unreachable,
    /// [`sometimes!`](crate::sometimes)
    Sometimes,
    /// [`reachable!`](crate::reachable)
    Reachable,
    /// [`buggify!`](crate::buggify)
    Buggify,
}

impl Kind {
    /// One lower-case word: the name of its macro.
    ///
    /// ```
    /// assert_eq!(twinloop::catalogue::Kind::Sometimes.name(), "sometimes");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Kind::Always => "always",
            Kind::Unreachable => "unreachable",
            Kind::Sometimes => "sometimes",
            Kind::Reachable => "reachable",
            Kind::Buggify => "buggify",
        }
    }
}

/// One thing that the program says, in one place or in several.
#[derive(Debug)]
pub struct Item {
    number: usize,
    kind: Kind,
    name: String,
    places: Vec<&'static Location<'static>>,
}

impl Item {
    /// Its position in [`items`].
    pub fn number(&self) -> usize {
        self.number
    }

    /// What it says.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its message, or the name of its site.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it stands in the source, in the order of the lines; at least one place.
    pub fn places(&self) -> &[&'static Location<'static>] {
        &self.places
    }
}

/// What a driver hears when a program comes by an assertion.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Assertion<'a> {
    /// Which one.
    pub item: &'static Item,
    /// Which of its places.
    pub place: &'static Location<'static>,
    /// Whether it holds. For [`Kind::Reachable`] it does, for [`Kind::Unreachable`] it does not.
    pub holds: bool,
    /// What the program says of the case, if it does not hold; may be empty.
    pub detail: &'a str,
}

/// All that is in the linked program, its libraries included, whether it ever runs or not: by kind and name. Nothing without
/// the feature `catalogue`.
///
/// ```
/// use twinloop::catalogue::{Kind, items};
///
/// fn nobody_calls_this(balance: i64) {
///     twinloop::always!(balance >= 0, "no account is overdrawn");
/// }
///
/// let item = items().iter().find(|item| item.name() == "no account is overdrawn");
/// assert_eq!(item.expect("the linker lists it").kind(), Kind::Always);
/// ```
pub fn items() -> &'static [Item] {
    static ITEMS: OnceLock<Vec<Item>> = OnceLock::new();
    ITEMS.get_or_init(|| number(linked()))
}

/// From now on the macros ask the drivers of this process. For whoever writes a driver that answers: it calls this
/// before it is asked.
pub fn watch() {
    #[cfg(feature = "catalogue")]
    WATCHED.store(true, Ordering::Relaxed);
}

/// Whether anybody may listen to what the macros say.
#[inline(always)]
pub fn is_watched() -> bool {
    #[cfg(feature = "catalogue")]
    let is_watched = WATCHED.load(Ordering::Relaxed);
    #[cfg(not(feature = "catalogue"))]
    let is_watched = false;
    is_watched
}

/// It only spares those who are not simulated a question: what is answered depends on the driver alone.
#[cfg(feature = "catalogue")]
static WATCHED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// One use of a macro.
#[doc(hidden)]
#[derive(Debug)]
pub struct Entry {
    kind: Kind,
    name: fn() -> Option<&'static str>,
    function: fn() -> &'static str,
    place: &'static Location<'static>,
    /// The number of its item, counted from 1; 0 before the catalogue is made.
    number: AtomicU32,
}

/// What a macro hands to the linker.
#[doc(hidden)]
#[derive(Debug)]
pub struct Linked(pub &'static Entry);

/// How the macros hand an entry to the linker.
#[cfg(feature = "catalogue")]
#[doc(hidden)]
pub use inventory as __inventory;

#[cfg(feature = "catalogue")]
inventory::collect!(Linked);

fn linked() -> Vec<&'static Entry> {
    #[cfg(feature = "catalogue")]
    let entries = inventory::iter::<Linked>.into_iter().map(|linked| linked.0).collect();
    #[cfg(not(feature = "catalogue"))]
    let entries = Vec::new();
    entries
}

/// Makes items of entries, and tells each entry which is its own.
fn number(mut entries: Vec<&'static Entry>) -> Vec<Item> {
    // The linker's order is its own affair.
    entries.sort_by_key(|entry| (entry.place.file(), entry.place.line(), entry.place.column()));
    let mut nameless: BTreeMap<String, usize> = BTreeMap::new();
    let mut by_name: BTreeMap<(Kind, String), Vec<&'static Entry>> = BTreeMap::new();
    for entry in entries {
        let name = (entry.name)().map(str::to_owned).unwrap_or_else(|| {
            let function = function_path((entry.function)());
            let before = nameless.entry(function.clone()).or_default();
            *before += 1;
            if *before == 1 { function } else { format!("{function} ({before})") }
        });
        by_name.entry((entry.kind, name)).or_default().push(entry);
    }
    let item = |(number, ((kind, name), entries)): (usize, ((Kind, String), Vec<&'static Entry>))| {
        for entry in &entries {
            let counted = u32::try_from(number + 1).expect("a program has fewer than 2³² items");
            entry.number.store(counted, Ordering::Relaxed);
        }
        Item { number, kind, name, places: entries.iter().map(|entry| entry.place).collect() }
    };
    by_name.into_iter().enumerate().map(item).collect()
}

/// The path of the function around `here`, closures and the bodies of async functions left out.
fn function_path(here: &str) -> String {
    let around = here.rsplit_once("::").map_or(here, |(around, _)| around);
    around.replace("::{{closure}}", "")
}

impl Entry {
    /// The entry of the macro that is used here.
    #[track_caller]
    pub const fn new(
        kind: Kind,
        name: fn() -> Option<&'static str>,
        function: fn() -> &'static str,
    ) -> Entry {
        Entry { kind, name, function, place: Location::caller(), number: AtomicU32::new(0) }
    }

    /// `None` for what was loaded into the process after the catalogue was made: no list has it.
    fn item(&self) -> Option<&'static Item> {
        let items = items();
        let counted = self.number.load(Ordering::Relaxed) as usize;
        counted.checked_sub(1).map(|number| &items[number])
    }

    fn name(&self) -> &'static str {
        (self.name)().unwrap_or_else(|| (self.function)())
    }
}

/// The name of the type of `_`.
#[doc(hidden)]
pub fn type_name_of<T>(_: T) -> &'static str {
    std::any::type_name::<T>()
}

/// What `buggify!` is given alone: a name or a probability.
#[doc(hidden)]
pub trait SiteArgument {
    /// The name, if it is one.
    fn name(self) -> Option<&'static str>;
    /// The probability, if it is one.
    fn probability(self) -> Option<f64>;
}

impl SiteArgument for &'static str {
    fn name(self) -> Option<&'static str> {
        Some(self)
    }

    fn probability(self) -> Option<f64> {
        None
    }
}

impl SiteArgument for f64 {
    fn name(self) -> Option<&'static str> {
        None
    }

    fn probability(self) -> Option<f64> {
        Some(self)
    }
}

/// How often a site fires that is on in a run, if it does not say.
const USUAL_PROBABILITY: f64 = 0.25;

/// Asks the driver of the current dispatcher, if there is one.
#[doc(hidden)]
#[cold]
pub fn buggify(entry: &'static Entry, probability: Option<f64>) -> bool {
    let probability = probability.unwrap_or(USUAL_PROBABILITY);
    assert!(
        (0.0..=1.0).contains(&probability),
        "a probability is between 0 and 1, not {probability}: mend the buggify! called {:?}",
        entry.name()
    );
    let core = Handle::try_current().and_then(|handle| handle.try_core());
    let (Some(core), Some(site)) = (core, entry.item()) else { return false };
    ask(&core.driver, |driver| driver.buggify(site, probability))
}

/// Tells the driver of the current dispatcher, or who [listens](listen) where there is none; where nobody hears it, an
/// assertion that does not hold panics if it `is_checked`.
#[doc(hidden)]
#[cold]
#[track_caller]
pub fn assert(entry: &'static Entry, holds: bool, detail: fmt::Arguments<'_>, is_checked: bool) {
    // What tells a detail may be the program's own code: it runs before anything is borrowed. Of what holds, nobody
    // asks for one.
    let detail = if holds { String::new() } else { detail.to_string() };
    let is_heard = entry.item().is_some_and(|item| {
        let assertion = Assertion { item, place: entry.place, holds, detail: &detail };
        match Handle::try_current().and_then(|handle| handle.try_core()) {
            Some(core) => ask(&core.driver, |driver| driver.assertion(&assertion)),
            None => listening::tell(&assertion),
        }
    });
    if is_heard || !is_checked || holds {
        return;
    }
    let name = entry.name();
    match detail.as_str() {
        "" => panic!("{}: {name}", entry.kind.name()),
        detail => panic!("{}: {name}: {detail}", entry.kind.name()),
    }
}

/// # Panics
///
/// While a call of the driver is under way, which no program's code runs in but predicates of simulated messages.
#[track_caller]
fn ask<R>(driver: &RefCell<Box<dyn Driver>>, ask: impl FnOnce(&mut dyn Driver) -> R) -> R {
    let mut driver = driver.try_borrow_mut().expect(
        "a predicate of messages asserts nothing and has no buggify!: note what it saw, and assert in a program or a check",
    );
    ask(&mut **driver)
}
