//! Who signed a transaction.

use alloy::primitives::{Address, B256};
use alloy_consensus::transaction::SignerRecoverable;
use phytomer_primitives::{Recovered, SealedBlock, Transaction};

/// A signature proves no sender: it is not on the curve, or not in its canonical half (EIP-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature of transaction {hash} proves no sender; sign it again")]
pub struct RecoverError {
    /// The transaction.
    pub hash: B256,
}

/// Finds the sender of a transaction from its signature, with libsecp256k1.
///
/// This takes longer than executing a transfer, so it is done once, where the transaction enters.
///
/// # Errors
/// [`RecoverError`] when the signature is not valid.
pub fn recover(transaction: Transaction) -> Result<Recovered, RecoverError> {
    let sender = sender(&transaction)?;
    Ok(Recovered::new_unchecked(transaction, sender))
}

/// Finds the senders of a block's transactions, in their order.
///
/// # Errors
/// [`RecoverError`] for the first signature that is not valid.
pub fn recover_senders(block: &SealedBlock) -> Result<Vec<Address>, RecoverError> {
    block.transactions().iter().map(sender).collect()
}

fn sender(transaction: &Transaction) -> Result<Address, RecoverError> {
    transaction.recover_signer().map_err(|_| RecoverError {
        hash: *transaction.tx_hash(),
    })
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Signature, U256, address, hex, uint};
    use phytomer_primitives::codec::decode_transaction;

    use super::*;

    /// The transaction of EIP-155's example.
    fn example() -> Transaction {
        let bytes = hex!(
            "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080"
            "25a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
            "a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
        );
        decode_transaction(&bytes).unwrap()
    }

    fn with_signature(change: impl FnOnce(&Signature) -> Signature) -> Transaction {
        let (transaction, signature, _) = example().try_into_legacy().unwrap().into_parts();
        alloy_consensus::Signed::new_unhashed(transaction, change(&signature)).into()
    }

    #[test]
    fn the_sender_of_eip_155s_example_is_found() {
        let sender = address!("0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F");
        assert_eq!(recover(example()).unwrap().signer(), sender);
    }

    /// EIP-2: of the two signatures that prove the same, only the one in the lower half counts.
    #[test]
    fn the_other_half_of_the_curve_is_refused() {
        let order = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
        let other = with_signature(|s| Signature::new(s.r(), order - s.s(), !s.v()));
        assert_eq!(
            other.recover_signer_unchecked().ok(),
            example().recover_signer().ok()
        );
        assert_eq!(
            recover(other.clone()).unwrap_err(),
            RecoverError {
                hash: *other.tx_hash()
            }
        );
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        let nothing = with_signature(|_| Signature::new(U256::ZERO, U256::ZERO, false));
        assert!(recover(nothing).is_err());
        let too_large = with_signature(|s| Signature::new(U256::MAX, s.s(), s.v()));
        assert!(recover(too_large).is_err());
    }
}
