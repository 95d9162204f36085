//! What a transaction costs on its way into the chain.
//!
//! `cargo bench -p phytomer-ledger` prints, per second: signatures checked, transactions taken by
//! the pool, and transactions of a block of transfers and of a block of ERC-20 transfers, as the
//! EVM alone executes them (`execution`), as a whole block in memory (`memory`: with the state root
//! and all the records), and as a whole block on RocksDB with fsync (`rocksdb`). The ratio of the
//! last to the first is what the ledger adds to the EVM.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::{hint::black_box, path::Path, sync::Arc, time::Instant};

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    primitives::{Address, Bytes, TxKind, U256},
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::SolCall,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use phytomer_contracts::TestUSD;
use phytomer_evm::{BlockBuilder, Outcome};
use phytomer_genesis::{DevAccount, Issuer, Spec, dev, predeploy};
use phytomer_ledger::{
    Chain, PoolConfig,
    pool::{Pool, PooledTransaction, Rules, SenderState, check},
    production,
};
use phytomer_primitives::{Recovered, Transaction};
use phytomer_rocks::RocksStore;
use phytomer_store::{MemoryStore, Store};

const CHAIN_ID: u64 = 1_337;
const GENESIS_TIME_S: u64 = 1_760_000_000;
const TRANSACTIONS: u64 = 1_000;
const RICH: SenderState = SenderState {
    nonce: 0,
    balance: U256::MAX,
};

fn spec() -> Spec {
    dev(
        CHAIN_ID,
        Issuer::new(Address::repeat_byte(1), "did:key:z"),
        GENESIS_TIME_S,
    )
}

/// Signed transactions of the ten development accounts, each to a recipient of its own.
fn sign(input: impl Fn(Address) -> (Address, Bytes)) -> Vec<Transaction> {
    let accounts = DevAccount::ALL
        .map(|account| PrivateKeySigner::from_bytes(&account.private_key()).unwrap());
    (0..TRANSACTIONS)
        .map(|index| {
            let recipient = Address::left_padding_from(&(0x1_0000 + index).to_be_bytes());
            let (to, input) = input(recipient);
            let fields = TxEip1559 {
                chain_id: CHAIN_ID,
                nonce: index / 10,
                gas_limit: 60_000,
                max_fee_per_gas: 10_000_000_000,
                max_priority_fee_per_gas: 1_000_000_000,
                to: TxKind::Call(to),
                value: U256::from(u64::from(input.is_empty())),
                input,
                access_list: Default::default(),
            };
            let signer = &accounts[(index % 10) as usize];
            let signature = signer.sign_hash_sync(&fields.signature_hash()).unwrap();
            fields.into_signed(signature).into()
        })
        .collect()
}

fn transfers() -> Vec<Transaction> {
    sign(|recipient| (recipient, Bytes::new()))
}

fn erc20_transfers() -> Vec<Transaction> {
    sign(|to| {
        let call = TestUSD::transferCall {
            to,
            value: U256::from(1),
        };
        (predeploy::TUSD, call.abi_encode().into())
    })
}

fn recover(transactions: Vec<Transaction>) -> Vec<Recovered> {
    let rules = Rules {
        chain_id: CHAIN_ID,
        block_gas_limit: 60_000_000,
    };
    transactions
        .into_iter()
        .map(|transaction| check(transaction, &rules).unwrap())
        .collect()
}

fn filled_pool(transactions: &[Recovered]) -> Pool {
    let mut pool = Pool::new(PoolConfig::default());
    for transaction in transactions {
        pool.insert(
            PooledTransaction::new(transaction.clone()),
            RICH,
            Instant::now(),
        )
        .unwrap();
    }
    pool
}

fn rocks(folder: &Path) -> Arc<dyn Store> {
    Arc::new(RocksStore::open(folder, &phytomer_rocks::Config::default()).unwrap())
}

/// Makes one block of all transactions.
fn make_block(chain: &Chain, pool: &Pool) {
    let parent = chain.head().unwrap();
    let best = pool.best(chain.rules().next_base_fee(&parent));
    let attributes = production::attributes(&parent, GENESIS_TIME_S, Address::ZERO);
    let reader = chain.snapshot();
    let proposal = production::build(chain.rules(), &*reader, &parent, attributes, best).unwrap();
    drop(reader);
    chain.commit(&proposal.executed).unwrap();
    assert_eq!(
        proposal.executed.block.receipts().len() as u64,
        TRANSACTIONS
    );
}

/// Executes all transactions and throws the result away.
fn execute(chain: &Chain, transactions: &[Recovered]) {
    let parent = chain.head().unwrap();
    let reader = chain.snapshot();
    let attributes = production::attributes(&parent, GENESIS_TIME_S, Address::ZERO);
    let mut builder = BlockBuilder::new(chain.rules(), &*reader, &parent, attributes).unwrap();
    for transaction in transactions {
        let outcome = builder.push(transaction.clone()).unwrap();
        assert!(matches!(outcome, Outcome::Included(included) if included.success));
    }
    black_box(builder.gas_left());
}

fn pool(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pool");
    group
        .throughput(Throughput::Elements(TRANSACTIONS))
        .sample_size(20);
    let transactions = transfers();
    group.bench_function("check", |bencher| {
        bencher.iter_batched(|| transactions.clone(), recover, BatchSize::LargeInput);
    });
    let recovered = recover(transactions);
    group.bench_function("insert", |bencher| bencher.iter(|| filled_pool(&recovered)));
    let pool = filled_pool(&recovered);
    group.bench_function("best", |bencher| bencher.iter(|| pool.best(0).count()));
    group.finish();
}

fn blocks(criterion: &mut Criterion) {
    for (name, transactions) in [("transfers", transfers()), ("erc20", erc20_transfers())] {
        let recovered = recover(transactions);
        let pool = filled_pool(&recovered);
        let mut group = criterion.benchmark_group(format!("block/{name}"));
        group
            .throughput(Throughput::Elements(TRANSACTIONS))
            .sample_size(10);

        let fresh = || Chain::open(Arc::new(MemoryStore::new()), &spec()).unwrap();
        let chain = fresh();
        group.bench_function("execution", |bencher| {
            bencher.iter(|| execute(&chain, &recovered))
        });
        group.bench_function("memory", |bencher| {
            bencher.iter_batched(
                fresh,
                |chain| make_block(&chain, &pool),
                BatchSize::PerIteration,
            );
        });
        group.bench_function("rocksdb", |bencher| {
            let setup = || {
                let folder = tempfile::tempdir().unwrap();
                (Chain::open(rocks(folder.path()), &spec()).unwrap(), folder)
            };
            let routine = |(chain, folder)| {
                make_block(&chain, &pool);
                // Returned, so that closing and deleting are not measured.
                (chain, folder)
            };
            bencher.iter_batched(setup, routine, BatchSize::PerIteration);
        });
        group.finish();
    }
}

criterion_group!(benches, pool, blocks);
criterion_main!(benches);
