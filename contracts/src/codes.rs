//! Short codes and hashes that stand on chain for names.

use std::{fmt, str::FromStr};

use alloy::primitives::{B256, FixedBytes, keccak256};

/// The taxon of a scientific name: keccak256 of its UTF-8 bytes, e.g. of `Olea europaea`.
///
/// Names that differ in case or spacing are different taxa; callers hand in the accepted name.
pub fn taxon(scientific_name: &str) -> B256 {
    keccak256(scientific_name)
}

/// What stands for an issuer's DID on chain: keccak256 of the DID string.
pub fn did_hash(did: &str) -> B256 {
    keccak256(did)
}

/// Text that is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// The length is not allowed.
    #[error("a {kind} has {min} to {max} characters, not {len}: shorten it to a code")]
    Length {
        /// Which kind of code.
        kind: &'static str,
        /// Bytes given.
        len: usize,
        /// Fewest bytes allowed.
        min: usize,
        /// Most bytes allowed.
        max: usize,
    },
    /// A byte is not allowed.
    #[error("a {kind} consists of {allowed}; byte {index} is {byte:#04x}")]
    Character {
        /// Which kind of code.
        kind: &'static str,
        /// What is allowed.
        allowed: &'static str,
        /// Where the first offending byte stands.
        index: usize,
        /// That byte.
        byte: u8,
    },
}

/// Why a lot was suspended or revoked: 1 to 32 printable ASCII characters, right padded with
/// zeros on chain, e.g. `XYLEFA` (EPPO code of *Xylella fastidiosa*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(B256);

impl Reason {
    /// Characters that a reason may have.
    pub const LEN_MAX: usize = 32;

    /// The 32 bytes on chain.
    pub const fn code(self) -> B256 {
        self.0
    }
}

/// A unit of quantity: a code of UN/CEFACT Recommendation 20, two or three upper-case ASCII
/// letters or digits, right padded with zeros on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unit(FixedBytes<3>);

impl Unit {
    /// `H87`, one piece: a plant, a tuber, a cutting.
    pub const PIECE: Self = Self(FixedBytes(*b"H87"));
    /// `KGM`, a kilogram: seed, fruit.
    pub const KILOGRAM: Self = Self(FixedBytes(*b"KGM"));

    /// The three bytes on chain.
    pub const fn code(self) -> FixedBytes<3> {
        self.0
    }
}

impl FromStr for Reason {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        padded("reason", "printable ASCII characters", text, 1, |byte| {
            byte == b' ' || byte.is_ascii_graphic()
        })
        .map(|bytes| Self(B256::new(bytes)))
    }
}

impl FromStr for Unit {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        padded("unit", "upper-case letters and digits", text, 2, |byte| {
            byte.is_ascii_uppercase() || byte.is_ascii_digit()
        })
        .map(|bytes| Self(FixedBytes(bytes)))
    }
}

/// The bytes of `text`, right padded with zeros.
fn padded<const N: usize>(
    kind: &'static str,
    allowed: &'static str,
    text: &str,
    len_min: usize,
    is_allowed: impl Fn(u8) -> bool,
) -> Result<[u8; N], CodeError> {
    let len = text.len();
    if len < len_min || len > N {
        return Err(CodeError::Length {
            kind,
            len,
            min: len_min,
            max: N,
        });
    }
    let mut bytes = [0; N];
    for (index, byte) in text.bytes().enumerate() {
        if !is_allowed(byte) {
            return Err(CodeError::Character {
                kind,
                allowed,
                index,
                byte,
            });
        }
        bytes[index] = byte;
    }
    Ok(bytes)
}

/// The text of right padded bytes, if it is what `parse` accepts.
fn unpadded<T: FromStr<Err = CodeError>>(bytes: &[u8], kind: &'static str) -> Result<T, CodeError> {
    let len = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let text = std::str::from_utf8(&bytes[..len]).map_err(|error| {
        let index = error.valid_up_to();
        CodeError::Character {
            kind,
            allowed: "ASCII characters",
            index,
            byte: bytes[index],
        }
    })?;
    text.parse()
}

