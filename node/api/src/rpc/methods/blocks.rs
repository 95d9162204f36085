//! Blocks.

use std::sync::Arc;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{B256, U64, U256};
use alloy::rpc::types::{
    Block as RpcBlock, BlockTransactions, Header as RpcHeader, TransactionReceipt,
};
use jsonrpsee::RpcModule;
use phytomer_ledger::{TransactionView, transaction_view};
use phytomer_primitives::CommittedBlock;

use super::method;
use crate::rpc::Context;
use crate::rpc::error::RpcError;

/// A block as clients see it. Blob transactions stand without sidecars, as in blocks.
type Block = RpcBlock<TransactionView>;

pub(super) fn register(module: &mut RpcModule<Context>) {
    method(module, "eth_blockNumber", number);
    method(module, "eth_getBlockByNumber", by_number);
    method(module, "eth_getBlockByHash", by_hash);
    method(
        module,
        "eth_getBlockTransactionCountByNumber",
        count_by_number,
    );
    method(module, "eth_getBlockTransactionCountByHash", count_by_hash);
    method(module, "eth_getBlockReceipts", receipts);
}

async fn number(context: Arc<Context>, (): ()) -> Result<U64, RpcError> {
    Ok(U64::from(context.ledger.head().number.0))
}

async fn by_number(
    context: Arc<Context>,
    (number, full): (BlockNumberOrTag, bool),
) -> Result<Option<Block>, RpcError> {
    Ok(block(&context, number.into())
        .await?
        .map(|block| view(&block, Transactions::new(full))))
}

async fn by_hash(
    context: Arc<Context>,
    (hash, full): (B256, bool),
) -> Result<Option<Block>, RpcError> {
    Ok(block(&context, hash.into())
        .await?
        .map(|block| view(&block, Transactions::new(full))))
}

async fn count_by_number(
    context: Arc<Context>,
    (number,): (BlockNumberOrTag,),
) -> Result<Option<U64>, RpcError> {
    Ok(block(&context, number.into())
        .await?
        .map(|block| count(&block)))
}

async fn count_by_hash(context: Arc<Context>, (hash,): (B256,)) -> Result<Option<U64>, RpcError> {
    Ok(block(&context, hash.into())
        .await?
        .map(|block| count(&block)))
}

async fn receipts(
    context: Arc<Context>,
    (id,): (BlockId,),
) -> Result<Option<Vec<TransactionReceipt>>, RpcError> {
    Ok(context.ledger.receipts(id).await?)
}

async fn block(context: &Context, id: BlockId) -> Result<Option<Arc<CommittedBlock>>, RpcError> {
    Ok(context.ledger.block(id).await?)
}

fn count(block: &CommittedBlock) -> U64 {
    U64::from(block.block().transactions().len())
}

/// How transactions stand in a block.
#[derive(Clone, Copy)]
enum Transactions {
    Full,
    Hashes,
}

impl Transactions {
    fn new(full: bool) -> Self {
        if full { Self::Full } else { Self::Hashes }
    }
}

/// A header as clients see it.
pub(super) fn header(block: &CommittedBlock) -> RpcHeader {
    let body = block.block().body();
    let size = phytomer_primitives::Block::rlp_length_for(block.block().header(), body);
    RpcHeader::from_consensus(
        block.block().sealed_header().clone(),
        None,
        Some(U256::from(size)),
    )
}

fn view(block: &CommittedBlock, transactions: Transactions) -> Block {
    let transactions = match transactions {
        Transactions::Full => BlockTransactions::Full(
            block
                .transactions()
                .map(|included| transaction_view(block, &included))
                .collect(),
        ),
        Transactions::Hashes => BlockTransactions::Hashes(
            block
                .block()
                .transactions()
                .iter()
                .map(|transaction| *transaction.tx_hash())
                .collect(),
        ),
    };
    Block {
        header: header(block),
        uncles: Vec::new(),
        transactions,
        withdrawals: block.block().body().withdrawals.clone(),
    }
}
