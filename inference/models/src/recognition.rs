//! The answer to a photo.

use serde::{Deserialize, Serialize, Serializer};

use crate::ModelId;

/// What a model says about a photo.
///
/// As JSON: `{"species": [{"label", "scientificName", "confidence"}, …],
/// "unknown", "model"}`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recognition {
    /// Every species of the model, the most likely first; never empty.
    pub species: Vec<Candidate>,
    /// Whether the model abstains: the best confidence is below its threshold.
    pub unknown: bool,
    /// The model that answered.
    pub model: ModelId,
}

/// A species and how likely it is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The model's label, such as `manihot-esculenta`.
    pub label: String,
    /// Binomial name, such as `Manihot esculenta`.
    pub scientific_name: String,
    /// Calibrated probability, 0 to 1; JSON shows four decimals.
    #[serde(serialize_with = "four_decimals")]
    pub confidence: f32,
}

/// Rounded as `f64`: an `f32` widened later would show digits it does not have.
fn four_decimals<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((f64::from(*value) * 1e4).round() / 1e4)
}
