//! Keeps the panics of simulated programs off the terminal, and their texts, with places, for the verdict.
//!
//! A campaign meets thousands of failing runs; the process's panic hook would print each. The hook is replaced once, by
//! one that is silent on a thread that runs a simulation and passes everything else on to the hook before.

use std::cell::RefCell;
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::Once;

use twinloop::panic_text;

thread_local! {
    /// `Some` while this thread runs simulated programs; inside, the first panic's text.
    static QUIET: RefCell<Option<Option<String>>> = const { RefCell::new(None) };
}

/// While it lives, panics of this thread are kept instead of printed.
pub(crate) struct Quiet {
    outer: Option<Option<String>>,
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
    Quiet { outer: QUIET.replace(Some(None)) }
}

impl Quiet {
    /// The text and the place of the first panic since.
    pub(crate) fn text(&self) -> Option<String> {
        QUIET.with_borrow(|quiet| quiet.clone().flatten())
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.replace(self.outer.take());
    }
}

/// Keeps the panic, if this thread is quiet.
fn keep(quiet: &RefCell<Option<Option<String>>>, info: &PanicHookInfo<'_>) -> bool {
    // A panic inside of the record keeping itself is printed.
    let Ok(mut quiet) = quiet.try_borrow_mut() else { return false };
    let Some(kept) = &mut *quiet else { return false };
    let text = panic_text(info.payload());
    kept.get_or_insert_with(|| match info.location() {
        Some(place) => format!("{text} (at {}:{})", place.file(), place.line()),
        None => text.to_owned(),
    });
    true
}
