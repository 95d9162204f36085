//! `phytomer peers`: who this node is connected to, and a hand on it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use color_eyre::eyre::Result;
use phytomer_api::{NetworkView, PeerView};

use super::NodeArgs;
use crate::output;

/// Says which peers a running node is connected to, over what, and how the keys of each connection
/// were agreed; where there are none, it says why.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
}

/// What to do with a peer.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Connect to a node by its address.
    Dial {
        /// Such as `/ip4/192.0.2.7/udp/30310/quic-v1/p2p/12D3KooW…`; `phytomer status` of that
        /// node prints it.
        #[arg(value_name = "ADDRESS")]
        address: String,
    },
    /// Part from a peer. It may come back.
    Drop {
        /// Its id, `12D3KooW…`.
        #[arg(value_name = "PEER")]
        peer: String,
    },
    /// Part from a peer and let it in no more.
    Ban {
        /// Its id, `12D3KooW…`.
        #[arg(value_name = "PEER")]
        peer: String,
    },
    /// Let a banned peer in again.
    Unban {
        /// Its id, `12D3KooW…`.
        #[arg(value_name = "PEER")]
        peer: String,
    },
}

/// Lists, or does what was asked.
pub(crate) async fn run(args: Args, data_dir: Option<PathBuf>) -> Result<()> {
    let Some(action) = args.action else {
        return list(&args.node, data_dir, args.json).await;
    };
    let client = args.node.client(data_dir)?;
    match action {
        Action::Dial { address } => {
            client.dial(&address).await?;
            output::line(&format!("connected to {address}"));
        }
        Action::Drop { peer } => {
            client.disconnect(&peer).await?;
            output::line(&format!("parted from {peer}"));
        }
        Action::Ban { peer } => {
            client.ban(&peer).await?;
            output::line(&format!("{peer} is let in no more"));
        }
        Action::Unban { peer } => {
            client.unban(&peer).await?;
            output::line(&format!("{peer} is let in again"));
        }
    }
    Ok(())
}

async fn list(node: &NodeArgs, data_dir: Option<PathBuf>, json: bool) -> Result<()> {
    let client = node.client(data_dir)?;
    let (network, peers) = (client.network().await?, client.peers().await?.peers);
    if json {
        output::json(&serde_json::json!({"network": network, "peers": peers}));
        return Ok(());
    }
    output::line(&format!(
        "{} of {}, on {}\n",
        count(peers.len()),
        network.peer,
        network.network
    ));
    if peers.is_empty() {
        let (fact, remedy) = why_alone(&network);
        output::finding("no peers", &fact, Some(&remedy));
        return Ok(());
    }
    let header = [
        "peer",
        "over",
        "dialled by",
        "key exchange",
        "round trip",
        "score",
        "for",
        "program",
    ];
    output::table(&header, &peers.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

/// `no peers`, `1 peer`, `2 peers`.
pub(crate) fn count(peers: usize) -> String {
    match peers {
        0 => "no peers".into(),
        1 => "1 peer".into(),
        more => format!("{more} peers"),
    }
}

fn row(peer: &PeerView) -> [String; 8] {
    let rtt = peer
        .rtt_us
        .map_or("—".into(), |us| format!("{:.1} ms", us as f64 / 1e3));
    let who = if peer.direction == "outbound" {
        "us"
    } else {
        "it"
    };
    [
        peer.id.clone(),
        peer.route.clone(),
        who.into(),
        peer.key_exchange.clone(),
        rtt,
        format!("{:.1}", peer.score),
        age(Duration::from_millis(peer.connected_ms)),
        peer.agent.clone().unwrap_or_else(|| "—".into()),
    ]
}

/// A duration at a glance: `7 s`, `3 min`, `5 h`, `2 d`.
pub(crate) fn age(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Why a node without peers has none, as far as it can tell, and what to do.
pub(crate) fn why_alone(network: &NetworkView) -> (String, String) {
    if let Some(failure) = network.dial_failures.first() {
        let fact = format!(
            "{} dials failed lately; the last one {} ago: {}",
            network.dial_failures.len(),
            age(Duration::from_millis(failure.ago_ms)),
            failure.reason
        );
        let remedy = "check that the other node runs, that its address is right, that no firewall \
            drops UDP and TCP to its port, and that it is of the same network (`phytomer status` there)";
        return (fact, remedy.into());
    }
    if network.bootstrap.is_empty() {
        let local = if network.mdns {
            "and nobody answered on the local network"
        } else {
            "and it does not look on the local network"
        };
        return (
            format!("it knows no address to begin with, {local}"),
            "name a node that runs: phytomer peers dial ADDRESS, or start with --bootstrap ADDRESS"
                .into(),
        );
    }
    (
        format!(
            "it has {} addresses to begin with, and none has answered yet",
            network.bootstrap.len()
        ),
        "wait a few seconds and ask again; if it stays so, check those addresses (`phytomer status` there)".into(),
    )
}

#[cfg(test)]
mod tests {
    use phytomer_api::{DialFailureView, PeerCounts, ReachabilityView};

    use super::*;

    fn alone() -> NetworkView {
        NetworkView {
            network: "dev-1".into(),
            peer: "12D3".into(),
            operator: String::new(),
            listen_addresses: Vec::new(),
            external_addresses: Vec::new(),
            reachability: ReachabilityView {
                state: "unknown".into(),
                through: None,
                relays: Vec::new(),
            },
            peers: PeerCounts::default(),
            bootstrap: Vec::new(),
            mdns: false,
            require_post_quantum: false,
            dial_failures: Vec::new(),
            banned: Vec::new(),
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    #[test]
    fn a_node_without_peers_says_why_and_what_to_do() {
        let mut network = alone();
        let (fact, remedy) = why_alone(&network);
        assert!(fact.contains("no address") && remedy.contains("--bootstrap"));
        network.bootstrap = vec!["/ip4/127.0.0.1/tcp/1".into()];
        assert!(why_alone(&network).0.contains("none has answered"));
        network.dial_failures = vec![DialFailureView {
            peer: None,
            reason: "connection refused".into(),
            ago_ms: 3_000,
        }];
        let (fact, _) = why_alone(&network);
        assert!(fact.contains("3 s ago: connection refused"), "{fact}");
    }

    #[test]
    fn ages_are_told_at_a_glance() {
        let ages = [59, 60, 7_200, 200_000].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(ages, ["59 s", "1 min", "2 h", "2 d"]);
    }
}
