//! TLS as libp2p specifies it (libp2p specs, tls), with the ciphers in our order.
//!
//! What `libp2p-tls` makes by default begins with ChaCha20-Poly1305; on processors that have
//! instructions for AES, AES-256-GCM carries several times as many bytes. The certificates and
//! their checks are that crate's own.

use std::sync::Arc;

use libp2p::PeerId;
use libp2p::identity::Keypair;
use libp2p::tls::certificate;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
};

/// What both ends say that they speak inside.
const ALPN: &[u8] = b"libp2p";

/// How this node speaks TLS when it dials, and when it is dialled.
pub(super) fn configs(keypair: &Keypair) -> Result<(ClientConfig, ServerConfig), rustls::Error> {
    let other = |error| rustls::Error::General(format!("no certificate could be made: {error}"));
    let (certificate, key) = certificate::generate(keypair).map_err(other)?;
    let signing = aws_lc_rs::sign::any_ecdsa_type(&key)?;
    let identity = Arc::new(Identity(Arc::new(CertifiedKey::new(
        vec![certificate],
        signing,
    ))));
    let provider = Arc::new(provider());
    let mut client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier))
        .with_client_cert_resolver(identity.clone());
    client.alpn_protocols = vec![ALPN.to_vec()];
    // Sessions are kept by name, and here every peer has the same: none is resumed.
    client.resumption = Resumption::disabled();
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(Verifier))
        .with_cert_resolver(identity);
    server.alpn_protocols = vec![ALPN.to_vec()];
    server.send_tls13_tickets = 0;
    Ok((client, server))
}

/// X25519MLKEM768 first among the groups, AES-256-GCM first among the ciphers.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        ..aws_lc_rs::default_provider()
    }
}

/// This node's certificate.
#[derive(Debug)]
struct Identity(Arc<CertifiedKey>);

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// Takes one self-signed certificate that names its peer by a signature of the peer's key. Which
/// peer it is, the swarm compares with whom it dialled.
#[derive(Debug)]
struct Verifier;

impl Verifier {
    fn check(
        certificate: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
    ) -> Result<PeerId, rustls::Error> {
        if !more.is_empty() {
            return Err(rustls::Error::General("more than one certificate".into()));
        }
        Ok(certificate::parse(certificate)?.peer_id())
    }

    fn check_signature(
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        certificate::parse(certificate)?.verify_signature(
            signed.scheme,
            message,
            signed.signature(),
        )?;
        Ok(HandshakeSignatureValid::assertion())
    }

    fn schemes() -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ED25519,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA256,
        ]
    }

    fn only_tls13() -> rustls::Error {
        rustls::Error::General("only TLS 1.3 is spoken".into())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Self::check(certificate, more)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(Self::only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Self::check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Self::schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Self::check(certificate, more)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(Self::only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Self::check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Self::schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(keypair: &Keypair) -> CertificateDer<'static> {
        certificate::generate(keypair).unwrap().0
    }

    #[test]
    fn a_certificate_names_its_peer_and_no_change_makes_it_name_another() {
        let keypair = Keypair::generate_ed25519();
        let whole = certificate(&keypair);
        let peer = Verifier::check(&whole, &[]).unwrap();
        assert_eq!(peer, keypair.public().to_peer_id());
        let second = [certificate(&keypair)];
        assert!(Verifier::check(&whole, &second).is_err());
        // Of the key, of the signature by the peer, of the one by itself. A few bits of the
        // encoding mean nothing.
        let mut refused = 0;
        for index in 0..whole.len() {
            let mut bytes = whole.to_vec();
            bytes[index] ^= 1;
            let changed = Verifier::check(&CertificateDer::from(bytes), &[]);
            assert!(changed.as_ref().is_ok_and(|named| *named == peer) || changed.is_err());
            refused += usize::from(changed.is_err());
        }
        assert!(
            refused + 4 > whole.len(),
            "{refused} of {} refused",
            whole.len()
        );
    }

    #[test]
    fn the_ciphers_and_groups_are_those_that_we_want_first() {
        let provider = provider();
        let group = provider.kx_groups[0].name();
        assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
        let cipher = provider.cipher_suites[0].suite();
        assert_eq!(cipher, rustls::CipherSuite::TLS13_AES_256_GCM_SHA384);
    }
}
