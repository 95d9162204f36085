//! Who a peer is and how it is reached.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// What stands before the 32 bytes of an Ed25519 key in a libp2p peer id: the identity multihash
/// of 36 bytes, then the protobuf `{1: Ed25519, 2: 32 bytes}` (libp2p specs, peer-ids).
const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
/// The longest text that may be a peer id, in bytes.
const TEXT_BYTES_MAX: usize = 64;

/// A peer: its Ed25519 public key. Written as libp2p writes it, `12D3KooW…`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 32]);

impl PeerId {
    /// The peer with this Ed25519 public key.
    #[must_use]
    pub const fn from_bytes(public_key: [u8; 32]) -> Self {
        Self(public_key)
    }

    /// The Ed25519 public key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The multihash that libp2p uses as peer id, 38 bytes.
    #[must_use]
    pub fn to_multihash(&self) -> Vec<u8> {
        [PREFIX.as_slice(), &self.0].concat()
    }

    /// The peer of a libp2p multihash.
    ///
    /// # Errors
    /// [`InvalidPeerId`] where it is not the identity multihash of an Ed25519 key.
    pub fn from_multihash(bytes: &[u8]) -> Result<Self, InvalidPeerId> {
        bytes
            .strip_prefix(PREFIX.as_slice())
            .and_then(|key| key.try_into().ok())
            .map(Self)
            .ok_or(InvalidPeerId)
    }
}

/// A text or bytes that are not the id of a peer with an Ed25519 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a peer with an Ed25519 key (such an id begins with 12D3KooW)")]
pub struct InvalidPeerId;

impl FromStr for PeerId {
    type Err = InvalidPeerId;

    fn from_str(text: &str) -> Result<Self, InvalidPeerId> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(InvalidPeerId);
        }
        let bytes = bs58::decode(text).into_vec().map_err(|_| InvalidPeerId)?;
        Self::from_multihash(&bytes)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.to_multihash()).into_string())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PeerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The network that a peer is in, as far as having another one costs something: one host can be any
/// number of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This machine, or a local network.
    Local,
    /// A network of IPv4 with 256 addresses.
    V4([u8; 3]),
    /// A network of IPv6 as one site has it, of 48 bits.
    V6([u16; 3]),
    /// Anywhere, behind a peer that relays.
    Relayed,
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The peer dialled us.
    Inbound,
    /// We dialled the peer.
    Outbound,
}

/// What a connection runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// QUIC over UDP.
    Quic,
    /// TLS 1.3 and yamux over TCP.
    Tcp,
    /// Through another peer that relays.
    Relayed,
    /// Within this process.
    Memory,
}

/// How the keys of a connection were agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyExchange {
    /// X25519 and ML-KEM-768 together (draft-ietf-tls-ecdhe-mlkem): safe while either holds.
    #[serde(rename = "X25519MLKEM768")]
    X25519MlKem768,
    /// A key exchange that a quantum computer would break.
    Classical,
    /// The transport does not tell. Our own nodes prefer [`Self::X25519MlKem768`] on all of them.
    Unreported,
    /// Nothing is encrypted: within this process.
    None,
}

impl KeyExchange {
    /// The name that people read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X25519MlKem768 => "X25519MLKEM768",
            Self::Classical => "classical",
            Self::Unreported => "unreported",
            Self::None => "none",
        }
    }
}

/// A peer that this node is connected to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Peer {
    /// Who it is.
    pub id: PeerId,
    /// Its address as a multiaddr.
    pub address: String,
    /// Who opened the connection.
    pub direction: Direction,
    /// What the connection runs over.
    pub route: Route,
    /// How the connection's keys were agreed.
    pub key_exchange: KeyExchange,
    /// What the peer calls its program, once it has said so.
    pub agent: Option<String>,
    /// Round-trip time, once measured.
    #[serde(rename = "rtt_us", serialize_with = "micros")]
    pub rtt: Option<Duration>,
    /// What we think of it: 0 is neutral, below the graylist threshold it is not heard.
    pub score: f64,
    /// For how long it has been connected.
    #[serde(rename = "connected_ms", serialize_with = "millis")]
    pub connected: Duration,
}

fn micros<S: Serializer>(rtt: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match rtt {
        Some(rtt) => serializer.serialize_u64(u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
        None => serializer.serialize_none(),
    }
}

fn millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Ed25519 key of the test vectors in the libp2p specification of peer ids.
    #[test]
    fn a_peer_is_written_as_libp2p_writes_it() {
        let key = "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e";
        let peer = PeerId::from_bytes(hex::decode(key).unwrap().try_into().unwrap());
        let text = peer.to_string();
        assert!(text.starts_with("12D3KooW"), "{text}");
        assert_eq!(text.parse::<PeerId>().unwrap(), peer);
        assert_eq!(PeerId::from_multihash(&peer.to_multihash()).unwrap(), peer);
    }

    #[test]
    fn what_is_not_an_ed25519_peer_is_refused() {
        // An RSA peer of the public libp2p network.
        for text in [
            "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
            "",
            "12D3KooW",
            "0OIl",
            &"1".repeat(10_000),
        ] {
            assert_eq!(text.parse::<PeerId>(), Err(InvalidPeerId), "{text:.20}");
        }
    }
}
