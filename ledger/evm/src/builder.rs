//! Building a block, transaction by transaction.

use alloy::{
    consensus::{Transaction as _, constants::EMPTY_WITHDRAWALS, proofs},
    eips::{eip2718::Encodable2718, eip7685::Requests},
    primitives::{Address, B256, Bloom, Bytes},
};
use alloy_consensus::{Eip658Value, Header};
use alloy_evm::{
    EthEvm, Evm, EvmEnv,
    block::{BlockExecutionError, BlockExecutor},
    eth::{
        EthBlockExecutionCtx, EthBlockExecutor, EthEvmBuilder,
        receipt_builder::{ReceiptBuilder, ReceiptBuilderCtx},
    },
    precompiles::PrecompilesMap,
};
use phytomer_primitives::{
    Block, BlockBody, CommittedBlock, Receipt, Recovered, SealedBlock, SealedHeader, Transaction,
    TxType, codec::BLOCK_BYTES_MAX,
};
use phytomer_store::Reader;
use revm::{
    database::{State, states::bundle_state::BundleRetention},
    database_interface::WrapDatabaseRef,
    inspector::NoOpInspector,
};

use crate::{
    BlockError, Error, Rejection, Rules, StateChanges, StateUpdate, StateView, rejection::Facts,
    update_state,
};

/// Bytes that a header may have (Yellow Paper, 4.4.4).
const EXTRA_DATA_BYTES_MAX: usize = 32;

/// Bytes of a block that are kept for its header and the RLP around its parts.
const HEADER_ROOM_BYTES: usize = 2 << 10;

/// What the proposer of a block chooses; all else follows from the parent and the transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockAttributes {
    /// Seconds since 1970; not before the parent's.
    pub timestamp: u64,
    /// Who receives the priority fees.
    pub beneficiary: Address,
    /// The randomness that contracts see (EIP-4399).
    pub prev_randao: B256,
    /// Free bytes, at most 32.
    pub extra_data: Bytes,
    /// The root that EIP-4788's contract records; zero where there is no beacon chain.
    pub parent_beacon_block_root: B256,
}

impl BlockAttributes {
    /// The choices that a finished header records.
    #[must_use]
    pub fn of(header: &Header) -> Self {
        Self {
            timestamp: header.timestamp,
            beneficiary: header.beneficiary,
            prev_randao: header.mix_hash,
            extra_data: header.extra_data.clone(),
            parent_beacon_block_root: header.parent_beacon_block_root.unwrap_or_default(),
        }
    }
}

/// What came of trying a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is part of the block.
    Included(Included),
    /// It is not, and changed nothing.
    Rejected(Rejection),
}

/// A transaction that is part of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Included {
    /// Gas that it used, after refunds.
    pub gas_used: u64,
    /// Whether it succeeded; one that reverts is included and pays, too.
    pub success: bool,
}

/// A block that was executed on top of its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The block with senders and receipts. Its header holds the gas used, the bloom, and the
    /// roots of transactions, receipts, state and requests.
    pub block: CommittedBlock,
    /// The accounts, slots and code that it changes.
    pub changes: StateChanges,
    /// The records that it changes in the state's tables. They go into the same batch as the block.
    pub state: StateUpdate,
}

type Database<'a> = State<WrapDatabaseRef<StateView<'a>>>;
type Executor<'a> =
    EthBlockExecutor<'a, EthEvm<Database<'a>, NoOpInspector, PrecompilesMap>, &'a Rules, Receipts>;

/// Builds a block on top of `parent`, in the state that `reader` holds.
pub struct BlockBuilder<'a> {
    reader: &'a dyn Reader,
    /// The header as far as it is known before the transactions are.
    header: Header,
    environment: EvmEnv,
    executor: Executor<'a>,
    transactions: Vec<Transaction>,
    senders: Vec<Address>,
    bytes_left: usize,
}

