//! Messages that a scenario holds back, and the two calls that single messages out from the beginning.

use std::fmt;
use std::rc::Rc;

use crate::Sim;
use crate::message::Message;
use crate::reach::Reach;
use crate::state::{FilterKey, FilterKind, State};

/// Messages of one direction of a link that are held back, from [`Sim::hold_where`]. A program or a test lets them go on one
/// by one, in any order, or loses them: the finest way to say in which order two hosts hear of each other.
///
/// Clones are handles to the same messages. They are counted from 0, in the order of sending, anew after each call. Before
/// the world runs, and after its end, there are none.
///
/// Once the last clone is dropped nothing is held any more: what is left goes on.
///
/// ```
/// use twinloop::{DatagramTransport, sleep};
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
/// use twinloop_sim::{MessageKind, Units, run_world};
///
/// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     let address = sim.host("receiver", 7, |address| async move {
///         let receiver = DatagramTransport::bind(address)?;
///         let mut byte = [0];
///         for number in [3, 1] {
///             receiver.recv_from(&mut byte).await?;
///             assert_eq!(byte, [number]);
///         }
///         Ok(())
///     });
///     sim.client("sender", move || async move {
///         let sender = DatagramTransport::connect(address)?;
///         for number in [1, 2, 3] {
///             sender.send(&[number]).await?;
///         }
///         Ok(())
///     });
///     let held = sim.hold_where("sender", "receiver", |message| message.kind() == MessageKind::Datagram);
///     sim.client("director", move || {
///         let held = held.clone();
///         async move {
///             sleep(1.s()).await;
///             assert_eq!(held.messages().iter().map(|message| message.payload()[0]).collect::<Vec<_>>(), [1, 2, 3]);
///             held.release(2);
///             held.discard(1);
///             held.release_all();
///             sleep(1.s()).await;
///             Ok(())
///         }
///     });
/// });
/// assert!(report.verdict.is_passed(), "{}", report.verdict);
/// ```
#[derive(Clone)]
pub struct Held(Rc<Hold>);

struct Hold {
    reach: Reach,
    /// None if there was no world whose messages could be held.
    key: Option<FilterKey>,
}

impl Held {
    pub(crate) fn new(reach: Reach, key: Option<FilterKey>) -> Held {
        Held(Rc::new(Hold { reach, key }))
    }

    /// What is held, in the order of sending.
    pub fn messages(&self) -> Vec<Message> {
        self.0.with(|state, key| state.held(key).to_vec()).unwrap_or_default()
    }

    /// Lets one of the messages go on, counted from 0; false if there are not so many. It travels as one that is sent
    /// now, and nothing befalls it.
    pub fn release(&self, which: usize) -> bool {
        self.0.with(|state, key| state.release(key, which)).unwrap_or(false)
    }

    /// Lets all of them go on, in the order of sending. Later ones are held still.
    pub fn release_all(&self) {
        while self.release(0) {}
    }

    /// Loses one of the messages, counted from 0; false if there are not so many.
    pub fn discard(&self, which: usize) -> bool {
        self.0.with(|state, key| state.drop_held(key, which)).unwrap_or(false)
    }

    /// Holds nothing any more: what is held goes on, and so does all that follows.
    pub fn end(&self) {
        self.0.end();
    }
}

impl Hold {
    fn end(&self) {
        self.with(|state, key| state.end_filter(key));
    }

    fn with<R>(&self, call: impl FnOnce(&mut State, FilterKey) -> R) -> Option<R> {
        let key = self.key?;
        self.reach.with(|state| call(state, key))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.0.key).finish()
    }
}

impl Sim {
    /// Messages from one host to another are lost if `predicate` is true of them. Of several predicates of one direction,
    /// for losing and for holding, the first that is true decides.
    ///
    /// A predicate is called in the middle of the simulation: it looks at the message and at what it owns (a `Cell` that
    /// counts, say), and calls nothing else. It has to decide by that alone, or the run is not determined by its seed.
    /// [`Message`] has an example.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    pub fn drop_where(&mut self, from: &str, to: &str, predicate: impl Fn(&Message) -> bool + 'static) {
        self.filter(from, to, FilterKind::Drop, Rc::new(predicate));
    }

    /// Messages from one host to another are held back if `predicate` is true of them, until the answer lets them go. What
    /// [`Sim::drop_where`] says of predicates holds here too.
    ///
    /// # Panics
    ///
    /// If a host of that name was not added before.
    #[must_use = "nothing is held any more once this is dropped"]
    pub fn hold_where(
        &mut self,
        from: &str,
        to: &str,
        predicate: impl Fn(&Message) -> bool + 'static,
    ) -> Held {
        let key = self.filter(from, to, FilterKind::Hold, Rc::new(predicate));
        Held::new(self.reach.clone(), Some(key))
    }
}
