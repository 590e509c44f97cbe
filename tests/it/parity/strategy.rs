//! Which programs are tried. A family begins with what its calls need, so that most of them find something to do.

use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_oneof};
use proptest::sample::select;
use proptest::strategy::{BoxedStrategy, Strategy};
use twinloop::driver::{
    ConnectOptions, DatagramOptions, Half, Interface, KeepAlive, ListenOptions, OptionName, SocketOption,
};

use super::program::{Connecting, Ip, Op, Place, Port, Program, SLOTS, Slot};

/// How many names of each kind a program uses.
pub(super) const NAMES: u8 = 3;
/// Steps behind the beginning.
const STEPS: usize = 24;

/// Streams of IP: what two ends do to each other.
pub(super) fn streams() -> impl Strategy<Value = Program> {
    let call = prop_oneof![12 => stream_call(), 2 => connecting(), 1 => question()];
    after(connected(), call)
}

/// Streams of IP that begin: queues that are short, peers that are gone before they are accepted.
pub(super) fn openings() -> impl Strategy<Value = Program> {
    let call = prop_oneof![6 => connecting(), 6 => stream_call(), 1 => question()];
    let beginning = |backlog| {
        let options = ListenOptions::default().backlog(backlog);
        vec![Op::Listen { into: 0, at: Place::Ip(Ip::Own, Port::Zero), options }]
    };
    (0..3u32, vec(call, 1..STEPS)).prop_map(move |(backlog, calls)| [beginning(backlog), calls].concat())
}

/// Ports that are used again: by connections between the same ends, by listeners where connections end or linger. All of them
/// are of the program's own address: what lingers at an address that programs share is in the way of others.
pub(super) fn reopenings() -> impl Strategy<Value = Program> {
    let used = || slot().prop_map(|slot| Place::Ip(Ip::Own, Port::Of(slot)));
    let from_own = Connecting { from: Some(Place::Ip(Ip::Own, Port::Zero)), ..Connecting::default() };
    let beginning = vec![
        Op::Listen { into: 0, at: Place::Ip(Ip::Own, Port::Zero), options: ListenOptions::default() },
        Op::Connect { into: 1, to: Place::Ip(Ip::Own, Port::Of(0)), options: from_own },
        Op::Accept { from: 0, into: 2 },
    ];
    let listening = (slot(), used(), any::<bool>()).prop_map(|(into, at, reuse)| Op::Listen {
        into,
        at,
        options: ListenOptions::default().reuse_address(reuse),
    });
    let connecting =
        (slot(), used(), used(), any::<bool>()).prop_map(|(into, to, from, reuse)| Op::Connect {
            into,
            to,
            options: Connecting { from: Some(from), options: ConnectOptions::default().reuse_address(reuse) },
        });
    let call = prop_oneof![
        3 => listening,
        4 => connecting,
        3 => (slot(), slot()).prop_map(|(from, into)| Op::Accept { from, into }),
        8 => stream_call(),
        1 => question(),
    ];
    after(beginning, call)
}

/// Who may have which address and port. Nothing is accepted: of several listeners at one port, chance decides who is asked.
pub(super) fn bindings() -> impl Strategy<Value = Program> {
    // Not both in one program.
    // PARITY: Ports of TCP that are shared
    any::<bool>().prop_flat_map(|shares| vec(binding(shares), 1..STEPS))
}

