//! The values that a plant certificate holds, each with the form it must have.
//!
//! A value of these types is always valid: they are built by parsing, from a
//! request as from a credential.

use std::{fmt, str::FromStr};

use alloy::primitives::B256;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Longest text in a certificate, in bytes.
pub const TEXT_BYTES_MAX: usize = 200;
/// Longest IRI in a certificate, in bytes.
pub const IRI_BYTES_MAX: usize = 256;

/// Declares a text type: its name in the credential, the test, and the rule in words.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $field:literal, $is_valid:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(Error::InvalidField { field: $field, reason: concat!("must be ", $rule).to_owned() })
                }
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_type!(
    /// A line of text: 1 to 200 bytes, no control characters, no space at its ends.
    Text, "text", is_text, "1 to 200 bytes of text without control characters or space at its ends"
);
text_type!(
    /// The scientific name of a taxon (Darwin Core `scientificName`), as "Olea europaea".
    ScientificName, "scientificName", is_text, "1 to 200 bytes of text without control characters or space at its ends"
);
text_type!(
    /// A unit of measure: a UN/CEFACT Recommendation 20 code. `H87` is a piece.
    Unit, "unit", |text| matches!(text.len(), 2..=3) && is_upper_alphanumeric(text),
    "a UN/CEFACT Recommendation 20 code such as H87 (piece) or KGM (kilogram)"
);
text_type!(
    /// A country: ISO 3166-1 alpha-2.
    Country, "countryOfProduction", |text| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()),
    "an ISO 3166-1 code of two capital letters"
);
text_type!(
    /// An EPPO code: five characters for a plant, six for a pest (ISPM 12).
    EppoCode, "eppoCode", |text| matches!(text.len(), 5..=6) && is_upper_alphanumeric(text),
    "an EPPO code of five or six capital letters and digits"
);
text_type!(
    /// An absolute IRI in ASCII, RFC 3986.
    Iri, "id", is_iri, "an absolute IRI of at most 256 ASCII characters"
);

impl Iri {
    /// The IRI of a UUID, RFC 9562.
    pub fn from_uuid(uuid: uuid::Uuid) -> Self {
        Self(uuid.urn().to_string())
    }
}

fn is_text(text: &str) -> bool {
    (1..=TEXT_BYTES_MAX).contains(&text.len())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

fn is_upper_alphanumeric(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn is_iri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let scheme_is_valid = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    text.len() <= IRI_BYTES_MAX
        && scheme_is_valid
        && !rest.is_empty()
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte))
}

/// Reads a decimal whole number without sign, leading zeros or spaces.
pub(crate) fn parse_decimal<N: FromStr>(text: &str) -> Option<N> {
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}

/// A whole number of units, written as a decimal string: it may exceed 2⁵³.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Amount(u128);

impl Amount {
    /// The number.
    pub fn get(self) -> u128 {
        self.0
    }
}

impl TryFrom<u128> for Amount {
    type Error = Error;

    fn try_from(value: u128) -> Result<Self, Error> {
        let reason = || "must be a whole number above zero".to_owned();
        (value > 0)
            .then_some(Self(value))
            .ok_or_else(|| Error::InvalidField {
                field: "quantity",
                reason: reason(),
            })
    }
}

impl TryFrom<String> for Amount {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        parse_decimal::<u128>(&text).unwrap_or(0).try_into()
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.0.to_string()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How sure a model is: 0 to 1 in steps of 0.0001, written as a decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Confidence {
    ten_thousandths: u16,
}

impl Confidence {
    const ONE: u16 = 10_000;

    /// Rounds a probability to four decimals.
    ///
    /// # Errors
    /// [`Error::InvalidField`] for what is not between 0 and 1.
    pub fn from_probability(probability: f32) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&probability) {
            return Err(Self::invalid());
        }
        let ten_thousandths = (f64::from(probability) * f64::from(Self::ONE)).round() as u16;
        Ok(Self { ten_thousandths })
    }

    /// The probability.
    pub fn probability(self) -> f32 {
        f32::from(self.ten_thousandths) / f32::from(Self::ONE)
    }

    fn invalid() -> Error {
        let reason =
            "must be from 0 to 1, with at most four decimals and none of them idle".to_owned();
        Error::InvalidField {
            field: "confidence",
            reason,
        }
    }
}

impl TryFrom<String> for Confidence {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let is_short = whole.len() == 1 && fraction.len() <= 4;
        let digits = is_short
            .then(|| format!("{whole}{fraction:0<4}"))
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        digits
            .and_then(|digits| digits.parse().ok())
            .filter(|&ten_thousandths| ten_thousandths <= Self::ONE)
            .map(|ten_thousandths| Self { ten_thousandths })
            // One number, one spelling.
            .filter(|confidence| confidence.to_string() == text)
            .ok_or_else(Self::invalid)
    }
}

