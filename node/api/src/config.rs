//! What an operator can set.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The port on which Ethereum's clients expect JSON-RPC.
pub const DEFAULT_PORT: u16 = 8545;

/// The edge as an operator sets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen. Loopback unless told otherwise; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The URL under which others reach this node, such as `https://node.example`, without a
    /// trailing slash. Where absent, the address that the server listens on.
    pub public_url: Option<String>,
    /// Host names beside `localhost` under which the node may be asked. IP addresses are always
    /// allowed, because DNS rebinding needs a name.
    pub allowed_hosts: Vec<String>,
    /// Origins beside the node's own whose pages may use the API, such as `https://shop.example`.
    pub allowed_origins: Vec<String>,
    /// From where the operator's calls are taken.
    pub operator_access: OperatorAccess,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
            public_url: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            operator_access: OperatorAccess::Loopback,
        }
    }
}

/// From where calls that need the operator token are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperatorAccess {
    /// From this machine only, or through a proxy on it.
    #[default]
    Loopback,
    /// From anywhere. Only behind TLS, or the token travels in the clear.
    Anywhere,
}
