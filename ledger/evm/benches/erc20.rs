//! ERC-20 transfers a second: a whole block through [`BlockBuilder`], with and without its roots,
//! beside revm alone on the same transactions and the same state.
//!
//! `cargo bench -p phytomer-evm` prints transactions a second for each; compare within one run.

use std::hint::black_box;

use alloy::{
    network::TxSignerSync,
    primitives::{Address, TxKind, U256},
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_evm::ToTxEnv;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use phytomer_contracts::TestUSD;
use phytomer_evm::{
    BlockAttributes, BlockBuilder, Executed, Outcome, Rules, StateView, execute_genesis,
};
use phytomer_genesis::{DevAccount, Issuer, Spec, dev, predeploy};
use phytomer_primitives::{Recovered, SealedHeader};
use phytomer_store::{Batch, MemoryStore, Reader, Store};
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext, context::TxEnv, database::CacheDB,
    primitives::hardfork::SpecId,
};

/// Transfers in the block; their gas limits sum to less than what a block may use.
const TRANSFERS: usize = 1_000;

const CHAIN_ID: u64 = 1_337;

/// A chain with its genesis.
struct Chain {
    rules: Rules,
    store: MemoryStore,
    head: SealedHeader,
}

impl Chain {
    fn new() -> Self {
        let issuer = Issuer::new(DevAccount::User9.address(), "did:key:z6MkBench");
        let spec: Spec = dev(CHAIN_ID, issuer, 1_760_000_000);
        let genesis = execute_genesis(&spec).expect("the preset is valid");
        let store = MemoryStore::new();
        let mut batch = Batch::new();
        genesis.state.apply_to(&mut batch);
        store.write(batch).expect("memory takes it");
        Self {
            rules: Rules::new(&spec),
            store,
            head: genesis.block.sealed_header().clone(),
        }
    }

    /// A builder that has taken every transfer.
    fn filled<'a>(&'a self, reader: &'a dyn Reader, transfers: Vec<Recovered>) -> BlockBuilder<'a> {
        let attributes = BlockAttributes {
            timestamp: self.head.timestamp + 1,
            ..BlockAttributes::default()
        };
        let mut builder = BlockBuilder::new(&self.rules, reader, &self.head, attributes)
            .expect("the attributes are valid");
        for transfer in transfers {
            let outcome = builder.push(transfer).expect("memory can be read");
            assert!(matches!(outcome, Outcome::Included(included) if included.success));
        }
        builder
    }

    fn block(&self, transfers: Vec<Recovered>) -> Executed {
        let reader = self.store.snapshot();
        self.filled(&*reader, transfers)
            .finish()
            .expect("the block is valid")
    }
}

/// Transfers of tUSD from the development accounts in turn, each to an account of its own.
fn transfers() -> Vec<Recovered> {
    let signers = DevAccount::ALL.map(|account| {
        PrivateKeySigner::from_bytes(&account.private_key()).expect("the keys are valid")
    });
    let transfer = |index: usize| {
        let to = Address::from_word(U256::from(0xbe9c_0000 + index).into());
        let call = TestUSD::transferCall {
            to,
            value: U256::ONE,
        };
        let mut transaction = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: (index / signers.len()) as u64,
            gas_limit: 60_000,
            max_fee_per_gas: 20_000_000_000,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(predeploy::TUSD),
            input: call.abi_encode().into(),
            ..TxEip1559::default()
        };
        let signer = &signers[index % signers.len()];
        let signature = signer
            .sign_transaction_sync(&mut transaction)
            .expect("keys can sign");
        Recovered::new_unchecked(transaction.into_signed(signature).into(), signer.address())
    };
    (0..TRANSFERS).map(transfer).collect()
}

/// Executes the transfers with revm alone.
fn bare(reader: &dyn Reader, transfers: Vec<TxEnv>) {
    let mut evm = Context::mainnet()
        .with_db(CacheDB::new(StateView::new(reader)))
        .modify_cfg_chained(|config| {
            config.set_spec_and_mainnet_gas_params(SpecId::OSAKA);
            config.chain_id = CHAIN_ID;
        })
        .modify_block_chained(|block| {
            block.gas_limit = 60_000_000;
            block.basefee = 875_000_000;
        })
        .build_mainnet();
    for transfer in transfers {
        let result = evm
            .transact_commit(transfer)
            .expect("the transfer is valid");
        assert!(result.is_success());
    }
    black_box(evm);
}

fn erc20(criterion: &mut Criterion) {
    let chain = Chain::new();
    let transfers = transfers();
    let environments: Vec<TxEnv> = transfers.iter().map(ToTxEnv::to_tx_env).collect();
    let mut group = criterion.benchmark_group("erc20");
    group.throughput(Throughput::Elements(TRANSFERS as u64));
    group.sample_size(20);
    group.bench_function("block with roots", |bencher| {
        let run = |transfers| black_box(chain.block(transfers));
        bencher.iter_batched(|| transfers.clone(), run, BatchSize::LargeInput);
    });
    group.bench_function("block without roots", |bencher| {
        let reader = chain.store.snapshot();
        let run = |transfers| {
            black_box(chain.filled(&*reader, transfers));
        };
        bencher.iter_batched(|| transfers.clone(), run, BatchSize::LargeInput);
    });
    group.bench_function("revm alone", |bencher| {
        let reader = chain.store.snapshot();
        let run = |environments| bare(&*reader, environments);
        bencher.iter_batched(|| environments.clone(), run, BatchSize::LargeInput);
    });
    group.finish();
}

criterion_group!(benches, erc20);
criterion_main!(benches);
