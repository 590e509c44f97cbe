//! The server: connections, their requests in order, expiry on the dispatcher's timers. It names no driver.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use twinloop::{ErrorKind, Handle, JoinHandle, Moment, StreamServer, StreamTransport, TransportError};

use crate::command::{Context, Counters, Effect, Session, execute};
use crate::resp::{Limits, Parser};
use crate::store::Store;

/// Replies that are gathered before they are sent. A client that does not read its replies stops here: its next request
/// is not even parsed before they have left.
const REPLIES_MAX: usize = 64 * 1024;
/// Keys that one turn removes because their time has come.
const EXPIRE_MAX: usize = 1000;
/// How long the server waits after it ran out of descriptors or memory for one more connection.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// How a server behaves.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What a request may be made of.
    pub limits: Limits,
    /// The planted bug: when a connection drops, the request ids of the clients that used it are forgotten. A client
    /// whose reply was lost with the connection retries on a new one, and is applied twice.
    pub forgets: bool,
}

/// Serves every connection of `listener`, until it fails or is closed.
///
/// # Errors
///
/// The listener's. Connections that fail end alone.
pub async fn serve(listener: StreamServer, options: Options) -> Result<(), TransportError> {
    let counters = Counters {
        started: twinloop::now(),
        port: listener.local_address().port().unwrap_or(0),
        ..Counters::default()
    };
    let server = Rc::new(Server {
        options,
        store: RefCell::new(Store::new()),
        counters: RefCell::new(counters),
        expiry: RefCell::default(),
    });
    loop {
        match listener.accept().await {
            Ok(stream) => twinloop::spawn(Rc::clone(&server).converse(stream)).detach(),
            Err(error) if error.kind() == ErrorKind::TooManyOpen => twinloop::sleep(ACCEPT_PAUSE).await,
            Err(error) => return Err(error),
        }
    }
}

struct Server {
    options: Options,
    store: RefCell<Store>,
    counters: RefCell<Counters>,
    expiry: RefCell<Expiry>,
}

/// The task that removes keys whose time has come, and the moment that it sleeps until.
#[derive(Default)]
struct Expiry {
    until: Option<Moment>,
    task: Option<JoinHandle<()>>,
}

/// One client's connection.
struct Connection {
    parser: Parser,
    session: Session,
    replies: Vec<u8>,
    /// The APPLY clients that used this connection; the planted bug forgets them with it.
    applied: BTreeSet<Vec<u8>>,
}

/// Why parsing stopped.
#[derive(PartialEq)]
enum Parsed {
    /// The buffer holds no whole request any more.
    All,
    /// Enough replies are gathered; there may be more requests.
    Enough,
    /// The connection is to be closed once the replies are sent.
    Closing,
}

impl Server {
    async fn converse(self: Rc<Self>, stream: StreamTransport) {
        let mut connection = self.connected();
        // A peer that is gone is no news to anyone but the peer.
        let _ended: Result<(), TransportError> = self.answer_all(&stream, &mut connection).await;
        self.disconnected(&connection);
    }

    async fn answer_all(
        self: &Rc<Self>,
        stream: &StreamTransport,
        connection: &mut Connection,
    ) -> Result<(), TransportError> {
        loop {
            let (parsed, consumed) = stream.peek(|bytes| self.execute_buffered(bytes, connection));
            stream.consume(consumed);
            self.schedule_expiry();
            if !connection.replies.is_empty() {
                stream.write(&connection.replies).await?;
                connection.replies.clear();
                connection.replies.shrink_to(REPLIES_MAX);
            }
            match parsed {
                Parsed::Closing => return stream.shutdown().await,
                Parsed::Enough => {}
                Parsed::All => {
                    if stream.fill().await? == 0 {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Executes the whole requests in `bytes`, as far as there is room for replies. Says how many bytes they were.
    fn execute_buffered(&self, bytes: &[u8], connection: &mut Connection) -> (Parsed, usize) {
        let mut consumed = 0;
        let mut store = self.store.borrow_mut();
        let mut counters = self.counters.borrow_mut();
        let now = twinloop::now();
        // No simulated client asks for so much that it comes to the limit.
        let enough = if twinloop::buggify!("kv: there is room for one reply", 0.1) { 1 } else { REPLIES_MAX };
        while connection.replies.len() < enough {
            let (request, length) = match connection.parser.parse(&bytes[consumed..]) {
                Ok(None) => return (Parsed::All, consumed),
                Ok(Some(parsed)) => parsed,
                Err(error) => {
                    error.encode(&mut connection.replies);
                    return (Parsed::Closing, bytes.len());
                }
            };
            consumed += length;
            let mut context =
                Context { store: &mut store, session: &mut connection.session, counters: &counters, now };
            match execute(&mut context, request, &mut connection.replies) {
                Effect::Continue => {}
                Effect::Close => return (Parsed::Closing, consumed),
                Effect::Applied { client } if self.options.forgets => {
                    connection.applied.insert(client.to_vec());
                }
                Effect::Applied { .. } => {}
            }
            counters.commands_processed += 1;
        }
        twinloop::reachable!("kv: replies are sent before more is executed");
        (Parsed::Enough, consumed)
    }

    fn connected(&self) -> Connection {
        let mut counters = self.counters.borrow_mut();
        counters.connected_clients += 1;
        counters.connections_received += 1;
        Connection {
            parser: Parser::new(self.options.limits.clone()),
            session: Session { id: counters.connections_received as i64, ..Session::default() },
            replies: Vec::new(),
            applied: BTreeSet::new(),
        }
    }

    fn disconnected(&self, connection: &Connection) {
        let mut counters = self.counters.borrow_mut();
        twinloop::always!(counters.connected_clients > 0, "kv: nobody leaves who has not come");
        counters.connected_clients -= 1;
        drop(counters);
        if self.options.forgets && !connection.applied.is_empty() {
            Handle::current().note(|| "connection dropped, its request ids forgotten".to_owned());
            self.store.borrow_mut().forget_clients(connection.applied.iter().map(Vec::as_slice));
        }
    }

    /// Has a task wake at the earliest deadline among the keys, unless one wakes by then anyway.
    fn schedule_expiry(self: &Rc<Self>) {
        let Some(next) = self.store.borrow().next_expiry() else { return };
        let mut expiry = self.expiry.borrow_mut();
        if expiry.until.is_some_and(|until| until <= next) {
            return;
        }
        let task = twinloop::spawn(Rc::clone(self).expire_at(next));
        let before = std::mem::replace(&mut *expiry, Expiry { until: Some(next), task: Some(task) });
        drop(expiry);
        if let Some(later) = before.task {
            later.cancel().detach();
        }
    }

    async fn expire_at(self: Rc<Self>, moment: Moment) {
        twinloop::sleep_until(moment).await;
        let expired = self.store.borrow_mut().expire(twinloop::now(), EXPIRE_MAX);
        self.counters.borrow_mut().expired_keys += expired as u64;
        // This task is done; what is due next, or was too much for one turn, is another one's.
        drop(self.expiry.take());
        self.schedule_expiry();
    }
}
