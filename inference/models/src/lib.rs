//! The models and the code that runs them on candle.
//!
//! A model is a directory: `model.toml` ([`ModelConfig`]: architecture, input,
//! labels, calibration), `weights.safetensors` and a model card. One ships in
//! this repository, `leaf-40`, and is embedded: [`Recogniser::shipped`].
//!
//! A photo flows through pure functions: bytes → [`Photo::decode`] (limits,
//! format, orientation) → [`Pixels::prepare`] (white paper behind transparency,
//! fit into a square) → the network → temperature,
//! softmax and the threshold of "unknown" → [`Recognition`]. The training code
//! prepares its images by the same definition; tests compare the two.
//!
//! Every answer names the model by its [`ModelId`], a hash of what computes.
//!
//! ```
//! use phytomer_models::Recogniser;
//!
//! let recogniser = Recogniser::shipped()?;
//! let photo = include_bytes!("../samples/manihot-esculenta.jpg");
//! let answer = recogniser.recognise(photo)?;
//! assert_eq!(answer.species[0].label, "manihot-esculenta");
//! assert_eq!(answer.model, recogniser.id());
//! # Ok::<(), phytomer_models::Error>(())
//! ```

mod config;
mod error;
mod jpeg;
mod model_id;
mod network;
mod photo;
mod pixels;
mod recogniser;
mod recognition;
mod weights;

pub use config::{
    BLOCKS_MAX, CHANNELS_MAX, CONFIG_BYTES_MAX, INPUT_SIDE_MAX, INPUT_SIDE_MIN, InputConfig,
    ModelConfig, NetworkConfig, OutputConfig, SPECIES_MAX, Species, StageConfig,
};
pub use error::Error;
pub use model_id::ModelId;
pub use photo::{DECODED_BYTES_MAX, FILE_BYTES_MAX, PIXELS_MAX, Photo, SIDE_MIN};
pub use pixels::Pixels;
pub use recogniser::Recogniser;
pub use recognition::{Candidate, Recognition};
pub use weights::WEIGHTS_BYTES_MAX;
