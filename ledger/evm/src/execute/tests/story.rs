//! A chain whose transactions reach many of Ethereum's rules, for the comparison with the
//! executable specification.

use std::collections::BTreeMap;

use alloy::{
    eips::{
        eip2930::{AccessList, AccessListItem},
        eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
        eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
        eip7702::Authorization,
    },
    primitives::{Address, B256, Bytes, TxKind, U256, hex},
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::SolCall,
};
use alloy_consensus::{TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use phytomer_contracts::{Escrow, PlantCertificate, TestUSD, Unit, taxon};
use phytomer_genesis::{DevAccount, predeploy};
use phytomer_primitives::Recovered;

use crate::testing::{CHAIN_ID, ISSUER, call, create, sign};

const USER: DevAccount = DevAccount::User3;
const OTHER: DevAccount = DevAccount::User4;
const BUYER: DevAccount = DevAccount::Buyer;
const AUTHORITY: DevAccount = DevAccount::Authority;

/// Signs transactions with the next nonce of their sender.
#[derive(Default)]
struct Signer {
    nonces: BTreeMap<DevAccount, u64>,
}

impl Signer {
    fn nonce(&mut self, account: DevAccount) -> u64 {
        let nonce = self.nonces.entry(account).or_default();
        *nonce += 1;
        *nonce - 1
    }

    fn call(&mut self, from: DevAccount, to: Address, input: impl Into<Bytes>) -> Recovered {
        let nonce = self.nonce(from);
        sign(from, call(nonce, to, input))
    }

    fn pay(
        &mut self,
        from: DevAccount,
        to: Address,
        value: u64,
        input: impl Into<Bytes>,
    ) -> Recovered {
        let nonce = self.nonce(from);
        sign(
            from,
            TxEip1559 {
                value: U256::from(value),
                ..call(nonce, to, input)
            },
        )
    }

    /// Creates a contract; also says where.
    fn create(&mut self, from: DevAccount, code: &[u8]) -> (Recovered, Address) {
        let nonce = self.nonce(from);
        (
            sign(from, create(nonce, code)),
            from.address().create(nonce),
        )
    }

    fn delegate(&mut self, from: DevAccount, authority: DevAccount, to: Address) -> Recovered {
        let nonce = self.nonce(from);
        let authority_nonce = self.nonce(authority);
        let signer = PrivateKeySigner::from_bytes(&authority.private_key()).unwrap();
        let chain_id = U256::from(CHAIN_ID);
        let authorization = Authorization {
            chain_id,
            address: to,
            nonce: authority_nonce,
        };
        let signature = signer
            .sign_hash_sync(&authorization.signature_hash())
            .unwrap();
        let transaction = TxEip7702 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 200_000,
            max_fee_per_gas: 20_000_000_000,
            max_priority_fee_per_gas: 3,
            to: authority.address(),
            authorization_list: vec![authorization.into_signed(signature)],
            ..TxEip7702::default()
        };
        sign(from, transaction)
    }
}

/// The transactions, block by block.
pub(super) fn blocks() -> Vec<Vec<Recovered>> {
    let mut signer = Signer::default();
    let mut blocks = vec![transfers(&mut signer)];
    blocks.extend(opcodes(&mut signer));
    blocks.push(precompiles(&mut signer));
    blocks.push(requests(&mut signer));
    blocks.extend(certificates(&mut signer));
    blocks.push(Vec::new());
    blocks
}

/// Every type of transaction, and calldata that costs the floor price.
fn transfers(signer: &mut Signer) -> Vec<Recovered> {
    let nobody = Address::repeat_byte(0xaa);
    let legacy = TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce: signer.nonce(USER),
        gas_price: 2_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(nobody),
        value: U256::from(5),
        input: Bytes::new(),
    };
    let unprotected = TxLegacy {
        chain_id: None,
        nonce: signer.nonce(USER),
        ..legacy.clone()
    };
    let with_list = TxEip2930 {
        chain_id: CHAIN_ID,
        nonce: signer.nonce(USER),
        gas_price: 3_000_000_000,
        gas_limit: 60_000,
        to: TxKind::Call(predeploy::TUSD),
        access_list: AccessList(vec![AccessListItem {
            address: predeploy::TUSD,
            storage_keys: vec![B256::ZERO, B256::repeat_byte(1)],
        }]),
        input: TestUSD::totalSupplyCall {}.abi_encode().into(),
        ..TxEip2930::default()
    };
    let floor = [vec![0_u8; 700], vec![0xff; 900]].concat();
    vec![
        sign(USER, legacy),
        sign(USER, unprotected),
        sign(USER, with_list),
        signer.pay(USER, nobody, 7, floor),
        signer.pay(USER, OTHER.address(), 1, Bytes::new()),
    ]
}

