use alloy::{
    primitives::{B256, U256, address, bytes, hex},
    rpc::types::{TransactionRequest, state::AccountOverride},
};
use alloy_consensus::TxEip1559;
use phytomer_genesis::{DEV_BALANCE, DevAccount};

use super::*;
use crate::testing::{TestChain, call, create, plain_spec, sign};

const USER: DevAccount = DevAccount::User3;
const NOBODY: Address = address!("0x00000000000000000000000000000000000a11ce");

fn chain() -> TestChain {
    TestChain::new(&plain_spec())
}

fn deploy(chain: &mut TestChain, code: &[u8]) -> Address {
    let nonce = chain
        .view(|view| view.account(USER.address()))
        .unwrap()
        .unwrap()
        .nonce;
    assert!(chain.include(sign(USER, create(nonce, code))).1.success);
    USER.address().create(nonce)
}

fn to(address: Address) -> TransactionRequest {
    TransactionRequest::default()
        .from(USER.address())
        .to(address)
}

fn run(chain: &TestChain, request: &TransactionRequest) -> Result<Bytes, CallError> {
    chain
        .simulate(|simulation| simulation.call(request))
        .map(|outcome| outcome.output)
}

fn word(value: u64) -> Bytes {
    U256::from(value).to_be_bytes_vec().into()
}

/// Returns the word that `opcode` pushes: opcode, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN.
fn returning(opcode: &[u8]) -> Vec<u8> {
    [opcode, &hex!("5f5260205ff3")].concat()
}

#[test]
fn a_call_sees_the_block_and_leaves_nothing_behind() {
    let mut chain = chain();
    // PUSH1 1, PUSH0, SSTORE, NUMBER …
    let contract = deploy(&mut chain, &returning(&hex!("60015f5543")));
    assert_eq!(run(&chain, &to(contract)).unwrap(), word(1));
    assert_eq!(
        chain
            .view(|view| view.storage(contract, B256::ZERO))
            .unwrap(),
        U256::ZERO
    );
    let timestamp = deploy(&mut chain, &returning(&hex!("42")));
    assert_eq!(
        run(&chain, &to(timestamp)).unwrap(),
        word(chain.head.timestamp)
    );
}

#[test]
fn a_call_pays_only_when_it_names_a_price() {
    let mut chain = chain();
    let base_fee = deploy(&mut chain, &returning(&hex!("48")));
    // Nobody has no coins, and need not.
    let free = TransactionRequest::default().from(NOBODY).to(base_fee);
    assert_eq!(run(&chain, &free).unwrap(), word(0));
    let header_fee = chain.head.base_fee_per_gas.unwrap();
    let paid = to(base_fee).max_fee_per_gas(2_000_000_000);
    assert_eq!(run(&chain, &paid).unwrap(), word(header_fee));
    let error = run(
        &chain,
        &free.gas_limit(30_000).max_fee_per_gas(2_000_000_000),
    )
    .unwrap_err();
    let required = U256::from(30_000_u64 * 2_000_000_000);
    assert!(
        matches!(error, CallError::Rejected(Rejection::InsufficientFunds { required: r, available }) if r == required && available.is_zero()),
    );
    // What is sent must be there in any case.
    let error = run(
        &chain,
        &TransactionRequest::default()
            .from(NOBODY)
            .to(USER.address())
            .value(U256::ONE),
    );
    assert!(matches!(
        error,
        Err(CallError::Rejected(Rejection::InsufficientFunds { .. }))
    ));
}

#[test]
fn nonces_and_contract_senders_are_not_checked() {
    let mut chain = chain();
    // CALLER.
    let contract = deploy(&mut chain, &returning(&hex!("33")));
    let request = TransactionRequest::default()
        .from(contract)
        .to(contract)
        .nonce(77);
    assert_eq!(
        run(&chain, &request).unwrap(),
        Bytes::from(contract.into_word())
    );
}

