//! `phytomer status`: how a running node is.

use std::process::ExitCode;

use color_eyre::eyre::Result;
use phytomer_api::{NetworkView, PeerCounts, StreamList, StreamView};
use serde_json::Value;
use url::Url;

use super::peers::why_alone;
use crate::client::Client;
use crate::output;

/// Says how a running node is: network, newest block, issuer, model, peers and
/// streams, and whether each of its parts is ready.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// URL of the node.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8545",
        env = "PHYTOMER_NODE"
    )]
    pub(crate) node: Url,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Asks the node and prints; fails when the node is not ready.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let client = Client::new(args.node, None)?;
    let (node, ready) = (client.node().await?, client.ready().await?);
    let (network, streams) = (client.network().await?, client.streams().await?);
    let is_ready = ready.get("ready").and_then(Value::as_bool).unwrap_or(false);
    if args.json {
        output::json(&serde_json::json!(
            {"node": node, "readiness": ready, "network": network, "streams": streams.streams}
        ));
    } else {
        output::field(
            "node",
            &format!("{} phytomer {}", client.base(), node.version),
        );
        output::field(
            "network",
            &format!("{} (chain {})", node.network, node.chain_id),
        );
        output::field(
            "head",
            &format!(
                "block {} of {}  {}",
                node.head.number, node.head.timestamp, node.head.hash
            ),
        );
        output::field(
            "issuer",
            &format!("{}  {}", node.issuer.did, node.issuer.address),
        );
        output::field("model", &format!("{}  {}", node.model.name, node.model.id));
        show_network(&network);
        output::field("streams", &streams_in_words(&streams));
        output::field("ready", &readiness(&ready));
    }
    Ok(if is_ready {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Who this node is to others, whether they reach it, and who is there.
fn show_network(network: &NetworkView) {
    output::field("peer", &network.peer);
    for (index, address) in network.listen_addresses.iter().enumerate() {
        output::field(if index == 0 { "addresses" } else { "" }, address);
    }
    let reachability = &network.reachability;
    let through = match &reachability.through {
        Some(through) => format!(" ({through})"),
        None => String::new(),
    };
    output::field("reachable", &format!("{}{through}", reachability.state));
    let PeerCounts {
        total,
        inbound,
        outbound,
    } = network.peers;
    let peers = match total {
        0 => format!("none: {}", why_alone(network).0),
        _ => format!("{total} ({outbound} dialled by us, {inbound} by them)"),
    };
    output::field("peers", &peers);
}

/// Each stream with its logs and events.
fn streams_in_words(list: &StreamList) -> String {
    let words = |stream: &StreamView| {
        let events: u64 = stream
            .logs
            .iter()
            .map(|log| log.next.saturating_sub(log.first))
            .sum();
        let logs = stream.logs.len();
        format!("{} ({events} events of {logs} logs)", stream.name)
    };
    let mut text = match list.streams.as_slice() {
        [] => "none".into(),
        some => some.iter().map(words).collect::<Vec<_>>().join(", "),
    };
    if list.sync.logs_behind > 0 {
        text += &format!("; {} logs are behind a peer's", list.sync.logs_behind);
    }
    text
}

/// `yes`, or what is not ready and why.
fn readiness(ready: &Value) -> String {
    let subsystems = ready.get("subsystems").and_then(Value::as_array);
    let reasons: Vec<String> = subsystems
        .into_iter()
        .flatten()
        .filter(|subsystem| subsystem.get("ready").and_then(Value::as_bool) != Some(true))
        .map(|subsystem| {
            let text = |key| {
                subsystem
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or("unknown")
            };
            format!("{}: {}", text("name"), text("reason"))
        })
        .collect();
    if reasons.is_empty() {
        "yes".into()
    } else {
        format!("no: {}", reasons.join("; "))
    }
}
