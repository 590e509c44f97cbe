//! The macros. Each expands to a look at a flag, and behind it to a call that the optimiser takes for unlikely; the list of
//! all uses is made by the linker (`inventory`).
//!
//! They are macros because the linker has to see each use, and because elsewhere than in a simulation nothing may be
//! evaluated.

/// An entry in the catalogue for this place: an expression, so that the names in here are seen by nobody else.
#[doc(hidden)]
#[macro_export]
macro_rules! __entry {
    ($kind:ident, $name:expr) => {{
        fn here() {}
        static ENTRY: $crate::catalogue::Entry = $crate::catalogue::Entry::new(
            $crate::catalogue::Kind::$kind,
            || $name,
            || $crate::catalogue::type_name_of(here),
        );
        $crate::__link!(ENTRY);
        &ENTRY
    }};
}

/// Hands an entry to the linker.
#[cfg(feature = "catalogue")]
#[doc(hidden)]
#[macro_export]
macro_rules! __link {
    ($entry:ident) => {
        $crate::catalogue::__inventory::submit! { $crate::catalogue::Linked(&$entry) }
    };
}

/// Hands an entry to nobody: this program has no catalogue.
#[cfg(not(feature = "catalogue"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __link {
    ($entry:ident) => {};
}

/// Whether something unusual is to be done here: true in a simulated run alone, and only if the oracle says so.
///
/// Production code says where it could be unlucky, or slow, or small, in a way that is legal and rare: a queue that is full
/// after one entry, a cache that forgets, a retry that comes at once, a step that is put off. A simulation has it happen.
///
/// A site is on or off for a whole run, and while it is on, it fires with its probability, 0.25 if nothing is said:
/// runs in which something always goes wrong look different from those in which everything does. Both are drawn from
/// the seed under the site's name; see `Sim::buggify` of `twinloop-sim`, without which no site is ever on.
///
/// The forms are `buggify!()`, `buggify!("name")`, `buggify!(0.01)` and `buggify!("name", 0.01)`; where there are both,
/// the probability may be any expression, which is evaluated only in a simulation. A name keeps replay files valid when
/// code moves; see [`catalogue`](crate::catalogue).
///
/// # Panics
///
/// In a simulation, if the probability is not between 0 and 1.
///
/// ```
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
///
/// fn batch_size() -> usize {
///     if twinloop::buggify!("tiny batches") { 1 } else { 100 }
/// }
///
/// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     sim.buggify(1.0);
///     sim.client("host", || async {
///         let sizes: Vec<usize> = (0..100).map(|_| batch_size()).collect();
///         assert!(sizes.contains(&1) && sizes.contains(&100));
///         Ok(())
///     });
/// });
/// assert!(report.verdict.is_passed());
/// // Elsewhere it is false.
/// assert_eq!(batch_size(), 100);
/// ```
#[macro_export]
macro_rules! buggify {
    () => {
        $crate::catalogue::is_watched() && $crate::catalogue::buggify($crate::__entry!(Buggify, None), None)
    };
    ($argument:literal $(,)?) => {
        $crate::catalogue::is_watched()
            && $crate::catalogue::buggify(
                $crate::__entry!(Buggify, $crate::catalogue::SiteArgument::name($argument)),
                $crate::catalogue::SiteArgument::probability($argument),
            )
    };
    ($name:literal, $probability:expr $(,)?) => {
        $crate::catalogue::is_watched()
            && $crate::catalogue::buggify($crate::__entry!(Buggify, Some($name)), Some($probability))
    };
}

