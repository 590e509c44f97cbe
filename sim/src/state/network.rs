//! The way of a packet from a kernel onto its link, and what is done to links. What may befall a packet is the link's
//! rule's business.

use std::time::Duration;

use twinloop::Moment;

use super::filters::FilterKind;
use super::link::Clog;
use super::{LOOPBACK_LATENCY, State};
use crate::determinism::trail;
use crate::fabric::{Due, HostIndex, host_of};
use crate::fault::{Admission, CutWays, LinkFaults, PacketVerdict};
use crate::kernel::{Packet, Route};
use crate::message::MessageKind;
use crate::record::item;
use crate::script::LinkAct;
use crate::story::{LineKind, Passage};

impl State {
    // ---- the way of a packet ----

    pub(super) fn send(&mut self, from: HostIndex, packet: Packet) {
        if self.record.is_watched() {
            trail::see(|trail| trail.sent(self.now, from, &packet));
        }
        if self.record.tells() {
            self.aside(|state| state.send_and_tell(from, packet));
        } else {
            self.route(from, packet);
        }
    }

    /// As [`State::send`], with what it is due to.
    fn send_and_tell(&mut self, from: HostIndex, mut packet: Packet) {
        let (source, destination, kind) = (packet.source, packet.destination, packet.kind());
        let drawn = self.chooser.drawn();
        if let Some(trail) = self.record.trail() {
            trail.send(source, destination, drawn);
            packet.stamp = trail.stamp();
        }
        self.route(from, packet);
        // What is sent again is never an acknowledgement alone.
        if let Some(trail) = self.record.trail().filter(|_| kind != MessageKind::Ack) {
            trail.note_flow(source, destination);
        }
    }

    fn route(&mut self, from: HostIndex, packet: Packet) {
        let to = match packet.route() {
            Route::Back => Some(from),
            Route::To(ip) => host_of(ip, self.machines.len()),
            Route::Others => return self.send_to_others(from, &packet),
        };
        match to {
            Some(to) if to == from => {
                let at = self.now + LOOPBACK_LATENCY;
                self.schedule(at, Due::Arrival { from, to, packet });
            }
            Some(to) => self.send_over_link(from, to, packet),
            // Nobody has this address: what is sent there is never heard of again.
            None => self.record.item(item::LOST, self.now, from, &[u64::MAX]),
        }
    }

    fn send_to_others(&mut self, from: HostIndex, packet: &Packet) {
        for to in (0..self.machines.len()).filter(|to| *to != from) {
            self.send_over_link(from, to, packet.clone());
        }
    }

    fn send_over_link(&mut self, from: HostIndex, to: HostIndex, packet: Packet) {
        let link = &mut self.links[from][to];
        if link.cut.is_some() {
            let cut_by = link.cut_by;
            if let Some(trail) = self.record.trail() {
                trail.merge(cut_by);
            }
            return self.lose(from, to, &packet, "link cut");
        }
        if link.is_odd() {
            return self.send_over_odd_link(from, to, packet);
        }
        match link.rule.judge(&mut self.chooser, packet.can_be_reset()) {
            PacketVerdict::Deliver(latency) => self.carry(from, to, latency, packet),
            PacketVerdict::Lose => self.lose(from, to, &packet, "lost"),
            PacketVerdict::Reset => self.reset(from, to, packet),
        }
    }

    /// Over a link that does more than to delay, to lose and to reset.
    fn send_over_odd_link(&mut self, from: HostIndex, to: HostIndex, packet: Packet) {
        let Some(packet) = self.pass_filters(from, to, packet) else { return };
        let State { now, links, chooser, .. } = self;
        let rule = &mut links[from][to].rule;
        let admission = rule.rare().map(|rare| rare.admit(chooser, *now, &packet));
        let sent_in = match admission {
            None => Duration::ZERO,
            Some(Admission::Sent(sent_in)) => sent_in,
            Some(Admission::Lost(why)) => return self.lose(from, to, &packet, why),
            Some(Admission::Refused) => return self.refuse(from, to, &packet),
            Some(Admission::Unreachable) => return self.turn_back(from, to, &packet),
        };
        match rule.judge(chooser, packet.can_be_reset()) {
            PacketVerdict::Deliver(latency) => self.carry_oddly(from, to, sent_in, latency, packet),
            PacketVerdict::Lose => self.lose(from, to, &packet, "lost"),
            PacketVerdict::Reset => self.reset(from, to, packet),
        }
    }

