//! Keeps the panics of simulated programs off the terminal, and their texts, with places, for the verdict.
//!
//! A campaign meets thousands of failing runs; the process's panic hook would print each. The hook is replaced once, by
//! one that is silent on a thread that runs a simulation and passes everything else on to the hook before.

use std::cell::{Cell, RefCell};
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::Once;

use twinloop::panic_text;

thread_local! {
    /// How many that live keep this thread quiet: more than none while it runs simulated programs.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// The panics' texts meanwhile, each with its place.
    static KEPT: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// A panic's text, and the same with its place.
type Kept = (String, String);

/// While it lives, panics of this thread are kept instead of printed.
pub(crate) struct Quiet {
    /// How many texts were kept before.
    before: usize,
}

pub(crate) fn quietly() -> Quiet {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            let is_quiet = DEPTH.try_with(|depth| depth.get() > 0).unwrap_or(false);
            let kept = is_quiet && KEPT.try_with(|kept| keep(kept, info)).unwrap_or(false);
            if !kept {
                before(info);
            }
        }));
    });
    DEPTH.set(DEPTH.get() + 1);
    Quiet { before: KEPT.with_borrow(Vec::len) }
}

impl Quiet {
    /// The text with the place of the first panic since whose text this is: programs may have handled others themselves.
    pub(crate) fn told(&self, text: &str) -> Option<String> {
        KEPT.with_borrow(|kept| {
            let (_, told) = kept[self.before..].iter().find(|(kept, _)| kept == text)?;
            Some(told.clone())
        })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        KEPT.with_borrow_mut(|kept| kept.truncate(self.before));
    }
}

/// Whether the panic could be kept.
fn keep(kept: &RefCell<Vec<Kept>>, info: &PanicHookInfo<'_>) -> bool {
    // A panic inside of the keeping itself is printed.
    let Ok(mut kept) = kept.try_borrow_mut() else { return false };
    let text = panic_text(info.payload());
    let told = match info.location() {
        Some(place) => format!("{text} (at {}:{})", place.file(), place.line()),
        None => text.to_owned(),
    };
    kept.push((text.to_owned(), told));
    true
}
