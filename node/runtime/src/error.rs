//! Why a node did not start.

/// Why a node did not start. Each message ends with what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ledger could not be opened.
    #[error(transparent)]
    Ledger(#[from] phytomer_ledger::OpenError),
    /// The model that ships with the program cannot be used.
    #[error("the model cannot be used: {0}")]
    Model(#[from] phytomer_models::Error),
    /// The recognition service could not start.
    #[error("the recogniser cannot start: {0}")]
    Recogniser(#[from] phytomer_inference::Error),
    /// The network could not start.
    #[error("the network cannot start: {0}")]
    Network(#[from] phytomer_p2p::Error),
    /// The event streams could not be opened.
    #[error("the event streams cannot be opened: {0}")]
    Streams(#[from] phytomer_streams::Error),
    /// The blobs could not be opened.
    #[error("the blobs cannot be opened: {0}")]
    Blobs(#[from] phytomer_blobs::Error),
    /// The Kafka endpoint could not start.
    #[error(transparent)]
    Kafka(#[from] phytomer_kafka::Error),
    /// The HTTP edge could not start.
    #[error(transparent)]
    Http(#[from] phytomer_api::Error),
    /// A figure could not be registered.
    #[error("the metrics cannot be registered: {0}; please report this")]
    Metrics(#[from] phytomer_telemetry::Error),
}
