//! Kafka's wire protocol: which requests are offered, and how one is read without trusting it.
//!
//! ```text
//! length i32 │ key i16, version i16, correlation i32, client │ body
//!      └ frame: at most so many bytes      └ shape: counts fit ── the library decodes ──> request
//! ```
//!
//! Source: <https://kafka.apache.org/protocol>.

mod api;
mod frame;
mod shape;

pub(crate) use api::api_versions;
#[cfg(test)]
pub(crate) use api::{Api, offered};
pub(crate) use frame::{Frame, FrameError, Incoming, decode_body, open};
