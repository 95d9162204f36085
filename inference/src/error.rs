//! Why a photo got no answer.

/// Why a photo got no answer, or the service did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image or the model is at fault; [`phytomer_models::Error::is_image`] says which.
    #[error(transparent)]
    Model(#[from] phytomer_models::Error),
    /// All workers are busy and the queue is full.
    #[error("{queue_max} photos are waiting already; try again in a second")]
    Busy {
        /// Photos that may wait.
        queue_max: usize,
    },
    /// The service is stopping or has stopped.
    #[error("the recognition service has stopped; start the node again")]
    Stopped,
    /// The code that read the photo panicked. The service goes on.
    #[error("the photo could not be processed: {message}; please report it with the file")]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// A setting is out of its range.
    #[error("inference.{field} is {found}; set it to 1 to {max}")]
    Config {
        /// The field of [`crate::InferenceConfig`].
        field: &'static str,
        /// Its value.
        found: usize,
        /// The largest value allowed.
        max: usize,
    },
    /// The metrics are registered already.
    #[error("the metrics of the recognition service cannot be registered")]
    Metrics(#[from] phytomer_telemetry::Error),
}
