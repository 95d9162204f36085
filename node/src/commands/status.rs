//! `phytomer status`: how a running node is.

use std::process::ExitCode;

use color_eyre::eyre::Result;
use serde_json::Value;
use url::Url;

use crate::client::Client;
use crate::output;

/// Says how a running node is: network, newest block, issuer, model, and
/// whether each of its parts is ready.
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
    let is_ready = ready.get("ready").and_then(Value::as_bool).unwrap_or(false);
    if args.json {
        output::json(&serde_json::json!({"node": node, "readiness": ready}));
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
        output::field("ready", &readiness(&ready));
    }
    Ok(if is_ready {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
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
