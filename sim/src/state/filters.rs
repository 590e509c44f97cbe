//! Messages that a scenario singles out: lost, or held back until it lets them go on.

use std::rc::Rc;

use super::State;
use crate::fabric::HostIndex;
use crate::kernel::Packet;
use crate::message::Message;
use crate::record::item;

/// Says which messages are meant. It is called in the middle of things: it looks, and calls nothing of the world.
pub(crate) type Predicate = Rc<dyn Fn(&Message) -> bool>;

/// Names a filter for as long as it is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FilterKey {
    pub(crate) from: HostIndex,
    pub(crate) to: HostIndex,
    pub(crate) number: u64,
}

/// What becomes of the messages that a filter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterKind {
    Drop,
    Hold,
}

pub(super) struct Filter {
    key: FilterKey,
    kind: FilterKind,
    predicate: Predicate,
    /// What it holds, in the order of sending.
    held: Vec<Message>,
}

impl State {
    /// From now on messages of a direction that `predicate` is true of are lost, or held.
    pub(crate) fn filter_messages(
        &mut self,
        from: HostIndex,
        to: HostIndex,
        kind: FilterKind,
        predicate: Predicate,
    ) -> FilterKey {
        let key = FilterKey { from, to, number: self.next_filter };
        self.add_filter(key, kind, predicate);
        self.note_fault(item::CHANGED, from, to, |receiver| match kind {
            FilterKind::Drop => format!("some messages to {receiver} are dropped from now on"),
            FilterKind::Hold => format!("some messages to {receiver} are held from now on"),
        });
        key
    }

    /// As [`State::filter_messages`], with a key that was given out before the world was there.
    pub(crate) fn add_filter(&mut self, key: FilterKey, kind: FilterKind, predicate: Predicate) {
        self.next_filter = self.next_filter.max(key.number + 1);
        let filters = &mut self.links[key.from][key.to].treat().filters;
        filters.push(Filter { key, kind, predicate, held: Vec::new() });
    }

    /// A filter is over; what it holds goes on. False if it was over before.
    pub(crate) fn end_filter(&mut self, key: FilterKey) -> bool {
        let link = &mut self.links[key.from][key.to];
        let Some(at) = link.filters().iter().position(|filter| filter.key == key) else { return false };
        let filter = link.treat().filters.remove(at);
        link.tidy();
        for message in filter.held {
            self.let_go(key, message);
        }
        true
    }

    /// Every filter of one kind of a direction is over.
    pub(crate) fn end_filters(&mut self, from: HostIndex, to: HostIndex, kind: FilterKind) {
        let filters = self.links[from][to].filters().iter();
        let over: Vec<FilterKey> =
            filters.filter(|filter| filter.kind == kind).map(|filter| filter.key).collect();
        for key in over {
            self.end_filter(key);
        }
    }

    /// What a filter holds, in the order of sending.
    pub(crate) fn held(&mut self, key: FilterKey) -> &[Message] {
        self.filter(key).map_or(&[], |filter| &filter.held)
    }

    /// One of the messages that a filter holds, counted from the first, goes on. False if it does not hold so many.
    pub(crate) fn release(&mut self, key: FilterKey, which: usize) -> bool {
        let Some(message) = self.take_held(key, which) else { return false };
        self.let_go(key, message);
        true
    }

    /// One of the messages that a filter holds, counted from the first, is lost. False if it does not hold so many.
    pub(crate) fn drop_held(&mut self, key: FilterKey, which: usize) -> bool {
        let Some(message) = self.take_held(key, which) else { return false };
        self.lose(key.from, key.to, &message.packet, "dropped");
        true
    }

    /// Gives a packet that is about to be sent to the filters of its direction; gives it back if none takes it.
    pub(super) fn pass_filters(&mut self, from: HostIndex, to: HostIndex, packet: Packet) -> Option<Packet> {
        let [sender, receiver] = [from, to].map(|host| self.machines[host].name.as_str());
        if self.links[from][to].filters().is_empty() {
            return Some(packet);
        }
        let message = Message::new(self.now, sender, receiver, packet);
        let filters = self.links[from][to].filters();
        let Some(filter) = filters.iter_mut().find(|filter| (filter.predicate)(&message)) else {
            return Some(message.packet);
        };
        match filter.kind {
            FilterKind::Drop => self.lose(from, to, &message.packet, "dropped"),
            FilterKind::Hold => {
                filter.held.push(message.clone());
                self.note_packet_fault(item::HELD, from, to, &message.packet, || "held".to_owned());
            }
        }
        None
    }

    /// A message that was held goes on, as one that is sent now and that nothing befalls.
    fn let_go(&mut self, key: FilterKey, message: Message) {
        let FilterKey { from, to, .. } = key;
        self.aside(|state| state.release_message(from, to, message));
    }

    fn release_message(&mut self, from: HostIndex, to: HostIndex, message: Message) {
        if let Some(trail) = self.record.trail() {
            trail.merge(message.packet.stamp);
        }
        self.note_packet_fault(item::RELEASED, from, to, &message.packet, || "released".to_owned());
        let latency = self.links[from][to].rule.least_latency();
        self.carry(from, to, latency, message.packet);
    }

    fn take_held(&mut self, key: FilterKey, which: usize) -> Option<Message> {
        let filter = self.filter(key)?;
        (which < filter.held.len()).then(|| filter.held.remove(which))
    }

    fn filter(&mut self, key: FilterKey) -> Option<&mut Filter> {
        self.links[key.from][key.to].filters().iter_mut().find(|filter| filter.key == key)
    }
}