/// `shares`: sockets agree by `SO_REUSEPORT`, and else by `SO_REUSEADDR`.
fn binding(shares: bool) -> impl Strategy<Value = Op> {
    let bound = || {
        let ip = select(vec![
            Ip::Own,
            Ip::Own,
            Ip::Loopback,
            Ip::Any,
            Ip::V6Loopback,
            Ip::V6Any,
            Ip::Foreign,
            Ip::V6Foreign,
        ]);
        (ip, port()).prop_map(|(ip, port)| Place::Ip(ip, port)).boxed()
    };
    let only_v6 = || select(vec![None, None, Some(false), Some(true)]);
    let listening = (any::<bool>(), only_v6()).prop_map(move |(reuse, only_v6)| {
        let options = ListenOptions::default().reuse_address(reuse && !shares).reuse_port(reuse && shares);
        only_v6.into_iter().fold(options, ListenOptions::only_v6)
    });
    let datagrams = (any::<bool>(), only_v6()).prop_map(move |(reuse, only_v6)| {
        let options = DatagramOptions::default().reuse_address(reuse && !shares).reuse_port(reuse && shares);
        only_v6.into_iter().fold(options, DatagramOptions::only_v6)
    });
    let streams = (bound(), any::<bool>()).prop_map(move |(from, reuse)| Connecting {
        from: Some(from),
        options: ConnectOptions::default().reuse_address(reuse && !shares).reuse_port(reuse && shares),
    });
    prop_oneof![
        4 => (slot(), bound(), listening).prop_map(|(into, at, options)| Op::Listen { into, at, options }),
        3 => (slot(), bound(), datagrams)
            .prop_map(|(into, at, options)| Op::Datagram { into, at, to: None, options }),
        // To this machine alone: what is tried must not disturb others.
        3 => (slot(), place(), streams).prop_map(|(into, to, options)| Op::Connect { into, to, options }),
        2 => slot().prop_map(|slot| Op::Close { slot }),
        1 => question(),
    ]
}

/// Streams whose receiver is slow. While bytes wait in both buffers, how many they are decides what arrives when: only
/// what does not depend on it is asked.
pub(super) fn clogged() -> impl Strategy<Value = Program> {
    let meanwhile = prop_oneof![
        Just(Op::Fill { slot: 1 }),
        length().prop_map(|length| Op::Send { slot: 1, length }),
        length().prop_map(|room| Op::Recv { slot: 2, room }),
        length().prop_map(|length| Op::Send { slot: 2, length }),
        length().prop_map(|room| Op::Recv { slot: 1, room }),
        question(),
    ];
    let after_end = prop_oneof![
        length().prop_map(|room| Op::Recv { slot: 2, room }),
        Just(Op::Drain { slot: 2 }),
        question(),
    ];
    let flushed = vec(stream_call(), 0..8).prop_map(|calls| [vec![Op::Drain { slot: 2 }], calls].concat());
    let end = select(vec![
        Op::Close { slot: 1 },
        Op::Close { slot: 2 },
        Op::Shutdown { slot: 1, half: Half::Write },
    ]);
    let ended = (end, vec(after_end, 0..6)).prop_map(|(end, calls)| [vec![end], calls].concat());
    let beginning = prop_oneof![
        3 => Just(connected()),
        1 => Just(vec![Op::StreamPair { into: 1, other: 2 }]),
        1 => Just(vec![Op::Pipe { into: 2, other: 1 }]),
    ];
    (beginning, vec(meanwhile, 0..6), prop_oneof![flushed, ended]).prop_map(|(beginning, meanwhile, end)| {
        [beginning, vec![Op::Fill { slot: 1 }], meanwhile, end].concat()
    })
}

/// Datagrams of IP.
pub(super) fn datagrams() -> impl Strategy<Value = Program> {
    let beginning = vec![
        bound(0, Ip::Own),
        bound(1, Ip::Own),
        Op::Datagram {
            into: 2,
            at: Place::Ip(Ip::Own, Port::Zero),
            to: Some(Place::Ip(Ip::Own, Port::Of(0))),
            options: DatagramOptions::default(),
        },
    ];
    after(beginning, datagram_call())
}

