//! What connections run over: sockets, this process, or what a simulator brings.

mod counted;
mod filter;
mod joined;
mod mux;
mod secure;
mod tls;

use std::io;
use std::sync::Arc;

use futures::io::BufReader;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::transport::{Boxed, MemoryTransport, OrTransport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport as _, dns, plaintext, quic, relay, tcp, yamux};

use crate::{Error, shared::Shared};

use counted::Counted;
use filter::Filter;
use secure::Tls;

pub(crate) use counted::Counters;
pub(crate) use secure::{HANDSHAKE_TIMEOUT, KeyExchanges};

/// Streams that one QUIC connection may have open for the peer.
const QUIC_STREAMS_MAX: u32 = 256;
/// Bytes in flight on one stream over QUIC.
const QUIC_STREAM_BYTES: u32 = 16 << 20;
/// Bytes in flight on one connection over QUIC.
const QUIC_CONNECTION_BYTES: u32 = 32 << 20;
/// After this time of silence a QUIC connection is dead, in milliseconds.
const QUIC_IDLE_MS: u32 = 15_000;
/// Bytes that are read of a TCP socket at once; TLS by itself asks for 4 KiB.
const READ_BYTES: usize = 64 << 10;

/// What the network runs over.
pub struct Transport(Kind);

enum Kind {
    Sockets,
    Memory,
    Custom(Boxed<(PeerId, StreamMuxerBox)>),
}

impl Transport {
    /// QUIC, and TCP with TLS 1.3 and yamux.
    #[must_use]
    pub const fn sockets() -> Self {
        Self(Kind::Sockets)
    }

    /// Channels within this process, unencrypted, at addresses `/memory/<number>`.
    #[must_use]
    pub const fn memory() -> Self {
        Self(Kind::Memory)
    }

    /// A libp2p transport that authenticates and multiplexes: for a simulator.
    #[must_use]
    pub const fn custom(transport: Boxed<(PeerId, StreamMuxerBox)>) -> Self {
        Self(Kind::Custom(transport))
    }

    /// The transport with relayed connections beside it.
    pub(crate) fn build(
        self,
        keypair: &Keypair,
        shared: &Arc<Shared>,
    ) -> Result<(Boxed<(PeerId, StreamMuxerBox)>, relay::client::Behaviour), Error> {
        let failed = |reason: &dyn std::fmt::Display| Error::Transport {
            reason: reason.to_string(),
        };
        let tls = Arc::new(Tls::new(keypair, shared.clone()).map_err(|error| failed(&error))?);
        let base = match self.0 {
            Kind::Sockets => sockets(keypair, shared, &tls).map_err(|error| failed(&error))?,
            Kind::Memory => memory(keypair, shared),
            Kind::Custom(transport) => transport,
        };
        let (relayed, behaviour) = relay::client::new(keypair.public().to_peer_id());
        let relayed = relayed
            .and_then(move |socket, point| tls.clone().secure(socket, point))
            .boxed();
        let both = OrTransport::new(relayed, base)
            .map(|either, _| either.into_inner())
            .boxed();
        Ok((both, behaviour))
    }
}

fn sockets(
    keypair: &Keypair,
    shared: &Arc<Shared>,
    tls: &Arc<Tls>,
) -> io::Result<Boxed<(PeerId, StreamMuxerBox)>> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let (tls, counters) = (tls.clone(), shared.counters.clone());
    let tcp = Filter::new(tcp, shared.clone()).and_then(move |socket, point| {
        let socket = Counted::new(socket, counters);
        tls.secure(BufReader::with_capacity(READ_BYTES, socket), point)
    });
    // An address that swallows all packets keeps the system busy for minutes.
    let tcp = TransportTimeout::with_outgoing_timeout(tcp, HANDSHAKE_TIMEOUT).boxed();
    if shared.require_post_quantum {
        return named(tcp);
    }
    let mut config = quic::Config::new(keypair);
    config.handshake_timeout = HANDSHAKE_TIMEOUT;
    config.max_concurrent_stream_limit = QUIC_STREAMS_MAX;
    config.max_stream_data = QUIC_STREAM_BYTES;
    config.max_connection_data = QUIC_CONNECTION_BYTES;
    config.max_idle_timeout = QUIC_IDLE_MS;
    let counters = shared.counters.clone();
    let quic = Filter::new(quic::tokio::Transport::new(config), shared.clone())
        .map(move |(peer, muxer), _| {
            let muxer = Counted::new(muxer, counters);
            (peer, StreamMuxerBox::new(muxer))
        })
        .boxed();
    named(
        OrTransport::new(quic, tcp)
            .map(|either, _| either.into_inner())
            .boxed(),
    )
}

/// Lets addresses name hosts.
fn named(
    transport: Boxed<(PeerId, StreamMuxerBox)>,
) -> io::Result<Boxed<(PeerId, StreamMuxerBox)>> {
    // Where the system says nothing of how names are resolved, numbers still work.
    if let Err(error) = dns::tokio::Transport::system(()) {
        tracing::debug!(%error, "names of hosts are not resolved");
        let (config, options) = (dns::ResolverConfig::default(), dns::ResolverOpts::default());
        return Ok(dns::tokio::Transport::custom(transport, config, options).boxed());
    }
    Ok(dns::tokio::Transport::system(transport)?.boxed())
}

fn memory(keypair: &Keypair, shared: &Arc<Shared>) -> Boxed<(PeerId, StreamMuxerBox)> {
    let counters = shared.counters.clone();
    MemoryTransport::new()
        .map(move |socket, _| Counted::new(socket, counters))
        .upgrade(Version::V1Lazy)
        .authenticate(plaintext::Config::new(keypair))
        .multiplex(yamux::Config::default())
        .timeout(HANDSHAKE_TIMEOUT)
        .boxed()
}
