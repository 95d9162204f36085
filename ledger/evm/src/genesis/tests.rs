use alloy::{
    primitives::{U256, b256, bytes},
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use phytomer_contracts::{AccessManager, IssuerRegistry, PlantCertificate, TestUSD, roles, taxon};
use phytomer_genesis::{DEV_BALANCE, DEV_TUSD, DevAccount, predeploy};

use super::*;
use crate::testing::{ISSUER, TestChain, dev_spec, plain_spec};

/// The genesis blocks of Ethereum's test networks, from go-ethereum's `dumpgenesis`.
#[test]
fn known_networks_have_their_known_hashes() {
    let known = [
        (
            include_str!("../../testdata/sepolia.json"),
            b256!("0x5eb6e371a698b8d68f665192350ffcecbbbf322916f4b51bd79bb6887da3f494"),
            b256!("0x25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9"),
        ),
        (
            include_str!("../../testdata/holesky.json"),
            b256!("0x69d8c9d72f6fa4ad42d4702b433707212f90db395eb54dc20bc85de253788783"),
            b256!("0xb5f7f912443c940f21fd611f12828d75b534364ed9e95ca4e307729a4661bde4"),
        ),
    ];
    for (file, state_root, hash) in known {
        let genesis = execute_genesis(&Spec::from_json(file).unwrap()).unwrap();
        assert_eq!(genesis.block.header().state_root, state_root);
        assert_eq!(genesis.block.hash(), hash);
    }
}

#[test]
fn the_exported_genesis_gives_the_same_block_without_executing_anything() {
    let spec = dev_spec();
    let genesis = execute_genesis(&spec).unwrap();
    let exported = Spec::plain("exported", genesis.export(&spec));
    let exported = Spec::from_json(&exported.to_json()).unwrap();
    let again = execute_genesis(&exported).unwrap();
    assert_eq!(again.block.hash(), genesis.block.hash());
    assert_eq!(again.changes, genesis.changes);
}

#[test]
fn everybody_of_a_development_network_has_their_part() {
    let chain = TestChain::new(&dev_spec());
    for account in DevAccount::ALL {
        let record = chain
            .view(|view| view.account(account.address()))
            .unwrap()
            .unwrap();
        assert_eq!(
            (record.balance, record.nonce),
            (DEV_BALANCE, 0),
            "{account:?}"
        );
        let balance = TestUSD::balanceOfCall {
            account: account.address(),
        };
        assert_eq!(
            ask(&chain, predeploy::TUSD, balance),
            DEV_TUSD,
            "{account:?}"
        );
    }
    let supply = ask(&chain, predeploy::TUSD, TestUSD::totalSupplyCall {});
    assert_eq!(supply, DEV_TUSD * U256::from(10));

    let olive = taxon("Olea europaea");
    let accredited = |issuer| {
        ask(
            &chain,
            predeploy::ISSUER_REGISTRY,
            IssuerRegistry::isAccreditedCall {
                issuer,
                taxon: olive,
            },
        )
    };
    assert!(accredited(ISSUER.address()));
    assert!(!accredited(DevAccount::User3.address()));
    let of = IssuerRegistry::issuerOfCall {
        issuer: ISSUER.address(),
    };
    let record = ask(&chain, predeploy::ISSUER_REGISTRY, of);
    assert_eq!(record.authority, DevAccount::Authority.address());
    assert_eq!(record.didHash, keccak256("did:key:z6MkTest"));

    let has_role = |role, account: DevAccount| {
        let call = AccessManager::hasRoleCall {
            roleId: role,
            account: account.address(),
        };
        ask(&chain, predeploy::ACCESS_MANAGER, call).isMember
    };
    assert!(has_role(roles::ADMIN, DevAccount::Admin));
    assert!(has_role(roles::INSPECTOR, DevAccount::Authority));
    assert!(!has_role(roles::ADMIN, DevAccount::Authority));
    let issued = ask(
        &chain,
        predeploy::PLANT_CERTIFICATE,
        PlantCertificate::totalSupplyCall {},
    );
    assert_eq!(issued, U256::ZERO);
}

fn ask<C: SolCall>(chain: &TestChain, contract: Address, call: C) -> C::Return {
    let request = TransactionRequest::default()
        .to(contract)
        .input(call.abi_encode().into());
    let outcome = chain
        .simulate(|simulation| simulation.call(&request))
        .unwrap();
    C::abi_decode_returns(&outcome.output).unwrap()
}

/// Returns what it finds behind its own code, after storing it: a constructor with one argument.
fn constructor() -> Bytes {
    // PUSH1 32, PUSH1 17, PUSH0, CODECOPY; PUSH0, MLOAD, PUSH1 7, SSTORE; PUSH1 32, PUSH0, RETURN;
    // STOP, STOP; then the argument.
    let code = bytes!("6020 6011 5f 39 5f 51 6007 55 6020 5f f3 00 00");
    let argument = B256::repeat_byte(0x42);
    [&code[..], argument.as_slice()].concat().into()
}

fn with_contract(init_code: Bytes) -> Spec {
    let address = Address::repeat_byte(0xcc);
    Spec {
        predeploys: vec![Predeploy {
            name: "Probe".to_owned(),
            address,
            init_code,
        }],
        ..plain_spec()
    }
}

#[test]
fn a_constructor_finds_its_arguments_and_keeps_what_it_stores() {
    let chain = TestChain::new(&with_contract(constructor()));
    let address = Address::repeat_byte(0xcc);
    let account = chain.view(|view| view.account(address)).unwrap().unwrap();
    assert_eq!(account.nonce, 1);
    let code = chain.view(|view| view.code(account.code_hash)).unwrap();
    assert_eq!(code, Bytes::from(vec![0x42; 32]));
    let slot = chain
        .view(|view| view.storage(address, U256::from(7).into()))
        .unwrap();
    assert_eq!(B256::from(slot), B256::repeat_byte(0x42));
}

#[test]
fn what_fails_is_named() {
    let message = |spec: Spec| execute_genesis(&spec).unwrap_err().to_string();
    // PUSH0, PUSH0, REVERT.
    let reverts = message(with_contract(bytes!("5f5ffd")));
    assert!(
        reverts.contains("constructor of Probe at 0xCcCC") && reverts.contains("reverted"),
        "{reverts}"
    );
    // INVALID.
    let halts = message(with_contract(bytes!("fe")));
    assert!(halts.contains("constructor of Probe"), "{halts}");
    // STOP: no code is returned.
    let nothing = message(with_contract(bytes!("00")));
    assert!(nothing.contains("left 0 bytes"), "{nothing}");
    // Returns 0xef followed by zeros (EIP-3541): PUSH1 0xef, PUSH0, MSTORE8, PUSH1 2, PUSH0, RETURN.
    let ef = message(with_contract(bytes!("60ef5f5360025ff3")));
    assert!(
        ef.contains("left 2 bytes of code that cannot stand"),
        "{ef}"
    );
    // Returns one byte more than a contract may have (EIP-170): PUSH2 0x6001, PUSH0, RETURN.
    let large = message(with_contract(bytes!("6160015ff3")));
    assert!(large.contains("left 24577 bytes"), "{large}");

    let call = SetupCall {
        note: "call nobody".to_owned(),
        from: DevAccount::Admin.address(),
        to: Address::repeat_byte(0xdd),
        input: Bytes::new(),
    };
    let nobody = message(Spec {
        setup: vec![call],
        ..plain_spec()
    });
    assert!(
        nobody.contains("setup call 0 (call nobody) failed: there is no contract at 0xDDdD"),
        "{nobody}"
    );
}