/// Groups of IP, heard on the loopback: nothing leaves the machine.
pub(super) fn groups() -> impl Strategy<Value = Program> {
    let over_loopback = |slot| Op::SetOption {
        slot,
        option: SocketOption::MulticastInterface(Interface::Address(Ipv4Addr::LOCALHOST)),
    };
    let shared = |into, at| Op::Datagram {
        into,
        at,
        to: None,
        options: DatagramOptions::default().reuse_address(true),
    };
    let beginning = vec![
        shared(0, Place::Ip(Ip::Any, Port::Zero)),
        shared(1, Place::Ip(Ip::Group(1), Port::Of(0))),
        shared(2, Place::Ip(Ip::Any, Port::Of(0))),
        over_loopback(0),
        over_loopback(1),
        over_loopback(2),
        Op::Join { slot: 0, group: 1, interface: Interface::Address(Ipv4Addr::LOCALHOST) },
    ];
    let interface = || select(vec![Interface::Index(1), Interface::Address(Ipv4Addr::LOCALHOST)]);
    let call = prop_oneof![
        3 => (slot(), 0..3u8, interface()).prop_map(|(slot, group, interface)| Op::Join { slot, group, interface }),
        2 => (slot(), 0..3u8, interface()).prop_map(|(slot, group, interface)| Op::Leave { slot, group, interface }),
        6 => (slot(), 0..3u8, datagram_length()).prop_map(|(slot, group, length)| {
            Op::SendTo { slot, to: Some(Place::Ip(Ip::Group(group), Port::Of(0))), length }
        }),
        6 => (slot(), length()).prop_map(|(slot, room)| Op::RecvFrom { slot, room }),
        1 => (slot(), any::<bool>())
            .prop_map(|(slot, on)| Op::SetOption { slot, option: SocketOption::MulticastLoopback(on) }),
        1 => (slot(), 0..3u8)
            .prop_map(|(slot, hops)| Op::SetOption { slot, option: SocketOption::MulticastTimeToLive(hops) }),
        1 => slot().prop_map(|slot| Op::Close { slot }),
    ];
    after(beginning, call)
}

/// Unix streams: paths, abstract names, and pairs without any.
pub(super) fn unix_streams() -> impl Strategy<Value = Program> {
    let beginning = prop_oneof![
        Just(vec![
            Op::Listen { into: 0, at: Place::Path(0), options: ListenOptions::default() },
            Op::Connect { into: 1, to: Place::Path(0), options: Connecting::default() },
            Op::Accept { from: 0, into: 2 },
        ]),
        Just(vec![
            Op::Listen { into: 0, at: Place::Abstract(0), options: ListenOptions::default().backlog(1) },
            Op::StreamPair { into: 1, other: 2 },
        ]),
    ];
    let call = prop_oneof![
        8 => stream_call(),
        3 => unix_connecting(),
        1 => question(),
        1 => (0..NAMES).prop_map(|name| Op::Remove { name }),
    ];
    (beginning, vec(call, 1..STEPS)).prop_map(|(beginning, calls)| [beginning, calls].concat())
}

/// Unix datagrams.
pub(super) fn unix_datagrams() -> impl Strategy<Value = Program> {
    let bound = |into, at, to| Op::Datagram { into, at, to, options: DatagramOptions::default() };
    let beginning = vec![
        bound(0, Place::Path(0), None),
        bound(1, Place::Abstract(0), None),
        bound(2, Place::Unnamed, Some(Place::Path(0))),
    ];
    let target = || prop_oneof![1 => Just(None), 3 => name().prop_map(Some)];
    let call = prop_oneof![
        10 => (slot(), target(), unix_length()).prop_map(|(slot, to, length)| Op::SendTo { slot, to, length }),
        6 => (slot(), length()).prop_map(|(slot, room)| Op::RecvFrom { slot, room }),
        2 => slot().prop_map(|slot| Op::Close { slot }),
        2 => (slot(), prop_oneof![name(), Just(Place::Unnamed)], target(), any::<bool>()).prop_map(
            |(into, at, to, replace)| {
                Op::Datagram { into, at, to, options: DatagramOptions::default().replace_stale(replace) }
            }
        ),
        1 => (slot(), length()).prop_map(|(slot, length)| Op::Send { slot, length }),
        1 => (slot(), length()).prop_map(|(slot, room)| Op::Recv { slot, room }),
        1 => question(),
        1 => (0..NAMES).prop_map(|name| Op::Remove { name }),
    ];
    after(beginning, call)
}

