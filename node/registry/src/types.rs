//! The documents that the use cases take and give. Their serde shapes are the
//! shapes of the REST API: ids and amounts are decimal strings, because they
//! may exceed what a JSON number holds exactly (2^53); times are RFC 3339.

use std::fmt;
use std::str::FromStr;

use alloy::primitives::{Address, B256, U256};
use jiff::Timestamp;
use phytomer_identity as identity;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The number of a certificate on the ledger (ERC-721 `tokenId`), from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, example = "1")]
pub struct CertificateId(pub u64);

/// The number of an offer in the escrow contract, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, example = "1")]
pub struct OfferId(pub u64);

/// A text that is not the decimal form of an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id; ids are whole numbers from 1, such as `7`")]
pub struct InvalidId {
    /// What was given, cut to 32 characters.
    pub text: String,
}

macro_rules! decimal_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId {
                    text: text.chars().take(32).collect(),
                };
                if !text.bytes().all(|byte| byte.is_ascii_digit()) || text.starts_with('0') {
                    return Err(invalid());
                }
                text.parse().map(Self).map_err(|_| invalid())
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl $name {
            /// The number as the contracts take it.
            #[must_use]
            pub fn to_u256(self) -> U256 {
                U256::from(self.0)
            }
        }
    };
}

decimal_id!(CertificateId);
decimal_id!(OfferId);

/// Where a certificate stands in its life cycle. `Expired` is computed from
/// the head's timestamp; the others are stored on the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// In force.
    Active,
    /// Suspended by the authority, here or on an ancestor; may be reinstated.
    Suspended,
    /// Withdrawn for good, here or on an ancestor.
    Revoked,
    /// Given back by its owner or issuer.
    Retired,
    /// Replaced by a newer certificate.
    Superseded,
    /// Past its expiry.
    Expired,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
            Self::Retired => "retired",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
        })
    }
}

/// Which certificate's status makes this one inactive, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusCause {
    /// This certificate or an ancestor.
    pub certificate: CertificateId,
    /// The status that was set there.
    pub status: Status,
    /// The short reason code given with it, e.g. `XYLEFA`.
    pub reason: String,
    /// The block in which it was set.
    pub block: u64,
}

/// An amount of plants or of plant material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantity {
    /// Whole units, in decimal.
    #[schema(value_type = String, example = "500")]
    #[serde(with = "decimal")]
    pub value: u128,
    /// UN/CEFACT Recommendation 20 code: `H87` piece, `KGM` kilogram, `GRM` gram.
    #[schema(example = "H87")]
    pub unit: String,
}

/// A part of a parent lot that went into a child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParentShare {
    /// The parent.
    pub id: CertificateId,
    /// How much of it, in the parent's unit.
    #[schema(value_type = String, example = "100")]
    #[serde(with = "decimal")]
    pub quantity: u128,
}

/// Who issued a certificate: the key that signed the credential and the
/// account that wrote the certificate, bound by the issuer registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuerView {
    /// The DID in the credential; absent when this node does not hold the credential.
    pub did: Option<String>,
    /// The ledger account.
    #[schema(value_type = String)]
    pub address: Address,
}

/// Where on the ledger something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransactionView {
    /// Transaction hash.
    #[schema(value_type = String)]
    pub hash: B256,
    /// Block number.
    pub block: u64,
    /// Gas used by the transaction.
    #[schema(value_type = String)]
    #[serde(with = "decimal")]
    pub gas_used: u128,
}