impl From<Confidence> for String {
    fn from(confidence: Confidence) -> Self {
        confidence.to_string()
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!(
            "{}.{:04}",
            self.ten_thousandths / Self::ONE,
            self.ten_thousandths % Self::ONE
        );
        f.write_str(digits.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A BLAKE3 hash of a photo or a model: 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Blake3Hash(pub [u8; 32]);

impl TryFrom<String> for Blake3Hash {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        parse_hex(&text)
            .map(Self)
            .ok_or_else(|| Error::InvalidField {
                field: "blake3",
                reason: "must be 64 lower-case hexadecimal digits".to_owned(),
            })
    }
}

impl FromStr for Blake3Hash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        text.to_owned().try_into()
    }
}

impl From<Blake3Hash> for String {
    fn from(hash: Blake3Hash) -> Self {
        hash.to_string()
    }
}

impl fmt::Display for Blake3Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The hash that stands for a credential on the ledger: SHA-256 of its canonical
/// form (RFC 8785) without `proof`. Written `0x…` in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CredentialHash(pub B256);

impl TryFrom<String> for CredentialHash {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.strip_prefix("0x")
            .and_then(parse_hex)
            .map(|bytes| Self(bytes.into()))
            .ok_or_else(|| {
                let reason = "must be 0x and 64 lower-case hexadecimal digits".to_owned();
                Error::InvalidField {
                    field: "credentialHash",
                    reason,
                }
            })
    }
}

impl From<CredentialHash> for String {
    fn from(hash: CredentialHash) -> Self {
        hash.to_string()
    }
}

impl fmt::Display for CredentialHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

fn parse_hex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let is_lower = !digits.bytes().any(|byte| byte.is_ascii_uppercase());
    (is_lower && hex::decode_to_slice(digits, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parses<T: TryFrom<String>>(texts: &[&str]) -> Vec<bool> {
        texts
            .iter()
            .map(|text| T::try_from((*text).to_owned()).is_ok())
            .collect()
    }

    #[test]
    fn each_type_takes_its_own_form_only() {
        assert_eq!(
            parses::<Text>(&["Olea europaea", "", " x", "x\n", "a\u{7}b"]),
            [true, false, false, false, false]
        );
        assert_eq!(
            parses::<Text>(&[&"é".repeat(100), &"é".repeat(101)]),
            [true, false]
        );
        assert_eq!(
            parses::<Unit>(&["H87", "KGM", "h87", "H", "H877", "H8é"]),
            [true, true, false, false, false, false]
        );
        assert_eq!(
            parses::<Country>(&["IT", "it", "ITA", "I1"]),
            [true, false, false, false]
        );
        assert_eq!(
            parses::<EppoCode>(&["OLVEU", "XYLEFA", "OLV", "olveu"]),
            [true, true, false, false]
        );
        assert_eq!(
            parses::<Iri>(&[
                "urn:uuid:1",
                "https://a.example/x#1",
                "_:b0",
                "no-scheme",
                "urn:",
                "urn:a b",
                "urn:é",
                "1a:x"
            ]),
            [true, true, false, false, false, false, false, false]
        );
        assert_eq!(
            parses::<Amount>(&["1", "340282366920938463463374607431768211455"]),
            [true, true]
        );
        assert_eq!(
            parses::<Amount>(&[
                "0",
                "",
                "01",
                "+1",
                "-1",
                "1.0",
                " 1",
                "340282366920938463463374607431768211456"
            ]),
            [false; 8]
        );
        let hash = "ab".repeat(32);
        assert_eq!(
            parses::<Blake3Hash>(&[&hash, &hash.to_uppercase(), &hash[2..], ""]),
            [true, false, false, false]
        );
        assert_eq!(
            parses::<CredentialHash>(&[&format!("0x{hash}"), &hash, &format!("0X{hash}")]),
            [true, false, false]
        );
    }

    #[test]
    fn confidence_has_one_spelling() {
        let spell = |probability| {
            Confidence::from_probability(probability)
                .unwrap()
                .to_string()
        };
        assert_eq!(
            [
                spell(0.0),
                spell(1.0),
                spell(0.93),
                spell(0.123_46),
                spell(0.000_04)
            ],
            ["0", "1", "0.93", "0.1235", "0"]
        );
        assert!(Confidence::from_probability(f32::NAN).is_err());
        assert!(Confidence::from_probability(1.000_1).is_err());
        assert_eq!(
            parses::<Confidence>(&[
                "0", "1", "0.5", "0.50", "0.", ".5", "1.1", "01", "0.00001", "+0.5", "-0", "½"
            ]),
            [
                true, true, true, false, false, false, false, false, false, false, false, false
            ]
        );
    }

    proptest! {
        #[test]
        fn a_confidence_reads_back(ten_thousandths in 0..=10_000_u16) {
            let confidence = Confidence { ten_thousandths };
            prop_assert_eq!(Confidence::try_from(confidence.to_string()).unwrap(), confidence);
            prop_assert_eq!(Confidence::from_probability(confidence.probability()).unwrap(), confidence);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = Iri::try_from(text.clone());
            let _ = Amount::try_from(text.clone());
            let _ = Confidence::try_from(text.clone());
            let _ = CredentialHash::try_from(text);
        }
    }
}
