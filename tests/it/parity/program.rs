//! Programs as data: what is called, on which of a few places for descriptors. Nothing here knows who answers.

use std::fmt;

use twinloop::driver::{
    ConnectOptions, DatagramOptions, Half, Interface, ListenOptions, OptionName, SocketOption,
};

/// A place for a descriptor. A call that gives one puts it there if it succeeds, and closes what stood there before.
pub(super) type Slot = usize;

/// How many there are: a listener, two ends, and some to come in their way.
pub(super) const SLOTS: usize = 6;

pub(super) type Program = Vec<Op>;

/// A call. On an empty place it is none.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Op {
    Listen {
        into: Slot,
        at: Place,
        options: ListenOptions,
    },
    Accept {
        from: Slot,
        into: Slot,
    },
    Connect {
        into: Slot,
        to: Place,
        options: Connecting,
    },
    Send {
        slot: Slot,
        length: usize,
    },
    Recv {
        slot: Slot,
        room: usize,
    },
    /// Sends until nothing more is taken.
    Fill {
        slot: Slot,
    },
    /// Receives until nothing more is there.
    Drain {
        slot: Slot,
    },
    Shutdown {
        slot: Slot,
        half: Half,
    },
    Close {
        slot: Slot,
    },
    TakeError {
        slot: Slot,
    },
    LocalAddress {
        slot: Slot,
    },
    RemoteAddress {
        slot: Slot,
    },
    SetOption {
        slot: Slot,
        option: SocketOption,
    },
    GetOption {
        slot: Slot,
        name: OptionName,
    },
    Datagram {
        into: Slot,
        at: Place,
        to: Option<Place>,
        options: DatagramOptions,
    },
    SendTo {
        slot: Slot,
        to: Option<Place>,
        length: usize,
    },
    RecvFrom {
        slot: Slot,
        room: usize,
    },
    Join {
        slot: Slot,
        group: u8,
        interface: Interface,
    },
    Leave {
        slot: Slot,
        group: u8,
        interface: Interface,
    },
    StreamPair {
        into: Slot,
        other: Slot,
    },
    Pipe {
        into: Slot,
        other: Slot,
    },
    OpenFifo {
        into: Slot,
        name: u8,
        end: Half,
        create: bool,
    },
    /// A file that is made, or emptied, with so many bytes in it. Other calls on files are `parity_files`' to compare.
    MakeFile {
        into: Slot,
        name: u8,
        length: usize,
        readable: bool,
    },
    Remove {
        name: u8,
    },
    SendFile {
        slot: Slot,
        file: Slot,
        offset: u64,
        count: usize,
    },
}

/// What a connect is told: the place to bind first, and the options.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Connecting {
    pub(super) from: Option<Place>,
    pub(super) options: ConnectOptions,
}

/// An address whose parts are known when the program runs.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    Ip(Ip, Port),
    /// A path of the program's own.
    Path(u8),
    Abstract(u8),
    Unnamed,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ip {
    /// An address of the loopback that no other program uses.
    Own,
    /// 127.0.0.1
    Loopback,
    Any,
    V6Loopback,
    V6Any,
    /// That of another machine.
    Foreign,
    V6Foreign,
    /// To all hosts of the network.
    Broadcast,
    /// A multicast group.
    Group(u8),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Port {
    Zero,
    /// The port that what stands there has, or that the last one that stood there had.
    Of(Slot),
}

impl Op {
    /// The places that are empty, or hold something new, once the call has succeeded.
    pub(super) fn changes(&self) -> [Option<Slot>; 2] {
        match *self {
            Op::StreamPair { into, other } | Op::Pipe { into, other } => [Some(into), Some(other)],
            Op::Close { slot: into }
            | Op::Listen { into, .. }
            | Op::Accept { into, .. }
            | Op::Connect { into, .. }
            | Op::Datagram { into, .. }
            | Op::OpenFifo { into, .. }
            | Op::MakeFile { into, .. } => [Some(into), None],
            _ => [None, None],
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Ip(ip, port) => write!(f, "{ip:?}:{port:?}"),
            Place::Path(name) => write!(f, "Path({name})"),
            Place::Abstract(name) => write!(f, "Abstract({name})"),
            Place::Unnamed => f.write_str("Unnamed"),
        }
    }
}