/// A certificate as the ledger and this node's documents show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Number on the ledger.
    pub id: CertificateId,
    /// Effective status: own, inherited or computed.
    pub status: Status,
    /// Why it is not active, where it is not.
    pub status_cause: Option<StatusCause>,
    /// Whether the certificate can be neither transferred nor sold (ERC-5192).
    pub locked: bool,
    /// Species; absent when this node does not hold the credential.
    pub scientific_name: Option<String>,
    /// Calibrated confidence of the recogniser, 0 to 1, where the species is its estimate.
    pub confidence: Option<f64>,
    /// Certified quantity.
    pub quantity: Quantity,
    /// What has not gone into children.
    #[schema(value_type = String)]
    #[serde(with = "decimal")]
    pub remainder: u128,
    /// Who issued it.
    pub issuer: IssuerView,
    /// Who owns it.
    #[schema(value_type = String)]
    pub owner: Address,
    /// Time of the block that issued it.
    #[schema(value_type = String)]
    pub issued_at: Timestamp,
    /// When it expires.
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Timestamp>,
    /// SHA-256 of the credential's JCS form without `proof`.
    #[schema(value_type = String)]
    pub credential_hash: B256,
    /// Path of the photo on this node.
    pub photo: Option<String>,
    /// The lots it was made of.
    pub parents: Vec<ParentShare>,
    /// The lots made of it.
    pub children: Vec<CertificateId>,
    /// The transaction that issued it.
    pub transaction: TransactionView,
    /// Path of its page on this node.
    pub page: String,
}

/// A page of certificates, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CertificatePage {
    /// The certificates.
    pub certificates: Vec<Certificate>,
    /// What to give as `before` for the next page.
    pub next: Option<CertificateId>,
}

/// What an issuer states about a lot, beside the photo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Details {
    /// Whole units, in decimal, from 1.
    #[schema(value_type = String, example = "500")]
    #[serde(with = "decimal")]
    pub quantity: u128,
    /// UN/CEFACT Recommendation 20 code.
    #[schema(example = "H87")]
    pub unit: String,
    /// The species, where the issuer knows better than the recogniser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scientific_name: Option<String>,
    /// Variety or cultivar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variety: Option<String>,
    /// The issuer's own traceability code (plant passport part C).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_number: Option<String>,
    /// ISO 3166-1 alpha-2 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "PH")]
    pub country_of_origin: Option<String>,
    /// Name of the nursery or facility; goes into the credential only, never on the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    /// First owner; the issuer where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub owner: Option<Address>,
    /// When the certificate expires; never where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub valid_until: Option<Timestamp>,
}

/// How a lot is split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitRequest {
    /// One quantity for each child, in the parent's unit; the rest remains with the parent.
    #[schema(value_type = Vec<String>, example = json!(["100", "100"]))]
    #[serde(with = "decimals")]
    pub quantities: Vec<u128>,
}

/// The children of a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SplitOutcome {
    /// The children, in the order of the request.
    pub certificates: Vec<Certificate>,
    /// The transaction that made them.
    pub transaction: TransactionView,
}

/// A certificate to be offered for sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferRequest {
    /// Price in tUSD, in decimal, with up to six decimals.
    #[schema(example = "25")]
    pub price: String,
    /// The only account that may buy; anyone where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub buyer: Option<Address>,
}

/// A price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Price {
    /// In decimal, e.g. `25` or `0.5`.
    pub value: String,
    /// The currency, `tUSD`.
    pub currency: String,
}

/// Where an offer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OfferStatus {
    /// The certificate is in escrow; nobody has paid.
    Open,
    /// The buyer's money is in escrow too.
    Funded,
    /// The buyer confirmed: the seller has the money, the buyer the certificate.
    Completed,
    /// The seller took it back before anyone paid.
    Cancelled,
    /// The buyer has the money back.
    Refunded,
    /// An inspector decides.
    Disputed,
}

/// An offer in escrow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Offer {
    /// Number in the escrow contract.
    pub id: OfferId,
    /// What is sold.
    pub certificate: CertificateId,
    /// Who sells.
    #[schema(value_type = String)]
    pub seller: Address,
    /// Who may buy or has bought.
    #[schema(value_type = Option<String>)]
    pub buyer: Option<Address>,
    /// For how much.
    pub price: Price,
    /// Where it stands.
    pub status: OfferStatus,
    /// The transaction that opened it; only in the answer to the one who opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionView>,
}

