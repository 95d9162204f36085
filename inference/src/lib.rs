//! The recognition service: a bounded pool of workers over a model.
//!
//! [`spawn`] starts one actor and returns its [`InferenceHandle`]. A photo
//! given to [`InferenceHandle::recognise`] waits in a bounded queue until one
//! of the workers is free, runs there on a blocking thread, and its answer
//! comes back. A full queue answers at once with [`Error::Busy`]. A decoder
//! that panics costs one answer, not the node. Cancelling the token ends the
//! actor: photos already with a worker are answered, waiting ones are told
//! [`Error::Stopped`].
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use phytomer_inference::{InferenceConfig, spawn};
//! use phytomer_models::Recogniser;
//! use phytomer_telemetry::MetricsRegistry;
//! use tokio_util::sync::CancellationToken;
//!
//! let stop = CancellationToken::new();
//! let registry = MetricsRegistry::new();
//! let inference = spawn(InferenceConfig::default(), Recogniser::shipped()?, &registry, stop.clone())?;
//!
//! let photo = include_bytes!("../models/samples/manihot-esculenta.jpg");
//! let answer = inference.recognise(photo.as_slice().into()).await?;
//! assert_eq!(answer.species[0].scientific_name, "Manihot esculenta");
//!
//! stop.cancel();
//! inference.stopped().await;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod actor;
mod config;
mod error;
mod handle;
mod metrics;

pub use actor::spawn;
pub use config::{InferenceConfig, QUEUE_MAX, WORKERS_MAX};
pub use error::Error;
pub use handle::InferenceHandle;
pub use phytomer_models::{Candidate, ModelId, Recogniser, Recognition};
