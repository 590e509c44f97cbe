//! What a host's sockets and pipes look like from outside. It changes nothing.

use twinloop::driver::Fd;

use super::{Entry, Kernel, Listener, Owner, Socket, Udp};
use crate::netstat::{Protocol, Socket as Row, SocketOwner, SocketState};

impl Kernel {
    /// One entry for each socket and end of a pipe that programs have open, by descriptor, and then for each connection
    /// without one.
    pub(crate) fn netstat(&self) -> Vec<Row> {
        let open = self.sockets.iter().filter_map(|(key, socket)| {
            let fd = Fd::from_key(key);
            match socket {
                Socket::Listener(listener) => Some(row_of_listener(fd, listener)),
                Socket::Stream(connection) => Some(row_of_connection(self.entry(*connection))),
                Socket::Datagram(udp) => Some(row_of_datagrams(fd, udp)),
                Socket::Local(local) => self.row_of_local(fd, local),
                Socket::File(_) | Socket::Operation(_) | Socket::Lookup(_) | Socket::Signals(_) => None,
            }
        });
        let entries = self.connections.iter().map(|(_, entry)| entry);
        let closed = entries.filter(|entry| !matches!(entry.owner, Owner::Fd(_))).map(row_of_connection);
        open.chain(closed).chain(self.rows_of_local_backlogs()).collect()
    }
}

fn row_of_listener(fd: Fd, listener: &Listener) -> Row {
    Row {
        protocol: Protocol::Tcp,
        state: SocketState::Listen,
        receive_queue: listener.queue.len(),
        send_queue: listener.backlog,
        local: listener.address.into(),
        remote: None,
        owner: SocketOwner::Program(fd),
        timer: None,
    }
}

fn row_of_connection(entry: &Entry) -> Row {
    let Entry { ends: (local, remote, _), connection, owner, timer, .. } = entry;
    Row {
        protocol: Protocol::Tcp,
        state: connection.named_state(),
        receive_queue: connection.receivable(),
        send_queue: connection.unacknowledged(),
        local: (*local).into(),
        remote: Some((*remote).into()),
        owner: match owner {
            Owner::Fd(fd) => SocketOwner::Program(*fd),
            Owner::Embryo(_) | Owner::Queued(_) => SocketOwner::Backlog,
            Owner::Nobody => SocketOwner::Kernel,
        },
        timer: *timer,
    }
}

fn row_of_datagrams(fd: Fd, udp: &Udp) -> Row {
    Row {
        protocol: Protocol::Udp,
        state: if udp.peer.is_some() { SocketState::Established } else { SocketState::Unconnected },
        receive_queue: udp.unread(),
        send_queue: 0,
        local: udp.local.into(),
        remote: udp.peer.map(Into::into),
        owner: SocketOwner::Program(fd),
        timer: None,
    }
}
