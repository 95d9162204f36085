//! Names of streams.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The most characters of a stream's name.
pub const STREAM_NAME_LEN_MAX: usize = 64;

/// The name of a stream: 1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`, not `.` or `..`. So every name
/// is a Kafka topic too. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// The name with this text.
    ///
    /// # Errors
    /// [`InvalidName`] where the text is not a name.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
        };
        let sound = (1..=STREAM_NAME_LEN_MAX).contains(&text.len())
            && text.bytes().all(allowed)
            && text != "."
            && text != "..";
        if !sound {
            // Never echo more of a foreign text than a name may have.
            let shown = text.chars().take(STREAM_NAME_LEN_MAX).collect();
            return Err(InvalidName { text: shown });
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is not the name of a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not the name of a stream; use 1 to {STREAM_NAME_LEN_MAX} of a-z, 0-9, `.`, `_` and `-`"
)]
pub struct InvalidName {
    /// The beginning of the text.
    pub text: String,
}

impl FromStr for StreamName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for StreamName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for StreamName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_kafka_topic() {
        for name in ["ledger", "a", "a.b_c-9", &"x".repeat(64)] {
            assert_eq!(StreamName::new(name).unwrap().as_str(), name);
        }
        for text in [
            "",
            ".",
            "..",
            "Ledger",
            "a b",
            "a/b",
            "ä",
            "a\0",
            &"x".repeat(65),
        ] {
            assert!(StreamName::new(text).is_err(), "{text}");
        }
        let long = StreamName::new(&"ä".repeat(10_000)).unwrap_err();
        assert_eq!(long.text.chars().count(), STREAM_NAME_LEN_MAX);
    }
}
