use std::{collections::BTreeMap, sync::Arc};

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    rlp,
};
use eth_trie::{EthTrie, MemoryDB, Trie};
use phytomer_store::{Batch, KeyRange, MemoryStore, Order, Store, Table};
use proptest::{collection::vec, prelude::*};
use revm::{
    Database as _, DatabaseCommit,
    bytecode::Bytecode,
    database::{State, states::bundle_state::BundleRetention},
    state::{Account as EvmAccount, AccountInfo, EvmStorageSlot, TransactionId},
};

use super::*;
use crate::{Account, StateChanges, StateView};

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
    /// for a model of the state, the records that a rebuild from the flat tables gives, proofs
    /// that hold, and what brings back the state before.
    #[test]
    fn histories_agree_with_another_implementation(blocks in vec(vec(transaction(), 0..8), 1..6)) {
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
            let update = update_state(&*reader, &mut changes).unwrap();
            prop_assert_eq!(update.root, model_root(&model));

            drop(reader);
            let before = tables(&store);
            let mut batch = Batch::new();
            update.apply_to(&mut batch);
            store.write(batch).unwrap();
            prop_assert_eq!(stored(&store), model.clone());
            prop_assert_eq!(rebuilt(&store), (tables(&store), update.root));
            prop_assert_eq!(undone(&store, &update), before);
            for address in (0..5).map(Address::with_last_byte) {
                check_proof(&store, &model, address, update.root);
            }
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

/// The tables of the state but for code, which stays.
fn tables(store: &MemoryStore) -> Vec<Vec<(Bytes, Bytes)>> {
    let reader = store.snapshot();
    let all = |table| {
        let entries = reader.scan(table, KeyRange::all(), Order::Ascending);
        let entries = entries.map(|entry| entry.map(|(key, value)| (key.into(), value.into())));
        entries.collect::<Result<_, _>>().unwrap()
    };
    TABLES.into_iter().map(all).collect()
}

const TABLES: [Table; 6] = [
    Table::Accounts,
    Table::Storage,
    Table::HashedAccounts,
    Table::HashedStorage,
    Table::AccountTrie,
    Table::StorageTrie,
];

/// The tables and the root that come from the flat tables alone, three records at a time.
fn rebuilt(store: &MemoryStore) -> (Vec<Vec<(Bytes, Bytes)>>, B256) {
    let fresh = MemoryStore::new();
    let mut batch = Batch::new();
    for table in [Table::Accounts, Table::Storage] {
        for entry in store
            .snapshot()
            .scan(table, KeyRange::all(), Order::Ascending)
        {
            let (key, value) = entry.unwrap();
            batch.put(table, key, value);
        }
    }
    fresh.write(batch).unwrap();
    let mut cursor = RebuildCursor::start();
    loop {
        let step = rebuild_step(&*fresh.snapshot(), &cursor, 3).unwrap();
        let mut batch = Batch::new();
        for write in step.writes {
            batch.put(write.table, write.key, write.after.unwrap());
        }
        fresh.write(batch).unwrap();
        match step.next {
            // As it comes back from the disk.
            Ok(next) => cursor = RebuildCursor::from_bytes(&next.to_bytes().into()).unwrap(),
            Err(root) => return (tables(&fresh), root),
        }
    }
}

/// The tables once a block is taken back.
fn undone(store: &MemoryStore, update: &StateUpdate) -> Vec<Vec<(Bytes, Bytes)>> {
    let reader = store.snapshot();
    let copy = MemoryStore::new();
    let mut batch = Batch::new();
    for table in TABLES {
        for entry in reader.scan(table, KeyRange::all(), Order::Ascending) {
            let (key, value) = entry.unwrap();
            batch.put(table, key, value);
        }
    }
    for write in &update.writes {
        match &write.before {
            Some(value) => batch.put(write.table, write.key.clone(), value.clone()),
            None => batch.delete(write.table, write.key.clone()),
        }
    }
    copy.write(batch).unwrap();
    tables(&copy)
}

/// Proves the account and some slots that it has and some that it does not.
fn check_proof(store: &MemoryStore, model: &Model, address: Address, root: B256) {
    let slots: Vec<B256> = (0..6_u8).map(|slot| U256::from(slot).into()).collect();
    let proof = prove_account(&*store.snapshot(), address, &slots).unwrap();
    let account = model.get(&address);
    assert_eq!(
        proof.account.map(|account| account.balance),
        account.map(|account| U256::from(account.balance))
    );
    for (slot, proof) in (0..).zip(&proof.slots) {
        let value = account.and_then(|account| account.slots.get(&slot));
        assert_eq!(proof.value, U256::from(value.copied().unwrap_or_default()));
    }
    proof.verify(root).unwrap();

    let mut false_balance = proof.clone();
    let account = false_balance.account.get_or_insert_default();
    account.balance += U256::ONE;
    false_balance.verify(root).unwrap_err();
    let mut false_value = proof;
    false_value.slots[0].value += U256::ONE;
    false_value.verify(root).unwrap_err();
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