    /// What may happen to a packet on the wire: it is changed, doubled, overtaken.
    fn carry_oddly(
        &mut self,
        from: HostIndex,
        to: HostIndex,
        sent_in: Duration,
        latency: Duration,
        mut packet: Packet,
    ) {
        let State { links, chooser, .. } = self;
        let Some(rare) = links[from][to].rule.rare() else { return self.carry(from, to, latency, packet) };
        let has_twin = rare.draw_twin(chooser);
        if let Some(bit) = rare.draw_turned_bit(chooser, packet.payload()) {
            packet.turn_bit(bit);
            self.note_packet_fault(item::CORRUPTED, from, to, &packet, || {
                format!("bit {bit} of its payload turned")
            });
        }
        if has_twin {
            self.note_packet_fault(item::DUPLICATED, from, to, &packet, || "duplicated".to_owned());
            self.carry_in_turn_or_late(from, to, sent_in + latency, packet.clone());
            let State { links, chooser, .. } = self;
            let latency = links[from][to].rule.draw_latency(chooser);
            self.carry_in_turn_or_late(from, to, sent_in + latency, packet);
        } else {
            self.carry_in_turn_or_late(from, to, sent_in + latency, packet);
        }
    }

    fn carry_in_turn_or_late(&mut self, from: HostIndex, to: HostIndex, latency: Duration, packet: Packet) {
        let State { links, chooser, .. } = self;
        let link = &mut links[from][to];
        let Some(late) = link.rule.rare().and_then(|rare| rare.draw_delay(chooser)) else {
            return self.carry(from, to, latency, packet);
        };
        let at = link.last_arrival.max(self.now + latency) + late;
        self.note_packet_fault(item::OVERTAKEN, from, to, &packet, || {
            format!("held back for {late:?}, others may overtake it")
        });
        self.arrive_at(at, from, to, packet);
    }

    /// Puts a packet on the link, behind all that are under way on it.
    pub(super) fn carry(&mut self, from: HostIndex, to: HostIndex, latency: Duration, packet: Packet) {
        let link = &mut self.links[from][to];
        link.last_arrival = link.last_arrival.max(self.now + latency);
        let at = link.last_arrival;
        self.arrive_at(at, from, to, packet);
    }

    fn arrive_at(&mut self, at: Moment, from: HostIndex, to: HostIndex, packet: Packet) {
        match self.links[from][to].clog() {
            None => self.schedule(at, Due::Arrival { from, to, packet }),
            Some(clog) => clog.waiting.push((at, packet)),
        }
    }

    pub(super) fn lose(&mut self, from: HostIndex, to: HostIndex, packet: &Packet, why: &str) {
        self.note_packet_fault(item::LOST, from, to, packet, || why.to_owned());
    }

    /// The packet is lost, and both ends are told that its connection was reset, as a middlebox does.
    fn reset(&mut self, from: HostIndex, to: HostIndex, packet: Packet) {
        self.note_packet_fault(item::RESET, from, to, &packet, || "connection reset on the way".to_owned());
        let [onward, back] = packet.resets();
        for (from, to, forged) in [(from, to, onward), (to, from, back)] {
            let latency = self.links[from][to].rule.least_latency();
            self.carry(from, to, latency, forged);
        }
    }

    /// An attempt to connect is answered on the way, as by a firewall.
    fn refuse(&mut self, from: HostIndex, to: HostIndex, packet: &Packet) {
        self.note_packet_fault(item::REFUSED, from, to, packet, || {
            "connection refused on the way".to_owned()
        });
        let [_, back] = packet.resets();
        self.carry(to, from, self.links[to][from].rule.least_latency(), back);
    }

    /// The packet is lost, and its sender is told that there is no way to where it was sent.
    fn turn_back(&mut self, from: HostIndex, to: HostIndex, packet: &Packet) {
        self.note_packet_fault(item::UNREACHABLE, from, to, packet, || "host unreachable".to_owned());
        if let Some(told) = packet.host_unreachable() {
            self.carry(to, from, self.links[to][from].rule.least_latency(), told);
        }
    }

