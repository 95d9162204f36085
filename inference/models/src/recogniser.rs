//! A model that is ready to answer.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::network::Network;
use crate::weights::{WEIGHTS_BYTES_MAX, Weights};
use crate::{CONFIG_BYTES_MAX, Candidate, Error, ModelConfig, ModelId, Photo, Pixels, Recognition};

/// A model in memory: names the species on a photo of a leaf.
pub struct Recogniser {
    config: ModelConfig,
    id: ModelId,
    network: Network,
}

impl Recogniser {
    /// The model that ships with the program, `leaf-40`.
    ///
    /// # Errors
    /// As [`Self::from_parts`]; a test shows that there are none.
    pub fn shipped() -> Result<Self, Error> {
        Self::from_parts(
            include_str!("../leaf-40/model.toml"),
            include_bytes!("../leaf-40/weights.safetensors"),
        )
    }

    /// Loads `model.toml` and `weights.safetensors` from a directory.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::ModelTooLarge`] for the files, and as
    /// [`Self::from_parts`] for what they hold.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("model.toml");
        let config = read_at_most(&path, "model.toml", CONFIG_BYTES_MAX)?;
        let config = String::from_utf8(config).map_err(|error| Error::Read {
            path,
            source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
        })?;
        let weights = read_at_most(
            &dir.join("weights.safetensors"),
            "weights.safetensors",
            WEIGHTS_BYTES_MAX,
        )?;
        Self::from_parts(&config, &weights)
    }

    /// Builds the model from the contents of its two files.
    ///
    /// # Errors
    /// [`Error::ConfigSyntax`] and [`Error::ConfigValue`] for the config,
    /// [`Error::Weights`] and [`Error::Tensor`] for weights that are broken or
    /// do not fit it.
    pub fn from_parts(config: &str, weights: &[u8]) -> Result<Self, Error> {
        let config = ModelConfig::parse(config)?;
        let (weights, id) = Weights::read(&config, weights)?;
        let network = Network::load(&config, weights)?;
        Ok(Self {
            config,
            id,
            network,
        })
    }

    /// The hash that names this model.
    pub fn id(&self) -> ModelId {
        self.id
    }

    /// What the model says about itself.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Names the species on a photo: the bytes of a JPEG, PNG or WebP file.
    ///
    /// Blocks for the decoding and some milliseconds of arithmetic.
    ///
    /// # Errors
    /// As [`Photo::decode`] and [`Pixels::prepare`].
    pub fn recognise(&self, file: &[u8]) -> Result<Recognition, Error> {
        let photo = Photo::decode(file)?;
        let pixels = Pixels::prepare(&photo, &self.config.input)?;
        Ok(self.answer(&self.logits(&pixels)?))
    }

    /// The network's raw output for prepared pixels, one value a species.
    ///
    /// # Errors
    /// [`Error::Compute`] where candle fails.
    pub fn logits(&self, pixels: &Pixels) -> Result<Vec<f32>, Error> {
        self.network.forward(pixels)
    }

    fn answer(&self, logits: &[f32]) -> Recognition {
        let confidences = softmax(logits, self.config.output.temperature);
        let mut species: Vec<Candidate> = self
            .config
            .species
            .iter()
            .zip(confidences)
            .map(|(species, confidence)| Candidate {
                label: species.label.clone(),
                scientific_name: species.scientific_name.clone(),
                confidence,
            })
            .collect();
        species.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        let best = f64::from(species[0].confidence);
        Recognition {
            unknown: best < self.config.output.unknown_below,
            species,
            model: self.id,
        }
    }
}

impl std::fmt::Debug for Recogniser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recogniser")
            .field("name", &self.config.name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Reads a file, but no more than it may hold: its length is not trusted.
fn read_at_most(path: &Path, what: &'static str, max: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(max + 1).read_to_end(&mut bytes).map_err(failed)?;
    let len = bytes.len() as u64;
    if len > max {
        return Err(Error::ModelTooLarge { what, len, max });
    }
    Ok(bytes)
}

/// Probabilities of `logits / temperature`. Finite logits give finite values.
fn softmax(logits: &[f32], temperature: f64) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = logits
        .iter()
        .map(|logit| (f64::from(logit - most) / temperature).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    weights
        .into_iter()
        .map(|weight| (weight / sum) as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn confidences_sum_to_one_and_keep_the_order(
            logits in prop::collection::vec(-1e4f32..1e4, 2..50),
            temperature in 0.05f64..20.0,
        ) {
            let confidences = softmax(&logits, temperature);
            let sum: f32 = confidences.iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-4, "{sum}");
            for (a, p) in logits.iter().zip(&confidences) {
                for (b, q) in logits.iter().zip(&confidences) {
                    prop_assert!(a <= b || p >= q);
                }
            }
        }
    }
}
