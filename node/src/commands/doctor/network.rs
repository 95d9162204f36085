//! What keeps a node from its peers.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, SystemTime};

use phytomer_api::NetworkView;
use phytomer_runtime::Config;

use super::super::peers::{count, why_alone};
use super::Finding;
use crate::client::Client;
use crate::data_dir::DataDir;

/// How far the clock may stand behind what the data folder tells.
const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// How long a running node may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// The examinations that need no running node.
pub(super) fn examine(dir: &DataDir, config: &Config) -> Vec<Finding> {
    let mut findings = vec![clock(dir)];
    let listen = config.network.listen.iter();
    findings.extend(listen.filter_map(|address| peer_port(address)));
    if config.kafka.enabled {
        findings.push(kafka_port(config.kafka.listen));
    }
    findings
}

/// What a running node says about its peers; nothing where none answers.
pub(super) async fn ask(config: &Config) -> Vec<Finding> {
    let mut listen = config.http.listen;
    if listen.ip().is_unspecified() {
        listen.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let url = format!("http://{listen}").parse();
    let Some(client) = url.ok().and_then(|url| Client::new(url, None).ok()) else {
        return Vec::new();
    };
    match tokio::time::timeout(ANSWER_TIMEOUT, client.network()).await {
        Ok(Ok(network)) => vec![peers(&network), reachability(&network)],
        _ => Vec::new(),
    }
}

fn peers(network: &NetworkView) -> Finding {
    if network.peers.total > 0 {
        return Finding::well("peers", format!("{} connected", count(network.peers.total)));
    }
    let (fact, remedy) = why_alone(network);
    Finding::ill("peers", format!("none: {fact}"), remedy)
}

/// Being private is no fault: such a node has peers, but is not dialled.
fn reachability(network: &NetworkView) -> Finding {
    let reachability = &network.reachability;
    let fact = match (reachability.state.as_str(), &reachability.through) {
        ("public", Some(through)) => format!("others reach this node ({through})"),
        ("public", None) => "others reach this node".into(),
        ("private", Some(through)) => format!("others reach this node through a {through} only"),
        ("private", None) => "others cannot dial this node: forward the UDP and TCP port of \
            its `listen` addresses, set `upnp`, or name a relay"
            .into(),
        _ => "nobody has tried to dial this node yet".into(),
    };
    Finding::well("reachable", fact)
}

/// A clock that was set back makes signatures and blocks come from the future.
fn clock(dir: &DataDir) -> Finding {
    let written = [dir.genesis(), dir.db().join("CURRENT"), dir.config()];
    let newest = written
        .iter()
        .filter_map(|path| std::fs::metadata(path).ok()?.modified().ok())
        .max();
    let ahead = newest.and_then(|newest| newest.duration_since(SystemTime::now()).ok());
    match ahead.filter(|ahead| *ahead > CLOCK_SKEW) {
        Some(ahead) => Finding::ill(
            "clock",
            format!(
                "it stands {} s before the time at which this folder was written",
                ahead.as_secs()
            ),
            "set the clock, best by NTP: peers refuse what was signed at a wrong time",
        ),
        None => Finding::well("clock", "it agrees with the data folder"),
    }
}

/// The transport and socket of a multiaddr such as `/ip4/0.0.0.0/udp/30310/quic-v1`.
fn socket(multiaddr: &str) -> Option<(&str, SocketAddr)> {
    let mut parts = multiaddr.split('/').skip(1);
    let (_, ip, transport, port) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some((
        transport,
        SocketAddr::new(ip.parse().ok()?, port.parse().ok()?),
    ))
}

/// Whether an address for peers is free; nothing to say where any port will do.
fn peer_port(multiaddr: &str) -> Option<Finding> {
    let (transport, socket) = socket(multiaddr)?;
    if socket.port() == 0 {
        return None;
    }
    let bound = match transport {
        "udp" => UdpSocket::bind(socket).map(drop),
        _ => TcpListener::bind(socket).map(drop),
    };
    let name = format!("{socket} ({transport})");
    Some(free("peer port", &name, bound, "--p2p-listen"))
}

fn kafka_port(listen: SocketAddr) -> Finding {
    let bound = TcpListener::bind(listen).map(drop);
    free("kafka port", &listen.to_string(), bound, "--kafka-port")
}

fn free(subject: &'static str, address: &str, bound: std::io::Result<()>, flag: &str) -> Finding {
    match bound {
        Ok(()) => Finding::well(subject, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Finding::ill(
            subject,
            format!("{address} is taken"),
            format!(
                "if that is this node, all is well (phytomer status); else stop the other program or choose another address with {flag}"
            ),
        ),
        Err(error) => Finding::ill(
            subject,
            format!("{address} cannot be used: {error}"),
            format!("give an address of this machine with {flag}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_peer_port_is_named_with_its_remedy() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let finding = peer_port(&format!("/ip4/127.0.0.1/udp/{port}/quic-v1")).unwrap();
        assert!(finding.remedy.unwrap().contains("--p2p-listen"));
        assert_eq!(peer_port("/ip4/127.0.0.1/udp/0/quic-v1"), None);
        assert_eq!(peer_port("/dns4/node.example/tcp/1"), None);
    }

    #[test]
    fn a_clock_that_was_set_back_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path());
        std::fs::write(dir.genesis(), "{}").unwrap();
        assert_eq!(clock(&dir).remedy, None);
        let file = std::fs::File::options()
            .write(true)
            .open(dir.genesis())
            .unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(3_600))
            .unwrap();
        assert!(clock(&dir).remedy.unwrap().contains("NTP"));
    }
}
