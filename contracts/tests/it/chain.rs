//! An EVM that takes unsigned transactions, one block each.

use alloy::{
    primitives::{Address, Bytes, Log, U256},
    sol_types::SolCall,
};
use phytomer_contracts::revert_reason;
use revm::{
    Context, Database, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext, MainnetEvm,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::result::{ExecutionResult, Output},
    database::{CacheDB, EmptyDB},
    handler::MainnetContext,
    primitives::{TxKind, eip7825::TX_GAS_LIMIT_CAP, hardfork::SpecId},
    state::{AccountInfo, Bytecode},
};

/// A transaction that changed the state.
#[derive(Debug)]
pub(crate) struct Done<T> {
    pub(crate) value: T,
    pub(crate) gas: u64,
    pub(crate) logs: Vec<Log>,
}

/// A transaction that did not: the error's name and facts, e.g. `NoPrice`.
pub(crate) type Refused = String;

pub(crate) struct Chain {
    evm: MainnetEvm<MainnetContext<CacheDB<EmptyDB>>>,
}

impl Chain {
    /// Begins at block 1, one second past `timestamp`.
    pub(crate) fn new(timestamp: u64) -> Self {
        let mut cfg = CfgEnv::new_with_spec(SpecId::OSAKA);
        cfg.disable_nonce_check = true;
        let block = BlockEnv {
            number: U256::from(1),
            timestamp: U256::from(timestamp),
            ..BlockEnv::default()
        };
        let evm = Context::mainnet()
            .with_db(CacheDB::new(EmptyDB::default()))
            .with_cfg(cfg)
            .with_block(block)
            .build_mainnet();
        Self { evm }
    }

    /// Seconds of the next block.
    pub(crate) fn timestamp(&self) -> u64 {
        self.evm.ctx.block.timestamp.to()
    }

    /// Number of the next block.
    pub(crate) fn block(&self) -> u64 {
        self.evm.ctx.block.number.to()
    }

    /// Lets time pass. Without it, blocks have equal timestamps.
    pub(crate) fn warp(&mut self, seconds: u64) {
        self.evm.ctx.block.timestamp += U256::from(seconds);
    }

    /// Creates a contract and returns its address.
    pub(crate) fn create(&mut self, from: Address, init_code: Bytes) -> Address {
        let result = self
            .evm
            .transact_commit(transaction(from, TxKind::Create, init_code))
            .unwrap();
        match result {
            ExecutionResult::Success {
                output: Output::Create(_, Some(address)),
                ..
            } => address,
            other => panic!("not created: {other:?}"),
        }
    }

    /// Puts code at an address.
    pub(crate) fn install(&mut self, address: Address, code: Bytes) {
        let account = AccountInfo::from_bytecode(Bytecode::new_raw(code));
        self.evm
            .ctx
            .journaled_state
            .database
            .insert_account_info(address, account);
    }

    /// What stands in a storage slot.
    pub(crate) fn slot(&mut self, address: Address, slot: u64) -> U256 {
        self.evm
            .ctx
            .journaled_state
            .database
            .storage(address, U256::from(slot))
            .unwrap()
    }

    /// Sends a transaction in a block of its own.
    pub(crate) fn send<C: SolCall>(
        &mut self,
        from: Address,
        to: Address,
        call: &C,
    ) -> Result<Done<C::Return>, Refused> {
        self.evm.ctx.block.number += U256::from(1);
        let tx = transaction(from, TxKind::Call(to), call.abi_encode().into());
        let (output, gas, logs) = outcome(self.evm.transact_commit(tx).unwrap())?;
        let value = C::abi_decode_returns(&output).unwrap();
        Ok(Done { value, gas, logs })
    }

    /// Calls without changing anything.
    pub(crate) fn try_view<C: SolCall>(
        &mut self,
        to: Address,
        call: &C,
    ) -> Result<C::Return, Refused> {
        let tx = transaction(Address::ZERO, TxKind::Call(to), call.abi_encode().into());
        let (output, ..) = outcome(self.evm.transact(tx).unwrap().result)?;
        Ok(C::abi_decode_returns(&output).unwrap())
    }

    /// Calls what cannot fail.
    pub(crate) fn view<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        self.try_view(to, call).unwrap()
    }
}

/// A free transaction with the most gas that EIP-7825 allows.
fn transaction(caller: Address, kind: TxKind, data: Bytes) -> TxEnv {
    TxEnv::builder()
        .caller(caller)
        .kind(kind)
        .data(data)
        .gas_limit(TX_GAS_LIMIT_CAP)
        .build()
        .unwrap()
}

fn outcome(result: ExecutionResult) -> Result<(Bytes, u64, Vec<Log>), Refused> {
    match result {
        ExecutionResult::Success {
            output, gas, logs, ..
        } => Ok((output.into_data(), gas.tx_gas_used(), logs)),
        ExecutionResult::Revert { output, .. } => {
            Err(revert_reason(&output).unwrap_or_else(|| format!("unknown error {output}")))
        }
        ExecutionResult::Halt { reason, .. } => Err(format!("halted: {reason:?}")),
    }
}

/// Asserts that a transaction was refused with an error that begins so.
#[track_caller]
pub(crate) fn refused<T>(result: Result<T, Refused>, expected: &str) {
    match result {
        Ok(_) => panic!("accepted, not refused with {expected}"),
        Err(error) => assert!(error.starts_with(expected), "{error}, not {expected}"),
    }
}
