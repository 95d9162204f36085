//! The handle through which the use cases are called.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use bytes::Bytes;
use futures::Stream;
use parking_lot::Mutex;
use phytomer_identity::Issuer;
use phytomer_inference::InferenceHandle;
use phytomer_ledger::{Ledger, Production};
use phytomer_models::Recognition;
use phytomer_primitives::CommittedBlock;
use phytomer_store::Store;
use phytomer_streams::Streams;
use phytomer_telemetry::MetricsRegistry;

use crate::chain::Contracts;
use crate::config::Config;
use crate::documents::Documents;
use crate::error::Error;
use crate::events::{self, Event};
use crate::feed::{self, Cursor, FeedEvent, Selection};
use crate::followed::Followed;
use crate::metrics::Metrics;
use crate::signer::Signer;
use crate::status::{self, StatusIndexes, StatusLists, StatusPurpose};
use crate::types::{
    Certificate, CertificateId, CertificatePage, Details, Lineage, Offer, OfferId, OfferRequest,
    SplitOutcome, SplitRequest, Verification,
};
use crate::{certify, split, trace, trade, verify};

/// What the use cases work with.
pub struct Parts {
    /// Limits and settings.
    pub config: Config,
    /// Decides what is true.
    pub ledger: Ledger,
    /// Says which plant a photo shows.
    pub recogniser: InferenceHandle,
    /// Keeps photos and credentials.
    pub store: Arc<dyn Store>,
    /// What this node and those that it follows have published.
    pub streams: Streams,
    /// Signs credentials.
    pub issuer: Issuer,
    /// Signs the issuer's transactions.
    pub ledger_signer: PrivateKeySigner,
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) ledger: Ledger,
    pub(crate) contracts: Contracts,
    pub(crate) recogniser: InferenceHandle,
    pub(crate) documents: Documents,
    pub(crate) streams: Streams,
    pub(crate) followed: Followed,
    pub(crate) issuer: Issuer,
    pub(crate) signer: Signer,
    pub(crate) status_indexes: StatusIndexes,
    pub(crate) status_lists: StatusLists,
    pub(crate) in_progress: InProgress,
    pub(crate) metrics: Metrics,
    public_url: OnceLock<String>,
}

impl Inner {
    /// The URL under which others reach this node, as credentials name it.
    pub(crate) fn public_url(&self) -> &str {
        self.public_url
            .get()
            .map_or("http://127.0.0.1:8545", String::as_str)
    }

    /// Refuses what would end in a transaction, before anything is signed or kept for it.
    pub(crate) fn check_producing(&self) -> Result<(), Error> {
        match self.ledger.production() {
            Production::Instant => Ok(()),
            Production::Off => Err(Error::NotProducing),
        }
    }
}

/// Idempotency keys whose requests are under way.
#[derive(Default)]
pub(crate) struct InProgress {
    keys: Mutex<HashSet<String>>,
}

/// Leaves its key when dropped.
pub(crate) struct Entered<'a> {
    set: &'a InProgress,
    key: String,
}

impl InProgress {
    /// Enters a key; nothing where it is under way already.
    pub(crate) fn enter(&self, key: &str) -> Option<Entered<'_>> {
        self.keys.lock().insert(key.to_string()).then(|| Entered {
            set: self,
            key: key.to_string(),
        })
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.set.keys.lock().remove(&self.key);
    }
}

/// The use cases. Cheap to clone; every clone works on the same node.
#[derive(Clone)]
pub struct Registry {
    pub(crate) inner: Arc<Inner>,
}

