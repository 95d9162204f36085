//! Where a block stands in the chain and a transaction in its block.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The height of a block; genesis is 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BlockNumber(pub u64);

impl BlockNumber {
    /// The genesis block.
    pub const GENESIS: Self = Self(0);

    /// The number of the next block.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number of the parent block; genesis has none.
    #[must_use]
    pub const fn parent(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The key of the block in a table: big-endian, so that keys sort by height.
    #[must_use]
    pub const fn to_key(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Reads a key that [`Self::to_key`] wrote; `None` when it has another length.
    #[must_use]
    pub fn from_key(key: &[u8]) -> Option<Self> {
        key.try_into().ok().map(u64::from_be_bytes).map(Self)
    }
}

impl fmt::Display for BlockNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u64> for BlockNumber {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

/// Where a transaction was included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransactionPosition {
    /// The block that holds the transaction.
    pub block: BlockNumber,
    /// The index of the transaction within the block, from 0.
    pub index: u32,
}

impl TransactionPosition {
    /// The position as it stands on disk: the block (u64) and the index (u32), big-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.block.to_key());
        bytes[8..].copy_from_slice(&self.index.to_be_bytes());
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote; `None` when it has another length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (block, index) = bytes.split_at_checked(8)?;
        Some(Self {
            block: BlockNumber::from_key(block)?,
            index: u32::from_be_bytes(index.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_big_endian_and_of_one_length() {
        let position = TransactionPosition {
            block: BlockNumber(0x0102),
            index: 0x0304,
        };
        assert_eq!(position.to_bytes(), [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4]);
        assert_eq!(
            TransactionPosition::from_bytes(&position.to_bytes()),
            Some(position)
        );
        for len in [0, 8, 11, 13] {
            assert_eq!(
                TransactionPosition::from_bytes(&vec![0; len]),
                None,
                "{len} bytes"
            );
        }
        assert_eq!(BlockNumber::from_key(&[0; 7]), None);
        assert_eq!(BlockNumber::GENESIS.parent(), None);
        assert_eq!(BlockNumber(1).parent(), Some(BlockNumber::GENESIS));
    }
}