/// Contracts that store, log, revert, run out of gas, create, destroy and ask about the block.
fn opcodes(signer: &mut Signer) -> [Vec<Recovered>; 3] {
    // Stores the second word of the input under the first: PUSH1 32, CALLDATALOAD, PUSH0,
    // CALLDATALOAD, SSTORE.
    let (create_store, store) = signer.create(USER, &hex!("6020355f3555"));
    // LOG2 of one word with topics 9 and 7.
    let (create_log, log) = signer.create(USER, &hex!("6007600960205fa2"));
    let (create_revert, revert) = signer.create(USER, &hex!("602a5f5260205ffd"));
    let (create_burn, burn) = signer.create(USER, &hex!("5b5f56"));
    // CALLER, SELFDESTRUCT.
    let (create_destroy, destroy) = signer.create(USER, &hex!("33ff"));
    // Stores what each opcode about the transaction and the block says under its own number, then
    // what TLOAD says after TSTORE, and CLZ of 1.
    let facts = hex!("30 32 33 3a 41 42 43 44 45 46 47 48 4a").map(|op| [op, 0x60, op, 0x55]);
    let transient = hex!("6005 6001 5d 6001 5c 605c 55 6001 1e 601e 55");
    let (create_facts, facts) = signer.create(USER, &[facts.as_flattened(), &transient].concat());
    // Creates the contract whose code is the input, with CREATE2 and salt 1: CALLDATASIZE, PUSH0,
    // PUSH0, CALLDATACOPY, PUSH1 1, CALLDATASIZE, PUSH0, CALLVALUE, CREATE2, PUSH0, SSTORE.
    let (create_factory, factory) = signer.create(USER, &hex!("365f5f376001365f34f55f55"));
    // Stores the hash of the block whose number is the input: PUSH0, CALLDATALOAD, BLOCKHASH …
    let (create_hashes, hashes) = signer.create(USER, &hex!("5f35405f3555"));

    let set = |slot: u64, value: u64| {
        [U256::from(slot), U256::from(value)]
            .map(|word| word.to_be_bytes::<32>())
            .concat()
    };
    let made_and_gone = TxEip1559 {
        to: TxKind::Create,
        value: U256::from(9),
        ..call(signer.nonce(USER), Address::ZERO, hex!("33ff"))
    };
    let first = vec![
        create_store,
        create_log,
        create_revert,
        create_burn,
        create_destroy,
        create_facts,
        create_factory,
        create_hashes,
        sign(USER, made_and_gone),
    ];
    let second = vec![
        signer.call(USER, store, set(1, 1)),
        signer.call(USER, store, set(2, 2)),
        signer.call(USER, log, Bytes::new()),
        signer.call(USER, revert, Bytes::new()),
        signer.call(USER, burn, Bytes::new()),
        signer.pay(USER, destroy, 33, Bytes::new()),
        signer.pay(USER, facts, 4, Bytes::new()),
        signer.pay(USER, factory, 11, hex!("60fe5f5360015ff3")),
        signer.delegate(USER, OTHER, store),
        signer.call(USER, hashes, number(1)),
    ];
    let third = vec![
        // Refunds: a slot is cleared, and one is set and cleared again.
        signer.call(USER, store, set(1, 0)),
        signer.call(USER, store, set(2, 3)),
        signer.call(USER, store, set(3, 0)),
        // The same address again: CREATE2 collides.
        signer.call(USER, factory, hex!("60fe5f5360015ff3")),
        signer.call(USER, OTHER.address(), set(8, 8)),
        signer.delegate(USER, OTHER, Address::ZERO),
        signer.call(USER, hashes, number(3)),
        signer.call(USER, hashes, number(400)),
    ];
    [first, second, third]
}

