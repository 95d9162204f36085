//! Quantum-safe operator signatures: Ed25519 and ML-DSA-65, both of which must verify.
//!
//! ```text
//! two 32-byte seeds ──> OperatorKey ── sign ──> Signature (64 + 3309 bytes)
//!                           │  └── sign_fast ──> Ed25519 alone, 64 bytes
//!                           └── public ──> OperatorPublicKey ── id ──> OperatorId (32 bytes)
//! ```
//!
//! A signature stands while *either* scheme does: forging it takes both. What is signed often and
//! soon covered by a full signature (single events, between two checkpoints) may carry the Ed25519
//! half alone.
//!
//! Every signature is made for a [`Context`], so that one made for a checkpoint is never taken for
//! a vote. An operator is named by a hash of both public keys: whoever is handed the keys can check
//! that they are the operator's.
//!
//! ```
//! use phytomer_pqc::{Context, OperatorKey};
//!
//! const CHECKPOINT: Context = Context::new("checkpoint/1");
//! let key = OperatorKey::from_seeds(&[1; 32], &[2; 32]);
//! let signature = key.sign(CHECKPOINT, b"root");
//! assert!(key.public().verify(CHECKPOINT, b"root", &signature).is_ok());
//! assert!(key.public().verify(CHECKPOINT, b"another root", &signature).is_err());
//! ```

mod context;
mod key;
mod public;
mod signature;

#[cfg(test)]
mod tests;

pub use context::{CONTEXT_BYTES_MAX, Context};
pub use key::{OperatorKey, SEED_BYTES};
pub use public::{InvalidKey, OperatorId, OperatorPublicKey, PUBLIC_KEY_BYTES};
pub use signature::{FAST_SIGNATURE_BYTES, InvalidSignature, SIGNATURE_BYTES, Signature};
