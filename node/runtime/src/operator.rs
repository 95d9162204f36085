//! What happens to the node itself, as events of the stream `operator`.
//!
//! The value is JSON: `{"type": "node.started" | "node.stopped", "time", "version", "peer",
//! "network", "addresses", "issuer"}`; the key is the peer id.

use phytomer_registry::OPERATOR_STREAM;
use phytomer_streams::{Record, Streams};
use serde_json::json;

use crate::{Facts, names};

/// What happened to the node.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happened {
    /// It began to answer.
    Started,
    /// It ends, in order.
    Stopped,
}

impl Happened {
    const fn name(self) -> &'static str {
        match self {
            Self::Started => "node.started",
            Self::Stopped => "node.stopped",
        }
    }
}

/// Publishes what happened. That it could not is no reason not to run, or not to stop.
pub(crate) async fn publish(streams: &Streams, happened: Happened, facts: &Facts) {
    let stream = names::stream(OPERATOR_STREAM);
    let value = json!({
        "type": happened.name(),
        "time": jiff::Timestamp::now().to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "peer": facts.peer,
        "network": facts.network,
        "addresses": facts.addresses,
        "issuer": facts.issuer_did,
    });
    let record = Record::keyed(facts.peer.clone(), value.to_string());
    if let Err(error) = streams.append(&stream, record).await {
        tracing::warn!(%error, event = happened.name(), "an operator event was not published");
    }
}
