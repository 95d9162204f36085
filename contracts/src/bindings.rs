//! Types of every call, event and error, read from the artifacts.
//!
//! Enums of Solidity are `u8` here; [`crate::Status`], [`crate::OfferStatus`] and
//! [`crate::ModelStatus`] name their values.

#![allow(
    missing_docs,
    clippy::too_many_arguments,
    reason = "the Solidity sources say what these items mean and what they take"
)]

alloy::sol!(
    #[sol(all_derives)]
    AccessManager,
    "artifacts/AccessManager.json"
);
alloy::sol!(
    #[sol(all_derives)]
    Escrow,
    "artifacts/Escrow.json"
);
alloy::sol!(
    #[sol(all_derives)]
    IssuerRegistry,
    "artifacts/IssuerRegistry.json"
);
alloy::sol!(
    #[sol(all_derives)]
    ModelRegistry,
    "artifacts/ModelRegistry.json"
);
alloy::sol!(
    #[sol(all_derives)]
    PlantCertificate,
    "artifacts/PlantCertificate.json"
);
alloy::sol!(
    #[sol(all_derives)]
    TestUSD,
    "artifacts/TestUSD.json"
);