#[test]
fn reverts_keep_their_data_and_halts_their_reason() {
    let mut chain = chain();
    // PUSH1 42, PUSH0, MSTORE, PUSH1 32, PUSH0, REVERT.
    let reverts = deploy(&mut chain, &hex!("602a5f5260205ffd"));
    let error = run(&chain, &to(reverts)).unwrap_err();
    assert!(
        matches!(&error, CallError::Reverted { output, .. } if *output == word(42)),
        "{error}"
    );
    assert_eq!(error.to_string(), "execution reverted");
    let cases: [(&[u8], &str); 5] = [
        (&hex!("5b5f56"), "out of gas"),
        (&hex!("fe"), "invalid opcode: INVALID"),
        (&hex!("50"), "stack underflow"),
        (&hex!("600356"), "invalid jump destination"),
        // RETURNDATACOPY of one byte where there is none.
        (&hex!("60015f5f3e"), "return data out of bounds"),
    ];
    for (code, reason) in cases {
        let contract = deploy(&mut chain, code);
        let error = run(&chain, &to(contract).gas_limit(100_000)).unwrap_err();
        assert!(
            matches!(
                &error,
                CallError::Halted {
                    gas_used: 100_000,
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(error.to_string(), reason);
    }
}

#[test]
fn state_and_block_can_be_overridden() {
    let chain = chain();
    // SELFBALANCE, plus slot 0, plus NUMBER.
    let account = AccountOverride::default()
        .with_code(Bytes::from(returning(&hex!("475f540143 01"))))
        .with_balance(U256::from(100))
        .with_state_diff([(B256::ZERO, B256::from(U256::from(20)))]);
    let overrides: StateOverride = [(NOBODY, account)].into_iter().collect();
    let block = BlockOverrides {
        number: Some(U256::from(3)),
        ..BlockOverrides::default()
    };
    let output = chain.simulate(|simulation| {
        simulation
            .with_state(overrides)
            .with_block(block)
            .call(&to(NOBODY))
            .unwrap()
            .output
    });
    assert_eq!(output, word(123));
    assert_eq!(run(&chain, &to(NOBODY)).unwrap(), Bytes::new());
}

#[test]
fn requests_that_contradict_themselves_are_refused() {
    let chain = chain();
    let error = run(&chain, &to(NOBODY).gas_price(1).max_fee_per_gas(1)).unwrap_err();
    assert!(error.to_string().contains("both gasPrice and"), "{error}");
    let mut request = to(NOBODY);
    request.input.input = Some(bytes!("01"));
    request.input.data = Some(bytes!("02"));
    assert!(matches!(run(&chain, &request), Err(CallError::Request(_))));
    let error = run(&chain, &to(NOBODY).gas_limit(20_000)).unwrap_err();
    assert!(matches!(
        error,
        CallError::Rejected(Rejection::IntrinsicGas { limit: 20_000, .. })
    ));
}

fn estimate(chain: &TestChain, request: &TransactionRequest) -> Result<u64, CallError> {
    chain.simulate(|simulation| simulation.estimate_gas(request))
}

#[test]
fn an_estimate_of_a_transfer_is_exact() {
    let chain = chain();
    assert_eq!(
        estimate(&chain, &to(NOBODY).value(U256::ONE)).unwrap(),
        21_000
    );
}

/// The estimate suffices as a gas limit, and is at most 1.5 % above the least one that does.
#[test]
fn estimates_suffice_and_are_close_to_the_least() {
    // Clears a slot: a refund at the end. Sets three slots. Hands 63/64 of its gas to a call.
    let clears = hex!("5f5f5500");
    let sets = hex!("60015f556001600155600160025500");
    for code in [&clears[..], &sets[..]] {
        let mut chain = chain();
        let contract = deploy(&mut chain, code);
        // PUSH0 ×5, PUSH20 contract, GAS, CALL, then reverts when the call failed:
        // PUSH1 0x22, JUMPI, PUSH0, PUSH0, REVERT, JUMPDEST.
        let forwards = [
            &hex!("5f5f5f5f5f73")[..],
            contract.as_slice(),
            &hex!("5af16022575f5ffd5b"),
        ]
        .concat();
        let forwards = deploy(&mut chain, &forwards);
        for target in [contract, forwards] {
            let estimated = estimate(&chain, &to(target)).unwrap();
            let suffices = |gas| run(&chain, &to(target).gas_limit(gas)).is_ok();
            assert!(suffices(estimated));
            assert!(
                !suffices(estimated - estimated / 60),
                "{estimated} is far too much"
            );
        }
    }
}

#[test]
fn an_estimate_tells_why_no_gas_would_suffice() {
    let mut chain = chain();
    let reverts = deploy(&mut chain, &hex!("602a5f5260205ffd"));
    let error = estimate(&chain, &to(reverts)).unwrap_err();
    assert!(matches!(error, CallError::Reverted { output, .. } if output == word(42)));
    let burns = deploy(&mut chain, &hex!("5b5f56"));
    let error = estimate(&chain, &to(burns)).unwrap_err();
    assert!(
        matches!(error, CallError::GasExceedsAllowance { allowance } if allowance == 1 << 24),
        "{error}"
    );

    // Who offers a price is estimated only as far as the coins reach.
    let price = 2_000_000_000;
    let coins = U256::from(price * 22_000);
    let account = AccountOverride::default().with_balance(coins);
    let overrides: StateOverride = [(NOBODY, account)].into_iter().collect();
    let poor = TransactionRequest::default()
        .from(NOBODY)
        .to(burns)
        .max_fee_per_gas(price);
    let error = chain.simulate(|simulation| simulation.with_state(overrides).estimate_gas(&poor));
    assert!(
        matches!(
            error,
            Err(CallError::GasExceedsAllowance { allowance: 22_000 })
        ),
        "{error:?}"
    );
    let too_much = to(NOBODY)
        .value(DEV_BALANCE + U256::ONE)
        .max_fee_per_gas(price);
    let error = estimate(&chain, &too_much).unwrap_err();
    assert!(matches!(
        error,
        CallError::Rejected(Rejection::InsufficientFunds { .. })
    ));
}

/// EIP-2930: the list names what is read and written, and the transaction with it costs what was
/// said.
#[test]
fn an_access_list_names_what_a_call_touches() {
    let mut chain = chain();
    // Reads slot 5 and the balance of 0x…0a11ce.
    let contract = deploy(&mut chain, &hex!("600554620a11ce3101"));
    let outcome = chain
        .simulate(|s| s.create_access_list(&to(contract)))
        .unwrap();
    assert_eq!(outcome.error, None);
    let found: Vec<_> = outcome
        .access_list
        .iter()
        .map(|item| (item.address, item.storage_keys.clone()))
        .collect();
    let mut expected = vec![
        (NOBODY, vec![]),
        (contract, vec![B256::from(U256::from(5))]),
    ];
    expected.sort();
    assert_eq!(found, expected);

    let with_list = TxEip1559 {
        access_list: outcome.access_list,
        ..call(1, contract, Bytes::new())
    };
    let (_, included) = chain.include(sign(USER, with_list));
    assert_eq!(included.gas_used, outcome.gas_used);
}
