use alloy::{
    consensus::Header,
    primitives::{B64, B256, Bloom, Bytes, U256},
};
use phytomer_genesis::{DevAccount, Spec};
use phytomer_primitives::{
    Block,
    codec::{decode_block, encode_block},
};
use phytomer_store::Store;

use super::*;
use crate::{
    recover_senders,
    testing::{TestChain, call, dev_spec, plain_spec, sign},
};

mod story;

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

/// A chain that go-ethereum's kind of genesis and raw blocks describe.
#[derive(serde::Deserialize, serde::Serialize)]
struct StoredChain {
    genesis: alloy::genesis::Genesis,
    blocks: Vec<Bytes>,
}

/// Every block of `testdata/chain.json` was accepted by Ethereum's executable specification
/// (EELS), which compares the same roots; `testdata/README.md` says how.
#[test]
fn the_executable_specification_finds_the_same_chain() {
    let stored: StoredChain =
        serde_json::from_str(include_str!("../../testdata/chain.json")).unwrap();
    let mut chain = TestChain::new(&Spec::plain("stored", stored.genesis));
    assert!(stored.blocks.len() > 8);
    let mut successes: Vec<Vec<bool>> = Vec::new();
    for bytes in stored.blocks {
        let block = SealedBlock::new(decode_block(&bytes).unwrap());
        let executed = chain.import(block);
        successes.push(
            executed
                .block
                .receipts()
                .iter()
                .map(|receipt| receipt.is_success())
                .collect(),
        );
    }
    // Issue, split and offer; buy and confirm; suspend, and a transfer that is refused.
    let story: [Vec<bool>; 3] = [vec![true; 4], vec![true; 3], vec![true, false]];
    assert_eq!(successes[6..9], story);
}

#[test]
#[ignore = "writes testdata/chain.json"]
fn write_the_chain_for_the_executable_specification() {
    let spec = dev_spec();
    let mut chain = TestChain::new(&spec);
    let genesis = crate::execute_genesis(&spec).unwrap().export(&spec);
    let mut blocks = Vec::new();
    for transactions in story::blocks() {
        let (executed, outcomes) = chain.extend(transactions);
        for outcome in outcomes {
            assert!(
                matches!(outcome, crate::Outcome::Included(_)),
                "{outcome:?}"
            );
        }
        let block = executed.block.block().clone().into_block();
        blocks.push(encode_block(&block).into());
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/chain.json");
    let text = serde_json::to_string(&StoredChain { genesis, blocks }).unwrap();
    std::fs::write(path, text + "\n").unwrap();
}
