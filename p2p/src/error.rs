//! What can go wrong when the network is started or steered.

use phytomer_wire::PeerId;

/// Why the network could not be started, or could not do what an operator asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text that is not an address.
    #[error(
        "`{address}` is not a network address: {reason}; write it as \
         `/ip4/192.0.2.1/udp/30310/quic-v1/p2p/12D3KooW…`"
    )]
    InvalidAddress {
        /// The text.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A text that is not a peer.
    #[error("`{text}` is not a peer id; such an id begins with 12D3KooW")]
    InvalidPeer {
        /// The text.
        text: String,
    },
    /// A setting that cannot be.
    #[error("`{setting}` cannot be so: {reason}")]
    InvalidSetting {
        /// The setting.
        setting: &'static str,
        /// Why, and what to do.
        reason: String,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {reason}; choose another `listen` address")]
    Listen {
        /// The address.
        address: String,
        /// What the transport says.
        reason: String,
    },
    /// The sockets could not be prepared.
    #[error("the transport cannot be made: {reason}")]
    Transport {
        /// What is wrong.
        reason: String,
    },
    /// The address book could not be read or written.
    #[error("the address book: {0}")]
    Book(#[from] phytomer_store::Error),
    /// The metrics could not be registered.
    #[error(transparent)]
    Metrics(#[from] phytomer_telemetry::Error),
    /// A peer could not be reached.
    #[error("{target} cannot be reached: {reason}")]
    Unreachable {
        /// The address or peer.
        target: String,
        /// What was tried and how it failed.
        reason: String,
    },
    /// There is no connection to the peer.
    #[error("peer {peer} is not connected")]
    NotConnected {
        /// The peer.
        peer: PeerId,
    },
    /// The network has stopped.
    #[error("the network has stopped")]
    Closed,
}
