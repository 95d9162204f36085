//! Executing a specification: the state and the hash of block 0.

use alloy::{
    consensus::constants::EMPTY_WITHDRAWALS,
    eips::{eip4788::SYSTEM_ADDRESS, eip7685::EMPTY_REQUESTS_HASH},
    genesis::{Genesis as GethGenesis, GenesisAccount},
    primitives::{Address, B256, Bytes, keccak256},
};
use alloy_consensus::Header;
use alloy_evm::{EthEvm, Evm, eth::EthEvmBuilder, precompiles::PrecompilesMap};
use alloy_hardforks::EthereumHardforks;
use phytomer_genesis::{Predeploy, SetupCall, Spec};
use phytomer_primitives::{Block, BlockBody, BlockNumber, SealedBlock};
use phytomer_store::{Batch, MemoryStore, Reader, Store};
use revm::{
    Database as _, DatabaseCommit,
    bytecode::Bytecode,
    context_interface::result::{EVMError, ExecutionResult},
    database::{State, states::bundle_state::BundleRetention},
    database_interface::{WrapDatabaseRef, bal::EvmDatabaseError},
    inspector::NoOpInspector,
    primitives::eip170::MAX_CODE_SIZE,
    state::{Account as EvmAccount, AccountStatus},
};

use crate::{
    Account, Error, GenesisError, Rules, StateChanges, StateUpdate, StateView,
    rules::INITIAL_BASE_FEE, update_state, view::ReadError,
};

/// Block 0 and the state in which a chain begins.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// Block 0.
    pub block: SealedBlock,
    /// The whole state, as changes to an empty one.
    pub changes: StateChanges,
    /// The records of the state's tables. They go into the same batch as the block.
    pub state: StateUpdate,
}

/// Executes a specification: sets the accounts, runs the constructors of the predeployed
/// contracts and then the setup calls.
///
/// A constructor runs in the contract's own account, so what it stores is kept; what it returns
/// becomes the code. It sees the block environment of block 0. Neither constructors nor calls pay
/// for gas or change a nonce of their caller, and their logs are not kept, since block 0 has no
/// receipts.
///
/// # Errors
/// [`Error::Genesis`] says which constructor or call failed and why.
pub fn execute_genesis(spec: &Spec) -> Result<Genesis, Error> {
    let number = BlockNumber(spec.genesis.number.unwrap_or_default());
    if number != BlockNumber::GENESIS {
        return Err(GenesisError::Number { number }.into());
    }
    let rules = Rules::new(spec);
    let mut header = header(spec, &rules);
    let store = MemoryStore::new();
    header.state_root = apply(&store, allocation(&spec.genesis))?;
    if !spec.predeploys.is_empty() || !spec.setup.is_empty() {
        let changes = execute(spec, &rules, &header, &*store.snapshot())?;
        header.state_root = apply(&store, changes)?;
    }
    let withdrawals = header.withdrawals_root.map(|_| Default::default());
    let body = BlockBody {
        withdrawals,
        ..BlockBody::default()
    };
    let block = SealedBlock::new(Block { header, body });
    let mut changes = StateChanges::whole_state(&*store.snapshot())?;
    let state = update_state(&*MemoryStore::new().snapshot(), &mut changes)?;
    Ok(Genesis {
        block,
        changes,
        state,
    })
}

impl Genesis {
    /// The genesis in go-ethereum's format with the executed state in it: every client that knows
    /// the forks finds the same block 0.
    #[must_use]
    pub fn export(&self, spec: &Spec) -> GethGenesis {
        let StateChanges {
            accounts,
            storage,
            code,
        } = &self.changes;
        let export = |address: &Address, account: &Account| GenesisAccount {
            nonce: Some(account.nonce),
            balance: account.balance,
            code: code.get(&account.code_hash).cloned(),
            storage: storage.get(address).map(|slots| {
                slots
                    .iter()
                    .map(|(slot, value)| (*slot, B256::from(*value)))
                    .collect()
            }),
            private_key: None,
        };
        let alloc = accounts
            .iter()
            .filter_map(|(address, account)| Some((*address, export(address, account.as_ref()?))));
        GethGenesis {
            alloc: alloc.collect(),
            ..spec.genesis.clone()
        }
    }
}

/// Applies changes to the state in `store` and returns the new root.
fn apply(store: &MemoryStore, mut changes: StateChanges) -> Result<B256, Error> {
    let state = update_state(&*store.snapshot(), &mut changes)?;
    let mut batch = Batch::new();
    state.apply_to(&mut batch);
    store.write(batch)?;
    Ok(state.root)
}

