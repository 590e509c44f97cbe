//! What the kernel promises to programs, told as stories between two hosts. The answers are those which Linux 6.18 gave over
//! loopback. Private fields are looked at in one place: the pair's check for leaks.

mod acknowledging;
mod bulk;
mod datagrams;
mod disorder;
mod ends;
mod files;
mod handshake;
mod local;
mod options;
mod pair;
mod ports;

/// Asserts that one of the bits `what` was raised for a descriptor since it was asked for last.
macro_rules! assert_edge {
    ($pair:expr, $host:expr, $fd:expr, $what:expr) => {{
        let edges = $pair.take_edges($host, $fd);
        assert!(edges.intersects($what), "{edges:?}");
    }};
}
use assert_edge;
