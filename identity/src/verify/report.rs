//! What a verification found.

use std::fmt;

use serde::{Serialize, Serializer};

/// Declares the checks with their names, in the order of a report.
macro_rules! check_names {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// A check that a credential goes through.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum CheckName {
            $($(#[$doc])* $name,)*
        }

        impl CheckName {
            /// Every check, in the order of a report.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name as reports write it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

check_names! {
    /// The text is not too long and not too deep.
    Limits = "limits",
    /// It is JSON that every program reads alike.
    Json = "json",
    /// It names the contexts of its profile, all of them known here.
    Context = "context",
    /// It has the types of its profile.
    Type = "type",
    /// It has the fields of its profile and no others.
    Schema = "schema",
    /// It is not before its beginning nor past its end.
    Dates = "dates",
    /// Its issuer is a DID that can sign, and one the verifier trusts.
    Issuer = "issuer",
    /// Its proofs are neither missing, nor too many, nor there twice.
    ProofSet = "proof-set",
    /// What a proof builds on is there.
    ProofChain = "proof-chain",
    /// The proof has the form of a Data Integrity proof.
    Proof = "proof",
    /// The proof's cryptosuite is known and accepted.
    Cryptosuite = "cryptosuite",
    /// The key belongs to the issuer.
    Controller = "controller",
    /// The issuer's DID document has the key, for assertions.
    VerificationMethod = "verification-method",
    /// The proof was made for an assertion.
    ProofPurpose = "proof-purpose",
    /// The proof was not made in the future and has not run out.
    ProofDates = "proof-dates",
    /// The proof was made for this verifier.
    Domain = "domain",
    /// The proof answers this verifier's challenge.
    Challenge = "challenge",
    /// The signature is the key's over this very credential.
    Signature = "signature",
    /// The issuer's list does not say it is revoked.
    Revocation = "revocation",
    /// The issuer's list does not say it is suspended.
    Suspension = "suspension",
    /// The ledger has a certificate with this credential's hash.
    Anchor = "anchor",
    /// The ledger says the issuer was accredited for this.
    Accreditation = "accreditation",
    /// The ledger says it is active, and so is every lot it came from.
    LedgerStatus = "ledger-status",
    /// The ledger says the expected account owns it.
    Owner = "owner",
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for CheckName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How a check came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// What the check asks for is so.
    Passed,
    /// It is not so.
    Failed {
        /// What was found instead.
        #[serde(rename = "detail")]
        why: String,
    },
    /// It could not be looked at, or nobody asked.
    NotChecked {
        /// What was missing.
        #[serde(rename = "detail")]
        why: String,
    },
}

impl Outcome {
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into() }
    }

    pub(super) fn not_checked(why: impl Into<String>) -> Self {
        Self::NotChecked { why: why.into() }
    }

    /// Whether the check failed.
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }

    /// Why it failed or was not checked.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::Failed { why } | Self::NotChecked { why } => Some(why),
        }
    }
}

/// One check and how it came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Which check.
    pub name: CheckName,
    /// How it came out.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What all the checks together say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Signature and dates passed and nothing failed.
    Valid,
    /// Something failed.
    Invalid,
    /// Nothing failed, but the signature or a date was not checked.
    Unproven,
}

/// Every check of one verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The checks, each name once, in the order of [`CheckName::ALL`].
    pub checks: Vec<Check>,
}

impl Report {
    /// How a check came out.
    pub fn outcome(&self, name: CheckName) -> Option<&Outcome> {
        self.checks
            .iter()
            .find(|check| check.name == name)
            .map(|check| &check.outcome)
    }

    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.outcome.is_failed())
    }

    /// What the checks together say.
    pub fn verdict(&self) -> Verdict {
        let needed = [
            CheckName::Signature,
            CheckName::Dates,
            CheckName::ProofDates,
        ];
        if self.failures().next().is_some() {
            Verdict::Invalid
        } else if needed
            .iter()
            .all(|&name| self.outcome(name) == Some(&Outcome::Passed))
        {
            Verdict::Valid
        } else {
            Verdict::Unproven
        }
    }

    /// Whether a program may exit with 0: signature and dates passed and nothing failed.
    pub fn is_valid(&self) -> bool {
        self.verdict() == Verdict::Valid
    }
}