/// The header of block 0 without its state root, as go-ethereum makes it (`core/genesis.go`).
fn header(spec: &Spec, rules: &Rules) -> Header {
    let genesis = &spec.genesis;
    let time = genesis.timestamp;
    let cancun = rules.is_cancun_active_at_timestamp(time);
    Header {
        parent_hash: genesis.parent_hash.unwrap_or_default(),
        beneficiary: genesis.coinbase,
        difficulty: genesis.difficulty,
        gas_limit: genesis.gas_limit,
        timestamp: time,
        extra_data: genesis.extra_data.clone(),
        mix_hash: genesis.mix_hash,
        nonce: genesis.nonce.into(),
        base_fee_per_gas: rules.is_london_active_at_block(0).then(|| {
            genesis.base_fee_per_gas.map_or(INITIAL_BASE_FEE, |fee| {
                u64::try_from(fee).unwrap_or(u64::MAX)
            })
        }),
        withdrawals_root: rules
            .is_shanghai_active_at_timestamp(time)
            .then_some(EMPTY_WITHDRAWALS),
        blob_gas_used: cancun.then(|| genesis.blob_gas_used.unwrap_or_default()),
        excess_blob_gas: cancun.then(|| genesis.excess_blob_gas.unwrap_or_default()),
        parent_beacon_block_root: cancun.then_some(B256::ZERO),
        requests_hash: rules
            .is_prague_active_at_timestamp(time)
            .then_some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

/// The accounts that the genesis lists. An empty one counts, as it does in go-ethereum.
fn allocation(genesis: &GethGenesis) -> StateChanges {
    let mut changes = StateChanges::default();
    for (address, account) in &genesis.alloc {
        let code_hash = account.code_hash().unwrap_or(phytomer_trie::KECCAK_EMPTY);
        if let Some(code) = account.non_empty_code() {
            changes.code.insert(code_hash, code.clone());
        }
        let slots: Vec<_> = account
            .storage_slots()
            .filter(|(_, value)| !value.is_zero())
            .collect();
        if !slots.is_empty() {
            changes
                .storage
                .insert(*address, slots.into_iter().collect());
        }
        let record = Account {
            nonce: account.nonce.unwrap_or_default(),
            balance: account.balance,
            code_hash,
            ..Account::default()
        };
        changes.accounts.insert(*address, Some(record));
    }
    changes
}

type GenesisEvm<'a> = EthEvm<State<WrapDatabaseRef<StateView<'a>>>, NoOpInspector, PrecompilesMap>;

/// Runs constructors and setup calls on the state that `reader` holds.
fn execute(
    spec: &Spec,
    rules: &Rules,
    header: &Header,
    reader: &dyn Reader,
) -> Result<StateChanges, Error> {
    let view = StateView::new(reader);
    let state = State::builder()
        .with_database_ref(view)
        .with_bundle_update()
        .build();
    let mut evm = EthEvmBuilder::new(state, rules.environment(header)).build();
    for predeploy in &spec.predeploys {
        construct(&mut evm, predeploy)?;
    }
    for (index, call) in spec.setup.iter().enumerate() {
        set_up(&mut evm, index, call)?;
    }
    let (mut state, _) = evm.finish();
    state.merge_transitions(BundleRetention::PlainState);
    Ok(StateChanges::from_bundle(reader, state.take_bundle())?)
}

/// Runs the constructor of a contract in the contract's own account.
fn construct(evm: &mut GenesisEvm<'_>, predeploy: &Predeploy) -> Result<(), Error> {
    let Predeploy {
        name,
        address,
        init_code,
    } = predeploy;
    // While it runs, the creation code stands where the contract's code will stand, so that it
    // finds the arguments behind itself and stores under the contract's address.
    set_code(evm, *address, init_code.clone())?;
    let code = call(evm, SYSTEM_ADDRESS, *address, Bytes::new())?.map_err(|reason| {
        GenesisError::Constructor {
            name: name.clone(),
            address: *address,
            reason,
        }
    })?;
    if code.is_empty() || code.len() > MAX_CODE_SIZE || code[0] == 0xef {
        let len = code.len();
        return Err(GenesisError::Code {
            name: name.clone(),
            address: *address,
            len,
        }
        .into());
    }
    set_code(evm, *address, code)
}

fn set_up(evm: &mut GenesisEvm<'_>, index: usize, setup: &SetupCall) -> Result<(), Error> {
    let SetupCall {
        note,
        from,
        to,
        input,
    } = setup;
    let fail = |reason| GenesisError::Call {
        index,
        note: note.clone(),
        reason,
    };
    if evm
        .db_mut()
        .basic(*to)
        .map_err(database_error)?
        .is_none_or(|to| to.is_empty_code_hash())
    {
        return Err(fail(format!("there is no contract at {to}")).into());
    }
    call(evm, *from, *to, input.clone())?.map_err(fail)?;
    Ok(())
}

/// Calls a contract for free and keeps what it changes. The inner error says why it failed.
fn call(
    evm: &mut GenesisEvm<'_>,
    from: Address,
    to: Address,
    input: Bytes,
) -> Result<Result<Bytes, String>, Error> {
    let executed = evm
        .transact_system_call(from, to, input)
        .map_err(|error| match error {
            EVMError::Database(error) => database_error(error),
            error => Error::Evm(error.to_string()),
        })?;
    match executed.result {
        ExecutionResult::Success { output, .. } => {
            evm.db_mut().commit(executed.state);
            Ok(Ok(output.into_data()))
        }
        ExecutionResult::Revert { output, .. } => Ok(Err(format!("it reverted with {output}"))),
        ExecutionResult::Halt { reason, .. } => Ok(Err(reason.to_string())),
    }
}

/// Sets the code of a contract, whose nonce is 1 from the start (EIP-161).
fn set_code(evm: &mut GenesisEvm<'_>, address: Address, code: Bytes) -> Result<(), Error> {
    let state = evm.db_mut();
    let mut info = state
        .basic(address)
        .map_err(database_error)?
        .unwrap_or_default();
    info.nonce = info.nonce.max(1);
    info.code_hash = keccak256(&code);
    info.code = Some(Bytecode::new_legacy(code));
    let mut account = EvmAccount::from(info);
    account.status = AccountStatus::Touched;
    state.commit([(address, account)].into_iter().collect());
    Ok(())
}

fn database_error(error: EvmDatabaseError<ReadError>) -> Error {
    match error {
        EvmDatabaseError::Database(ReadError(error)) => Error::Store(error),
        EvmDatabaseError::Bal(error) => Error::Evm(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
