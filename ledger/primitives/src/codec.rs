//! The bytes of headers, bodies, receipts and transactions on disk and between nodes.
//!
//! Encodings are Ethereum's: RLP lists (Yellow Paper, appendix B), typed transactions and receipts
//! as EIP-2718 envelopes. Decoding takes one item and nothing after it, and refuses what is larger
//! than the named limit before it reads on.

use alloy::{
    eips::eip2718::{Decodable2718, Eip2718Error, Encodable2718},
    primitives::Address,
};
use alloy_rlp::{self as rlp, Decodable};

use crate::{Block, BlockBody, Header, Receipt, Transaction};

/// The most bytes that the RLP of a block may have: 10 MiB less 2 MiB of room (EIP-7934).
pub const BLOCK_BYTES_MAX: usize = (10 << 20) - (2 << 20);

/// The most bytes that a transaction may have when it comes from a user or a peer; the same as in
/// go-ethereum's pool.
pub const TRANSACTION_BYTES_MAX: usize = 128 << 10;

/// The most bytes that the RLP of a header may have. It has about 700; extra data is at most 32.
pub const HEADER_BYTES_MAX: usize = 4 << 10;

/// The most bytes that the receipts of a block may have: 60 M gas of logs, at 8 gas a byte, and a
/// bloom of 256 bytes for each of 2,857 transactions.
pub const RECEIPTS_BYTES_MAX: usize = 16 << 20;

/// Bytes that are not what they should be.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// More bytes than the limit.
    #[error("{what} of {len} bytes is over the limit of {max}")]
    TooLarge {
        /// What was decoded.
        what: &'static str,
        /// Its size in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Bytes after the end of the item.
    #[error("{what} is followed by {len} bytes that do not belong to it")]
    Trailing {
        /// What was decoded.
        what: &'static str,
        /// How many bytes follow it.
        len: usize,
    },
    /// Not RLP of the expected shape.
    #[error("{what} is not valid RLP: {source}")]
    Rlp {
        /// What was decoded.
        what: &'static str,
        /// Where decoding failed.
        source: rlp::Error,
    },
    /// Not an EIP-2718 envelope of a known type.
    #[error("{what} is not a valid envelope: {source}")]
    Envelope {
        /// What was decoded.
        what: &'static str,
        /// Where decoding failed.
        source: Eip2718Error,
    },
    /// Not a whole number of addresses.
    #[error("{len} bytes are not a list of addresses of 20 bytes each")]
    Addresses {
        /// How many bytes there are.
        len: usize,
    },
}

/// The RLP of a header; its Keccak-256 is the hash of the block.
#[must_use]
pub fn encode_header(header: &Header) -> Vec<u8> {
    rlp::encode(header)
}

/// Reads what [`encode_header`] wrote.
///
/// # Errors
/// [`DecodeError`] when `bytes` is anything else.
pub fn decode_header(bytes: &[u8]) -> Result<Header, DecodeError> {
    decode_rlp(bytes, "a header", HEADER_BYTES_MAX)
}

/// The RLP of a block: header, transactions, ommers and withdrawals.
#[must_use]
pub fn encode_block(block: &Block) -> Vec<u8> {
    rlp::encode(block)
}

/// Reads what [`encode_block`] wrote.
///
/// # Errors
/// [`DecodeError`] when `bytes` is anything else.
pub fn decode_block(bytes: &[u8]) -> Result<Block, DecodeError> {
    decode_rlp(bytes, "a block", BLOCK_BYTES_MAX)
}

/// The RLP of a block without its header.
#[must_use]
pub fn encode_body(body: &BlockBody) -> Vec<u8> {
    rlp::encode(body)
}

/// Reads what [`encode_body`] wrote.
///
/// # Errors
/// [`DecodeError`] when `bytes` is anything else.
pub fn decode_body(bytes: &[u8]) -> Result<BlockBody, DecodeError> {
    decode_rlp(bytes, "a block body", BLOCK_BYTES_MAX)
}

/// The RLP list of the receipts of a block, each with its bloom.
#[must_use]
pub fn encode_receipts(receipts: &[Receipt]) -> Vec<u8> {
    let mut bytes = Vec::new();
    rlp::encode_list::<Receipt, Receipt>(receipts, &mut bytes);
    bytes
}

/// Reads what [`encode_receipts`] wrote.
///
/// # Errors
/// [`DecodeError`] when `bytes` is anything else.
pub fn decode_receipts(bytes: &[u8]) -> Result<Vec<Receipt>, DecodeError> {
    decode_rlp(bytes, "a list of receipts", RECEIPTS_BYTES_MAX)
}

/// The EIP-2718 envelope of a transaction, as wallets send it.
#[must_use]
pub fn encode_transaction(transaction: &Transaction) -> Vec<u8> {
    transaction.encoded_2718()
}

/// Reads the EIP-2718 envelope of a transaction, as wallets send it.
///
/// # Errors
/// [`DecodeError`] when `bytes` is anything else, or over [`TRANSACTION_BYTES_MAX`].
pub fn decode_transaction(bytes: &[u8]) -> Result<Transaction, DecodeError> {
    const WHAT: &str = "a transaction";
    check_size(bytes, WHAT, TRANSACTION_BYTES_MAX)?;
    let mut rest = bytes;
    let transaction = Transaction::decode_2718(&mut rest)
        .map_err(|source| DecodeError::Envelope { what: WHAT, source })?;
    check_end(rest, WHAT)?;
    Ok(transaction)
}

/// Addresses, one after the other.
#[must_use]
pub fn encode_addresses(addresses: &[Address]) -> Vec<u8> {
    addresses.iter().flat_map(|address| address.0.0).collect()
}

/// Reads what [`encode_addresses`] wrote.
///
/// # Errors
/// [`DecodeError::Addresses`] when the last address is cut.
pub fn decode_addresses(bytes: &[u8]) -> Result<Vec<Address>, DecodeError> {
    let (addresses, rest) = bytes.as_chunks::<20>();
    if !rest.is_empty() {
        return Err(DecodeError::Addresses { len: bytes.len() });
    }
    Ok(addresses.iter().map(Address::from).collect())
}

fn decode_rlp<T: Decodable>(
    bytes: &[u8],
    what: &'static str,
    max: usize,
) -> Result<T, DecodeError> {
    check_size(bytes, what, max)?;
    let mut rest = bytes;
    let item = T::decode(&mut rest).map_err(|source| DecodeError::Rlp { what, source })?;
    check_end(rest, what)?;
    Ok(item)
}

const fn check_size(bytes: &[u8], what: &'static str, max: usize) -> Result<(), DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLarge {
            what,
            len: bytes.len(),
            max,
        });
    }
    Ok(())
}

const fn check_end(rest: &[u8], what: &'static str) -> Result<(), DecodeError> {
    if rest.is_empty() {
        Ok(())
    } else {
        Err(DecodeError::Trailing {
            what,
            len: rest.len(),
        })
    }
}

#[cfg(test)]
mod tests;