/// All ancestors and descendants of a certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Lineage {
    /// The certificate that was asked for.
    pub focus: CertificateId,
    /// It, its ancestors and its descendants, by id.
    pub nodes: Vec<Certificate>,
    /// Who came from whom.
    pub edges: Vec<LineageEdge>,
    /// Whether more than [`crate::LINEAGE_NODES_MAX`] lots are related and some are left out.
    pub truncated: bool,
}

/// One step of a lineage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineageEdge {
    /// The older lot.
    pub parent: CertificateId,
    /// The newer lot.
    pub child: CertificateId,
    /// How much of the parent went into the child.
    #[schema(value_type = String)]
    #[serde(with = "decimal")]
    pub quantity: u128,
}

/// The outcome of one check of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The check was made and holds.
    Passed,
    /// The check was made and does not hold.
    Failed,
    /// The check could not be made here.
    NotChecked,
}

/// One check of a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckView {
    /// The check's name, e.g. `signature`.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, in words.
    pub detail: String,
}

impl From<&identity::Check> for CheckView {
    fn from(check: &identity::Check) -> Self {
        let outcome = match check.outcome {
            identity::Outcome::Passed => Outcome::Passed,
            identity::Outcome::Failed { .. } => Outcome::Failed,
            identity::Outcome::NotChecked { .. } => Outcome::NotChecked,
        };
        let detail = check.outcome.detail().unwrap_or_default().to_string();
        Self {
            name: check.name.to_string(),
            outcome,
            detail,
        }
    }
}

/// What the checks amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Signature, dates, issuer, status and ledger all hold.
    Valid,
    /// Something failed.
    Invalid,
    /// Nothing failed, but something that matters was not checked.
    Unproven,
}

/// A credential, checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// What the checks amount to.
    pub verdict: Verdict,
    /// Every check, in order.
    pub checks: Vec<CheckView>,
    /// The certificate on the ledger that the credential belongs to.
    pub certificate: Option<Certificate>,
}

/// Serialises `u128` as a decimal string.
pub(crate) mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u128, D::Error> {
        parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    pub(super) fn parse(text: &str) -> Result<u128, String> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!(
                "`{}` is not a whole number; write it in digits, such as \"500\"",
                text.chars().take(32).collect::<String>()
            ));
        }
        text.parse()
            .map_err(|_| format!("the number has {} digits; at most 38 fit", text.len()))
    }
}

/// Serialises a list of `u128` as decimal strings.
mod decimals {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        values: &[u128],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u128>, D::Error> {
        Vec::<String>::deserialize(deserializer)?
            .iter()
            .map(|text| super::decimal::parse(text).map_err(D::Error::custom))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_has_one_written_form(number in 1u64.., text in "[0-9+ -]{0,22}") {
            let id = CertificateId(number);
            prop_assert_eq!(id.to_string().parse::<CertificateId>().unwrap(), id);
            if let Ok(id) = text.parse::<CertificateId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn details_refuse_what_they_do_not_know() {
        let details = |json: &str| serde_json::from_str::<Details>(json);
        assert_eq!(
            details(r#"{"quantity":"500","unit":"H87"}"#)
                .unwrap()
                .quantity,
            500
        );
        for wrong in [
            r#"{"quantity":500,"unit":"H87"}"#,
            r#"{"quantity":"500"}"#,
            r#"{"quantity":"500","unit":"H87","colour":"green"}"#,
            r#"{"quantity":"5e2","unit":"H87"}"#,
            r#"{"quantity":"","unit":"H87"}"#,
            r#"{"quantity":"1234567890123456789012345678901234567890","unit":"H87"}"#,
            r#"{"quantity":"1","unit":"H87","owner":"0x12"}"#,
        ] {
            assert!(details(wrong).is_err(), "{wrong}");
        }
    }
}