/// Pipes, with a name and without.
pub(super) fn pipes() -> impl Strategy<Value = Program> {
    let beginning = vec![Op::Pipe { into: 0, other: 1 }, fifo(2, 0, Half::Read), fifo(3, 0, Half::Write)];
    let call = prop_oneof![
        6 => (slot(), length()).prop_map(|(slot, length)| Op::Send { slot, length }),
        6 => (slot(), length()).prop_map(|(slot, room)| Op::Recv { slot, room }),
        2 => slot().prop_map(|slot| Op::Drain { slot }),
        1 => (slot(), half()).prop_map(|(slot, half)| Op::Shutdown { slot, half }),
        3 => slot().prop_map(|slot| Op::Close { slot }),
        4 => (slot(), 0..NAMES, half(), any::<bool>())
            .prop_map(|(into, name, end, create)| Op::OpenFifo { into, name, end, create }),
        1 => (slot(), slot())
            .prop_filter("two places", |(into, other)| into != other)
            .prop_map(|(into, other)| Op::Pipe { into, other }),
        1 => (0..NAMES).prop_map(|name| Op::Remove { name }),
        1 => question(),
    ];
    after(beginning, call)
}

/// Calls on whatever kind of descriptor there is.
pub(super) fn kinds() -> impl Strategy<Value = Program> {
    let beginning = prop_oneof![
        Just(vec![
            Op::Listen { into: 0, at: Place::Ip(Ip::Own, Port::Zero), options: ListenOptions::default() },
            Op::Connect { into: 1, to: Place::Ip(Ip::Own, Port::Of(0)), options: Connecting::default() },
            bound(2, Ip::Own),
            Op::Listen { into: 3, at: Place::Path(0), options: ListenOptions::default() },
            Op::Connect { into: 4, to: Place::Path(0), options: Connecting::default() },
            Op::MakeFile { into: 5, name: 1, length: 9, readable: true },
        ]),
        Just(vec![
            Op::Pipe { into: 0, other: 1 },
            Op::StreamPair { into: 2, other: 3 },
            Op::Datagram { into: 4, at: Place::Path(0), to: None, options: DatagramOptions::default() },
            Op::MakeFile { into: 5, name: 1, length: 9, readable: true },
        ]),
    ];
    let slot = || 0..SLOTS;
    let call = prop_oneof![
        stream_call(),
        question(),
        (slot(), slot()).prop_map(|(from, into)| Op::Accept { from, into }),
        (slot(), prop_oneof![place(), name()]).prop_map(|(slot, to)| Op::SendTo {
            slot,
            to: Some(to),
            length: 1
        }),
        (slot(), length()).prop_map(|(slot, room)| Op::RecvFrom { slot, room }),
        (slot(), option_name()).prop_map(|(slot, name)| Op::GetOption { slot, name }),
        (slot(), option()).prop_map(|(slot, option)| Op::SetOption { slot, option }),
        (slot(), slot(), 1..2000usize).prop_map(|(slot, file, count)| Op::SendFile {
            slot,
            file,
            offset: 0,
            count
        }),
        (slot(), 0..NAMES, half()).prop_map(|(into, name, end)| Op::OpenFifo {
            into,
            name,
            end,
            create: true
        }),
    ];
    (beginning, vec(call, 1..STEPS)).prop_map(|(beginning, calls)| [beginning, calls].concat())
}