/// Asserts that a condition holds whenever it is looked at: `always!(condition, "message")`, or with a detail behind it that
/// is formatted as by `format!`.
///
/// In a simulation the first one that does not hold is the verdict of the run, `violated: message: ...`, whoever might
/// have caught a panic; the run ends with that turn. Elsewhere it is a `debug_assert!`: without debug assertions
/// nothing is evaluated.
///
/// # Panics
///
/// Outside of simulations, with debug assertions, if the condition does not hold.
///
/// ```
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
///
/// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     sim.client("bank", || async {
///         let (account, balance) = ("alice", -5);
///         twinloop::always!(balance >= 0, "no account is overdrawn", "{account} has {balance}");
///         Ok(())
///     });
/// });
/// let verdict = report.verdict.to_string();
/// assert!(verdict.starts_with("violated: no account is overdrawn: bank: "), "{verdict}");
/// assert!(verdict.ends_with(": alice has -5"), "{verdict}");
/// ```
#[macro_export]
macro_rules! always {
    ($condition:expr, $message:literal $(,)?) => {
        $crate::always!($condition, $message, "")
    };
    ($condition:expr, $message:literal, $($detail:tt)+) => {
        if $crate::catalogue::is_watched() || ::core::cfg!(debug_assertions) {
            $crate::catalogue::assert(
                $crate::__entry!(Always, Some($message)),
                $condition,
                ::core::format_args!($($detail)+),
                ::core::cfg!(debug_assertions),
            );
        }
    };
}

/// Asserts that nobody comes here: [`always!`](crate::always) of a condition that does not hold. Unlike std's macro of
/// that name it is a statement, and in release builds outside of simulations the program goes on.
///
/// Call it by its path, `twinloop::unreachable!`: where everything of this crate is imported by `use twinloop::*`, the
/// compiler does not guess which of the two an `unreachable!` without a path means, and refuses it.
///
/// # Panics
///
/// Outside of simulations, with debug assertions.
///
/// ```
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
///
/// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     sim.client("bank", || async {
///         twinloop::unreachable!("money comes from nowhere");
///         Ok(())
///     });
/// });
/// assert!(report.verdict.to_string().starts_with("violated: money comes from nowhere: bank: "));
/// ```
#[macro_export]
macro_rules! unreachable {
    ($message:literal $(,)?) => {
        $crate::unreachable!($message, "")
    };
    ($message:literal, $($detail:tt)+) => {
        if $crate::catalogue::is_watched() || ::core::cfg!(debug_assertions) {
            $crate::catalogue::assert(
                $crate::__entry!(Unreachable, Some($message)),
                false,
                ::core::format_args!($($detail)+),
                ::core::cfg!(debug_assertions),
            );
        }
    };
}

/// Asserts that a condition holds in some run of a campaign, at least once: `sometimes!(condition, "message")`. So a
/// test suite proves that it gets to what is rare: a full queue, a leader that steps down, a retry that succeeds.
///
/// A simulated run counts how often it held, and a campaign lists those which never did. Elsewhere nothing is evaluated.
///
/// ```
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
///
/// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     sim.client("host", || async {
///         for length in 0..5 {
///             twinloop::sometimes!(length == 4, "the queue is full");
///         }
///         Ok(())
///     });
/// });
/// assert_eq!(report.reached.count("the queue is full"), 1);
/// ```
#[macro_export]
macro_rules! sometimes {
    ($condition:expr, $message:literal $(,)?) => {
        if $crate::catalogue::is_watched() {
            $crate::catalogue::assert(
                $crate::__entry!(Sometimes, Some($message)),
                $condition,
                ::core::format_args!(""),
                false,
            );
        }
    };
}

/// Asserts that somebody comes here in some run of a campaign: [`sometimes!`](crate::sometimes) of a condition that holds.
///
/// ```
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
///
/// let report = twinloop_sim::run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     sim.client("host", || async {
///         if twinloop::connect(twinloop::Address::loopback(80)).await.is_err() {
///             twinloop::reachable!("a connection is refused");
///         }
///         Ok(())
///     });
/// });
/// assert_eq!(report.reached.count("a connection is refused"), 1);
/// ```
#[macro_export]
macro_rules! reachable {
    ($message:literal $(,)?) => {
        if $crate::catalogue::is_watched() {
            $crate::catalogue::assert(
                $crate::__entry!(Reachable, Some($message)),
                true,
                ::core::format_args!(""),
                false,
            );
        }
    };
}