impl<'a> BlockBuilder<'a> {
    /// Begins a block: checks the attributes and runs what Ethereum's rules run before the first
    /// transaction (EIP-2935, EIP-4788).
    ///
    /// # Errors
    /// [`Error::Block`] when an attribute breaks a rule, [`Error::Store`], [`Error::Execution`].
    pub fn new(
        rules: &'a Rules,
        reader: &'a dyn Reader,
        parent: &SealedHeader,
        attributes: BlockAttributes,
    ) -> Result<Self, Error> {
        check(parent, &attributes)?;
        let header = child_header(rules, parent, attributes);
        let environment = rules.environment(&header);
        let state = State::builder()
            .with_database_ref(StateView::new(reader))
            .with_bundle_update()
            .build();
        let context = EthBlockExecutionCtx {
            parent_hash: header.parent_hash,
            parent_beacon_block_root: header.parent_beacon_block_root,
            ommers: &[],
            withdrawals: None,
            extra_data: header.extra_data.clone(),
            tx_count_hint: None,
            slot_number: None,
        };
        let evm = EthEvmBuilder::new(state, environment.clone()).build();
        let mut executor = EthBlockExecutor::new(evm, context, rules, Receipts);
        executor.apply_pre_execution_changes()?;
        let bytes_left = BLOCK_BYTES_MAX - HEADER_ROOM_BYTES;
        let (transactions, senders) = (Vec::new(), Vec::new());
        Ok(Self {
            reader,
            header,
            environment,
            executor,
            transactions,
            senders,
            bytes_left,
        })
    }

    /// Tries a transaction: it becomes the next one of the block, or changes nothing.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::Execution`]; give up the block then.
    pub fn push(&mut self, transaction: Recovered) -> Result<Outcome, Error> {
        let len = transaction.encode_2718_len();
        if len > self.bytes_left {
            let left = self.bytes_left;
            return Ok(Outcome::Rejected(Rejection::BlockBytes { len, left }));
        }
        if transaction.is_eip4844() {
            return Ok(Outcome::Rejected(Rejection::Blobs));
        }
        let result = match self
            .executor
            .execute_transaction_without_commit(&transaction)
        {
            Ok(result) => result,
            Err(BlockExecutionError::Validation(error)) => {
                return match self.facts(&transaction).of(error) {
                    Ok(rejection) => Ok(Outcome::Rejected(rejection)),
                    Err(error) => Err(BlockExecutionError::Validation(error).into()),
                };
            }
            Err(error) => return Err(error.into()),
        };
        let success = result.result.result.is_success();
        let gas_used = self.executor.commit_transaction(result).tx_gas_used();
        let (transaction, sender) = transaction.into_parts();
        self.transactions.push(transaction);
        self.senders.push(sender);
        self.bytes_left -= len;
        Ok(Outcome::Included(Included { gas_used, success }))
    }

    /// Gas that further transactions may use.
    #[must_use]
    pub const fn gas_left(&self) -> u64 {
        self.header
            .gas_limit
            .saturating_sub(self.executor.cumulative_tx_gas_used)
    }

    /// The base fee of the block, in wei per gas.
    #[must_use]
    pub fn base_fee(&self) -> u64 {
        self.header.base_fee_per_gas.unwrap_or_default()
    }

