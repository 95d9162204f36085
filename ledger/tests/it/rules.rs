//! The pool's own sums against those of the EVM.

use alloy::{
    consensus::{TxEip1559, TxEip7702},
    eips::{
        eip2718::Encodable2718,
        eip2930::{AccessList, AccessListItem},
        eip7702::Authorization,
    },
    primitives::{Address, B256, Bytes, TxKind, U256},
};
use phytomer_evm::{BlockBuilder, Outcome, Rejection};
use phytomer_ledger::{Chain, pool, production};
use phytomer_primitives::Transaction;
use phytomer_store::MemoryStore;
use proptest::prelude::*;

use crate::support::{CHAIN_ID, GENESIS_TIME_S, Node, Wallet, fields, quick, spec};

fn sample() -> impl Strategy<Value = (Vec<u8>, Vec<(u8, usize)>, Kind)> {
    let input = proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..400);
    let list = proptest::collection::vec((any::<u8>(), 0..4_usize), 0..4);
    let kind = prop_oneof![
        Just(Kind::Call),
        Just(Kind::Create),
        (1..3_usize).prop_map(Kind::SetCode)
    ];
    (input, list, kind)
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Call,
    Create,
    SetCode(usize),
}

fn transaction(gas_limit: u64, input: &[u8], list: &[(u8, usize)], kind: Kind) -> Transaction {
    let items = list.iter().map(|(address, slots)| AccessListItem {
        address: Address::repeat_byte(*address),
        storage_keys: (0..*slots as u8).map(B256::repeat_byte).collect(),
    });
    let access_list = AccessList(items.collect());
    let input = Bytes::copy_from_slice(input);
    let wallet = Wallet::new(0);
    let common = TxEip1559 {
        gas_limit,
        input,
        access_list,
        ..fields(0)
    };
    match kind {
        Kind::Call => wallet.sign(TxEip1559 {
            to: TxKind::Call(Address::repeat_byte(9)),
            ..common
        }),
        Kind::Create => wallet.sign(TxEip1559 {
            to: TxKind::Create,
            ..common
        }),
        Kind::SetCode(count) => {
            let authorization = Authorization {
                chain_id: U256::from(CHAIN_ID),
                address: Address::ZERO,
                nonce: 0,
            };
            let signature = alloy::primitives::Signature::test_signature();
            wallet.sign(TxEip7702 {
                chain_id: common.chain_id,
                nonce: common.nonce,
                gas_limit,
                max_fee_per_gas: common.max_fee_per_gas,
                max_priority_fee_per_gas: common.max_priority_fee_per_gas,
                to: Address::repeat_byte(9),
                value: U256::ZERO,
                access_list: common.access_list,
                authorization_list: vec![authorization.into_signed(signature); count],
                input: common.input,
            })
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// With one gas less than the pool asks for, the EVM refuses the transaction for that reason;
    /// with just as much, it does not.
    #[test]
    fn the_pool_asks_for_just_the_gas_that_the_evm_needs((input, list, kind) in sample()) {
        let chain = Chain::open(std::sync::Arc::new(MemoryStore::new()), &spec()).unwrap();
        let parent = chain.head().unwrap();
        let reader = chain.store().snapshot();
        let rules = pool::Rules { chain_id: CHAIN_ID, block_gas_limit: 60_000_000 };
        let needed = pool::intrinsic_gas(&transaction(0, &input, &list, kind));
        let needed = needed.initial.max(needed.floor);

        let attributes = production::attributes(&parent, GENESIS_TIME_S, Address::ZERO);
        let mut builder = BlockBuilder::new(chain.rules(), &*reader, &parent, attributes).unwrap();
        let short = transaction(needed - 1, &input, &list, kind);
        prop_assert!(pool::check(short.clone(), &rules).is_err());
        let outcome = builder.push(phytomer_evm::recover(short).unwrap()).unwrap();
        prop_assert!(matches!(outcome, Outcome::Rejected(Rejection::IntrinsicGas { .. })), "{outcome:?}");

        let recovered = pool::check(transaction(needed, &input, &list, kind), &rules).unwrap();
        let outcome = builder.push(recovered).unwrap();
        prop_assert!(matches!(outcome, Outcome::Included(_)), "{outcome:?}");
    }
}

/// Whoever changes a signed transaction, by a byte or by cutting it, has nothing: the signature
/// then proves no sender, or one without funds.
#[test]
fn no_change_to_a_signed_transaction_is_accepted() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let node = Node::start(std::sync::Arc::new(MemoryStore::new()), quick());
    let kinds = [Kind::Call, Kind::Create, Kind::SetCode(1)];
    proptest!(ProptestConfig::with_cases(300), |(
        kind in proptest::sample::select(kinds.to_vec()),
        position in any::<proptest::sample::Index>(),
        change in 1..=255_u8,
        cut in any::<bool>(),
    )| {
        let mut raw = transaction(100_000, &[1, 2, 3], &[(1, 1)], kind).encoded_2718();
        let position = position.index(raw.len());
        if cut {
            raw.truncate(position);
        } else {
            raw[position] ^= change;
        }
        let outcome = runtime.block_on(node.ledger.submit_raw(raw.into()));
        prop_assert!(outcome.is_err(), "{outcome:?}");
    });
    runtime.block_on(node.stop());
}
