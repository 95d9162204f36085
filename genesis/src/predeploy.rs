//! The contracts of the network: their names, addresses and constructors, in one place.

use alloy::primitives::Address;
use phytomer_contracts::{
    AccessManager, Escrow, IssuerRegistry, ModelRegistry, PlantCertificate, TestUSD, artifacts,
};

use crate::Predeploy;

/// Decides who may call what (OpenZeppelin's AccessManager).
pub const ACCESS_MANAGER: Address = address(1);
/// Authorities and the issuers that they accredit.
pub const ISSUER_REGISTRY: Address = address(2);
/// The models whose recognitions the network stands by.
pub const MODEL_REGISTRY: Address = address(3);
/// The certificates of plants (ERC-721).
pub const PLANT_CERTIFICATE: Address = address(4);
/// Test money in which plants are priced (ERC-20).
pub const TUSD: Address = address(5);
/// Sells certificates for tUSD.
pub const ESCROW: Address = address(6);

/// Every contract with its name, in the order in which they are constructed.
pub const ALL: [(&str, Address); 6] = [
    ("AccessManager", ACCESS_MANAGER),
    ("IssuerRegistry", ISSUER_REGISTRY),
    ("ModelRegistry", MODEL_REGISTRY),
    ("PlantCertificate", PLANT_CERTIFICATE),
    ("tUSD", TUSD),
    ("Escrow", ESCROW),
];

/// Address number `number` of those that the network keeps for its contracts: `0xCA00…00NN`.
const fn address(number: u8) -> Address {
    let mut bytes = [0; 20];
    bytes[0] = 0xca;
    bytes[19] = number;
    Address::new(bytes)
}

/// The contracts, governed by `admin`.
pub(crate) fn contracts(admin: Address) -> Vec<Predeploy> {
    let init_codes = [
        artifacts::ACCESS_MANAGER.init_code_with(&AccessManager::constructorCall {
            initialAdmin: admin,
        }),
        artifacts::ISSUER_REGISTRY.init_code_with(&IssuerRegistry::constructorCall {
            accessManager: ACCESS_MANAGER,
        }),
        artifacts::MODEL_REGISTRY.init_code_with(&ModelRegistry::constructorCall {
            accessManager: ACCESS_MANAGER,
        }),
        artifacts::PLANT_CERTIFICATE.init_code_with(&PlantCertificate::constructorCall {
            registry: ISSUER_REGISTRY,
        }),
        artifacts::TEST_USD.init_code_with(&TestUSD::constructorCall {
            accessManager: ACCESS_MANAGER,
        }),
        artifacts::ESCROW.init_code_with(&Escrow::constructorCall {
            accessManager: ACCESS_MANAGER,
            certificates_: PLANT_CERTIFICATE,
            currency_: TUSD,
        }),
    ];
    ALL.into_iter()
        .zip(init_codes)
        .map(|((name, address), init_code)| Predeploy {
            name: name.to_owned(),
            address,
            init_code,
        })
        .collect()
}
