//! Keeps the panics of simulated programs off the terminal, and their texts, with places, for the verdict.
//!
//! A campaign meets thousands of failing runs; the process's panic hook would print each. The hook is replaced once, by
//! one that is silent on a thread that runs a simulation and passes everything else on to the hook before.

use std::cell::RefCell;
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::Once;

use twinloop::panic_text;

thread_local! {
    /// `Some` while this thread runs simulated programs; inside, the panics' texts, each with its place.
    static QUIET: RefCell<Option<Vec<Kept>>> = const { RefCell::new(None) };
}

/// A panic's text, and the same with its place.
type Kept = (String, String);

/// While it lives, panics of this thread are kept instead of printed.
pub(crate) struct Quiet {
    outer: Option<Vec<Kept>>,
}

pub(crate) fn quietly() -> Quiet {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            let kept = QUIET.try_with(|quiet| keep(quiet, info)).unwrap_or(false);
            if !kept {
                before(info);
            }
        }));
    });
    Quiet { outer: QUIET.replace(Some(Vec::new())) }
}

impl Quiet {
    /// The text with the place of the first panic since whose text this is: programs may have handled others themselves.
    pub(crate) fn told(&self, text: &str) -> Option<String> {
        QUIET.with_borrow(|quiet| {
            let (_, told) = quiet.iter().flatten().find(|(kept, _)| kept == text)?;
            Some(told.clone())
        })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.replace(self.outer.take());
    }
}

/// Keeps the panic, if this thread is quiet.
fn keep(quiet: &RefCell<Option<Vec<Kept>>>, info: &PanicHookInfo<'_>) -> bool {
    // A panic inside of the record keeping itself is printed.
    let Ok(mut quiet) = quiet.try_borrow_mut() else { return false };
    let Some(kept) = &mut *quiet else { return false };
    let text = panic_text(info.payload());
    let told = match info.location() {
        Some(place) => format!("{text} (at {}:{})", place.file(), place.line()),
        None => text.to_owned(),
    };
    kept.push((text.to_owned(), told));
    true
}
