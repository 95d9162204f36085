//! What can go wrong while logs and metrics are set up.

/// An error of telemetry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log filter cannot be read.
    #[error(
        "the log filter `{filter}` cannot be read: {source}; write it as `level` or `target=level,…`, \
         for example `info,phytomer_ledger=debug`"
    )]
    Filter {
        /// The filter as it was given.
        filter: String,
        /// What the parser says.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logs were set up before in this process.
    #[error("logs are already set up in this process; call `init` once, from the program")]
    AlreadyInitialised,
    /// A metric is named wrongly or registered twice.
    #[error("the metric `{name}` cannot be registered: {source}; register each name once")]
    Register {
        /// The metric's name.
        name: String,
        /// What the registry says.
        source: prometheus::Error,
    },
    /// The metrics cannot be written as text.
    #[error("the metrics cannot be written as text: {0}")]
    Encode(#[source] prometheus::Error),
}
