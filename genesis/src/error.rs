//! What can be wrong with a specification.

use alloy::primitives::Address;

/// Why a chain specification was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is larger than any genesis should be.
    #[error("the genesis file has {len} bytes, at most {max} are read; is it the right file?")]
    TooLarge {
        /// Bytes in the file.
        len: usize,
        /// The limit, [`GENESIS_BYTES_MAX`](crate::GENESIS_BYTES_MAX).
        max: usize,
    },
    /// The file is not a genesis in go-ethereum's format.
    #[error("the genesis file is not valid: {0}; compare it with go-ethereum's genesis.json")]
    Json(#[source] serde_json::Error),
    /// The `phytomer` section is not valid.
    #[error("the section `phytomer` of the genesis file is not valid: {0}; correct or remove it")]
    Section(#[source] serde_json::Error),
    /// A value cannot be used.
    #[error("the genesis file sets `{field}` to {found}, which must be {wanted}; correct it")]
    Value {
        /// Path of the field.
        field: &'static str,
        /// What it holds.
        found: String,
        /// What it may hold.
        wanted: &'static str,
    },
    /// Two contracts, or a contract and an account with code, want the same address.
    #[error("{address} is used twice in the genesis file; give each contract its own address")]
    AddressTaken {
        /// The address.
        address: Address,
    },
}
