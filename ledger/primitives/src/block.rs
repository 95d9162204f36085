//! Blocks and transactions.

use alloy::primitives::{Address, B256, Sealed};
use alloy_consensus::{EthereumTxEnvelope, Header, TxEip4844};

use crate::BlockNumber;

/// A signed transaction of any type that a block may hold. Blob transactions stand without their
/// sidecars, as they do in blocks (EIP-4844).
pub type Transaction = EthereumTxEnvelope<TxEip4844>;

/// A transaction together with the sender that its signature proves.
pub type Recovered = alloy_consensus::transaction::Recovered<Transaction>;

/// A block: its header and its body.
pub type Block = alloy_consensus::Block<Transaction>;

/// The body of a block: transactions, and withdrawals, of which this chain has none.
pub type BlockBody = alloy_consensus::BlockBody<Transaction>;

/// A header together with its hash.
pub type SealedHeader = Sealed<Header>;

/// A block together with its hash, which is the Keccak-256 of its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBlock {
    header: SealedHeader,
    body: BlockBody,
}

impl SealedBlock {
    /// Hashes the header of `block` and keeps the hash beside it.
    #[must_use]
    pub fn new(block: Block) -> Self {
        Self::from_parts(SealedHeader::new(block.header), block.body)
    }

    /// Joins a header whose hash is known with its body.
    #[must_use]
    pub const fn from_parts(header: SealedHeader, body: BlockBody) -> Self {
        Self { header, body }
    }

    /// The hash of the block.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.header.hash()
    }

    /// The height of the block.
    #[must_use]
    pub fn number(&self) -> BlockNumber {
        BlockNumber(self.header.number)
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.header.inner()
    }

    /// The header with its hash.
    #[must_use]
    pub const fn sealed_header(&self) -> &SealedHeader {
        &self.header
    }

    /// The body.
    #[must_use]
    pub const fn body(&self) -> &BlockBody {
        &self.body
    }

    /// The transactions in their order.
    #[must_use]
    pub fn transactions(&self) -> &[Transaction] {
        &self.body.transactions
    }

    /// The block without its hash.
    #[must_use]
    pub fn into_block(self) -> Block {
        Block {
            header: self.header.into_inner(),
            body: self.body,
        }
    }

    /// The transactions, each with the sender that stands at its index in `senders`; `None` when
    /// there are more or fewer senders than transactions.
    #[must_use]
    pub fn recovered(&self, senders: &[Address]) -> Option<Vec<Recovered>> {
        (senders.len() == self.transactions().len()).then(|| {
            let transactions = self.transactions().iter().cloned();
            transactions
                .zip(senders)
                .map(|(tx, sender)| Recovered::new_unchecked(tx, *sender))
                .collect()
        })
    }
}
