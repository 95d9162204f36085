//! Content by BLAKE3 hash: verified streaming, several providers, a cache with a budget.

mod announce;
mod config;
mod disk;
mod error;
mod fetch;
mod handle;
mod id;
mod library;
mod metrics;
mod reader;
mod serve;
mod shared;
mod source;
mod spans;
mod tree;
mod types;

pub use config::{Config, FetchConfig, ServeConfig};
pub use error::Error;
pub use fetch::Fetch;
pub use handle::{Blobs, Parts, spawn};
pub use id::{BlobId, InvalidBlobId};
pub use reader::BlobReader;
pub use source::{Clock, Source, SystemClock};
pub use types::{Keep, Progress, Stat, Usage};