impl Registry {
    /// Joins the parts. Nothing is started: every use case runs in its caller's task.
    ///
    /// # Errors
    /// When its metrics are registered already.
    pub fn new(parts: Parts, metrics: &MetricsRegistry) -> Result<Self, phytomer_telemetry::Error> {
        let Parts {
            config,
            ledger,
            recogniser,
            store,
            streams,
            issuer,
            ledger_signer,
        } = parts;
        let receipt_timeout = Duration::from_millis(config.receipt_timeout_ms);
        let inner = Inner {
            config,
            contracts: Contracts::new(ledger.clone()),
            recogniser,
            documents: Documents::new(store),
            streams,
            followed: Followed::default(),
            issuer,
            signer: Signer::new(ledger.clone(), ledger_signer, receipt_timeout),
            status_indexes: StatusIndexes::default(),
            status_lists: StatusLists::default(),
            in_progress: InProgress::default(),
            metrics: Metrics::register(metrics)?,
            public_url: OnceLock::new(),
            ledger,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Tells under which URL others reach this node; credentials name their
    /// status lists below it. Only the first call counts: the address is known
    /// once the edge listens, and does not change after that.
    pub fn set_public_url(&self, url: &str) {
        let _ = self
            .inner
            .public_url
            .set(url.trim_end_matches('/').to_string());
    }

    /// Which plant a photo shows. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Recognition`] for what is not an image, is too large, or when
    /// the recogniser is busy.
    pub async fn recognise(&self, photo: Bytes) -> Result<Recognition, Error> {
        Ok(self.inner.recogniser.recognise(photo).await?)
    }

    /// Recognises, signs and certifies a lot; returns once the certificate is
    /// in a durable block. With the same `idempotency_key` and the same
    /// request it returns the first certificate again.
    pub async fn certify(
        &self,
        photo: Bytes,
        details: Details,
        idempotency_key: Option<String>,
    ) -> Result<Certificate, Error> {
        certify::certify(&self.inner, photo, details, idempotency_key).await
    }

    /// One certificate.
    pub async fn certificate(&self, id: CertificateId) -> Result<Certificate, Error> {
        trace::certificate(&self.inner, id).await
    }

    /// Certificates, newest first, older than `before`; at most [`crate::PAGE_LEN_MAX`].
    pub async fn certificates(
        &self,
        before: Option<CertificateId>,
        limit: usize,
    ) -> Result<CertificatePage, Error> {
        trace::page(&self.inner, before, limit).await
    }

    /// The signed credential of a certificate, byte for byte as it was issued (JSON).
    pub async fn credential(&self, id: CertificateId) -> Result<Bytes, Error> {
        trace::credential(&self.inner, id).await
    }

    /// All ancestors and descendants.
    pub async fn lineage(&self, id: CertificateId) -> Result<Lineage, Error> {
        trace::lineage(&self.inner, id).await
    }

    /// Splits a lot that this node's issuer owns: a credential and a certificate for each child.
    pub async fn split(
        &self,
        id: CertificateId,
        request: SplitRequest,
    ) -> Result<SplitOutcome, Error> {
        split::split(&self.inner, id, request).await
    }

    /// Offers a certificate that this node's issuer owns, in escrow.
    pub async fn offer(&self, id: CertificateId, request: OfferRequest) -> Result<Offer, Error> {
        trade::offer(&self.inner, id, request).await
    }

    /// An offer.
    pub async fn offer_by_id(&self, id: OfferId) -> Result<Offer, Error> {
        trade::offer_by_id(&self.inner, id).await
    }

    /// Checks a credential against signature, dates, issuer registry, status and ledger.
    pub async fn verify(&self, credential: Bytes) -> Result<Verification, Error> {
        verify::verify(&self.inner, credential).await
    }

    /// This issuer's signed status list (JSON of a BitstringStatusListCredential), derived from the ledger's head.
    pub async fn status_list(&self, purpose: StatusPurpose) -> Result<Bytes, Error> {
        status::list(&self.inner, purpose).await
    }

    /// What happened in a block, as it is published.
    ///
    /// # Errors
    /// When a document that belongs to it cannot be read.
    pub async fn events_of(&self, block: &CommittedBlock) -> Result<Vec<Event>, Error> {
        events::events_of(&self.inner.documents, block).await
    }

    /// Events of the selected logs behind `after` (from now on where absent): first those that are
    /// here, then those that come.
    pub fn follow(
        &self,
        selection: Selection,
        after: Option<Cursor>,
    ) -> impl Stream<Item = Result<FeedEvent, Error>> + Send + use<> {
        let producing = self.inner.ledger.production() == Production::Instant;
        feed::follow(self.inner.streams.clone(), selection, producing, after)
    }
}
