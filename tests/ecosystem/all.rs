//! Programs that are made of other libraries' parts, on twinloop's streams, on both drivers.

mod codec;
mod futures_io;
mod http;
mod incoming;
mod strategies;
mod support;
mod tokio_io;