/// Each precompile with an input that it takes, and one that it refuses.
fn precompiles(signer: &mut Signer) -> Vec<Recovered> {
    let blake2f = [&hex!("00000003")[..], &[0; 208], &[1]].concat();
    let modexp = [number(1), number(1), number(1), hex!("030507").to_vec()].concat();
    let inputs: [(u64, Vec<u8>); 20] = [
        (0x01, vec![1; 128]),
        (0x02, vec![2; 100]),
        (0x03, vec![3; 100]),
        (0x04, vec![4; 100]),
        (0x05, modexp),
        (0x06, vec![0; 128]),
        (0x06, vec![1; 128]),
        (0x07, vec![0; 96]),
        (0x08, vec![]),
        (0x08, vec![7; 100]),
        (0x09, blake2f),
        (0x0a, vec![5; 192]),
        (0x0b, vec![0; 256]),
        (0x0c, vec![0; 160]),
        (0x0d, vec![0; 512]),
        (0x0e, vec![0; 288]),
        (0x0f, vec![0; 384]),
        (0x10, vec![0; 64]),
        (0x11, vec![0; 128]),
        (0x100, vec![6; 160]),
    ];
    let address = |number: u64| Address::from_word(U256::from(number).into());
    let calls = inputs.into_iter();
    calls
        .map(|(number, input)| signer.call(USER, address(number), input))
        .collect()
}

/// Requests to the consensus layer (EIP-7685): one withdrawal and one consolidation.
fn requests(signer: &mut Signer) -> Vec<Recovered> {
    vec![
        signer.pay(USER, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, 10, vec![7; 56]),
        signer.pay(
            USER,
            CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
            10,
            vec![8; 96],
        ),
    ]
}

/// The story of the demonstration: issue, split, sell, suspend; then a transfer that must fail.
fn certificates(signer: &mut Signer) -> [Vec<Recovered>; 3] {
    let lot = |index: u8, quantity| PlantCertificate::NewLot {
        credentialHash: B256::repeat_byte(index),
        taxon: taxon("Olea europaea"),
        statusIndex: u64::from(index),
        expiresAt: 0,
        quantity,
        unit: Unit::PIECE.code(),
    };
    let (plants, escrow) = (predeploy::PLANT_CERTIFICATE, predeploy::ESCROW);
    let to = ISSUER.address();
    let (first, second) = (U256::from(1), U256::from(2));
    let price = U256::from(25_000_000);
    let issue = PlantCertificate::issueCall {
        to,
        newLot: lot(1, 500),
    };
    let new_lots = (2..7).map(|index| lot(index, 100)).collect();
    let split = PlantCertificate::splitCall {
        parent: first,
        newLots: new_lots,
        to,
    };
    let approve = PlantCertificate::approveCall {
        to: escrow,
        tokenId: second,
    };
    let offer = Escrow::offerCall {
        certificate: second,
        price,
        buyer: Address::ZERO,
        deadline: u64::MAX,
    };
    let allow = TestUSD::approveCall {
        spender: escrow,
        value: price,
    };
    let suspend = PlantCertificate::suspendCall {
        id: first,
        reason: B256::right_padding_from(b"XYLEFA"),
    };
    let transfer = PlantCertificate::transferFromCall {
        from: BUYER.address(),
        to: USER.address(),
        tokenId: second,
    };
    [
        vec![
            signer.call(ISSUER, plants, issue.abi_encode()),
            signer.call(ISSUER, plants, split.abi_encode()),
            signer.call(ISSUER, plants, approve.abi_encode()),
            signer.call(ISSUER, escrow, offer.abi_encode()),
        ],
        vec![
            signer.call(BUYER, predeploy::TUSD, allow.abi_encode()),
            signer.call(BUYER, escrow, Escrow::buyCall { id: first }.abi_encode()),
            signer.call(
                BUYER,
                escrow,
                Escrow::confirmCall { id: first }.abi_encode(),
            ),
        ],
        vec![
            signer.call(AUTHORITY, plants, suspend.abi_encode()),
            signer.call(BUYER, plants, transfer.abi_encode()),
        ],
    ]
}

fn number(number: u64) -> Vec<u8> {
    U256::from(number).to_be_bytes_vec()
}
