//! Wallets, contracts and nodes for the tests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy::{
    consensus::{SignableTransaction, Signed, TxEip1559},
    eips::eip7702::{Authorization, SignedAuthorization},
    genesis::GenesisAccount,
    primitives::{Address, B256, Bytes, ChainId, Signature, TxKind, U256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use phytomer_genesis::{Issuer, Spec, dev};
use phytomer_ledger::{Chain, Clock, Config, Ledger, Services, spawn};
use phytomer_primitives::Transaction;
use phytomer_rocks::{Config as RocksConfig, RocksStore};
use phytomer_store::Store;
use phytomer_telemetry::MetricsRegistry;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) const CHAIN_ID: ChainId = 1_337;
pub(crate) const GENESIS_TIME_S: u64 = 1_760_000_000;
pub(crate) const GWEI: u128 = 1_000_000_000;
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A chain with Ethereum's current forks and twenty funded [`Wallet`]s.
pub(crate) fn spec() -> Spec {
    let mut genesis = dev(CHAIN_ID, Issuer::new(Address::ZERO, ""), GENESIS_TIME_S).genesis;
    for number in 0..20 {
        let funded = GenesisAccount::default().with_balance(U256::from(10).pow(U256::from(22)));
        genesis.alloc.insert(Wallet::new(number).address(), funded);
    }
    // An account that has a key and code can send nothing (EIP-3607).
    if let Some(account) = genesis.alloc.get_mut(&Wallet::new(WITH_CODE).address()) {
        account.code = Some(Bytes::from_static(&[0x00]));
    }
    Spec::plain("test", genesis)
}

/// A key that signs.
#[derive(Clone)]
pub(crate) struct Wallet(PrivateKeySigner);

impl Wallet {
    pub(crate) fn new(number: u8) -> Self {
        let mut key = B256::repeat_byte(0x11);
        key[31] = number;
        Self(PrivateKeySigner::from_bytes(&key).unwrap())
    }

    pub(crate) fn address(&self) -> Address {
        self.0.address()
    }

    pub(crate) fn sign<T: SignableTransaction<Signature>>(&self, fields: T) -> Transaction
    where
        Transaction: From<Signed<T>>,
    {
        let signature = self.0.sign_hash_sync(&fields.signature_hash()).unwrap();
        fields.into_signed(signature).into()
    }

    pub(crate) fn authorize(&self, authorization: Authorization) -> SignedAuthorization {
        let signature = self
            .0
            .sign_hash_sync(&authorization.signature_hash())
            .unwrap();
        authorization.into_signed(signature)
    }

    pub(crate) fn transfer(&self, nonce: u64, to: Address, value: u64) -> Transaction {
        self.sign(TxEip1559 {
            to: TxKind::Call(to),
            value: U256::from(value),
            ..fields(nonce)
        })
    }

    pub(crate) fn call(&self, nonce: u64, to: Address, input: impl Into<Bytes>) -> Transaction {
        let (to, input) = (TxKind::Call(to), input.into());
        self.sign(TxEip1559 {
            to,
            input,
            gas_limit: 200_000,
            ..fields(nonce)
        })
    }

    pub(crate) fn deploy(&self, nonce: u64, init_code: impl Into<Bytes>) -> Transaction {
        let (to, input) = (TxKind::Create, init_code.into());
        self.sign(TxEip1559 {
            to,
            input,
            gas_limit: 500_000,
            ..fields(nonce)
        })
    }
}

/// The number of the wallet whose account has code.
pub(crate) const WITH_CODE: u8 = 19;

/// An account that nothing but the tests' transfers touches.
pub(crate) const SINK: Address = Address::repeat_byte(0xaa);

/// A transaction that pays well and does nothing.
pub(crate) fn fields(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        to: TxKind::Call(SINK),
        gas_limit: 21_000,
        max_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: GWEI,
        ..TxEip1559::default()
    }
}

/// Code that counts its calls in slot 0, returns the count, and logs it under the topic 0x…c0.
///
/// `SLOAD(0) + 1` is duplicated, stored in slot 0 and in memory, logged with one topic, returned.
const COUNTER: [u8; 25] = [
    0x60, 0x00, 0x54, // PUSH1 0, SLOAD
    0x60, 0x01, 0x01, // PUSH1 1, ADD
    0x80, 0x60, 0x00, 0x55, // DUP1, PUSH1 0, SSTORE
    0x60, 0x00, 0x52, // PUSH1 0, MSTORE
    0x60, 0xc0, 0x60, 0x20, 0x60, 0x00, 0xa1, // PUSH1 c0, PUSH1 32, PUSH1 0, LOG1
    0x60, 0x20, 0x60, 0x00, 0xf3, // PUSH1 32, PUSH1 0, RETURN
];

/// The topic that the counter logs under.
pub(crate) const COUNTED: B256 = B256::with_last_byte(0xc0);

/// Init code that installs this code.
pub(crate) fn installs(code: &[u8]) -> Vec<u8> {
    let len = u8::try_from(code.len()).unwrap();
    // PUSH1 len, PUSH1 12, PUSH1 0, CODECOPY, PUSH1 len, PUSH1 0, RETURN, padded to 12 bytes.
    let mut init = vec![0x60, len, 0x60, 12, 0x60, 0, 0x39, 0x60, len, 0x60, 0, 0xf3];
    init.extend_from_slice(code);
    init
}

/// Init code of the counter.
pub(crate) fn counter() -> Vec<u8> {
    installs(&COUNTER)
}

/// A clock that stands until it is moved.
#[derive(Debug, Default)]
pub(crate) struct StillClock(AtomicU64);

impl StillClock {
    pub(crate) fn at(unix_time_s: u64) -> Arc<Self> {
        Arc::new(Self(unix_time_s.into()))
    }

    pub(crate) fn set(&self, unix_time_s: u64) {
        self.0.store(unix_time_s, Ordering::Relaxed);
    }
}

impl Clock for StillClock {
    fn unix_time_s(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Blocks as fast as they come.
pub(crate) fn quick() -> Config {
    Config {
        block_time_ms: 5,
        ..Config::default()
    }
}

/// A running ledger.
pub(crate) struct Node {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<StillClock>,
    pub(crate) registry: MetricsRegistry,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Node {
    pub(crate) fn start(store: Arc<dyn Store>, config: Config) -> Self {
        let chain = Chain::open(store, &spec()).unwrap();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let (clock, registry) = (StillClock::at(GENESIS_TIME_S + 1), MetricsRegistry::new());
        let services = Services {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            registry: &registry,
            tasks: &tasks,
            shutdown: shutdown.clone(),
        };
        let ledger = spawn(config, chain, services).unwrap();
        Self {
            ledger,
            clock,
            registry,
            tasks,
            shutdown,
        }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Submits and waits until it is mined.
    pub(crate) async fn mine(
        &self,
        transaction: Transaction,
    ) -> alloy::rpc::types::TransactionReceipt {
        self.ledger
            .submit_and_wait(transaction, SOON)
            .await
            .unwrap()
    }

    pub(crate) async fn balance(&self, address: Address) -> U256 {
        self.ledger
            .balance(address, alloy::eips::BlockId::latest())
            .await
            .unwrap()
    }
}

/// RocksDB in a folder.
pub(crate) fn disk(folder: &std::path::Path) -> Arc<dyn Store> {
    Arc::new(RocksStore::open(folder, &RocksConfig::default()).unwrap())
}
