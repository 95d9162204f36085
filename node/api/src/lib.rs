//! The HTTP edge: JSON-RPC, REST, server-sent events and the web page on one origin.
//!
//! A connection comes in through the server, which bounds how many there are and how long each may
//! stall. Its requests pass the guards: is the host name ours, is the page ours, are there too many
//! at once. What remains goes by its path:
//!
//! * `POST /` and `/rpc`: Ethereum's JSON-RPC on the [`Ledger`](phytomer_ledger::Ledger); `GET` on
//!   the same paths upgrades to WebSocket, with `eth_subscribe`.
//! * `/v1/…`: the use cases of the [`Registry`](phytomer_registry::Registry). What acts in the
//!   node's name needs the
//!   [`OperatorToken`](phytomer_identity::OperatorToken); reading is open.
//! * `/v1/network`, `/v1/streams`, `/v1/blobs`: the peers, and what travels between them.
//! * `/v1/events`: what happens, from the signed event streams, and can be resumed.
//! * `/openapi.json`, `/livez`, `/readyz`, `/metrics`; and the web page under every other path.
//!
//! Whatever goes wrong is answered with a [`Problem`] that ends with what to do.
//!
//! ```ignore
//! let server = phytomer_api::serve(Config::default(), services, shutdown.clone()).await?;
//! println!("http://{}", server.addr());
//! server.stopped().await;
//! ```

mod app;
mod config;
mod error;
mod events;
mod extract;
mod guard;
mod health;
pub mod limits;
mod metrics;
mod openapi;
mod page;
mod problem;
mod rest;
mod rpc;
mod server;
#[cfg(test)]
mod testing;
mod views;

pub use app::{About, IssuerAbout, ModelAbout, NetworkAbout, NetworkServices, Services, router};
pub use config::{Config, DEFAULT_PORT, OperatorAccess};
pub use error::Error;
pub use health::Probe;
pub use problem::{Kind, PROBLEM_CONTENT_TYPE, Problem};
pub use server::{Server, serve};
pub use views::{
    BlobList, BlobView, DialFailureView, Encoding, EventPage, EventView, EvidenceKind,
    EvidenceList, EvidenceView, LogView, NetworkView, NewEvent, PeerCounts, PeerList, PeerView,
    PositionView, ReachabilityView, StreamList, StreamView, SyncView,
};
