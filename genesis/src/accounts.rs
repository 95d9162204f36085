//! The ten accounts of every development chain.

use alloy::primitives::{Address, B256, address, b256};

/// An account of the mnemonic that Hardhat, Anvil and others use for development:
/// `test test test test test test test test test test test junk`, path `m/44'/60'/0'/0/{index}`.
///
/// Its private key is public. Never use it where anything has value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DevAccount {
    /// Account 0: administers the contracts (AccessManager).
    Admin,
    /// Account 1: the authority that accredits issuers and suspends certificates.
    Authority,
    /// Account 2: buys in the demonstration.
    Buyer,
    /// Account 3, without a part.
    User3,
    /// Account 4, without a part.
    User4,
    /// Account 5, without a part.
    User5,
    /// Account 6, without a part.
    User6,
    /// Account 7, without a part.
    User7,
    /// Account 8, without a part.
    User8,
    /// Account 9, without a part.
    User9,
}

impl DevAccount {
    /// Every account, in the order of the derivation path.
    pub const ALL: [Self; 10] = [
        Self::Admin,
        Self::Authority,
        Self::Buyer,
        Self::User3,
        Self::User4,
        Self::User5,
        Self::User6,
        Self::User7,
        Self::User8,
        Self::User9,
    ];

    /// The address of the account.
    #[must_use]
    pub const fn address(self) -> Address {
        ADDRESSES[self as usize]
    }

    /// The private key of the account, which everybody knows.
    #[must_use]
    pub const fn private_key(self) -> B256 {
        PRIVATE_KEYS[self as usize]
    }
}

const ADDRESSES: [Address; 10] = [
    address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    address!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
    address!("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
    address!("0x90F79bf6EB2c4f870365E785982E1f101E93b906"),
    address!("0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"),
    address!("0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc"),
    address!("0x976EA74026E726554dB657fA54763abd0C3a0aa9"),
    address!("0x14dC79964da2C08b23698B3D3cc7Ca32193d9955"),
    address!("0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"),
    address!("0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"),
];

const PRIVATE_KEYS: [B256; 10] = [
    b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    b256!("0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
    b256!("0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"),
    b256!("0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"),
    b256!("0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a"),
    b256!("0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba"),
    b256!("0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e"),
    b256!("0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356"),
    b256!("0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97"),
    b256!("0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6"),
];

#[cfg(test)]
mod tests {
    use alloy::signers::local::PrivateKeySigner;

    use super::*;

    #[test]
    fn every_address_belongs_to_its_key() {
        for account in DevAccount::ALL {
            let signer = PrivateKeySigner::from_bytes(&account.private_key()).unwrap();
            assert_eq!(signer.address(), account.address(), "{account:?}");
        }
    }
}
