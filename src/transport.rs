//! Byte and datagram transports over the dispatcher's descriptors. The same code runs on every driver.
//!
//! A transport is a key: its state lives in the dispatcher, so the public types are `Send + Sync + Unpin` and their use
//! on another thread is a clear panic.

mod budget;
mod buffer;
mod connect;
mod copy;
mod datagram;
mod ecosystem;
mod fallback;
mod host;
mod names;
mod options;
mod peer;
mod pipe;
mod read;
mod server;
mod serving;
mod stream;
mod write;

pub use connect::{Connect, connect, connect_with};
pub use copy::{copy, copy_bidirectional};
pub use datagram::{
    Datagram, DatagramBatch, DatagramTransport, Receive, ReceiveMany, SendDatagram, SendMany,
};
#[cfg(feature = "futures-core")]
pub use ecosystem::Incoming;
pub use fallback::{ConnectAny, FallbackOptions, connect_any, connect_any_with};
pub use host::{ConnectHost, connect_host, connect_host_with, connect_to, connect_to_with};
pub use names::{Resolve, ResolveAddress, resolve, resolve_address};
pub use pipe::{create_fifo, open_fifo, pipe, standard_error, standard_input, standard_output};
pub use read::{
    Buffered, Fill, Read, ReadExactly, ReadLine, ReadLineInto, ReadToEnd, ReadUntil, ReadUntilInto, ReadWith,
    Skip,
};
pub use server::{Accept, StreamServer};
pub use serving::{ServeOptions, Serving};
pub use stream::{Close, StreamTransport};
pub use write::{Shutdown, UntilWritable, Write, WriteFile};
