//! The 32 bytes that name a model.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ModelConfig;
use crate::weights::RawTensor;

const DOMAIN: &[u8] = b"phytomer/model/1\n";

/// Names a model by what it computes, not by the layout of its files.
///
/// The id is the BLAKE3 hash of
/// 1. the line `phytomer/model/1\n`,
/// 2. the BLAKE3 hash of the config in JSON Canonicalization Scheme (RFC 8785):
///    the fields of `model.toml` as one object, every float as a number,
/// 3. the number of tensors as a little-endian `u32`, then for each tensor in
///    ascending byte order of its name the BLAKE3 hash of: the name, a zero
///    byte, the dtype (`F16` or `F32`), the rank as `u8`, each dimension as a
///    little-endian `u64`, and the values in row-major order, little-endian.
///
/// Comments in `model.toml`, the order of tensors in the file and the padding
/// of its header do not change the id. Text and JSON form: `0x` and 64 lower
/// case hex digits, as `ModelRegistry` shows its `bytes32`.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ModelId([u8; 32]);

impl ModelId {
    /// The id of a model whose tensors are sorted by name.
    pub(crate) fn of(config: &ModelConfig, tensors: &[RawTensor<'_>]) -> Self {
        let config = serde_json_canonicalizer::to_vec(config)
            .expect("a checked config holds strings and finite numbers");
        let mut hasher = blake3::Hasher::new();
        hasher.update(DOMAIN);
        hasher.update(blake3::hash(&config).as_bytes());
        let count = u32::try_from(tensors.len()).expect("BLOCKS_MAX bounds the tensors");
        hasher.update(&count.to_le_bytes());
        for tensor in tensors {
            hasher.update(&tensor.hash());
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The bytes, as stored in `ModelRegistry`.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for ModelId {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModelId({self})")
    }
}

impl FromStr for ModelId {
    type Err = hex::FromHexError;

    /// Reads 64 hex digits, with or without `0x`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Serialize for ModelId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ModelId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_and_json_read_back(bytes: [u8; 32]) {
            let id = ModelId::from(bytes);
            prop_assert_eq!(id.to_string().parse::<ModelId>().unwrap(), id);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<ModelId>(&json).unwrap(), id);
        }

        #[test]
        fn other_text_is_refused(text in "\\PC{0,80}") {
            prop_assume!(!text.trim_start_matches("0x").bytes().all(|b| b.is_ascii_hexdigit()));
            prop_assert!(text.parse::<ModelId>().is_err());
        }
    }
}
