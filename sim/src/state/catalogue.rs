//! What the program's catalogue does in a run: sites that fire, assertions that are counted, and the first that does not hold.

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
        let fired = self.buggify.draw(&mut self.chooser, site, probability);
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
        let may_be_false = assertion.item.kind() == Kind::Sometimes;
        if assertion.holds || !may_be_false {
            self.reached.add(assertion.item);
            self.record.cover(host, assertion.item.name());
        }
        if !assertion.holds && !may_be_false {
            self.violate(host, assertion);
        }
    }

    fn violate(&mut self, host: HostIndex, assertion: &Assertion<'_>) {
        let property = assertion.item.name().to_owned();
        let host_name = &self.machines[host].name;
        let place = Place(assertion.place);
        let message = match assertion.detail.as_str() {
            Some("") => place.to_string(),
            _ => format!("{place}: {}", assertion.detail),
        };
        self.record.item(item::VIOLATED, self.now, host, &[]);
        self.record.bytes(property.as_bytes());
        self.record.tell(self.now, host_name, LineKind::Fault, || format!("violated: {property}: {message}"));
        let host = host_name.clone();
        self.violated.get_or_insert(Verdict::Violated { property, host, message });
    }
}