    /// How many transactions the block has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Whether the block has no transactions yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// Finishes the block: runs what Ethereum's rules run after the last transaction (EIP-7002,
    /// EIP-7251), computes the roots and fills in the header.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::Execution`].
    pub fn finish(self) -> Result<Executed, Error> {
        let Self {
            reader,
            mut header,
            executor,
            transactions,
            senders,
            ..
        } = self;
        let (evm, result) = executor.finish()?;
        let (mut state, _) = evm.finish();
        state.merge_transitions(BundleRetention::PlainState);
        let mut changes = StateChanges::from_bundle(reader, state.take_bundle())?;

        let state = update_state(reader, &mut changes)?;
        header.state_root = state.root;
        header.transactions_root = proofs::calculate_transaction_root(&transactions);
        header.receipts_root = proofs::calculate_receipt_root(&result.receipts);
        header.logs_bloom = bloom(&result.receipts);
        header.gas_used = result.gas_used;
        header.requests_hash = header
            .requests_hash
            .map(|_| result.requests.requests_hash());

        let withdrawals = header.withdrawals_root.map(|_| Default::default());
        let body = BlockBody {
            transactions,
            ommers: Vec::new(),
            withdrawals,
        };
        let block = SealedBlock::new(Block { header, body });
        let block =
            CommittedBlock::new(block, senders, result.receipts).map_err(BlockError::Parts)?;
        Ok(Executed {
            block,
            changes,
            state,
        })
    }

    fn facts(&self, transaction: &Transaction) -> Facts {
        Facts {
            max_fee: transaction.max_fee_per_gas(),
            base_fee: self.base_fee(),
            gas_limit: transaction.gas_limit(),
            block_gas_limit: self.header.gas_limit,
            transaction_chain_id: transaction.chain_id(),
            chain_id: self.environment.cfg_env.chain_id,
        }
    }
}

/// Refuses attributes that no block on top of `parent` may have.
fn check(parent: &Header, attributes: &BlockAttributes) -> Result<(), BlockError> {
    let BlockAttributes {
        timestamp,
        extra_data,
        ..
    } = attributes;
    if *timestamp < parent.timestamp {
        let (timestamp, parent) = (*timestamp, parent.timestamp);
        return Err(BlockError::BeforeParent { timestamp, parent });
    }
    if extra_data.len() > EXTRA_DATA_BYTES_MAX {
        return Err(BlockError::ExtraData {
            len: extra_data.len(),
            max: EXTRA_DATA_BYTES_MAX,
        });
    }
    Ok(())
}

/// The header of a block on top of `parent`, as far as it does not depend on the transactions.
fn child_header(rules: &Rules, parent: &SealedHeader, attributes: BlockAttributes) -> Header {
    use alloy_hardforks::EthereumHardforks;

    let BlockAttributes {
        timestamp,
        beneficiary,
        prev_randao,
        extra_data,
        parent_beacon_block_root,
    } = attributes;
    let cancun = rules.is_cancun_active_at_timestamp(timestamp);
    Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        timestamp,
        beneficiary,
        mix_hash: prev_randao,
        extra_data,
        gas_limit: parent.gas_limit,
        base_fee_per_gas: Some(rules.next_base_fee(parent)),
        withdrawals_root: rules
            .is_shanghai_active_at_timestamp(timestamp)
            .then_some(EMPTY_WITHDRAWALS),
        blob_gas_used: cancun.then_some(0),
        excess_blob_gas: rules.next_excess_blob_gas(parent, timestamp),
        parent_beacon_block_root: cancun.then_some(parent_beacon_block_root),
        requests_hash: rules
            .is_prague_active_at_timestamp(timestamp)
            .then(|| Requests::default().requests_hash()),
        ..Header::default()
    }
}

/// The bloom of a block: the union of those of its receipts.
fn bloom(receipts: &[Receipt]) -> Bloom {
    receipts
        .iter()
        .fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom())
}

/// Makes the receipt of a transaction from what the EVM says about it.
#[derive(Debug)]
pub(crate) struct Receipts;

impl ReceiptBuilder for Receipts {
    type Transaction = Transaction;
    type Receipt = Receipt;

    fn build_receipt<E: Evm>(&self, context: ReceiptBuilderCtx<'_, TxType, E>) -> Receipt {
        let receipt = alloy_consensus::Receipt {
            status: Eip658Value::Eip658(context.result.is_success()),
            cumulative_gas_used: context.cumulative_gas_used,
            logs: context.result.into_logs(),
        };
        Receipt::from_typed(context.tx_type, receipt.with_bloom())
    }
}

#[cfg(test)]
mod tests;