/// What is set on sockets of IP, and what is answered then.
pub(super) fn options() -> impl Strategy<Value = Program> {
    let beginning = [connected(), vec![bound(3, Ip::Own), bound(4, Ip::V6Any)]].concat();
    let slot = || 0..SLOTS;
    let call = prop_oneof![
        6 => (slot(), option()).prop_map(|(slot, option)| Op::SetOption { slot, option }),
        6 => (slot(), option_name()).prop_map(|(slot, name)| Op::GetOption { slot, name }),
        1 => (slot(), slot()).prop_map(|(from, into)| Op::Accept { from, into }),
        1 => slot().prop_map(|into| Op::Connect {
            into,
            to: Place::Ip(Ip::Own, Port::Of(0)),
            options: Connecting::default(),
        }),
        1 => slot().prop_map(|into| Op::Listen {
            into,
            at: Place::Ip(Ip::V6Any, Port::Zero),
            options: ListenOptions::default(),
        }),
        1 => slot().prop_map(|slot| Op::Close { slot }),
    ];
    after(beginning, call)
}

/// Files that are sent over whatever descriptor there is.
pub(super) fn sent_files() -> impl Strategy<Value = Program> {
    let file = |into, readable| Op::MakeFile { into, name: 0, length: 300, readable };
    let beginning = [connected(), vec![file(3, true), Op::StreamPair { into: 4, other: 5 }]].concat();
    let call = prop_oneof![
        6 => (0..SLOTS, prop_oneof![3 => Just(3usize), 1 => 0..SLOTS], 0..400u64, 1..2000usize)
            .prop_map(|(slot, file, offset, count)| Op::SendFile { slot, file, offset, count }),
        2 => (slot(), half()).prop_map(|(slot, half)| Op::Shutdown { slot, half }),
        1 => slot().prop_map(|slot| Op::Close { slot }),
        1 => (0..SLOTS, any::<bool>()).prop_map(move |(into, readable)| file(into, readable)),
        2 => (slot(), length()).prop_map(|(slot, room)| Op::Recv { slot, room }),
        1 => (0..SLOTS).prop_map(|slot| Op::Drain { slot }),
    ];
    after(beginning, call)
}

fn after(beginning: Program, call: impl Strategy<Value = Op>) -> impl Strategy<Value = Program> {
    vec(call, 1..STEPS).prop_map(move |calls| [beginning.clone(), calls].concat())
}

fn fifo(into: Slot, name: u8, end: Half) -> Op {
    Op::OpenFifo { into, name, end, create: true }
}

fn connected() -> Program {
    vec![
        Op::Listen { into: 0, at: Place::Ip(Ip::Own, Port::Zero), options: ListenOptions::default() },
        Op::Connect { into: 1, to: Place::Ip(Ip::Own, Port::Of(0)), options: Connecting::default() },
        Op::Accept { from: 0, into: 2 },
    ]
}

fn bound(into: Slot, ip: Ip) -> Op {
    Op::Datagram { into, at: Place::Ip(ip, Port::Zero), to: None, options: DatagramOptions::default() }
}

// ---- calls ----

fn stream_call() -> BoxedStrategy<Op> {
    prop_oneof![
        6 => (slot(), length()).prop_map(|(slot, length)| Op::Send { slot, length }),
        6 => (slot(), length()).prop_map(|(slot, room)| Op::Recv { slot, room }),
        2 => slot().prop_map(|slot| Op::Drain { slot }),
        3 => (slot(), half()).prop_map(|(slot, half)| Op::Shutdown { slot, half }),
        3 => slot().prop_map(|slot| Op::Close { slot }),
        1 => slot().prop_map(|slot| Op::TakeError { slot }),
        1 => slot().prop_map(|slot| {
            Op::SetOption { slot, option: SocketOption::Linger(Some(Duration::ZERO)) }
        }),
    ]
    .boxed()
}

fn connecting() -> BoxedStrategy<Op> {
    prop_oneof![
        2 => (slot(), place(), listen_options()).prop_map(|(into, at, options)| Op::Listen { into, at, options }),
        3 => (slot(), slot()).prop_map(|(from, into)| Op::Accept { from, into }),
        3 => (slot(), place(), connecting_options())
            .prop_map(|(into, to, options)| Op::Connect { into, to, options }),
    ]
    .boxed()
}

