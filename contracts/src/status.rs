//! Names for the values of the contracts' enums.

use std::fmt;

/// A byte that is no value of the enum: the contract is newer than this program, or another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{value} is no {kind}: update the node to match the contracts of this network")]
pub struct UnknownStatus {
    /// Which enum.
    pub kind: &'static str,
    /// What the contract answered.
    pub value: u8,
}

macro_rules! status {
    ($(#[$doc:meta])* $name:ident, $kind:literal { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in lower case.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl TryFrom<u8> for $name {
            type Error = UnknownStatus;

            fn try_from(value: u8) -> Result<Self, UnknownStatus> {
                Self::ALL
                    .get(usize::from(value))
                    .copied()
                    .ok_or(UnknownStatus { kind: $kind, value })
            }
        }

        impl From<$name> for u8 {
            fn from(status: $name) -> Self {
                status as Self
            }
        }
    };
}

status! {
    /// Where a lot stands (`enum Status` of the plant certificate). Expiry is computed beside it.
    Status, "certificate status" {
        /// There is no such lot.
        None = "none",
        /// In order.
        Active = "active",
        /// Held by the issuer's authority, with every descendant, until reinstated.
        Suspended = "suspended",
        /// Ended, with every descendant.
        Revoked = "revoked",
        /// Ended because it served its purpose.
        Retired = "retired",
        /// Replaced by a newer certificate.
        Superseded = "superseded",
    }
}

status! {
    /// Where an offer stands (`enum OfferStatus` of the escrow).
    OfferStatus, "offer status" {
        /// There is no such offer.
        None = "none",
        /// Can be bought or cancelled.
        Open = "open",
        /// The escrow holds the certificate and the money.
        Funded = "funded",
        /// The seller was paid; the certificate is the buyer's.
        Completed = "completed",
        /// Taken back before anyone paid.
        Cancelled = "cancelled",
        /// The money went back to the buyer.
        Refunded = "refunded",
        /// Waits for the inspector.
        Disputed = "disputed",
    }
}

status! {
    /// Where a model stands (`enum ModelStatus` of the model registry).
    ModelStatus, "model status" {
        /// There is no such model.
        None = "none",
        /// Registered, not in use yet.
        Proposed = "proposed",
        /// In use.
        Active = "active",
        /// Out of use for good.
        Retired = "retired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The members of a Solidity enum, read from its source.
    fn members(source: &str, name: &str) -> Vec<String> {
        let (_, body) = source.split_once(&format!("enum {name} {{")).unwrap();
        let (body, _) = body.split_once('}').unwrap();
        body.split(',')
            .map(|member| member.trim().to_lowercase())
            .collect()
    }

    fn names<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> Vec<String> {
        all.iter().map(|status| name(*status).to_owned()).collect()
    }

    #[test]
    fn enums_agree_with_the_sources() {
        assert_eq!(
            names(Status::ALL, Status::as_str),
            members(include_str!("IPlantCertificate.sol"), "Status")
        );
        assert_eq!(
            names(OfferStatus::ALL, OfferStatus::as_str),
            members(include_str!("Escrow.sol"), "OfferStatus")
        );
        assert_eq!(
            names(ModelStatus::ALL, ModelStatus::as_str),
            members(include_str!("ModelRegistry.sol"), "ModelStatus")
        );
    }

    #[test]
    fn every_byte_is_a_status_or_an_error() {
        for value in 0..=u8::MAX {
            match Status::try_from(value) {
                Ok(status) => assert_eq!(u8::from(status), value),
                Err(error) => {
                    assert!(usize::from(value) >= Status::ALL.len());
                    assert_eq!(
                        error,
                        UnknownStatus {
                            kind: "certificate status",
                            value
                        }
                    );
                }
            }
        }
    }
}
