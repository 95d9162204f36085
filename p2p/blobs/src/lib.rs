//! Content by BLAKE3 hash: verified streaming, several providers, a cache with a budget.
//!
//! Photos, credentials, models and 3D files are *blobs*: bytes named by their hash ([`BlobId`]), so
//! that it does not matter who sends them. [`spawn`] opens the folder and returns [`Blobs`].
//!
//! ```text
//!  add ──── hashed as it is written ───────┐             ┌──> read, get, export: verified again
//!                                          v             │
//!  peers ── spans ── verified ──> library: files, index, LRU ──> serve ── spans and proofs ──> peers
//!             ^                                          ^
//!             └ plan: which spans from whom              └ sources: content kept elsewhere
//! ```
//!
//! A blob is cut into *spans* of 256 KiB, each of 16 groups of 16 KiB. The hash of a blob is the
//! root of a tree over its groups, so a span can be proven by the pairs of hashes on the way to
//! it: nothing that a peer sends is written before it is verified, not even the size. The pairs
//! are kept beside the content, in the format of `bao-tree`'s pre-order outboard.
//!
//! A fetch asks connected peers and those that the network names as providers, takes different
//! spans from several at once, each over several streams, and replaces who is slow, silent or
//! false ([`Offence`](phytomer_wire::Offence)). Fetches of one blob share one download. What has
//! arrived is kept, whatever happens, and the next fetch goes on from there.
//!
//! What is on disk is checked whenever it is read or served; a span that is damaged is fetched
//! anew. Content that is not pinned goes, the least recently used first, when room is needed.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # async fn example(network: Arc<dyn phytomer_wire::Network>) -> Result<(), phytomer_blobs::Error> {
//! use phytomer_blobs::{Config, Keep, Parts, SystemClock, spawn};
//! use phytomer_store::MemoryStore;
//! use phytomer_telemetry::MetricsRegistry;
//! use tokio_util::{sync::CancellationToken, task::TaskTracker};
//!
//! let blobs = spawn(
//!     Config::default(),
//!     Parts {
//!         store: Arc::new(MemoryStore::new()),
//!         network: Some(network),
//!         sources: Vec::new(),
//!         clock: Arc::new(SystemClock),
//!         metrics: &MetricsRegistry::new(),
//!         tasks: TaskTracker::new(),
//!         shutdown: CancellationToken::new(),
//!     },
//! )?;
//! let id = blobs.add_bytes("leaf".into(), Keep::Pinned).await?;
//! assert_eq!(blobs.get_bytes(id, 1024).await?, "leaf");
//!
//! let elsewhere = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
//! let fetch = blobs.fetch(elsewhere.parse().expect("64 hex digits"));
//! let mut progress = fetch.progress();
//! tokio::spawn(async move {
//!     while progress.changed().await.is_ok() {
//!         println!("{:?}", *progress.borrow());
//!     }
//! });
//! let stat = fetch.wait().await?;
//! # Ok(()) }
//! ```

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
