//! One direction between two hosts: what is done to it now, apart from what its rule draws. It draws and records nothing.

use twinloop::Moment;

use super::filters::Filter;
use crate::fault::LinkRule;
use crate::kernel::Packet;
use crate::story::Stamp;

/// One direction between two hosts.
pub(crate) struct Link {
    pub(crate) rule: LinkRule,
    /// What was sent first arrives first, unless it is overtaken.
    pub(super) last_arrival: Moment,
    /// Until when it is cut; [`Moment::FAR_FUTURE`] for a cut that lasts until it is healed.
    pub(super) cut: Option<Moment>,
    /// What has cut it last, where a story is told.
    pub(super) cut_by: Stamp,
    /// Most links have none of it: one branch tells.
    pub(super) treatment: Option<Box<Treatment>>,
}

/// What is done to a direction besides cutting it.
#[derive(Default)]
pub(super) struct Treatment {
    pub(super) clog: Option<Clog>,
    /// The first one that takes a packet decides.
    pub(super) filters: Vec<Filter>,
}

/// The direction delivers nothing.
pub(super) struct Clog {
    /// [`Moment::FAR_FUTURE`] if it lasts until it is ended.
    pub(super) until: Moment,
    /// What would have arrived meanwhile, and when, in the order in which it will arrive.
    pub(super) waiting: Vec<(Moment, Packet)>,
}

impl Link {
    pub(crate) fn new(rule: LinkRule) -> Link {
        Link { rule, last_arrival: Moment::ORIGIN, cut: None, cut_by: Stamp::default(), treatment: None }
    }

    /// Whether a packet takes more than one look at the rule.
    pub(super) fn is_odd(&self) -> bool {
        self.treatment.is_some() || self.rule.has_rare()
    }

    pub(super) fn clog(&mut self) -> Option<&mut Clog> {
        self.treatment.as_mut()?.clog.as_mut()
    }

    pub(super) fn filters(&mut self) -> &mut [Filter] {
        self.treatment.as_mut().map_or(&mut [], |treatment| &mut treatment.filters)
    }

    pub(super) fn treat(&mut self) -> &mut Treatment {
        self.treatment.get_or_insert_default()
    }

    /// Goes back to the short way if nothing is done any more.
    pub(super) fn tidy(&mut self) {
        self.treatment.take_if(|treatment| treatment.clog.is_none() && treatment.filters.is_empty());
    }
}
