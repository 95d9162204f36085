//! TLS 1.3 and yamux over a stream of bytes, with the key exchange noted.
//!
//! What libp2p's own upgrade does (libp2p specs, tls), plus two things: the group that the keys
//! were agreed in is kept for each connection, and a connection that agreed on less than
//! X25519MLKEM768 is refused where the node requires it.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use futures_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use libp2p::core::Endpoint;
use libp2p::core::connection::ConnectedPoint;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::identity::Keypair;
use libp2p::tls::certificate;
use libp2p::{Multiaddr, PeerId};
use multistream_select::{Version, dialer_select_proto, listener_select_proto};
use parking_lot::Mutex;
use phytomer_wire::KeyExchange;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, CommonState, NamedGroup, ServerConfig};

use super::joined::Joined;
use super::mux::{FRAME_BYTES, Muxer, Side, YAMUX};
use crate::shared::Shared;

/// How long both layers may take to be agreed, and how long a dial may take in all. Less than the
/// 10 s for which a peer waits that asked to be dialled back: it would never learn that it cannot
/// be reached.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(8);
/// Key exchanges that wait for their connection to be reported.
const NOTES_MAX: usize = 1_024;
/// Bytes that are encrypted ahead of the socket: a frame in one call of the system.
const SEALED_BYTES_MAX: usize = FRAME_BYTES + (16 << 10);
const TLS: &str = "/tls/1.0.0";

/// How the keys of connections were agreed, until somebody asks for it.
#[derive(Default)]
pub(crate) struct KeyExchanges(Mutex<HashMap<(PeerId, bool), Notes>>);

/// Key exchanges of connections to one peer, in one direction.
type Notes = Vec<(Multiaddr, KeyExchange)>;

impl KeyExchanges {
    fn note(&self, peer: PeerId, point: &ConnectedPoint, exchange: KeyExchange) {
        let mut notes = self.0.lock();
        if notes.len() >= NOTES_MAX {
            // Of connections that were refused before anybody asked.
            notes.clear();
        }
        let of_peer = notes.entry((peer, point.is_dialer())).or_default();
        of_peer.truncate(NOTES_MAX);
        of_peer.push((point.get_remote_address().clone(), exchange));
    }

    /// How the keys of a connection were agreed. The address as it was dialled may be a name;
    /// then the latest connection to the peer is meant.
    pub(crate) fn take(&self, peer: PeerId, point: &ConnectedPoint) -> Option<KeyExchange> {
        let mut notes = self.0.lock();
        let of_peer = notes.remove(&(peer, point.is_dialer()))?;
        let address = point.get_remote_address();
        let exact = of_peer.iter().rev().find(|(noted, _)| noted == address);
        let exchange = exact.or(of_peer.last()).map(|(_, exchange)| *exchange);
        let others: Vec<_> = of_peer
            .iter()
            .filter(|(noted, _)| noted != address && of_peer.len() > 1)
            .cloned()
            .collect();
        if !others.is_empty() {
            notes.insert((peer, point.is_dialer()), others);
        }
        exchange
    }
}

/// What is needed to secure connections.
pub(super) struct Tls {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    shared: Arc<Shared>,
}

impl Tls {
    pub(super) fn new(keypair: &Keypair, shared: Arc<Shared>) -> Result<Self, rustls::Error> {
        let (client, server) = super::tls::configs(keypair)?;
        Ok(Self {
            client: Arc::new(client),
            server: Arc::new(server),
            shared,
        })
    }

    /// Secures a connection and lets it carry many streams.
    pub(super) async fn secure<C>(
        self: Arc<Self>,
        socket: C,
        point: ConnectedPoint,
    ) -> io::Result<(PeerId, StreamMuxerBox)>
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let both = async {
            if is_dialler(&point) {
                self.dialled(socket, &point).await
            } else {
                self.accepted(socket, &point).await
            }
        };
        tokio::time::timeout(HANDSHAKE_TIMEOUT, both)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn dialled<C>(
        &self,
        socket: C,
        point: &ConnectedPoint,
    ) -> io::Result<(PeerId, StreamMuxerBox)>
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (_, socket) = dialer_select_proto(socket, [TLS], Version::V1)
            .await
            .map_err(io::Error::other)?;
        // An unspecified address keeps the server's name out of the handshake, as the
        // specification asks.
        let nobody = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
        let mut stream = TlsConnector::from(self.client.clone())
            .connect(nobody, socket)
            .await?;
        stream.get_mut().1.set_buffer_limit(Some(SEALED_BYTES_MAX));
        let stream = TlsStream::Client(stream);
        let peer = self.check(stream.get_ref().1, point)?;
        let (_, stream) = dialer_select_proto(stream, [YAMUX], Version::V1Lazy)
            .await
            .map_err(io::Error::other)?;
        let muxer = Muxer::new(Joined::new(stream), Side::Dialler);
        Ok((peer, StreamMuxerBox::new(muxer)))
    }

    async fn accepted<C>(
        &self,
        socket: C,
        point: &ConnectedPoint,
    ) -> io::Result<(PeerId, StreamMuxerBox)>
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (_, socket) = listener_select_proto(socket, [TLS])
            .await
            .map_err(io::Error::other)?;
        let mut stream = TlsAcceptor::from(self.server.clone())
            .accept(socket)
            .await?;
        stream.get_mut().1.set_buffer_limit(Some(SEALED_BYTES_MAX));
        let stream = TlsStream::Server(stream);
        let peer = self.check(stream.get_ref().1, point)?;
        let (_, stream) = listener_select_proto(stream, [YAMUX])
            .await
            .map_err(io::Error::other)?;
        let muxer = Muxer::new(Joined::new(stream), Side::Listener);
        Ok((peer, StreamMuxerBox::new(muxer)))
    }

    /// Who is at the other end, if the keys were agreed well enough.
    fn check(&self, state: &CommonState, point: &ConnectedPoint) -> io::Result<PeerId> {
        let Some([certificate]) = state.peer_certificates() else {
            return Err(io::Error::other("the peer showed no certificate"));
        };
        let peer = certificate::parse(certificate)
            .map_err(io::Error::other)?
            .peer_id();
        let group = state
            .negotiated_key_exchange_group()
            .map(|group| group.name());
        let exchange = match group {
            Some(NamedGroup::X25519MLKEM768) => KeyExchange::X25519MlKem768,
            _ => KeyExchange::Classical,
        };
        if self.shared.require_post_quantum && exchange != KeyExchange::X25519MlKem768 {
            self.shared
                .metrics
                .refused
                .with_label_values(&["key_exchange"])
                .inc();
            tracing::debug!(%peer, ?group, "refused: the keys are not safe from quantum computers");
            return Err(io::Error::other(format!(
                "the peer agreed on keys with {group:?}, and this node requires X25519MLKEM768"
            )));
        }
        self.shared.key_exchanges.note(peer, point, exchange);
        Ok(peer)
    }
}

/// Whether this end speaks first; hole punching turns the roles of one end round.
fn is_dialler(point: &ConnectedPoint) -> bool {
    matches!(
        point,
        ConnectedPoint::Dialer {
            role_override: Endpoint::Dialer,
            ..
        }
    )
}
