use alloy::{
    consensus::{Transaction as _, transaction::SignerRecoverable},
    hex,
    primitives::{Bloom, U256, address, b256, keccak256},
};
use alloy_consensus::{Eip658Value, ReceiptWithBloom};
use proptest::prelude::*;

use super::*;

/// The signed transaction of EIP-155's example; the EIP gives its key and so its sender.
const EIP_155: &[u8] = &hex!(
    "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080"
    "25a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
    "a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
);

#[test]
fn the_transaction_of_eip_155_decodes_recovers_and_encodes() {
    let transaction = decode_transaction(EIP_155).unwrap();
    assert_eq!(transaction.nonce(), 9);
    assert_eq!(transaction.chain_id(), Some(1));
    assert_eq!(transaction.value(), U256::from(10).pow(U256::from(18)));
    let sender = transaction.recover_signer().unwrap();
    assert_eq!(
        sender,
        address!("0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F")
    );
    assert_eq!(encode_transaction(&transaction), EIP_155);
}

/// Block 1 of Ethereum's main network.
fn mainnet_block_1() -> Header {
    Header {
        parent_hash: b256!("0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"),
        beneficiary: address!("0x05a56e2d52c817161883f50c441c3228cfe54d9f"),
        state_root: b256!("0xd67e4d450343046425ae4271474353857ab860dbc0a1dde64b41b5cd3a532bf3"),
        difficulty: U256::from(0x3_ff80_0000_u64),
        number: 1,
        gas_limit: 5_000,
        timestamp: 0x55ba_4224,
        extra_data: hex!("476574682f76312e302e302f6c696e75782f676f312e342e32").into(),
        mix_hash: b256!("0x969b900de27b6ac6a67742365dd65f55a0526c41fd18e1b16f1a1215c2e66f59"),
        nonce: hex!("539bd4979fef1ec4").into(),
        ..Header::default()
    }
}

#[test]
fn the_first_block_of_mainnet_has_its_hash() {
    let bytes = encode_header(&mainnet_block_1());
    let hash = b256!("0x88e96d4537bea4d9c05d12549907b32561d3bf31f45aae734cdc119f13406cb6");
    assert_eq!(keccak256(&bytes), hash);
    assert_eq!(decode_header(&bytes).unwrap(), mainnet_block_1());
}

#[test]
fn bodies_and_receipts_keep_their_bytes() {
    // rlp([[transaction], [], []]): the payload is the transaction of EIP-155, two empty lists.
    let transaction = decode_transaction(EIP_155).unwrap();
    let body = BlockBody {
        transactions: vec![transaction],
        ommers: vec![],
        withdrawals: Some(Default::default()),
    };
    let mut golden = hex!("f872f86e").to_vec();
    golden.extend_from_slice(EIP_155);
    golden.extend(hex!("c0c0"));
    assert_eq!(hex::encode(encode_body(&body)), hex::encode(&golden));
    assert_eq!(decode_body(&golden).unwrap(), body);

    // rlp([0x02 ‖ rlp([1, 21000, bloom, []])]): a typed receipt stands as a byte string.
    let receipt = Receipt::Eip1559(ReceiptWithBloom {
        receipt: alloy_consensus::Receipt {
            status: Eip658Value::Eip658(true),
            cumulative_gas_used: 21_000,
            logs: vec![],
        },
        logs_bloom: Bloom::ZERO,
    });
    let mut golden = hex!("f9010f b9010c 02 f90108 01 825208 b90100").to_vec();
    golden.extend([0; 256]);
    golden.push(0xc0);
    assert_eq!(
        hex::encode(encode_receipts(std::slice::from_ref(&receipt))),
        hex::encode(&golden)
    );
    assert_eq!(decode_receipts(&golden).unwrap(), [receipt]);
}

#[test]
fn addresses_stand_one_after_the_other() {
    let addresses = [
        address!("0x0000000000000000000000000000000000000001"),
        address!("0xffffffffffffffffffffffffffffffffffffffff"),
    ];
    let bytes = encode_addresses(&addresses);
    assert_eq!(
        hex::encode(&bytes),
        format!("{}{}", "00".repeat(19) + "01", "ff".repeat(20))
    );
    assert_eq!(decode_addresses(&bytes).unwrap(), addresses);
    assert!(matches!(
        decode_addresses(&bytes[1..]),
        Err(DecodeError::Addresses { len: 39 })
    ));
}

#[test]
fn what_follows_an_item_and_what_is_too_large_is_refused() {
    let mut bytes = EIP_155.to_vec();
    bytes.push(0);
    assert!(matches!(
        decode_transaction(&bytes),
        Err(DecodeError::Trailing { len: 1, .. })
    ));
    let mut bytes = encode_header(&mainnet_block_1());
    bytes.extend([0; 3]);
    assert!(matches!(
        decode_header(&bytes),
        Err(DecodeError::Trailing { len: 3, .. })
    ));
    let large = vec![0; BLOCK_BYTES_MAX + 1];
    for error in [
        decode_transaction(&large[..=TRANSACTION_BYTES_MAX]).unwrap_err(),
        decode_header(&large[..=HEADER_BYTES_MAX]).unwrap_err(),
        decode_body(&large).unwrap_err(),
        decode_block(&large).unwrap_err(),
    ] {
        assert!(
            matches!(error, DecodeError::TooLarge { len, max, .. } if len == max + 1),
            "{error}"
        );
    }
}

#[test]
fn deeply_nested_lists_are_refused() {
    // Each byte pair opens a list that holds all that follows.
    let nested: Vec<u8> = (0..1_000u32).flat_map(|_| [0xf7 + 1, 0xff]).collect();
    assert!(decode_block(&nested).is_err());
    assert!(decode_receipts(&nested).is_err());
    assert!(decode_transaction(&nested).is_err());
}

proptest! {
    /// Whatever arrives decodes to an item with those very bytes, or is refused.
    #[test]
    fn decoding_is_the_inverse_of_encoding(bytes in mutated()) {
        if let Ok(transaction) = decode_transaction(&bytes) {
            prop_assert_eq!(encode_transaction(&transaction), bytes.clone());
        }
        if let Ok(header) = decode_header(&bytes) {
            prop_assert_eq!(encode_header(&header), bytes.clone());
        }
        let _ = decode_block(&bytes);
        let _ = decode_body(&bytes);
        let _ = decode_receipts(&bytes);
    }
}

/// A valid item with one byte changed, or a cut of it, or noise.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop_oneof![
        Just(EIP_155.to_vec()),
        Just(encode_header(&mainnet_block_1()))
    ];
    prop_oneof![
        (valid.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
            |(mut bytes, at, byte)| {
                let at = at.index(bytes.len());
                bytes[at] = byte;
                bytes
            }
        ),
        (valid, any::<prop::sample::Index>())
            .prop_map(|(bytes, at)| bytes[..at.index(bytes.len())].to_vec()),
        prop::collection::vec(any::<u8>(), 0..200),
    ]
}
