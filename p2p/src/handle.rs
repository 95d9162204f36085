//! The handle of the network.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use libp2p::StreamProtocol;
use phytomer_wire::{
    ByteStream, ContentKey, Gossip, Inbound, MESSAGE_BYTES_MAX, Network, NetworkError, Offence,
    Peer, PeerEvent, PeerId, Protocol, REQUEST_BYTES_MAX, Request, Topic,
};
use tokio::sync::{mpsc, oneshot};

use crate::command::{Command, OpenFailure, Reply};
use crate::shared::Shared;
use crate::streams::{OpenError, PeerStream};
use crate::{Error, Status, address, rpc};

/// How long a stream may take to be opened, with the dial before it.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a dial may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a stream is tried again on another connection.
const OPEN_ATTEMPTS: usize = 3;

/// The network of a node; clones are the same.
///
/// It lives until the program's shutdown token is cancelled.
#[derive(Clone)]
pub struct P2p {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    reports: mpsc::Sender<(PeerId, Offence)>,
}

impl P2p {
    pub(crate) const fn new(
        shared: Arc<Shared>,
        commands: mpsc::Sender<Command>,
        reports: mpsc::Sender<(PeerId, Offence)>,
    ) -> Self {
        Self {
            shared,
            commands,
            reports,
        }
    }

    /// Connects to a peer at an address, which may lie in a private range.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`], [`Error::Unreachable`], [`Error::Closed`].
    pub async fn dial(&self, address: &str) -> Result<PeerId, Error> {
        let unreachable = |reason| Error::Unreachable {
            target: address.into(),
            reason,
        };
        let parsed = address::parse(address)?;
        let dialled = self.ask(|reply| Command::Dial {
            address: parsed,
            reply,
        });
        tokio::time::timeout(DIAL_TIMEOUT, dialled)
            .await
            .map_err(|_| unreachable("it did not answer in time".into()))?
            .ok_or(Error::Closed)?
            .map_err(unreachable)
    }

    /// Ends the connection to a peer. Either side may dial again.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::Closed`].
    pub async fn disconnect(&self, peer: PeerId) -> Result<(), Error> {
        let was_connected = self.ask(|reply| Command::Disconnect { peer, reply }).await;
        match was_connected.ok_or(Error::Closed)? {
            true => Ok(()),
            false => Err(Error::NotConnected { peer }),
        }
    }

    /// Has nothing to do with a peer any more, across restarts.
    ///
    /// # Errors
    /// [`Error::Book`] where it could not be written down, [`Error::Closed`].
    pub async fn ban(&self, peer: PeerId) -> Result<(), Error> {
        let saved = self.ask(|reply| Command::Ban { peer, reply }).await;
        Ok(saved.ok_or(Error::Closed)??)
    }

    /// Hears a peer again that was banned or graylisted.
    ///
    /// # Errors
    /// [`Error::Book`] where it could not be written down, [`Error::Closed`].
    pub async fn unban(&self, peer: PeerId) -> Result<(), Error> {
        let saved = self.ask(|reply| Command::Unban { peer, reply }).await;
        Ok(saved.ok_or(Error::Closed)??)
    }

    /// The state of the network.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn status(&self) -> Result<Status, Error> {
        let status = self.ask(|reply| Command::Status { reply }).await;
        status.ok_or(Error::Closed)
    }

    /// Whether the network has not stopped; for `/readyz`.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.commands.is_closed()
    }

    /// The addresses that the node listens on, each with its peer id at the end.
    #[must_use]
    pub fn listen_addresses(&self) -> Vec<String> {
        self.shared.listen_addresses()
    }

    /// Asks the actor; nothing where it has stopped.
    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Opens a stream; where a connection ends meanwhile, on the one that takes its place.
    async fn open(
        &self,
        peer: PeerId,
        protocol: Protocol,
        name: &StreamProtocol,
    ) -> Result<PeerStream, NetworkError> {
        let mut attempts = 0;
        let room = self.shared.outgoing(peer);
        let opening = async {
            let permit = room.acquire_owned().await;
            let permit = permit.map_err(|_| NetworkError::Closed)?;
            loop {
                attempts += 1;
                let opened = self.ask(|reply| Command::Open {
                    peer,
                    protocol: name.clone(),
                    reply,
                });
                let reason = match opened.await.ok_or(NetworkError::Closed)? {
                    Ok(mut stream) => {
                        stream.hold(permit);
                        return Ok(stream);
                    }
                    Err(OpenFailure::Stream(OpenError::Unsupported)) => {
                        return Err(NetworkError::Unsupported { peer, protocol });
                    }
                    Err(OpenFailure::Unreachable(reason)) => {
                        return Err(NetworkError::Unreachable { peer, reason });
                    }
                    Err(OpenFailure::Stream(OpenError::Lost(reason))) => reason,
                };
                if attempts >= OPEN_ATTEMPTS {
                    return Err(NetworkError::Unreachable { peer, reason });
                }
            }
        };
        tokio::time::timeout(OPEN_TIMEOUT, opening)
            .await
            .unwrap_or(Err(NetworkError::Timeout {
                peer,
                limit_ms: millis(OPEN_TIMEOUT),
            }))
    }
}

