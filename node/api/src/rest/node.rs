//! What this node is.

use std::sync::Arc;

use alloy::primitives::B256;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use phytomer_ledger::Ledger;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{About, App};

/// This node, its chain, its issuer and its model.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Node {
    /// The program.
    #[schema(example = "phytomer")]
    name: &'static str,
    /// Its version.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The chain's id (EIP-155), in decimal.
    #[schema(example = "123")]
    chain_id: String,
    /// The newest block.
    head: HeadView,
    /// The URL under which others reach this node.
    public_url: String,
    #[serde(flatten)]
    about: About,
}

/// The newest block.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct HeadView {
    /// Its number.
    number: u64,
    /// Its hash.
    #[schema(value_type = String)]
    hash: B256,
    /// Its time, RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
}

impl Node {
    /// The node as it is now.
    pub(crate) fn now(ledger: &Ledger, about: &About, public_url: &str) -> Self {
        let head = ledger.head();
        let seconds = i64::try_from(head.timestamp).unwrap_or(i64::MAX);
        Self {
            name: "phytomer",
            version: env!("CARGO_PKG_VERSION"),
            chain_id: ledger.chain_id().to_string(),
            head: HeadView {
                number: head.number.0,
                hash: head.hash,
                timestamp: Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX),
            },
            public_url: public_url.to_owned(),
            about: about.clone(),
        }
    }
}

/// What this node is.
#[utoipa::path(get, path = "/v1/node", operation_id = "getNode", tag = "node",
    responses((status = 200, description = "The node.", body = Node)))]
pub(crate) async fn node(State(app): State<Arc<App>>) -> Json<Node> {
    Json(Node::now(
        &app.services.ledger,
        &app.services.about,
        &app.public_url,
    ))
}
