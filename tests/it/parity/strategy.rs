//! Which programs are tried. A family begins with what its calls need, so that most of them find something to do.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_oneof};
use proptest::sample::select;
use proptest::strategy::{BoxedStrategy, Strategy};
use twinloop::driver::{
    ConnectOptions, DatagramOptions, FileOptions, Half, Interface, KeepAlive, ListenOptions, OptionName,
    SocketOption,
};

use super::program::{Connecting, Ip, Op, Place, Port, Program, SLOTS, Slot};

/// How many names of each kind a program uses.
pub(super) const NAMES: u8 = 3;
/// Steps behind the beginning.
const STEPS: usize = 24;

/// Streams of IP: what two ends do to each other.
pub(super) fn streams() -> impl Strategy<Value = Program> {
    let call = prop_oneof![
        12 => stream_call(),
        2 => connecting(),
        1 => question(),
    ];
    after(connected(), call)
}

/// Streams whose receiver is slow. While bytes wait in both buffers, how many they are decides what arrives when: only what does
/// not depend on it is asked.
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
    (vec(meanwhile, 0..6), prop_oneof![flushed, ended]).prop_map(|(meanwhile, end)| {
        [connected(), vec![Op::Fill { slot: 1 }], meanwhile, end].concat()
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

fn after(beginning: Program, call: impl Strategy<Value = Op>) -> impl Strategy<Value = Program> {
    vec(call, 1..STEPS).prop_map(move |calls| [beginning.clone(), calls].concat())
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
        .prop_map(|(from, reuse)| Connecting { from, options: ConnectOptions::default().reuse_address(reuse) })
        .boxed()
}

fn datagram_options() -> BoxedStrategy<DatagramOptions> {
    (any::<bool>(), any::<bool>())
        .prop_map(|(reuse, broadcast)| DatagramOptions::default().reuse_address(reuse).broadcast(broadcast))
        .boxed()
}
