use alloy::{
    eips::{eip1559::BaseFeeParams, eip2935, eip7702::Authorization},
    network::TxSignerSync,
    primitives::{TxKind, U256, address, bytes, hex, keccak256},
    rpc::types::TransactionRequest,
    signers::{SignerSync, local::PrivateKeySigner},
};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEip7702, TxLegacy};
use phytomer_genesis::{DEV_BALANCE, DevAccount};
use phytomer_store::Store;

use super::*;
use crate::testing::{CHAIN_ID, TestChain, call, create, plain_spec, sign};

const USER: DevAccount = DevAccount::User3;
const NOBODY: Address = address!("0x00000000000000000000000000000000000a11ce");

fn chain() -> TestChain {
    TestChain::new(&plain_spec())
}

fn balance(chain: &TestChain, address: Address) -> U256 {
    let account = chain.view(|view| view.account(address)).unwrap();
    account.map_or(U256::ZERO, |account| account.balance)
}

/// Creates a contract with this code as the user's next transaction.
fn deploy(chain: &mut TestChain, code: &[u8]) -> Address {
    let nonce = chain
        .view(|view| view.account(USER.address()))
        .unwrap()
        .unwrap()
        .nonce;
    let (_, included) = chain.include(sign(USER, create(nonce, code)));
    assert!(included.success);
    USER.address().create(nonce)
}

/// Calls a contract without a transaction.
fn ask(chain: &TestChain, to: Address, input: Vec<u8>) -> Bytes {
    let request = TransactionRequest::default()
        .to(to)
        .input(Bytes::from(input).into());
    chain
        .simulate(|simulation| simulation.call(&request))
        .unwrap()
        .output
}

/// EIP-1559: after an empty genesis the base fee falls by an eighth; the sender pays value and
/// fee, the proposer gets the tip, the base fee is burned.
#[test]
fn a_transfer_moves_coins_and_pays_its_fee() {
    let mut chain = chain();
    let transfer = TxEip1559 {
        value: U256::from(7),
        gas_limit: 21_000,
        ..call(0, NOBODY, Bytes::new())
    };
    let (executed, included) = chain.include(sign(USER, transfer));
    assert_eq!(
        included,
        Included {
            gas_used: 21_000,
            success: true
        }
    );
    let header = executed.block.block().header();
    assert_eq!(header.base_fee_per_gas, Some(875_000_000));
    assert_eq!(header.gas_used, 21_000);

    let (base_fee, tip) = (U256::from(875_000_000), U256::from(1_000_000_000));
    let fee = U256::from(21_000) * (base_fee + tip);
    assert_eq!(balance(&chain, NOBODY), U256::from(7));
    assert_eq!(
        balance(&chain, USER.address()),
        DEV_BALANCE - U256::from(7) - fee
    );
    assert_eq!(
        balance(&chain, header.beneficiary),
        U256::from(21_000) * tip
    );
}

/// The examples of EIP-1559's formula: below the target, on it, and a full block.
#[test]
fn the_base_fee_follows_the_gas_used() {
    let chain = chain();
    let after = |gas_used| {
        let parent = Header {
            gas_used,
            ..chain.head.inner().clone()
        };
        chain.rules.next_base_fee(&parent)
    };
    assert_eq!(after(0), 875_000_000);
    assert_eq!(after(30_000_000), 1_000_000_000);
    assert_eq!(after(60_000_000), 1_125_000_000);
    assert_eq!(BaseFeeParams::ethereum().elasticity_multiplier, 2);
}

