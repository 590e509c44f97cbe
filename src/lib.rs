//! twinloop
pub mod driver;
pub mod table;
pub mod time;

pub use driver::Address;
pub use time::Moment;
