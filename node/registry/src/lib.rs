//! The use cases of the product: recognise, certify, verify, trace, trade.
//!
//! A photo's way: [`Registry::certify`] asks the recogniser for the species,
//! has the credential signed, keeps photo and credential under their hashes,
//! and writes the certificate on the ledger. The ledger decides what is true;
//! this crate keeps no state of its own beside the documents and the
//! idempotency keys, and reads everything else from the contracts. A node that makes no blocks
//! verifies against the signed events of the operators that it follows instead.
//!
//! It knows no HTTP: `node/api` turns requests into calls of [`Registry`].

mod certify;
mod chain;
mod config;
mod documents;
mod error;
mod events;
mod feed;
mod followed;
mod metrics;
mod registry;
mod signer;
mod split;
mod status;
mod trace;
mod trade;
mod types;
mod verify;

pub use config::{Config, LINEAGE_NODES_MAX, PAGE_LEN_MAX, SPLIT_CHILDREN_MAX};
pub use documents::Documents;
pub use error::Error;
pub use events::{Event, EventId, EventKind};
pub use feed::{
    CERTIFICATES_STREAM, Cursor, FEED_LOGS_MAX, FeedEvent, InvalidCursor, LEDGER_STREAM,
    OPERATOR_STREAM, PRODUCT_STREAMS, Selection,
};
pub use registry::{Parts, Registry};
pub use status::StatusPurpose;
pub use types::{
    Certificate, CertificateId, CertificatePage, CheckView, Details, InvalidId, IssuerView,
    Lineage, LineageEdge, Offer, OfferId, OfferRequest, OfferStatus, Outcome, ParentShare, Price,
    Quantity, SplitOutcome, SplitRequest, Status, StatusCause, TransactionView, Verdict,
    Verification,
};
