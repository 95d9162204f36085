//! A chain in memory for the tests of this crate.

use alloy::{
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, TxKind, U256},
    signers::local::PrivateKeySigner,
};
use alloy_consensus::{SignableTransaction, TxEip1559};
use phytomer_genesis::{DevAccount, Issuer, Spec, dev};
use phytomer_primitives::{
    Recovered, SealedBlock, SealedHeader, Transaction, codec::encode_header,
};
use phytomer_store::{Batch, MemoryStore, Store, Table};

use crate::{
    BlockAttributes, BlockBuilder, Executed, Included, Outcome, Rejection, Rules, Simulation,
    StateView, execute_block, execute_genesis,
};

pub(crate) const CHAIN_ID: u64 = 1_337;
pub(crate) const GENESIS_TIME: u64 = 1_760_000_000;
pub(crate) const ISSUER: DevAccount = DevAccount::User9;

/// The development network, always the same.
pub(crate) fn dev_spec() -> Spec {
    dev(
        CHAIN_ID,
        Issuer::new(ISSUER.address(), "did:key:z6MkTest"),
        GENESIS_TIME,
    )
}

/// A development network without contracts of ours, which is quicker to make.
pub(crate) fn plain_spec() -> Spec {
    Spec {
        predeploys: Vec::new(),
        setup: Vec::new(),
        ..dev_spec()
    }
}

/// A chain in memory, and what came of it so far.
pub(crate) struct TestChain {
    pub(crate) rules: Rules,
    pub(crate) store: MemoryStore,
    pub(crate) head: SealedHeader,
}

impl TestChain {
    pub(crate) fn new(spec: &Spec) -> Self {
        let genesis = execute_genesis(spec).unwrap();
        let mut batch = Batch::new();
        genesis.state.apply_to(&mut batch);
        let head = genesis.block.sealed_header().clone();
        let chain = Self {
            rules: Rules::new(spec),
            store: MemoryStore::new(),
            head,
        };
        chain.write(batch, chain.head.clone());
        chain
    }

    fn write(&self, mut batch: Batch, header: SealedHeader) {
        let key = header.number.to_be_bytes().to_vec();
        batch.put(Table::Headers, key, encode_header(&header));
        self.store.write(batch).unwrap();
    }

    /// The attributes of a block one second after the head.
    pub(crate) fn attributes(&self) -> BlockAttributes {
        BlockAttributes {
            timestamp: self.head.timestamp + 1,
            beneficiary: Address::repeat_byte(0xbe),
            prev_randao: B256::repeat_byte(0x5a),
            ..BlockAttributes::default()
        }
    }

    /// Builds a block of these transactions without keeping it.
    pub(crate) fn build(&self, transactions: Vec<Recovered>) -> (Executed, Vec<Outcome>) {
        let reader = self.store.snapshot();
        let mut builder =
            BlockBuilder::new(&self.rules, &*reader, &self.head, self.attributes()).unwrap();
        let outcomes = transactions
            .into_iter()
            .map(|tx| builder.push(tx).unwrap())
            .collect();
        (builder.finish().unwrap(), outcomes)
    }

    /// Builds a block, executes it again as a validator does, and makes it the head.
    pub(crate) fn extend(&mut self, transactions: Vec<Recovered>) -> (Executed, Vec<Outcome>) {
        let (executed, outcomes) = self.build(transactions);
        let again = self.import(executed.block.block().clone());
        assert_eq!(again, executed, "a validator finds what the proposer found");
        (executed, outcomes)
    }

    /// Executes a block as a validator does, and makes it the head.
    pub(crate) fn import(&mut self, block: SealedBlock) -> Executed {
        let senders = crate::recover_senders(&block).unwrap();
        let reader = self.store.snapshot();
        let executed = execute_block(&self.rules, &*reader, &self.head, block, senders).unwrap();
        drop(reader);

        let mut batch = Batch::new();
        executed.state.apply_to(&mut batch);
        self.head = executed.block.block().sealed_header().clone();
        self.write(batch, self.head.clone());
        executed
    }

    /// Extends the chain by one transaction, which must be included.
    pub(crate) fn include(&mut self, transaction: Recovered) -> (Executed, Included) {
        let (executed, mut outcomes) = self.extend(vec![transaction]);
        match outcomes.remove(0) {
            Outcome::Included(included) => (executed, included),
            Outcome::Rejected(rejection) => panic!("{rejection}"),
        }
    }

    /// Tries one transaction, which must be rejected.
    pub(crate) fn reject(&self, transaction: Recovered) -> Rejection {
        let (_, mut outcomes) = self.build(vec![transaction]);
        match outcomes.remove(0) {
            Outcome::Included(included) => panic!("{included:?}"),
            Outcome::Rejected(rejection) => rejection,
        }
    }

    /// Runs `f` on the state of the head.
    pub(crate) fn view<T>(&self, f: impl FnOnce(StateView<'_>) -> T) -> T {
        f(StateView::new(&*self.store.snapshot()))
    }

    /// Runs `f` on a simulation at the head.
    pub(crate) fn simulate<T>(&self, f: impl FnOnce(Simulation<'_>) -> T) -> T {
        f(Simulation::new(
            &self.rules,
            &*self.store.snapshot(),
            &self.head,
        ))
    }
}

/// A call with room for gas and fees.
pub(crate) fn call(nonce: u64, to: Address, input: impl Into<Bytes>) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 3_000_000,
        max_fee_per_gas: 20_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(to),
        value: U256::ZERO,
        access_list: Default::default(),
        input: input.into(),
    }
}

/// A transaction that creates a contract with this runtime code.
pub(crate) fn create(nonce: u64, code: &[u8]) -> TxEip1559 {
    TxEip1559 {
        to: TxKind::Create,
        ..call(nonce, Address::ZERO, init_code(code))
    }
}

/// Creation code that returns `code`: PUSH2 len, DUP1, PUSH1 offset, PUSH0, CODECOPY, PUSH0, RETURN.
pub(crate) fn init_code(code: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(code.len()).unwrap().to_be_bytes();
    let mut init = vec![0x61, high, low, 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3];
    init.extend_from_slice(code);
    init
}

/// Signs a transaction.
pub(crate) fn sign<T>(account: DevAccount, mut transaction: T) -> Recovered
where
    T: SignableTransaction<alloy::primitives::Signature>,
    Transaction: From<alloy_consensus::Signed<T>>,
{
    let signer = PrivateKeySigner::from_bytes(&account.private_key()).unwrap();
    let signature = signer.sign_transaction_sync(&mut transaction).unwrap();
    Recovered::new_unchecked(transaction.into_signed(signature).into(), account.address())
}
