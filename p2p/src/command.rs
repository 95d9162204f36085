//! What the handle asks of the actor.

use bytes::Bytes;
use libp2p::{Multiaddr, StreamProtocol};
use phytomer_wire::{ContentKey, Gossip, Inbound, NetworkError, PeerId, Protocol, Request, Topic};
use tokio::sync::{mpsc, oneshot};

use crate::Status;
use crate::streams::{OpenError, PeerStream};

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// Why there is no stream.
#[derive(Clone, Debug)]
pub(crate) enum OpenFailure {
    /// The peer could not be reached.
    Unreachable(String),
    /// The peer is connected, and the stream failed.
    Stream(OpenError),
}

/// A question to the actor.
pub(crate) enum Command {
    Publish {
        topic: Topic,
        data: Bytes,
        reply: Reply<Result<(), NetworkError>>,
    },
    Subscribe {
        topic: Topic,
        reply: Reply<Result<mpsc::Receiver<Gossip>, NetworkError>>,
    },
    Serve {
        protocol: Protocol,
        reply: Reply<Result<mpsc::Receiver<Request>, NetworkError>>,
    },
    Accept {
        protocol: Protocol,
        reply: Reply<Result<mpsc::Receiver<Inbound>, NetworkError>>,
    },
    Open {
        peer: PeerId,
        protocol: StreamProtocol,
        reply: Reply<Result<PeerStream, OpenFailure>>,
    },
    Provide {
        key: ContentKey,
        reply: Reply<Result<(), NetworkError>>,
    },
    Withdraw {
        key: ContentKey,
        reply: Reply<()>,
    },
    Providers {
        key: ContentKey,
        reply: Reply<Vec<PeerId>>,
    },
    Dial {
        address: Multiaddr,
        reply: Reply<Result<PeerId, String>>,
    },
    Disconnect {
        peer: PeerId,
        reply: Reply<bool>,
    },
    Ban {
        peer: PeerId,
        reply: Reply<Result<(), phytomer_store::Error>>,
    },
    Unban {
        peer: PeerId,
        reply: Reply<Result<(), phytomer_store::Error>>,
    },
    Status {
        reply: Reply<Status>,
    },
}
