//! What Unix sockets and pipes look like from outside. It changes nothing.

use twinloop::driver::Fd;
use twinloop::table::Key;

use super::pipe::PipeEnd;
use super::stream::{End, Listener};
use super::{Local, Mailbox};
use crate::kernel::{Kernel, Socket};
use crate::netstat::{Protocol, Socket as Row, SocketOwner, SocketState};

impl Kernel {
    pub(in crate::kernel) fn row_of_local(&self, fd: Fd, local: &Local) -> Option<Row> {
        match local {
            Local::Listener(listener) => Some(row_of_listener(fd, listener)),
            Local::Stream(key) => Some(self.row_of_end(self.end(*key))),
            Local::Mailbox(mailbox) => Some(self.row_of_mailbox(fd, mailbox)),
            Local::Pipe(end) => Some(self.row_of_pipe_end(fd, *end)),
            Local::Standard(_) => None,
        }
    }

    /// The streams that nobody has accepted yet.
    pub(in crate::kernel) fn rows_of_local_backlogs(&self) -> impl Iterator<Item = Row> {
        let ends = self.locals.ends.iter().map(|(_, end)| end);
        ends.filter(|end| end.fd.is_none()).map(|end| self.row_of_end(end))
    }

    fn row_of_end(&self, end: &End) -> Row {
        Row {
            protocol: Protocol::UnixStream,
            state: match (end.peer.is_some(), end.read_shut, end.write_shut) {
                (false, ..) | (true, true, true) => SocketState::Closed,
                (true, true, false) => SocketState::CloseWait,
                (true, false, true) => SocketState::FinWait2,
                (true, false, false) => SocketState::Established,
            },
            receive_queue: end.inbound.len(),
            send_queue: end.peer.map_or(0, |peer| self.unread_of_end(peer)),
            local: end.local.into(),
            remote: end.peer.map(|_| end.remote.into()),
            owner: end.fd.map_or(SocketOwner::Backlog, SocketOwner::Program),
            timer: None,
        }
    }

    fn row_of_mailbox(&self, fd: Fd, mailbox: &Mailbox) -> Row {
        Row {
            protocol: Protocol::UnixDatagram,
            state: if mailbox.peer.is_some() { SocketState::Established } else { SocketState::Unconnected },
            receive_queue: mailbox.unread(|_| true),
            send_queue: self.unread_letters_of(fd.key()),
            local: mailbox.local.into(),
            remote: mailbox.peer.map(|_| mailbox.peer_address.into()),
            owner: SocketOwner::Program(fd),
            timer: None,
        }
    }

    /// Bytes that the socket with this key has sent and nobody has received.
    fn unread_letters_of(&self, sender: Key) -> usize {
        let mailboxes = self.sockets.iter().filter_map(|(_, socket)| match socket {
            Socket::Local(Local::Mailbox(mailbox)) => Some(mailbox),
            _ => None,
        });
        mailboxes.map(|mailbox| mailbox.unread(|other| other == sender)).sum()
    }

    fn row_of_pipe_end(&self, fd: Fd, end: PipeEnd) -> Row {
        let unread = self.bytes_in_pipe(end);
        Row {
            protocol: Protocol::Pipe,
            state: if self.is_pipe_connected(end) { SocketState::Established } else { SocketState::Closed },
            receive_queue: if end.reads { unread } else { 0 },
            send_queue: if end.writes { unread } else { 0 },
            local: self.address_of_fifo(end),
            remote: None,
            owner: SocketOwner::Program(fd),
            timer: None,
        }
    }
}

fn row_of_listener(fd: Fd, listener: &Listener) -> Row {
    Row {
        protocol: Protocol::UnixStream,
        state: SocketState::Listen,
        receive_queue: listener.queue.len(),
        send_queue: listener.backlog,
        local: listener.address.into(),
        remote: None,
        owner: SocketOwner::Program(fd),
        timer: None,
    }
}