#[async_trait]
impl Network for P2p {
    fn local_peer(&self) -> PeerId {
        self.shared.local
    }

    fn peers(&self) -> Vec<Peer> {
        self.shared.peers()
    }

    fn peer_events(&self) -> mpsc::Receiver<PeerEvent> {
        self.shared.events()
    }

    async fn publish(&self, topic: Topic, message: Bytes) -> Result<(), NetworkError> {
        check_len(message.len(), MESSAGE_BYTES_MAX)?;
        self.ask(|reply| Command::Publish {
            topic,
            data: message,
            reply,
        })
        .await
        .unwrap_or(Err(NetworkError::Closed))
    }

    async fn subscribe(&self, topic: Topic) -> Result<mpsc::Receiver<Gossip>, NetworkError> {
        self.ask(|reply| Command::Subscribe { topic, reply })
            .await
            .unwrap_or(Err(NetworkError::Closed))
    }

    async fn request(
        &self,
        peer: PeerId,
        protocol: Protocol,
        request: Bytes,
    ) -> Result<Bytes, NetworkError> {
        check_len(request.len(), REQUEST_BYTES_MAX)?;
        let mut stream = self.open(peer, protocol, &rpc::name(protocol)).await?;
        rpc::ask(&mut stream, &request)
            .await
            .map_err(|failure| match failure {
                rpc::Failure::Timeout => {
                    self.report(peer, Offence::Unresponsive);
                    NetworkError::Timeout {
                        peer,
                        limit_ms: millis(rpc::ANSWER_TIMEOUT),
                    }
                }
                rpc::Failure::TooLarge { .. } => {
                    self.report(peer, Offence::Malformed);
                    NetworkError::Refused {
                        peer,
                        reason: failure.to_string(),
                    }
                }
                rpc::Failure::Io(_) => NetworkError::Refused {
                    peer,
                    reason: failure.to_string(),
                },
            })
    }

    async fn serve(&self, protocol: Protocol) -> Result<mpsc::Receiver<Request>, NetworkError> {
        self.ask(|reply| Command::Serve { protocol, reply })
            .await
            .unwrap_or(Err(NetworkError::Closed))
    }

    async fn open_stream(
        &self,
        peer: PeerId,
        protocol: Protocol,
    ) -> Result<ByteStream, NetworkError> {
        let name = StreamProtocol::new(protocol.as_str());
        Ok(Box::new(self.open(peer, protocol, &name).await?))
    }

    async fn accept(&self, protocol: Protocol) -> Result<mpsc::Receiver<Inbound>, NetworkError> {
        self.ask(|reply| Command::Accept { protocol, reply })
            .await
            .unwrap_or(Err(NetworkError::Closed))
    }

    async fn provide(&self, key: ContentKey) -> Result<(), NetworkError> {
        self.ask(|reply| Command::Provide { key, reply })
            .await
            .unwrap_or(Err(NetworkError::Closed))
    }

    async fn withdraw(&self, key: ContentKey) -> Result<(), NetworkError> {
        let asked = self.ask(|reply| Command::Withdraw { key, reply }).await;
        asked.ok_or(NetworkError::Closed)
    }

    async fn providers(&self, key: ContentKey) -> Result<Vec<PeerId>, NetworkError> {
        let asked = self.ask(|reply| Command::Providers { key, reply }).await;
        asked.ok_or(NetworkError::Closed)
    }

    fn report(&self, peer: PeerId, offence: Offence) {
        // A queue that is full of offences needs no further one.
        let _ = self.reports.try_send((peer, offence));
    }
}

const fn check_len(len: usize, max: usize) -> Result<(), NetworkError> {
    if len > max {
        return Err(NetworkError::TooLarge { len, max });
    }
    Ok(())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for P2p {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("P2p")
            .field("peer", &self.shared.local)
            .finish_non_exhaustive()
    }
}
