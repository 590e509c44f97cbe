//! What the program's catalogue does in a run: sites that fire, assertions that are counted, and the first that does
//! not hold.

use twinloop::catalogue::{Assertion, Item, Kind};
use twinloop::observe::Place;

use super::State;
use crate::fabric::HostIndex;
use crate::record::item;
use crate::story::LineKind;
use crate::verdict::Verdict;

impl State {
    /// Whether something unusual is to be done at a site.
    pub(crate) fn buggify(&mut self, host: HostIndex, site: &Item, probability: f64) -> bool {
        let fired = self.buggify.draw(&mut self.chooser, host, site, probability);
        let name = &self.machines[host].name;
        if fired.is_new {
            self.record.tell(self.now, "", LineKind::Fault, || format!("buggify is on: {}", site.name()));
        }
        if fired.fires {
            self.reached.add(site);
            // By its name: its number changes with every site that another edit adds.
            self.record.item(item::BUGGIFIED, self.now, host, &[]);
            self.record.bytes(site.name().as_bytes());
            self.record.tell(self.now, name, LineKind::Fault, || format!("buggify: {}", site.name()));
        }
        fired.fires
    }

    /// A program came by an assertion.
    pub(crate) fn assertion(&mut self, host: HostIndex, assertion: &Assertion<'_>) {
        if is_met(assertion) {
            self.reached.add(assertion.item);
            self.record.cover(host, assertion.item.name());
        }
        if is_violated(assertion) {
            self.violate(host, assertion);
        }
    }

    /// A check of what the run left came by an assertion. It is no part of the run, and so not of its record.
    pub(crate) fn assertion_in_check(&mut self, check: &str, assertion: &Assertion<'_>) {
        if is_met(assertion) {
            self.reached.add(assertion.item);
        }
        if is_violated(assertion) {
            let (property, message) = (assertion.item.name().to_owned(), told(assertion));
            self.violated.get_or_insert(Verdict::Violated { property, host: check.to_owned(), message });
        }
    }

    fn violate(&mut self, host: HostIndex, assertion: &Assertion<'_>) {
        let (property, message) = (assertion.item.name().to_owned(), told(assertion));
        let host_name = &self.machines[host].name;
        self.record.item(item::VIOLATED, self.now, host, &[]);
        self.record.bytes(property.as_bytes());
        self.record.tell(self.now, host_name, LineKind::Fault, || format!("violated: {property}: {message}"));
        let host = host_name.clone();
        self.violated.get_or_insert(Verdict::Violated { property, host, message });
    }
}

/// Whether it counts as reached: of what holds only sometimes, the times when it does not are none.
fn is_met(assertion: &Assertion<'_>) -> bool {
    assertion.holds || assertion.item.kind() != Kind::Sometimes
}

fn is_violated(assertion: &Assertion<'_>) -> bool {
    !assertion.holds && assertion.item.kind() != Kind::Sometimes
}

/// Its place, and what the program says of the case.
fn told(assertion: &Assertion<'_>) -> String {
    let place = Place(assertion.place);
    match assertion.detail {
        "" => place.to_string(),
        detail => format!("{place}: {detail}"),
    }
}