#[test]
fn rejected_transactions_change_nothing() {
    let chain = chain();
    let wei = |value: u64| U256::from(value);
    let base = || call(0, NOBODY, Bytes::new());
    let poor = PrivateKeySigner::from_bytes(&keccak256("poor")).unwrap();
    let mut from_poor = TxEip1559 {
        gas_limit: 21_000,
        ..base()
    };
    let signature = poor.sign_transaction_sync(&mut from_poor).unwrap();
    let from_poor =
        Recovered::new_unchecked(from_poor.into_signed(signature).into(), poor.address());
    let cases = [
        (
            sign(USER, call(1, NOBODY, Bytes::new())),
            Rejection::NonceTooHigh {
                found: 1,
                expected: 0,
            },
        ),
        (
            from_poor,
            Rejection::InsufficientFunds {
                required: wei(21_000 * 20_000_000_000),
                available: wei(0),
            },
        ),
        (
            sign(
                USER,
                TxEip1559 {
                    gas_limit: 20_999,
                    ..base()
                },
            ),
            Rejection::IntrinsicGas {
                limit: 20_999,
                required: 21_000,
            },
        ),
        // EIP-7623: 21,000 and 40 for each of 100 bytes that are not zero.
        (
            sign(
                USER,
                TxEip1559 {
                    gas_limit: 24_999,
                    ..call(0, NOBODY, vec![1; 100])
                },
            ),
            Rejection::IntrinsicGas {
                limit: 24_999,
                required: 25_000,
            },
        ),
        (
            sign(
                USER,
                TxEip1559 {
                    gas_limit: (1 << 24) + 1,
                    ..base()
                },
            ),
            Rejection::GasLimitTooHigh {
                limit: (1 << 24) + 1,
                max: 1 << 24,
            },
        ),
        (
            sign(
                USER,
                TxEip1559 {
                    max_fee_per_gas: 874_999_999,
                    max_priority_fee_per_gas: 0,
                    ..base()
                },
            ),
            Rejection::FeeTooLow {
                max_fee: 874_999_999,
                base_fee: 875_000_000,
            },
        ),
        (
            sign(
                USER,
                TxEip1559 {
                    max_priority_fee_per_gas: 20_000_000_001,
                    ..base()
                },
            ),
            Rejection::TipAboveFee,
        ),
        (
            sign(
                USER,
                TxEip1559 {
                    chain_id: 1,
                    ..base()
                },
            ),
            Rejection::WrongChain {
                found: Some(1),
                expected: CHAIN_ID,
            },
        ),
        // EIP-3860: creation code may have 49,152 bytes.
        (
            sign(
                USER,
                TxEip1559 {
                    to: TxKind::Create,
                    ..call(0, NOBODY, vec![0; 49_153])
                },
            ),
            Rejection::InitCodeTooLarge,
        ),
        (
            sign(
                USER,
                TxEip4844 {
                    chain_id: CHAIN_ID,
                    gas_limit: 21_000,
                    ..TxEip4844::default()
                },
            ),
            Rejection::Blobs,
        ),
    ];
    let (empty, _) = chain.build(vec![]);
    for (transaction, expected) in cases {
        let (executed, outcomes) = chain.build(vec![transaction]);
        assert_eq!(outcomes, [Outcome::Rejected(expected)]);
        assert_eq!(executed, empty);
    }
}

#[test]
fn a_used_nonce_is_too_low() {
    let mut chain = chain();
    let transfer = sign(USER, call(0, NOBODY, Bytes::new()));
    chain.include(transfer.clone());
    let rejection = chain.reject(transfer);
    assert_eq!(
        rejection,
        Rejection::NonceTooLow {
            found: 0,
            expected: 1
        }
    );
    assert!(!rejection.is_transient());
}

#[test]
fn a_rejection_leaves_the_transactions_around_it_as_they_are() {
    let chain = chain();
    let transfer = |nonce| sign(USER, call(nonce, NOBODY, Bytes::new()));
    let (with, outcomes) = chain.build(vec![transfer(0), transfer(5), transfer(1)]);
    let (without, _) = chain.build(vec![transfer(0), transfer(1)]);
    assert!(matches!(
        outcomes[1],
        Outcome::Rejected(Rejection::NonceTooHigh { .. })
    ));
    assert_eq!(with, without);
}