    /// Takes what was done to a direction into the record. `text` is given the receiver's name.
    pub(super) fn note_fault(
        &mut self,
        kind: u8,
        from: HostIndex,
        to: HostIndex,
        text: impl FnOnce(&str) -> String,
    ) {
        self.record.item(kind, self.now, from, &[to as u64]);
        let [sender, receiver] = [from, to].map(|host| self.machines[host].name.as_str());
        self.record.tell(self.now, sender, LineKind::Fault, || text(receiver));
        self.record.claim_picks(self.chooser.drawn());
    }

    /// As [`State::note_fault`], of what was done to a packet.
    pub(super) fn note_packet_fault(
        &mut self,
        kind: u8,
        from: HostIndex,
        to: HostIndex,
        packet: &Packet,
        what: impl FnOnce() -> String,
    ) {
        self.record.item(kind, self.now, from, &[to as u64]);
        let [sender, receiver] = [from, to].map(|host| self.machines[host].name.as_str());
        let arrives = !matches!(kind, item::LOST | item::RESET | item::REFUSED | item::UNREACHABLE);
        self.record.tell_passage(self.now, sender, LineKind::Fault, || {
            let text = format!("to {receiver}: {packet}: {}", what());
            (Passage::new(sender, receiver, packet, arrives), text)
        });
        self.record.claim_picks(self.chooser.drawn());
    }

    // ---- what is done to links ----

    /// From now on this direction behaves so.
    pub(crate) fn change_link(&mut self, from: HostIndex, to: HostIndex, faults: LinkFaults) {
        let [sender, receiver] = [from, to].map(|host| self.machines[host].name.as_str());
        self.links[from][to].rule.set(&mut self.chooser, sender, receiver, faults);
        self.note_fault(item::CHANGED, from, to, |receiver| format!("link to {receiver} changed"));
    }

    /// Draws whether cuts and clogs begin now.
    pub(crate) fn draw_link_faults(&mut self) {
        let count = self.machines.len();
        for (from, to) in (0..count).flat_map(|from| (from + 1..count).map(move |to| (from, to))) {
            self.draw_cut(from, to);
            self.draw_clog(from, to);
            self.draw_clog(to, from);
        }
    }

    /// One cut concerns both directions: that which was added first draws, unless only the other one has cuts.
    fn draw_cut(&mut self, from: HostIndex, to: HostIndex) {
        self.begin_by_itself();
        let State { links, chooser, .. } = self;
        let is_drawn_backwards = !links[from][to].rule.faults().has_cuts();
        let (from, to) = if is_drawn_backwards { (to, from) } else { (from, to) };
        if let Some((ways, length)) = links[from][to].rule.draw_cut(chooser) {
            self.cut(from, to, ways, Some(length));
        }
    }

    fn draw_clog(&mut self, from: HostIndex, to: HostIndex) {
        self.begin_by_itself();
        let State { links, chooser, .. } = self;
        let rare = links[from][to].rule.rare();
        if let Some(length) = rare.and_then(|rare| rare.draw_clog(chooser)) {
            self.clog(from, to, Some(length));
        }
    }

    /// Does what a script asks for.
    pub(crate) fn act_on_links(&mut self, act: LinkAct) {
        match act {
            LinkAct::Isolate { host } => self.isolate(host),
            LinkAct::Clog { from, to } => self.clog(from, to, None),
            LinkAct::Unclog { from, to } => self.unclog(from, to),
            LinkAct::Filter { from, to, kind, predicate } => {
                self.filter_messages(from, to, kind, predicate);
            }
            LinkAct::EndFilters { from, to, kind } => self.end_filters(from, to, kind),
            LinkAct::HealAll => self.heal_all(),
        }
    }

    /// Cuts a link, in the ways given as seen from `from`, for `length` or until it is healed.
    pub(crate) fn cut(&mut self, from: HostIndex, to: HostIndex, ways: CutWays, length: Option<Duration>) {
        let until = length.map_or(Moment::FAR_FUTURE, |length| self.now + length);
        let directions: &[(HostIndex, HostIndex)] = match ways {
            CutWays::Both => &[(from, to), (to, from)],
            CutWays::This => &[(from, to)],
            CutWays::Other => &[(to, from)],
        };
        for &(from, to) in directions {
            // A shorter cut does not end the one that is in force.
            let cut = &mut self.links[from][to].cut;
            *cut = (*cut).max(Some(until));
            self.note_fault(item::CUT, from, to, |receiver| match length {
                Some(length) => format!("link to {receiver} cut for {length:?}"),
                None => format!("link to {receiver} cut"),
            });
            self.links[from][to].cut_by = self.record.stamp();
            if length.is_some() {
                self.schedule(until, Due::Heal { from, to });
            }
        }
    }