impl TryFrom<B256> for Reason {
    type Error = CodeError;

    fn try_from(code: B256) -> Result<Self, CodeError> {
        unpadded(code.as_slice(), "reason")
    }
}

impl TryFrom<FixedBytes<3>> for Unit {
    type Error = CodeError;

    fn try_from(code: FixedBytes<3>) -> Result<Self, CodeError> {
        unpadded(code.as_slice(), "unit")
    }
}

/// Writes right padded ASCII bytes.
fn write_padded(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes
        .iter()
        .take_while(|byte| **byte != 0)
        .try_for_each(|byte| fmt::Write::write_char(f, char::from(*byte)))
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_padded(self.0.as_slice(), f)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_padded(self.0.as_slice(), f)
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{b256, fixed_bytes};

    use super::*;

    #[test]
    fn hashes_are_keccak_of_the_text() {
        // Computed by a second implementation of Keccak-256 (js-sha3).
        assert_eq!(
            taxon(""),
            b256!("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")
        );
        assert_eq!(
            taxon("Olea europaea"),
            b256!("dc746ae834d05fbb4e3a570a0301757387f989d6f6dfdfb7d500a88046525a3f")
        );
        assert_ne!(taxon("Olea europaea"), taxon("olea europaea"));
        assert_eq!(did_hash("did:key:z6Mk"), keccak256(b"did:key:z6Mk"));
    }

    #[test]
    fn codes_are_right_padded() {
        let reason: Reason = "XYLEFA".parse().unwrap();
        assert_eq!(
            reason.code(),
            b256!("58594c4546410000000000000000000000000000000000000000000000000000")
        );
        assert_eq!(reason.to_string(), "XYLEFA");
        let unit: Unit = "EA".parse().unwrap();
        assert_eq!(unit.code(), fixed_bytes!("454100"));
        assert_eq!(unit.to_string(), "EA");
        assert_eq!("H87".parse(), Ok(Unit::PIECE));
        assert_eq!("KGM".parse(), Ok(Unit::KILOGRAM));
    }

    #[test]
    fn what_is_read_back_is_what_was_written() {
        for text in [
            "X",
            "XYLEFA",
            "LAB 2026/17",
            "01234567890123456789012345678901",
        ] {
            let reason: Reason = text.parse().unwrap();
            assert_eq!(Reason::try_from(reason.code()), Ok(reason));
        }
        for text in ["EA", "H87", "KGM"] {
            let unit: Unit = text.parse().unwrap();
            assert_eq!(Unit::try_from(unit.code()), Ok(unit));
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let length = |kind, len, min, max| CodeError::Length {
            kind,
            len,
            min,
            max,
        };
        assert_eq!("".parse::<Reason>(), Err(length("reason", 0, 1, 32)));
        assert_eq!(
            "x".repeat(33).parse::<Reason>(),
            Err(length("reason", 33, 1, 32))
        );
        assert_eq!("H".parse::<Unit>(), Err(length("unit", 1, 2, 3)));
        assert_eq!("H877".parse::<Unit>(), Err(length("unit", 4, 2, 3)));
        assert!(matches!(
            "é".parse::<Reason>(),
            Err(CodeError::Character {
                index: 0,
                byte: 0xc3,
                ..
            })
        ));
        assert!(matches!(
            "h87".parse::<Unit>(),
            Err(CodeError::Character {
                index: 0,
                byte: b'h',
                ..
            })
        ));
        assert!(matches!(
            "A\0B".parse::<Reason>(),
            Err(CodeError::Character {
                index: 1,
                byte: 0,
                ..
            })
        ));
        assert!(Reason::try_from(B256::ZERO).is_err());
        assert!(Reason::try_from(B256::repeat_byte(0xff)).is_err());
        assert!(Unit::try_from(fixed_bytes!("480037")).is_err());
    }
}
