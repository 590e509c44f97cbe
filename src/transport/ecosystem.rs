//! The traits of other libraries, each behind a feature. They only name what streams and servers do anyway.

#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "futures-core")]
mod incoming;
#[cfg(feature = "tokio-io")]
mod tokio_io;

#[cfg(feature = "futures-core")]
pub use incoming::Incoming;