#[test]
fn a_transaction_that_reverts_is_included_and_pays() {
    let mut chain = chain();
    // PUSH1 1, PUSH0, SSTORE, PUSH0, PUSH0, REVERT.
    let contract = deploy(&mut chain, &hex!("60015f555f5ffd"));
    let before = balance(&chain, USER.address());
    let (executed, included) = chain.include(sign(USER, call(1, contract, Bytes::new())));
    assert!(!included.success);
    assert!(!executed.block.receipts()[0].is_success());
    assert!(balance(&chain, USER.address()) < before);
    assert_eq!(
        chain
            .view(|view| view.storage(contract, B256::ZERO))
            .unwrap(),
        U256::ZERO
    );
    assert_eq!(
        chain
            .view(|view| view.account(USER.address()))
            .unwrap()
            .unwrap()
            .nonce,
        2
    );
}

#[test]
fn a_block_takes_transactions_until_its_gas_is_used() {
    let mut chain = chain();
    // JUMPDEST, PUSH0, JUMP: spends all gas.
    let contract = deploy(&mut chain, &hex!("5b5f56"));
    let burn = |nonce| {
        sign(
            USER,
            TxEip1559 {
                gas_limit: 1 << 24,
                ..call(nonce, contract, Bytes::new())
            },
        )
    };
    let (executed, outcomes) = chain.extend((1..5).map(burn).collect());
    let burned = Outcome::Included(Included {
        gas_used: 1 << 24,
        success: false,
    });
    let left = 60_000_000 - 3 * (1 << 24);
    let full = Outcome::Rejected(Rejection::BlockGas {
        limit: 1 << 24,
        left,
    });
    assert_eq!(outcomes, [burned.clone(), burned.clone(), burned, full]);
    assert_eq!(executed.block.block().header().gas_used, 3 << 24);
}

#[test]
fn blocks_may_share_a_timestamp_but_not_go_back() {
    let mut chain = chain();
    chain.extend(vec![]);
    let reader = chain.store.snapshot();
    let at = |timestamp| {
        let attributes = BlockAttributes {
            timestamp,
            ..chain.attributes()
        };
        BlockBuilder::new(&chain.rules, &*reader, &chain.head, attributes).map(|_| ())
    };
    let now = chain.head.timestamp;
    assert!(at(now).is_ok());
    let error = at(now - 1).unwrap_err();
    assert!(
        matches!(error, Error::Block(BlockError::BeforeParent { timestamp, parent }) if (timestamp, parent) == (now - 1, now))
    );
    let attributes = BlockAttributes {
        extra_data: vec![0; 33].into(),
        ..chain.attributes()
    };
    let error = BlockBuilder::new(&chain.rules, &*reader, &chain.head, attributes)
        .err()
        .unwrap();
    assert!(matches!(
        error,
        Error::Block(BlockError::ExtraData { len: 33, max: 32 })
    ));
}

/// EIP-2935 and the opcode BLOCKHASH know the same hashes.
#[test]
fn earlier_block_hashes_are_known() {
    let mut chain = chain();
    // PUSH0, CALLDATALOAD, BLOCKHASH, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN.
    let contract = deploy(&mut chain, &hex!("5f35405f5260205ff3"));
    let hashes = [chain.head.parent_hash, chain.head.hash()];
    chain.extend(vec![]);
    for (number, hash) in hashes.into_iter().enumerate() {
        let number = U256::from(number).to_be_bytes_vec();
        assert_eq!(ask(&chain, contract, number.clone()), Bytes::from(hash));
        assert_eq!(
            ask(&chain, eip2935::HISTORY_STORAGE_ADDRESS, number),
            Bytes::from(hash)
        );
    }
}

