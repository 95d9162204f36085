//! What can go wrong in a use case, in words for the person who asked.

use crate::types::CertificateId;

/// An error of a use case. Each message ends with what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such certificate.
    #[error("there is no certificate {id} on this ledger; list them with GET /v1/certificates")]
    UnknownCertificate {
        /// The id that was asked for.
        id: CertificateId,
    },
    /// There is no such offer.
    #[error("there is no offer {id} in escrow; check the number")]
    UnknownOffer {
        /// The id that was asked for.
        id: u64,
    },
    /// This node does not hold the document.
    #[error("this node does not hold {what} of certificate {id}; ask the node that issued it")]
    NotHeld {
        /// `the credential` or `the photo`.
        what: &'static str,
        /// The certificate.
        id: CertificateId,
    },
    /// The recogniser does not know the plant and the issuer did not name it.
    #[error(
        "the photo shows no plant that the model knows (best guess {best_guess}, {confidence:.0} %); \
         name the species in `scientificName` or take a clearer photo of one leaf"
    )]
    UnknownPlant {
        /// The best guess, which is not good enough.
        best_guess: String,
        /// Its confidence in percent.
        confidence: f64,
    },
    /// A field of the request is wrong.
    #[error("`{field}`: {why}")]
    Invalid {
        /// Name of the field.
        field: &'static str,
        /// What is wrong and what to do.
        why: String,
    },
    /// The same idempotency key was used for another request.
    #[error("this Idempotency-Key was used for another request; use a new key for a new request")]
    KeyReused,
    /// A request with the same idempotency key is still under way.
    #[error("a request with this Idempotency-Key is under way; ask again in a few seconds")]
    InProgress,
    /// The ledger executed the transaction and it reverted.
    #[error("the ledger refused: {reason}")]
    Refused {
        /// The contract's error in words.
        reason: String,
    },
    /// This node makes no blocks, so it can write nothing on the ledger.
    #[error("this node does not produce blocks yet; send the request to a node that does")]
    NotProducing,
    /// The image cannot be recognised.
    #[error(transparent)]
    Recognition(#[from] phytomer_inference::Error),
    /// The credential could not be made.
    #[error("the credential could not be issued: {0}")]
    Identity(#[source] phytomer_identity::Error),
    /// The ledger did not answer or did not take the transaction.
    #[error("the ledger did not take it: {0}; try again, and see GET /readyz if it persists")]
    Ledger(String),
    /// Event streams could not be read.
    #[error("the event streams failed: {0}")]
    Streams(#[from] phytomer_streams::Error),
    /// The store failed.
    #[error("the node's store failed: {0}")]
    Store(#[from] phytomer_store::Error),
    /// A document in the store is not what it should be.
    #[error("the stored {what} is damaged: {why}; restore it from a backup or from another node")]
    Corrupt {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}
