//! The peers of this node.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use phytomer_p2p::{DialFailure, Error, Reachability, Status};
use phytomer_wire::{Direction, Network, Peer, PeerId, Route};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::{App, NetworkAbout};
use crate::extract::{self, Path};
use crate::problem::{Kind, PROBLEM_CONTENT_TYPE, Problem};
use crate::views::{
    DialFailureView, NetworkView, PeerCounts, PeerList, PeerView, ReachabilityView,
};

/// How this node stands in the network: who it is, where it listens, whether others reach it and
/// through what, and how many peers it has.
#[utoipa::path(get, path = "/v1/network", operation_id = "getNetwork", tag = "network",
    responses((status = 200, description = "The network as this node sees it.", body = NetworkView)))]
pub(crate) async fn status(State(app): State<Arc<App>>) -> Result<Json<NetworkView>, Problem> {
    let network = &app.services.network;
    let mut listen = network.p2p.listen_addresses();
    // The one to hand on first: QUIC, which most nodes take.
    listen.sort_by_key(|address| !address.contains("/quic-v1"));
    let status = network.p2p.status().await?;
    Ok(Json(network_view(status, listen, &network.about)))
}

fn network_view(status: Status, listen: Vec<String>, about: &NetworkAbout) -> NetworkView {
    let now_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    NetworkView {
        reachability: reachability(&status),
        network: status.network,
        peer: status.peer.to_string(),
        operator: about.operator.to_string(),
        listen_addresses: listen,
        external_addresses: status.external,
        peers: PeerCounts {
            total: status.peers_inbound + status.peers_outbound,
            inbound: status.peers_inbound,
            outbound: status.peers_outbound,
        },
        bootstrap: about.bootstrap.clone(),
        mdns: about.mdns,
        require_post_quantum: about.require_post_quantum,
        dial_failures: status
            .dial_failures
            .into_iter()
            .map(|failure| dial_failure(failure, now_ms))
            .collect(),
        banned: status
            .excluded
            .into_iter()
            .map(|excluded| excluded.peer.to_string())
            .collect(),
        bytes_in: status.bytes_in,
        bytes_out: status.bytes_out,
    }
}

fn reachability(status: &Status) -> ReachabilityView {
    let state = match status.reachability {
        Reachability::Public => "public",
        Reachability::Private => "private",
        Reachability::Unknown => "unknown",
    };
    let through = match status.reachability {
        _ if status.port_mapped => Some("upnp"),
        Reachability::Public => Some("direct"),
        _ if !status.relays.is_empty() => Some("relay"),
        _ => None,
    };
    ReachabilityView {
        state: state.into(),
        through: through.map(str::to_owned),
        relays: status.relays.iter().map(ToString::to_string).collect(),
    }
}

fn dial_failure(failure: DialFailure, now_ms: u64) -> DialFailureView {
    DialFailureView {
        peer: failure.peer.map(|peer| peer.to_string()),
        reason: failure.reason,
        ago_ms: now_ms.saturating_sub(failure.time_ms),
    }
}

/// The connected peers.
#[utoipa::path(get, path = "/v1/network/peers", operation_id = "listPeers", tag = "network",
    responses((status = 200, description = "Each connected peer.", body = PeerList)))]
pub(crate) async fn peers(State(app): State<Arc<App>>) -> Json<PeerList> {
    let peers = app.services.network.p2p.peers();
    Json(PeerList {
        peers: peers.iter().map(peer_view).collect(),
    })
}

fn peer_view(peer: &Peer) -> PeerView {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis());
    let micros = |duration: std::time::Duration| u64::try_from(duration.as_micros());
    PeerView {
        id: peer.id.to_string(),
        address: peer.address.clone(),
        direction: match peer.direction {
            Direction::Inbound => "inbound".into(),
            Direction::Outbound => "outbound".into(),
        },
        route: match peer.route {
            Route::Quic => "quic".into(),
            Route::Tcp => "tcp".into(),
            Route::Relayed => "relayed".into(),
            Route::Memory => "memory".into(),
        },
        key_exchange: peer.key_exchange.as_str().into(),
        agent: peer.agent.clone(),
        rtt_us: peer.rtt.map(|rtt| micros(rtt).unwrap_or(u64::MAX)),
        score: peer.score,
        connected_ms: millis(peer.connected).unwrap_or(u64::MAX),
    }
}

/// A node to connect to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dial {
    /// Its address as a multiaddr with its id.
    #[schema(
        example = "/ip4/192.0.2.7/udp/30310/quic-v1/p2p/12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo"
    )]
    address: String,
}

/// Connects to a node by its address.
#[utoipa::path(post, path = "/v1/network/peers", operation_id = "dialPeer", tag = "network",
    security(("operator" = [])), request_body = Dial,
    responses(
        (status = 204, description = "It is connected."),
        (status = 422, description = "The address cannot be read.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
        (status = 502, description = "It cannot be reached.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn dial(
    State(app): State<Arc<App>>,
    extract::Json(dial): extract::Json<Dial>,
) -> Result<StatusCode, Problem> {
    app.services.network.p2p.dial(&dial.address).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Parts from a peer. It may come back.
#[utoipa::path(delete, path = "/v1/network/peers/{peer}", operation_id = "disconnectPeer", tag = "network",
    security(("operator" = [])),
    params(("peer" = String, Path, description = "Its id, `12D3KooW…`.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "It is not connected.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
        (status = 422, description = "Not the id of a peer.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn disconnect(
    State(app): State<Arc<App>>,
    Path(peer): Path<String>,
) -> Result<StatusCode, Problem> {
    app.services.network.p2p.disconnect(peer_id(&peer)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A peer to part from.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ban {
    /// Its id, `12D3KooW…`.
    peer: String,
}

/// Parts from a peer and lets it in no more.
#[utoipa::path(post, path = "/v1/network/bans", operation_id = "banPeer", tag = "network",
    security(("operator" = [])), request_body = Ban,
    responses(
        (status = 204, description = "It is let in no more."),
        (status = 422, description = "Not the id of a peer.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn ban(
    State(app): State<Arc<App>>,
    extract::Json(ban): extract::Json<Ban>,
) -> Result<StatusCode, Problem> {
    app.services.network.p2p.ban(peer_id(&ban.peer)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a banned peer in again.
#[utoipa::path(delete, path = "/v1/network/bans/{peer}", operation_id = "unbanPeer", tag = "network",
    security(("operator" = [])),
    params(("peer" = String, Path, description = "Its id, `12D3KooW…`.")),
    responses(
        (status = 204, description = "It is let in again."),
        (status = 422, description = "Not the id of a peer.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn unban(
    State(app): State<Arc<App>>,
    Path(peer): Path<String>,
) -> Result<StatusCode, Problem> {
    app.services.network.p2p.unban(peer_id(&peer)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn peer_id(text: &str) -> Result<PeerId, Problem> {
    text.parse().map_err(|_| {
        let text = text.chars().take(64).collect();
        Error::InvalidPeer { text }.into()
    })
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::InvalidAddress { .. } | Error::InvalidPeer { .. } => Kind::INVALID,
            Error::Unreachable { .. } => Kind::UNREACHABLE,
            Error::NotConnected { .. } => Kind::NOT_FOUND,
            Error::Closed => Kind::UNAVAILABLE,
            _ => {
                tracing::error!(%error, "the network failed");
                return Self::new(Kind::INTERNAL, "the network could not do it");
            }
        };
        Self::from_message(kind, &error.to_string())
    }
}