/// What distinguishes Osaka: the opcode CLZ (EIP-7939) and the precompile P256VERIFY (EIP-7951).
#[test]
fn the_current_fork_is_osaka() {
    let mut chain = chain();
    // PUSH1 1, CLZ, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN: 255 zero bits stand before a 1.
    let contract = deploy(&mut chain, &hex!("60011e5f5260205ff3"));
    assert_eq!(
        ask(&chain, contract, vec![]),
        Bytes::from(U256::from(255).to_be_bytes_vec())
    );
    // The first valid vector of EIP-7951's reference tests (Wycheproof).
    let valid = hex!(
        "bb5a52f42f9c9261ed4361f59422a1e30036e7c32b270c8807a419feca605023"
        "2ba3a8be6b94d5ec80a6d9d1190a436effe50d85a1eee859b8cc6af9bd5c2e18"
        "4cd60b855d442f5b3c7b11eb6c4e0ae7525fe710fab9aa7c77a67f79e6fadd76"
        "2927b10512bae3eddcfe467828128bad2903269919f7086069c8c4df6c732838"
        "c7787964eaac00e5921fb1498a60f4606766b3d9685001558d1a974e7341513e"
    );
    let precompile = Address::from_word(U256::from(0x100).into());
    assert_eq!(
        ask(&chain, precompile, valid.to_vec()),
        Bytes::from(U256::ONE.to_be_bytes_vec())
    );
}

/// EIP-6780 and EIP-161: a contract that destroys itself in the transaction that made it leaves
/// nothing, and an account that nothing happened to does not come to be.
#[test]
fn accounts_that_are_empty_do_not_stay() {
    let mut chain = chain();
    // Creation code: CALLER, SELFDESTRUCT.
    let creation = TxEip1559 {
        to: TxKind::Create,
        input: bytes!("33ff"),
        ..call(0, NOBODY, Bytes::new())
    };
    chain.include(sign(USER, creation));
    chain.include(sign(USER, call(1, NOBODY, Bytes::new())));
    for address in [USER.address().create(0), NOBODY] {
        assert_eq!(chain.view(|view| view.account(address)).unwrap(), None);
    }
}

/// EIP-7702: an account borrows the code of a contract and gives it back.
#[test]
fn an_account_can_delegate_to_a_contract() {
    let mut chain = chain();
    // PUSH1 42, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN.
    let contract = deploy(&mut chain, &hex!("602a5f5260205ff3"));
    let authority = PrivateKeySigner::from_bytes(&DevAccount::User4.private_key()).unwrap();
    let delegate = |chain: &mut TestChain, nonce, address, authority_nonce| {
        let authorization = Authorization {
            chain_id: U256::from(CHAIN_ID),
            address,
            nonce: authority_nonce,
        };
        let signature = authority
            .sign_hash_sync(&authorization.signature_hash())
            .unwrap();
        let transaction = TxEip7702 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 100_000,
            max_fee_per_gas: 20_000_000_000,
            to: NOBODY,
            authorization_list: vec![authorization.into_signed(signature)],
            ..TxEip7702::default()
        };
        assert!(chain.include(sign(USER, transaction)).1.success);
    };
    delegate(&mut chain, 1, contract, 0);
    let account = chain
        .view(|view| view.account(authority.address()))
        .unwrap()
        .unwrap();
    let code = chain.view(|view| view.code(account.code_hash)).unwrap();
    assert_eq!(
        code,
        Bytes::from([&hex!("ef0100")[..], contract.as_slice()].concat())
    );
    assert_eq!(
        ask(&chain, authority.address(), vec![]),
        Bytes::from(U256::from(42).to_be_bytes_vec())
    );

    delegate(&mut chain, 2, Address::ZERO, 1);
    assert_eq!(ask(&chain, authority.address(), vec![]), Bytes::new());
}

#[test]
fn a_legacy_transaction_without_chain_id_is_valid_as_on_ethereum() {
    let mut chain = chain();
    let legacy = TxLegacy {
        chain_id: None,
        gas_price: 20_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(NOBODY),
        value: U256::ONE,
        ..TxLegacy::default()
    };
    chain.include(sign(USER, legacy));
    assert_eq!(balance(&chain, NOBODY), U256::ONE);
}
