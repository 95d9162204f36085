//! Peer ids here and in libp2p.

use phytomer_wire::PeerId;

/// The peer as services know it; none where it has no Ed25519 key.
pub(crate) fn to_wire(peer: &libp2p::PeerId) -> Option<PeerId> {
    PeerId::from_multihash(&peer.to_bytes()).ok()
}

/// The peer as libp2p knows it.
pub(crate) fn to_libp2p(peer: &PeerId) -> libp2p::PeerId {
    libp2p::PeerId::from_bytes(&peer.to_multihash())
        .expect("the multihash of an Ed25519 key is a peer id of libp2p")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_the_same_here_and_in_libp2p() {
        let theirs = libp2p::identity::Keypair::generate_ed25519()
            .public()
            .to_peer_id();
        let ours = to_wire(&theirs).unwrap();
        assert_eq!(ours.to_string(), theirs.to_string());
        assert_eq!(to_libp2p(&ours), theirs);
    }
}
