//! `model.toml`: everything about a model but its weights.

use serde::{Deserialize, Serialize};

use crate::Error;

/// Bytes of a `model.toml` that are read.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// Species that a model may tell apart.
pub const SPECIES_MAX: usize = 16_384;
/// Channels of a convolution.
pub const CHANNELS_MAX: usize = 2_048;
/// Residual blocks in all stages together, and convolutions in the stem.
pub const BLOCKS_MAX: usize = 256;
/// Shortest side of the square that the network sees, in pixels.
pub const INPUT_SIDE_MIN: u32 = 32;
/// Longest side of the square that the network sees, in pixels.
pub const INPUT_SIDE_MAX: u32 = 1_024;

/// What a model computes, apart from its weights.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Short name, such as `leaf-40`.
    pub name: String,
    /// Counts up with each published training of that name.
    pub version: u32,
    /// How an image becomes the network's input.
    pub input: InputConfig,
    /// The layers.
    pub network: NetworkConfig,
    /// How logits become an answer.
    pub output: OutputConfig,
    /// The classes, in the order of the logits.
    pub species: Vec<Species>,
}

/// How an image becomes the network's input, `[1, 3, side, side]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InputConfig {
    /// Side of the square in pixels.
    pub side: u32,
    /// Grey level, 0 to 255, behind transparent pixels and beside the image.
    pub paper: u8,
    /// Subtracted from red, green and blue, levels 0 to 1.
    pub mean: [f64; 3],
    /// Divides red, green and blue after that.
    pub std: [f64; 3],
}

/// A residual network of dense convolutions, batch norms folded in.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Output channels of the 3×3 convolutions at the start, stride 2 each.
    pub stem: Vec<usize>,
    /// The stages after it; then the mean over the image and a linear head.
    pub stages: Vec<StageConfig>,
}

/// Residual blocks of two 3×3 convolutions.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StageConfig {
    /// Output channels.
    pub channels: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Stride of the first block, 1 or 2.
    pub stride: usize,
}

/// How logits become an answer.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OutputConfig {
    /// Divides the logits before the softmax, so that confidences are
    /// calibrated (Guo et al., "On Calibration of Modern Neural Networks", 2017).
    pub temperature: f64,
    /// The answer is "unknown" where the best confidence is below this.
    pub unknown_below: f64,
}

/// A class of the model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Species {
    /// Lower-case, hyphenated, unique within the model.
    pub label: String,
    /// Binomial name.
    pub scientific_name: String,
}

impl ModelConfig {
    /// Reads and checks a `model.toml`.
    ///
    /// # Errors
    /// [`Error::ConfigSyntax`] for other than the documented fields,
    /// [`Error::ConfigValue`] for a value out of range.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let config: Self =
            toml::from_str(text).map_err(|source| Error::ConfigSyntax(Box::new(source)))?;
        config.check_input()?;
        config.check_network()?;
        config.check_output()?;
        Ok(config)
    }

    fn check_input(&self) -> Result<(), Error> {
        let input = &self.input;
        within("input.side", input.side, INPUT_SIDE_MIN, INPUT_SIDE_MAX)?;
        for (mean, std) in input.mean.iter().zip(input.std) {
            within("input.mean", *mean, 0.0, 1.0)?;
            within("input.std", std, 1e-3, 10.0)?;
        }
        Ok(())
    }

    fn check_network(&self) -> Result<(), Error> {
        let network = &self.network;
        within("network.stem, its length,", network.stem.len(), 1, 4)?;
        within("network.stages, their number,", network.stages.len(), 1, 8)?;
        let channels = network.stages.iter().map(|stage| stage.channels);
        for channels in network.stem.iter().copied().chain(channels) {
            within("network channels", channels, 1, CHANNELS_MAX)?;
        }
        for stage in &network.stages {
            within("network.stages.blocks", stage.blocks, 1, BLOCKS_MAX)?;
            within("network.stages.stride", stage.stride, 1, 2)?;
        }
        Ok(())
    }

    fn check_output(&self) -> Result<(), Error> {
        within("output.temperature", self.output.temperature, 0.01, 100.0)?;
        within("output.unknown_below", self.output.unknown_below, 0.0, 1.0)?;
        within("species, their number,", self.species.len(), 2, SPECIES_MAX)?;
        let mut labels: Vec<_> = self.species.iter().map(|s| s.label.as_str()).collect();
        labels.sort_unstable();
        match labels.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Error::ConfigValue {
                field: "species.label",
                found: format!("{:?} twice", pair[0]),
                expected: "each label once".to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// NaN is within no range.
fn within<T>(field: &'static str, found: T, min: T, max: T) -> Result<(), Error>
where
    T: PartialOrd + std::fmt::Display,
{
    if found >= min && found <= max {
        return Ok(());
    }
    Err(Error::ConfigValue {
        field,
        found: found.to_string(),
        expected: format!("{min} to {max}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../leaf-40/model.toml");

    #[test]
    fn the_shipped_config_survives_a_round_trip() {
        let config = ModelConfig::parse(SHIPPED).unwrap();
        let again = toml::to_string(&config).unwrap();
        assert_eq!(ModelConfig::parse(&again).unwrap(), config);
    }

    #[test]
    fn unknown_fields_are_refused() {
        let text = SHIPPED.replace("[output]", "[output]\nbias = 1.0");
        assert!(matches!(
            ModelConfig::parse(&text),
            Err(Error::ConfigSyntax(_))
        ));
    }

    #[test]
    fn values_out_of_range_name_their_field() {
        let mut config = ModelConfig::parse(SHIPPED).unwrap();
        config.output.temperature = f64::NAN;
        let text = toml::to_string(&config).unwrap();
        let error = ModelConfig::parse(&text).unwrap_err();
        assert!(
            matches!(
                error,
                Error::ConfigValue {
                    field: "output.temperature",
                    ..
                }
            ),
            "{error}"
        );

        let mut config = ModelConfig::parse(SHIPPED).unwrap();
        config.species[1].label = config.species[0].label.clone();
        let text = toml::to_string(&config).unwrap();
        let error = ModelConfig::parse(&text).unwrap_err();
        assert!(
            matches!(
                error,
                Error::ConfigValue {
                    field: "species.label",
                    ..
                }
            ),
            "{error}"
        );
    }
}
