//! The quantum-safe libp2p network of a node.
