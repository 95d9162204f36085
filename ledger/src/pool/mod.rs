//! The transaction pool.

mod rejection;

pub use rejection::Rejection;
