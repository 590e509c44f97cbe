//! Picks of a replay that applied to nothing, and what has become of their draws.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Pick, SiteState, kind_of};

/// How many sites are named in the place of one that is gone.
const ALIKE: usize = 3;

/// A pick of a replay that applied to no draw of the run. Its draw was answered with 0, if there was one.
///
/// ```
/// use twinloop_sim::choice::{Choices, Chooser, Pick, StaleReason};
///
/// let pick = Pick { site: "a > b: loss".to_owned(), occurrence: 5, value: 1 };
/// let mut chooser = Chooser::new(&Choices::Replayed { seed: 7, picks: vec![pick] });
/// let loss = chooser.site("a > b: loss");
/// assert_eq!([0, 0], [(); 2].map(|()| chooser.pick(loss, 10)));
/// assert_eq!(chooser.stale()[0].reason, StaleReason::NotReached { draws: 2 });
/// assert_eq!(chooser.stale()[0].to_string(), "\"a > b: loss\" #5 = 1: the site draws 2 times, up to #1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stale {
    /// The pick.
    pub pick: Pick,
    /// What has become of its draw.
    pub reason: StaleReason,
}

/// Why a pick applied to nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StaleReason {
    /// The run names no such site.
    NoSite {
        /// A few that it has of the same kind, such as the `loss` of other links.
        alike: Vec<String>,
    },
    /// The site draws, but not so often.
    NotReached {
        /// How often.
        draws: u32,
    },
    /// The draw has too few alternatives.
    OutOfRange {
        /// How many: its answers are below that.
        alternatives: u32,
    },
}

impl Stale {
    /// `pick`, whose draw did not come.
    pub(super) fn undrawn(pick: Pick, sites: &[SiteState]) -> Stale {
        let reason = match sites.iter().find(|site| site.name == pick.site) {
            Some(site) => StaleReason::NotReached { draws: site.occurrence },
            None => {
                let of_kind = sites.iter().filter(|site| kind_of(&site.name) == kind_of(&pick.site));
                StaleReason::NoSite { alike: of_kind.take(ALIKE).map(|site| site.name.clone()).collect() }
            }
        };
        Stale { pick, reason }
    }
}

impl fmt::Display for StaleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StaleReason::NoSite { alike } if alike.is_empty() => write!(f, "no site is called so"),
            StaleReason::NoSite { alike } => {
                let alike: Vec<String> = alike.iter().map(|site| format!("{site:?}")).collect();
                write!(f, "no site is called so; of its kind there are {}", alike.join(", "))
            }
            StaleReason::NotReached { draws: 0 } => write!(f, "the site draws nothing"),
            StaleReason::NotReached { draws: 1 } => write!(f, "the site draws once, #0"),
            StaleReason::NotReached { draws } => {
                write!(f, "the site draws {draws} times, up to #{}", draws - 1)
            }
            StaleReason::OutOfRange { alternatives } => {
                write!(f, "the draw has {alternatives} alternatives, up to {}", alternatives - 1)
            }
        }
    }
}

/// The pick, then the reason.
impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pick, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Choices, Chooser};
    use super::*;

    #[test]
    fn each_pick_that_applies_to_nothing_says_why() {
        let pick = |site: &str, occurrence, value| Pick { site: site.to_owned(), occurrence, value };
        let picks = vec![
            pick("a > b: loss", 0, 1),
            pick("a > b: loss", 1, 5),
            pick("a > b: loss", 9, 1),
            pick("a > c: loss", 0, 1),
            pick("disk: torn", 0, 1),
            pick("silent: loss", 0, 1),
        ];
        let mut chooser = Chooser::new(&Choices::Replayed { seed: 1, picks });
        let loss = chooser.site("a > b: loss");
        chooser.site("silent: loss");
        assert_eq!([1, 0], [(); 2].map(|()| chooser.pick(loss, 4)));
        let told: Vec<String> = chooser.stale().iter().map(Stale::to_string).collect();
        assert_eq!(
            told,
            [
                "\"a > b: loss\" #1 = 5: the draw has 4 alternatives, up to 3",
                "\"a > b: loss\" #9 = 1: the site draws 2 times, up to #1",
                "\"a > c: loss\" #0 = 1: no site is called so; of its kind there are \"a > b: loss\", \"silent: loss\"",
                "\"disk: torn\" #0 = 1: no site is called so",
                "\"silent: loss\" #0 = 1: the site draws nothing",
            ]
        );
    }
}
