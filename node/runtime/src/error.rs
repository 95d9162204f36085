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
    /// The HTTP edge could not start.
    #[error(transparent)]
    Http(#[from] phytomer_api::Error),
    /// A figure could not be registered.
    #[error("the metrics cannot be registered: {0}; please report this")]
    Metrics(#[from] phytomer_telemetry::Error),
}
