use std::{collections::BTreeMap, sync::Arc};

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    rlp,
};
use eth_trie::{EthTrie, MemoryDB, Trie};
use phytomer_store::{Batch, MemoryStore, Store};
use proptest::{collection::vec, prelude::*};
use revm::{
    Database as _, DatabaseCommit,
    bytecode::Bytecode,
    database::{State, states::bundle_state::BundleRetention},
    state::{Account as EvmAccount, AccountInfo, EvmStorageSlot, TransactionId},
};

use super::*;
use crate::{Account, StateView};

/// What a transaction may do to an account. Together the kinds reach every status that revm's
/// bundle knows: loaded, changed, created, destroyed, destroyed and made again.
#[derive(Clone, Debug)]
enum Action {
    /// Receives coins; an account that was not there comes to be.
    Pay(u8),
    /// Spends all coins; a plain account without nonce ceases to exist (EIP-161).
    Drain,
    /// Becomes a contract with these slots, if it is no contract yet.
    Create(Vec<(u8, u8)>),
    /// Sets a slot, if it is a contract.
    Set(u8, u8),
    /// Destroys itself, if it is a contract.
    Destroy,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ModelAccount {
    nonce: u64,
    balance: u64,
    code: Bytes,
    slots: BTreeMap<u8, u8>,
}

type Model = BTreeMap<Address, ModelAccount>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Blocks of random transactions give the root that another implementation of the trie finds
    /// for a model of the state.
    #[test]
    fn roots_agree_with_another_implementation(blocks in vec(vec(transaction(), 0..8), 1..6)) {
        let store = MemoryStore::new();
        let mut model = Model::new();
        for transactions in blocks {
            let reader = store.snapshot();
            let view = StateView::new(&*reader);
            let mut state = State::builder().with_database_ref(view).with_bundle_update().build();
            for (address, action) in transactions {
                execute(&mut state, &mut model, address, &action);
            }
            state.merge_transitions(BundleRetention::PlainState);
            let mut changes = StateChanges::from_bundle(&*reader, state.take_bundle()).unwrap();
            let root = state_root(&*reader, &mut changes).unwrap();
            prop_assert_eq!(root, model_root(&model));

            drop(reader);
            let mut batch = Batch::new();
            changes.apply_to(&mut batch);
            store.write(batch).unwrap();
            prop_assert_eq!(stored(&store), model.clone());
        }
    }
}

fn transaction() -> impl Strategy<Value = (Address, Action)> {
    let action = prop_oneof![
        any::<u8>().prop_map(Action::Pay),
        Just(Action::Drain),
        vec((0..4_u8, 0..3_u8), 0..4).prop_map(Action::Create),
        (0..4_u8, 0..3_u8).prop_map(|(slot, value)| Action::Set(slot, value)),
        Just(Action::Destroy),
    ];
    ((1..4_u8).prop_map(Address::with_last_byte), action)
}

/// Does `action` to the state as revm's journal reports it, and to the model.
fn execute<D>(state: &mut State<D>, model: &mut Model, address: Address, action: &Action)
where
    D: revm::Database,
{
    let before = state.basic(address).unwrap();
    let is_contract = before.as_ref().is_some_and(|info| info.nonce > 0);
    let mut account = EvmAccount::from(before.clone().unwrap_or_default());
    account.mark_touch();
    let entry = model.entry(address).or_default();
    match action {
        Action::Pay(amount) => {
            account.info.balance += U256::from(*amount);
            entry.balance += u64::from(*amount);
        }
        Action::Drain => {
            account.info.balance = U256::ZERO;
            entry.balance = 0;
        }
        Action::Create(slots) if !is_contract => {
            let code: Bytes = vec![0x5b, slots.len() as u8].into();
            let info = AccountInfo::from_bytecode(Bytecode::new_legacy(code.clone()));
            account.info = info.with_balance(account.info.balance).with_nonce(1);
            account.mark_created();
            (entry.nonce, entry.code) = (1, code);
            for (slot, value) in slots {
                account
                    .storage
                    .insert(U256::from(*slot), changed(U256::ZERO, *value));
                entry.slots.insert(*slot, *value);
            }
        }
        Action::Set(slot, value) if is_contract => {
            let before = state.storage(address, U256::from(*slot)).unwrap();
            account
                .storage
                .insert(U256::from(*slot), changed(before, *value));
            entry.slots.insert(*slot, *value);
        }
        Action::Destroy if is_contract => {
            account.mark_selfdestruct();
            *entry = ModelAccount::default();
        }
        Action::Create(_) | Action::Set(..) | Action::Destroy => {}
    }
    entry.slots.retain(|_, value| *value != 0);
    if *entry == ModelAccount::default() {
        model.remove(&address);
    }
    state.commit([(address, account)].into_iter().collect());
}

fn changed(before: U256, after: u8) -> EvmStorageSlot {
    EvmStorageSlot::new_changed(before, U256::from(after), TransactionId::ZERO)
}

/// The root of the model's state, by `eth_trie`.
fn model_root(model: &Model) -> B256 {
    let leaves = model.iter().map(|(address, account)| {
        let slots = account.slots.iter().map(|(slot, value)| {
            let slot = B256::from(U256::from(*slot));
            (slot.to_vec(), rlp::encode(U256::from(*value)))
        });
        let code_hash = keccak256(&account.code);
        // The record of an account: rlp([nonce, balance, storage root, code hash]).
        let mut record = Vec::new();
        let fields: [&dyn rlp::Encodable; 4] = [
            &account.nonce,
            &account.balance,
            &trie_root(slots),
            &code_hash,
        ];
        rlp::encode_list::<_, dyn rlp::Encodable>(&fields, &mut record);
        (address.to_vec(), record)
    });
    trie_root(leaves)
}

fn trie_root(leaves: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> B256 {
    let mut trie = EthTrie::new(Arc::new(MemoryDB::new(true)));
    for (key, value) in leaves {
        trie.insert(keccak256(key).as_slice(), &value).unwrap();
    }
    trie.root_hash().unwrap()
}

/// The state in the store, as a model.
fn stored(store: &MemoryStore) -> Model {
    let state = StateChanges::whole_state(&*store.snapshot()).unwrap();
    let model = |address: &Address, account: &Account| ModelAccount {
        nonce: account.nonce,
        balance: account.balance.to(),
        code: state
            .code
            .get(&account.code_hash)
            .cloned()
            .unwrap_or_default(),
        slots: state
            .storage
            .get(address)
            .map_or_else(BTreeMap::new, |slots| {
                slots
                    .iter()
                    .map(|(slot, value)| (slot[31], value.to()))
                    .collect()
            }),
    };
    let accounts = state.accounts.iter();
    accounts
        .map(|(address, account)| (*address, model(address, &account.unwrap())))
        .collect()
}