    /// Cuts a host off from all others, until it is healed.
    pub(crate) fn isolate(&mut self, host: HostIndex) {
        for other in (0..self.machines.len()).filter(|other| *other != host) {
            self.cut(host, other, CutWays::Both, None);
        }
    }

    /// Cuts a zone off from all hosts outside.
    pub(crate) fn isolate_zone(&mut self, zone: usize, length: Duration) {
        let inside = self.zones[zone].hosts.clone();
        for &from in &inside {
            for to in (0..self.machines.len()).filter(|to| !inside.contains(to)) {
                self.cut(from, to, CutWays::Both, Some(length));
            }
        }
    }

    /// Heals one direction if every cut of it is over.
    pub(crate) fn heal_if_due(&mut self, from: HostIndex, to: HostIndex) {
        if self.links[from][to].cut.is_some_and(|until| until <= self.now) {
            self.heal(from, to);
        }
    }

    /// Heals one direction of whatever cut there is.
    pub(crate) fn heal(&mut self, from: HostIndex, to: HostIndex) {
        if self.links[from][to].cut.take().is_none() {
            return;
        }
        self.note_fault(item::HEALED, from, to, |receiver| format!("link to {receiver} healed"));
    }

    /// Ends all that is done to one direction: its cut, its clog, and what is dropped and held. What its rule draws goes on.
    pub(crate) fn heal_entirely(&mut self, from: HostIndex, to: HostIndex) {
        self.heal(from, to);
        self.unclog(from, to);
        for kind in [FilterKind::Hold, FilterKind::Drop] {
            self.end_filters(from, to, kind);
        }
    }

    /// Ends all that is done to any link.
    pub(crate) fn heal_all(&mut self) {
        let count = self.machines.len();
        for (from, to) in (0..count).flat_map(|from| (0..count).map(move |to| (from, to))) {
            self.heal_entirely(from, to);
        }
    }

    /// One direction delivers nothing that is sent from now on, for `length` or until it is ended; then all of it arrives at
    /// once, in order.
    pub(crate) fn clog(&mut self, from: HostIndex, to: HostIndex, length: Option<Duration>) {
        let until = length.map_or(Moment::FAR_FUTURE, |length| self.now + length);
        let clog = &mut self.links[from][to].treat().clog;
        let clog = clog.get_or_insert_with(|| Clog { until, waiting: Vec::new() });
        clog.until = clog.until.max(until);
        self.note_fault(item::CLOGGED, from, to, |receiver| match length {
            Some(length) => format!("link to {receiver} clogged for {length:?}"),
            None => format!("link to {receiver} clogged"),
        });
        if length.is_some() {
            self.schedule(until, Due::Unclog { from, to });
        }
    }

    /// Ends the clog of one direction if it has lasted long enough.
    pub(crate) fn unclog_if_due(&mut self, from: HostIndex, to: HostIndex) {
        let now = self.now;
        if self.links[from][to].clog().is_some_and(|clog| clog.until <= now) {
            self.unclog(from, to);
        }
    }

    /// Ends the clog of one direction: what waits arrives now, or when it would have arrived without a clog.
    pub(crate) fn unclog(&mut self, from: HostIndex, to: HostIndex) {
        let link = &mut self.links[from][to];
        if link.clog().is_none() {
            return;
        }
        let Clog { waiting, .. } = link.treat().clog.take().expect("it was seen above");
        link.tidy();
        let count = waiting.len();
        self.note_fault(item::UNCLOGGED, from, to, |receiver| {
            format!("link to {receiver} carries again, {count} packets at once")
        });
        for (at, packet) in waiting {
            // It is due to the end of the clog; its own stamp says who has sent it.
            self.schedule(at.max(self.now), Due::Arrival { from, to, packet });
        }
    }
}
