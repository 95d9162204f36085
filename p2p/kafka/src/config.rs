//! What an operator can set.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use phytomer_streams::StreamName;
use serde::{Deserialize, Serialize};

/// Settings of the Kafka endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether there is an endpoint at all.
    pub enabled: bool,
    /// Where clients connect. Beyond loopback `tls` is required.
    pub listen: SocketAddr,
    /// The `host:port` that clients are told to connect to, where it is another than the one they
    /// reached first: behind a translated address, or by a name.
    pub advertised: Option<String>,
    /// Encryption and the token that clients show (`SASL_SSL`, `PLAIN`). Without it connections
    /// are neither encrypted nor asked for anything (`PLAINTEXT`).
    pub tls: Option<TlsConfig>,
    /// Streams that clients read and do not write: those that the node writes itself, and others
    /// that an operator names.
    pub read_only: Vec<StreamName>,
    /// Connections at once; more are closed as they come. Clients that have not shown their token
    /// take at most half of them, and those of one address an eighth of this half.
    pub connections_max: usize,
    /// Bytes of one request.
    pub request_bytes_max: usize,
    /// Bytes of records in one answer.
    pub response_bytes_max: usize,
    /// Bytes of requests that are being read or answered, all connections together, and as much
    /// again for answers and for unpacking compressed records; what would exceed it waits.
    pub memory_bytes_max: usize,
    /// How long a connection may stay silent, in milliseconds.
    pub idle_timeout_ms: u64,
    /// Limits of consumer groups.
    pub groups: GroupsConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9092)),
            advertised: None,
            tls: None,
            read_only: Vec::new(),
            connections_max: 256,
            request_bytes_max: 8 << 20,
            response_bytes_max: 8 << 20,
            memory_bytes_max: 128 << 20,
            idle_timeout_ms: 10 * 60 * 1_000,
            groups: GroupsConfig::default(),
        }
    }
}

/// Files of the encrypted endpoint. Those that are missing are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain in PEM; one that is made signs itself, and is what clients take as
    /// certificate authority.
    pub certificate: PathBuf,
    /// The certificate's private key in PEM, readable by its owner alone.
    pub key: PathBuf,
    /// The token that clients give as password, with `phytomer` as user name; readable by its
    /// owner alone.
    pub token: PathBuf,
}

/// Limits of consumer groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupsConfig {
    /// Groups that have members.
    pub groups_max: usize,
    /// Members of one group.
    pub members_max: usize,
    /// The shortest time of silence after which a client may ask to be given up, in milliseconds.
    pub session_timeout_ms_min: u64,
    /// The longest, in milliseconds.
    pub session_timeout_ms_max: u64,
    /// How long a new group waits for more members before it shares out partitions, in
    /// milliseconds.
    pub first_rebalance_delay_ms: u64,
}

impl Default for GroupsConfig {
    fn default() -> Self {
        Self {
            groups_max: 1_024,
            members_max: 256,
            session_timeout_ms_min: 1_000,
            session_timeout_ms_max: 30 * 60 * 1_000,
            first_rebalance_delay_ms: 500,
        }
    }
}
