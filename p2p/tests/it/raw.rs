//! Peers that do as a test tells them: bare libp2p, without our manners.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::upgrade::OutboundConnectionUpgrade;
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder, Transport, tcp, tls, yamux,
};
use libp2p_stream::{Behaviour, Control, IncomingStreams, OpenStreamError};
use multistream_select::{Version, dialer_select_proto};
use phytomer_wire::codec;
use phytomer_wire::handshake::Hello;
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::sync::watch;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

use crate::support::{NETWORK, soon};

/// A connected bare peer.
pub(crate) struct Raw {
    pub(crate) id: phytomer_wire::PeerId,
    remote: PeerId,
    control: Control,
    closed: watch::Receiver<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Raw {
    /// Connects over TCP or QUIC as any libp2p program does.
    pub(crate) async fn connect(address: &str) -> Result<Self, String> {
        let swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(
                tcp::Config::default(),
                tls::Config::new,
                yamux::Config::default,
            )
            .unwrap()
            .with_quic()
            .with_behaviour(|_| Behaviour::new())
            .unwrap()
            .with_swarm_config(|c| c.with_idle_connection_timeout(Duration::from_secs(3_600)))
            .build();
        Self::drive(swarm, address).await
    }

    /// Connects over TCP and knows no key exchange but X25519.
    pub(crate) async fn connect_classical(address: &str) -> Result<Self, String> {
        let swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_other_transport(|keypair| {
                let config = Arc::new(classical(keypair));
                tcp::tokio::Transport::new(tcp::Config::default())
                    .and_then(move |socket, _| secure(socket, config))
                    .boxed()
            })
            .unwrap()
            .with_behaviour(|_| Behaviour::new())
            .unwrap()
            .with_swarm_config(|c| c.with_idle_connection_timeout(Duration::from_secs(3_600)))
            .build();
        Self::drive(swarm, address).await
    }

    async fn drive(mut swarm: Swarm<Behaviour>, address: &str) -> Result<Self, String> {
        let address: Multiaddr = address.parse().unwrap();
        swarm.dial(address).unwrap();
        let remote = soon("a connection or an error", async {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::ConnectionEstablished { peer_id, .. } => return Ok(peer_id),
                    SwarmEvent::OutgoingConnectionError { error, .. } => {
                        return Err(format!("{error:?}"));
                    }
                    _ => {}
                }
            }
        })
        .await?;
        let id = phytomer_wire::PeerId::from_multihash(&swarm.local_peer_id().to_bytes()).unwrap();
        let control = swarm.behaviour().new_control();
        // Who refuses streams of gossip is no longer asked for any.
        let mut gossip = control
            .clone()
            .accept(StreamProtocol::new("/meshsub/1.2.0"))
            .unwrap();
        tokio::spawn(async move {
            while let Some((_, stream)) = gossip.next().await {
                let mut stream = stream.compat();
                tokio::spawn(
                    async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await },
                );
            }
        });
        let (sender, closed) = watch::channel(false);
        let task = tokio::spawn(async move {
            loop {
                if let SwarmEvent::ConnectionClosed { .. } = swarm.select_next_some().await {
                    sender.send_replace(true);
                }
            }
        });
        Ok(Self {
            id,
            remote,
            control,
            closed,
            task,
        })
    }

    /// Opens a stream for a protocol.
    pub(crate) async fn open(
        &self,
        protocol: &'static str,
    ) -> Result<Compat<Stream>, OpenStreamError> {
        let mut control = self.control.clone();
        let opened = control
            .open_stream(self.remote, StreamProtocol::new(protocol))
            .await?;
        Ok(opened.compat())
    }

    /// Streams that the other side opens for a protocol.
    pub(crate) fn accept(&self, protocol: &'static str) -> IncomingStreams {
        let mut control = self.control.clone();
        control.accept(StreamProtocol::new(protocol)).unwrap()
    }

    /// Greets as a node of a network does.
    pub(crate) async fn greet_as(&self, network: &str) -> Option<Hello> {
        let mut stream = self.open("/phytomer/handshake/1").await.ok()?;
        let hello = Hello {
            network: network.into(),
            agent: "raw".into(),
            services: Vec::new(),
        };
        codec::write(&mut stream, &hello).await.ok()?;
        codec::read(&mut stream).await.ok()?
    }

    /// Connects and greets as a node of the tests' network.
    pub(crate) async fn member(address: &str) -> Self {
        let raw = Self::connect(address).await.unwrap();
        raw.greet_as(NETWORK).await.unwrap();
        raw
    }

    /// Waits until the other side has ended the connection.
    pub(crate) async fn until_closed(&mut self) {
        soon(
            "the connection is closed",
            self.closed.wait_for(|closed| *closed),
        )
        .await
        .unwrap();
    }
}

/// TLS of libp2p with nothing but X25519.
fn classical(keypair: &Keypair) -> rustls::ClientConfig {
    let (certificate, key) = tls::certificate::generate(keypair).unwrap();
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519];
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_client_cert_resolver(Arc::new(Shows(Arc::new(CertifiedKey::new(
            vec![certificate],
            any_ecdsa_type(&key).unwrap(),
        )))));
    config.alpn_protocols = vec![b"libp2p".to_vec()];
    config
}

async fn secure(
    socket: tcp::tokio::TcpStream,
    config: Arc<rustls::ClientConfig>,
) -> std::io::Result<(PeerId, StreamMuxerBox)> {
    let (_, socket) = dialer_select_proto(socket, ["/tls/1.0.0"], Version::V1)
        .await
        .map_err(std::io::Error::other)?;
    let nobody = ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into());
    let stream = futures_rustls::TlsConnector::from(config)
        .connect(nobody, socket)
        .await?;
    let certificate = &stream.get_ref().1.peer_certificates().unwrap()[0];
    let peer = tls::certificate::parse(certificate)
        .map_err(std::io::Error::other)?
        .peer_id();
    let (_, stream) = dialer_select_proto(stream, ["/yamux/1.0.0"], Version::V1)
        .await
        .map_err(std::io::Error::other)?;
    let muxer = yamux::Config::default()
        .upgrade_outbound(stream, "/yamux/1.0.0")
        .await?;
    Ok((peer, StreamMuxerBox::new(muxer)))
}

/// Shows this certificate.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl rustls::client::ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Believes every server: only the key exchange is tested with it.
#[derive(Debug)]
struct Anybody;

impl rustls::client::danger::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ED25519,
        ]
    }
}
