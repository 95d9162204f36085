//! Content by BLAKE3 hash: verified streaming, several providers, a cache with a budget.

mod config;
mod disk;
mod error;
mod handle;
mod id;
mod source;
mod types;

pub use config::{Config, FetchConfig, ServeConfig};
pub use error::Error;
pub use handle::{BlobReader, Blobs, Fetch, Parts, spawn};
pub use id::{BlobId, InvalidBlobId};
pub use source::{Clock, Source, SystemClock};
pub use types::{Keep, Progress, Stat, Usage};