fn unix_connecting() -> BoxedStrategy<Op> {
    let options = || {
        (0..3u32, any::<bool>())
            .prop_map(|(backlog, replace)| ListenOptions::default().backlog(backlog).replace_stale(replace))
    };
    let from = prop_oneof![3 => Just(None), 1 => name().prop_map(Some)];
    prop_oneof![
        2 => (slot(), name(), options()).prop_map(|(into, at, options)| Op::Listen { into, at, options }),
        3 => (slot(), slot()).prop_map(|(from, into)| Op::Accept { from, into }),
        3 => (slot(), name(), from).prop_map(|(into, to, from)| {
            Op::Connect { into, to, options: Connecting { from, options: ConnectOptions::default() } }
        }),
        1 => (slot(), slot())
            .prop_filter("two places", |(into, other)| into != other)
            .prop_map(|(into, other)| Op::StreamPair { into, other }),
    ]
    .boxed()
}

fn question() -> BoxedStrategy<Op> {
    prop_oneof![
        slot().prop_map(|slot| Op::TakeError { slot }),
        slot().prop_map(|slot| Op::LocalAddress { slot }),
        slot().prop_map(|slot| Op::RemoteAddress { slot }),
    ]
    .boxed()
}

fn datagram_call() -> BoxedStrategy<Op> {
    prop_oneof![
        8 => (slot(), target(), datagram_length())
            .prop_map(|(slot, to, length)| Op::SendTo { slot, to, length }),
        8 => (slot(), length()).prop_map(|(slot, room)| Op::RecvFrom { slot, room }),
        2 => slot().prop_map(|slot| Op::Close { slot }),
        3 => (slot(), place(), target(), datagram_options())
            // PARITY: A socket of both families that has a peer
            .prop_filter("a socket of both families speaks one of them to its peer", |(_, at, to, _)| {
                let is_v4 = |ip: Ip| matches!(ip, Ip::Own | Ip::Loopback);
                match (at, to) {
                    (Place::Ip(Ip::V6Any, _), Some(Place::Ip(ip, port))) => is_v4(*ip) && *port != Port::Zero,
                    _ => true,
                }
            })
            .prop_map(|(into, at, to, options)| Op::Datagram { into, at, to, options }),
        1 => question(),
    ]
    .boxed()
}

// ---- their parts ----

/// The first ones are used more: that is where the beginning put something.
fn slot() -> BoxedStrategy<Slot> {
    prop_oneof![4 => 0..3usize, 1 => 0..SLOTS].boxed()
}

fn length() -> BoxedStrategy<usize> {
    prop_oneof![1 => Just(0usize), 4 => 1..8usize, 3 => 8..2000usize].boxed()
}

fn datagram_length() -> BoxedStrategy<usize> {
    prop_oneof![
        2 => Just(0usize),
        6 => 1..8usize,
        3 => 8..2000usize,
        1 => select(vec![65_506usize, 65_507, 65_508, 65_527, 65_528, 70_000]),
    ]
    .boxed()
}

fn half() -> BoxedStrategy<Half> {
    select(vec![Half::Write, Half::Read, Half::Both]).boxed()
}

fn port() -> BoxedStrategy<Port> {
    prop_oneof![1 => Just(Port::Zero), 4 => slot().prop_map(Port::Of)].boxed()
}

fn place() -> BoxedStrategy<Place> {
    let ip = prop_oneof![
        8 => Just(Ip::Own),
        1 => Just(Ip::Loopback),
        1 => Just(Ip::Any),
        1 => Just(Ip::V6Loopback),
        1 => Just(Ip::V6Any),
    ];
    (ip, port()).prop_map(|(ip, port)| Place::Ip(ip, port)).boxed()
}

fn name() -> BoxedStrategy<Place> {
    prop_oneof![(0..NAMES).prop_map(Place::Path), (0..NAMES).prop_map(Place::Abstract)].boxed()
}

