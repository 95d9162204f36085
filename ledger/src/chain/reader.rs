//! Typed reads of the chain on one consistent view of the store.

use alloy::primitives::{B256, TxHash};
use phytomer_primitives::{
    BlockNumber, CommittedBlock, Receipt, SealedBlock, SealedHeader, TransactionPosition,
    codec::{self, DecodeError},
};
use phytomer_store::{Bytes, Error as StoreError, KeyRange, Order, Reader, Table};

/// Keys of [`Table::Meta`] that the ledger owns.
pub(crate) mod meta {
    /// The number of the newest block (u64, big-endian).
    pub(crate) const HEAD: &[u8] = b"ledger/head";
    /// The version of the layout that this file describes (u32, big-endian).
    pub(crate) const FORMAT: &[u8] = b"ledger/format";
    /// The chain specification that the genesis block was made from, as JSON.
    pub(crate) const SPEC: &[u8] = b"ledger/spec";
    /// How far the state's index and tries were made from its flat tables; see
    /// `rebuild.rs`.
    pub(crate) const TRIES: &[u8] = b"ledger/tries";
}

/// Why the chain data could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The store could not be read.
    #[error("the chain data cannot be read: {0}")]
    Store(#[from] StoreError),
    /// Something that every commit writes is missing or does not decode.
    #[error("the chain data is damaged: {what}; restore the data folder from a copy")]
    Damaged {
        /// What is missing or wrong.
        what: String,
    },
}

impl ReadError {
    fn missing(what: &str, number: BlockNumber) -> Self {
        Self::Damaged {
            what: format!("block {number} has no {what}"),
        }
    }

    fn undecodable(number: BlockNumber, source: &DecodeError) -> Self {
        Self::Damaged {
            what: format!("in block {number} {source}"),
        }
    }
}

/// The chain as it was when this reader was made.
pub(crate) struct ChainReader<'a> {
    reader: Box<dyn Reader + 'a>,
}

impl<'a> ChainReader<'a> {
    pub(crate) fn new(reader: Box<dyn Reader + 'a>) -> Self {
        Self { reader }
    }

    /// The view itself, to read the state from.
    pub(crate) fn inner(&self) -> &dyn Reader {
        self.reader.as_ref()
    }

    pub(crate) fn meta(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        Ok(self.reader.get(Table::Meta, key)?)
    }

    /// The newest block; `None` in an empty store.
    pub(crate) fn head(&self) -> Result<Option<BlockNumber>, ReadError> {
        Ok(head_of(&*self.reader)?)
    }

    pub(crate) fn header(&self, number: BlockNumber) -> Result<Option<SealedHeader>, ReadError> {
        let bytes = self.reader.get(Table::Headers, &number.to_key())?;
        bytes.map(|bytes| decode_header(number, &bytes)).transpose()
    }

    /// The headers of these blocks, in order; stops early where the chain ends.
    pub(crate) fn headers(
        &self,
        first: BlockNumber,
        last: BlockNumber,
    ) -> impl Iterator<Item = Result<SealedHeader, ReadError>> {
        let range = KeyRange::new(first.to_key()..=last.to_key());
        self.reader
            .scan(Table::Headers, range, Order::Ascending)
            .map(|entry| {
                let (key, value) = entry?;
                let number = BlockNumber::from_key(&key).unwrap_or_default();
                decode_header(number, &value)
            })
    }

    /// The number of the block with this hash.
    pub(crate) fn number(&self, hash: B256) -> Result<Option<BlockNumber>, ReadError> {
        let bytes = self.reader.get(Table::BlockNumbers, hash.as_slice())?;
        Ok(bytes.and_then(|bytes| BlockNumber::from_key(&bytes)))
    }

    /// Where this transaction was mined.
    pub(crate) fn position(&self, hash: TxHash) -> Result<Option<TransactionPosition>, ReadError> {
        let bytes = self.reader.get(Table::Transactions, hash.as_slice())?;
        Ok(bytes.and_then(|bytes| TransactionPosition::from_bytes(&bytes)))
    }

    pub(crate) fn receipts(&self, number: BlockNumber) -> Result<Vec<Receipt>, ReadError> {
        let bytes = self.part(Table::Receipts, number)?;
        codec::decode_receipts(&bytes).map_err(|error| ReadError::undecodable(number, &error))
    }

    /// A block with all its parts; `None` if there is no such block.
    pub(crate) fn block(&self, number: BlockNumber) -> Result<Option<CommittedBlock>, ReadError> {
        let Some(header) = self.header(number)? else {
            return Ok(None);
        };
        let undecodable = |error| ReadError::undecodable(number, &error);
        let body = codec::decode_body(&self.part(Table::Bodies, number)?).map_err(undecodable)?;
        let senders = self.part(Table::Senders, number)?;
        let senders = codec::decode_addresses(&senders).map_err(undecodable)?;
        let block = SealedBlock::from_parts(header, body);
        CommittedBlock::new(block, senders, self.receipts(number)?)
            .map(Some)
            .map_err(|error| ReadError::Damaged {
                what: error.to_string(),
            })
    }

    fn part(&self, table: Table, number: BlockNumber) -> Result<Bytes, ReadError> {
        let bytes = self.reader.get(table, &number.to_key())?;
        bytes.ok_or_else(|| ReadError::missing(table.name(), number))
    }
}

/// The newest block that a view of the store has; `None` in an empty store.
pub(super) fn head_of(reader: &dyn Reader) -> Result<Option<BlockNumber>, StoreError> {
    let Some(bytes) = reader.get(Table::Meta, meta::HEAD)? else {
        return Ok(None);
    };
    let number = BlockNumber::from_key(&bytes);
    let corrupt = || StoreError::Corrupt {
        detail: "the head pointer has a wrong length".into(),
    };
    number.map(Some).ok_or_else(corrupt)
}

fn decode_header(number: BlockNumber, bytes: &[u8]) -> Result<SealedHeader, ReadError> {
    let header =
        codec::decode_header(bytes).map_err(|error| ReadError::undecodable(number, &error))?;
    Ok(SealedHeader::new(header))
}
