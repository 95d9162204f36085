//! What travels between nodes: messages with one codec, and the network that carries them.
//!
//! ```text
//! bytes from a peer ── codec::decode (size, then protobuf) ──> message ── checked ──> domain type
//! domain type ──> message ── codec::encode ──> bytes
//!
//!              ┌ publish, subscribe   gossip: a hint, may be lost
//!   Network ───┼ request, serve       one question, one answer
//!              ├ open_stream, accept  bulk, with back-pressure
//!              └ provide, providers   who holds content
//! ```
//!
//! [`Network`] is what every service above the transport is written against: `phytomer-p2p` gives
//! it over libp2p, [`memory`] gives it within one process. Nothing here names either.
//!
//! Messages are protobuf, written by hand as annotated structs, and pinned by golden bytes. They
//! are kept apart from the types that programs work with: a message says what may arrive, and its
//! owner turns it into what may be believed. Protocol ids and topics carry the version
//! ([`Protocol`], [`Topic`]); a message that changes gets a new one.
//!
//! ```
//! use phytomer_wire::{PeerId, codec, handshake::Hello};
//!
//! let hello = Hello { network: "dev-752353584".into(), ..Hello::default() };
//! let bytes = codec::encode(&hello);
//! assert_eq!(codec::decode::<Hello>(&bytes).unwrap(), hello);
//!
//! let peer = PeerId::from_bytes([7; 32]);
//! assert_eq!(peer.to_string().parse::<PeerId>().unwrap(), peer);
//! ```

pub mod blobs;
pub mod codec;
pub mod consensus;
pub mod events;
pub mod handshake;
pub mod memory;
pub mod sync;

mod names;
mod network;
mod peer;

pub use names::{Protocol, Topic};
pub use network::{
    ByteStream, ContentKey, Duplex, Gossip, Inbound, MESSAGE_BYTES_MAX, Network, NetworkError,
    Offence, PeerEvent, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, Request, Verdict,
};
pub use peer::{Direction, InvalidPeerId, KeyExchange, Origin, Peer, PeerId, Route};