fn unix_length() -> BoxedStrategy<usize> {
    prop_oneof![
        1 => Just(0usize),
        4 => 1..8usize,
        3 => 8..2000usize,
        1 => select(vec![212_959usize, 212_960, 212_961, 213_000]),
    ]
    .boxed()
}

fn option() -> BoxedStrategy<SocketOption> {
    let seconds = || select(vec![1u64, 2, 10, 32_767, 32_768]).prop_map(Duration::from_secs);
    let keep_alive = (seconds(), seconds(), select(vec![1u32, 9, 127, 128]))
        .prop_map(|(idle, interval, count)| KeepAlive::default().idle(idle).interval(interval).count(count));
    let size = || select(vec![0u32, 1, 1000, 2304, 4608, 10_000, 65_536, 200_000]);
    prop_oneof![
        any::<bool>().prop_map(SocketOption::NoDelay),
        Just(SocketOption::KeepAlive(None)),
        keep_alive.prop_map(|keep_alive| SocketOption::KeepAlive(Some(keep_alive))),
        select(vec![None, Some(Duration::ZERO)]).prop_map(SocketOption::Linger),
        any::<bool>().prop_map(SocketOption::ReuseAddress),
        any::<bool>().prop_map(SocketOption::ReusePort),
        any::<bool>().prop_map(SocketOption::OnlyV6),
        size().prop_map(SocketOption::ReceiveBuffer),
        size().prop_map(SocketOption::SendBuffer),
        any::<u8>().prop_map(SocketOption::TimeToLive),
        any::<u8>().prop_map(SocketOption::TypeOfService),
        select(vec![None, Some(1u64), Some(1000), Some(1 << 31)])
            .prop_map(|ms| SocketOption::UserTimeout(ms.map(Duration::from_millis))),
        any::<bool>().prop_map(SocketOption::Broadcast),
        any::<u8>().prop_map(SocketOption::MulticastTimeToLive),
        any::<bool>().prop_map(SocketOption::MulticastLoopback),
        Just(SocketOption::MulticastInterface(Interface::Address(Ipv4Addr::LOCALHOST))),
        Just(SocketOption::MulticastInterface(Interface::Any)),
    ]
    .boxed()
}

fn option_name() -> BoxedStrategy<OptionName> {
    select(vec![
        OptionName::NoDelay,
        OptionName::KeepAlive,
        OptionName::Linger,
        OptionName::ReuseAddress,
        OptionName::ReusePort,
        OptionName::OnlyV6,
        OptionName::ReceiveBuffer,
        OptionName::SendBuffer,
        OptionName::TimeToLive,
        OptionName::TypeOfService,
        OptionName::UserTimeout,
        OptionName::Broadcast,
        OptionName::MulticastTimeToLive,
        OptionName::MulticastLoopback,
        OptionName::MulticastInterface,
    ])
    .boxed()
}

fn target() -> BoxedStrategy<Option<Place>> {
    prop_oneof![1 => Just(None), 3 => place().prop_map(Some)].boxed()
}

fn listen_options() -> BoxedStrategy<ListenOptions> {
    (any::<bool>(), prop_oneof![3 => Just(1024u32), 1 => 0..3u32])
        .prop_map(|(reuse, backlog)| ListenOptions::default().reuse_address(reuse).backlog(backlog))
        .boxed()
}

fn connecting_options() -> BoxedStrategy<Connecting> {
    let from = prop_oneof![3 => Just(None), 1 => place().prop_map(Some)];
    (from, any::<bool>())
        .prop_map(|(from, reuse)| Connecting {
            from,
            options: ConnectOptions::default().reuse_address(reuse),
        })
        .boxed()
}

fn datagram_options() -> BoxedStrategy<DatagramOptions> {
    (any::<bool>(), any::<bool>())
        .prop_map(|(reuse, broadcast)| DatagramOptions::default().reuse_address(reuse).broadcast(broadcast))
        .boxed()
}
