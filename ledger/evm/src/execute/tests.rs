#![expect(clippy::unwrap_used, reason = "tests")]

use alloy::{
    consensus::Header,
    primitives::{B64, B256, Bloom, Bytes, U256},
};
use phytomer_genesis::DevAccount;
use phytomer_primitives::Block;
use phytomer_store::Store;

use super::*;
use crate::{
    recover_senders,
    testing::{TestChain, call, plain_spec, sign},
};

/// A block with one transfer, on top of the head of a chain.
fn chain_and_block() -> (TestChain, Block) {
    let chain = TestChain::new(&plain_spec());
    let transfer = call(0, Address::repeat_byte(1), Bytes::new());
    let (executed, _) = chain.build(vec![sign(DevAccount::User3, transfer)]);
    let block = executed.block.block().clone().into_block();
    (chain, block)
}

/// What a validator says about the block after `change`.
fn verdict(change: impl FnOnce(&mut Block)) -> Result<Executed, Error> {
    let (chain, mut block) = chain_and_block();
    change(&mut block);
    let block = SealedBlock::new(block);
    let senders = recover_senders(&block).unwrap();
    execute_block(
        &chain.rules,
        &*chain.store.snapshot(),
        &chain.head,
        block,
        senders,
    )
}

#[test]
fn every_field_of_the_header_counts() {
    type Change = fn(&mut Header);
    let cases: [(&str, Change); 16] = [
        ("parentHash", |h| h.parent_hash = B256::repeat_byte(7)),
        ("number", |h| h.number += 1),
        ("gasLimit", |h| h.gas_limit += 1),
        ("baseFeePerGas", |h| h.base_fee_per_gas = None),
        ("difficulty", |h| h.difficulty = U256::ONE),
        ("nonce", |h| h.nonce = B64::repeat_byte(1)),
        ("sha3Uncles", |h| h.ommers_hash = B256::repeat_byte(7)),
        ("withdrawalsRoot", |h| h.withdrawals_root = None),
        ("blobGasUsed", |h| h.blob_gas_used = Some(1)),
        ("excessBlobGas", |h| h.excess_blob_gas = Some(1)),
        ("parentBeaconBlockRoot", |h| {
            h.parent_beacon_block_root = None
        }),
        ("transactionsRoot", |h| {
            h.transactions_root = B256::repeat_byte(7)
        }),
        ("gasUsed", |h| h.gas_used += 1),
        ("receiptsRoot", |h| h.receipts_root = B256::repeat_byte(7)),
        ("logsBloom", |h| h.logs_bloom = Bloom::repeat_byte(1)),
        ("requestsHash", |h| {
            h.requests_hash = Some(B256::repeat_byte(7))
        }),
    ];
    for (name, change) in cases {
        let error = verdict(|block| change(&mut block.header)).unwrap_err();
        let Error::Block(BlockError::Field {
            field,
            found,
            expected,
        }) = error
        else {
            panic!("{name}: {error}");
        };
        assert_eq!(field, name);
        assert_ne!(found, expected, "{name}");
    }
    // The beneficiary is the proposer's to choose, but the state root depends on it.
    let choices: [Change; 2] = [
        |h| h.state_root = B256::repeat_byte(7),
        |h| h.beneficiary = Address::repeat_byte(9),
    ];
    for change in choices {
        let error = verdict(|block| change(&mut block.header)).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Block(BlockError::Field {
                    field: "stateRoot",
                    ..
                })
            ),
            "{error}"
        );
    }
}

#[test]
fn a_field_that_this_chain_does_not_have_is_noticed() {
    // A header field of a later fork is in the hash, so the hash differs.
    let error = verdict(|block| block.header.slot_number = Some(1)).unwrap_err();
    assert!(
        matches!(error, Error::Block(BlockError::Field { field: "hash", .. })),
        "{error}"
    );
}

#[test]
fn what_the_body_may_not_hold_is_refused() {
    let error = verdict(|block| block.body.ommers.push(Header::default())).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Block(BlockError::Body {
                ommers: 1,
                withdrawals: 0
            })
        ),
        "{error}"
    );
    let error = verdict(|block| {
        block.body.withdrawals = Some(vec![Default::default()].into());
    });
    assert!(matches!(
        error,
        Err(Error::Block(BlockError::Body {
            ommers: 0,
            withdrawals: 1
        }))
    ));
    let error = verdict(|block| block.body.withdrawals = None).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Block(BlockError::Field {
                field: "withdrawals",
                ..
            })
        ),
        "{error}"
    );
    let error = verdict(|block| {
        let copies = BLOCK_BYTES_MAX / 100;
        block.body.transactions = vec![block.body.transactions[0].clone(); copies];
    });
    assert!(
        matches!(error, Err(Error::Block(BlockError::TooLarge { .. }))),
        "{error:?}"
    );
}

#[test]
fn a_transaction_that_is_not_valid_there_is_named() {
    let error = verdict(|block| {
        let first = block.body.transactions[0].clone();
        block.body.transactions.push(first);
    });
    let Err(Error::Block(BlockError::Transaction {
        index: 1,
        rejection,
        ..
    })) = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(
        rejection,
        crate::Rejection::NonceTooLow {
            found: 0,
            expected: 1
        }
    );
}

#[test]
fn senders_must_match_the_transactions() {
    let (chain, block) = chain_and_block();
    let block = SealedBlock::new(block);
    let reader = chain.store.snapshot();
    let error = execute_block(&chain.rules, &*reader, &chain.head, block, vec![]).unwrap_err();
    assert!(
        matches!(error, Error::Block(BlockError::Parts(_))),
        "{error}"
    );
}
