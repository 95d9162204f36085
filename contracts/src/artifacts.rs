//! The compiled contracts.

use alloy::{
    json_abi::{ContractObject, JsonAbi},
    primitives::Bytes,
    sol_types::SolConstructor,
};

use crate::bindings;

/// A compiled contract.
#[derive(Debug, Clone, Copy)]
pub struct Artifact {
    /// The contract's name in its source, e.g. `PlantCertificate`.
    pub name: &'static str,
    /// The artifact as `build.mjs` wrote it: a JSON object with `contractName`, `source`,
    /// `compiler`, `settings`, `metadataHash`, `deployedBytes`, `abi` and `bytecode`.
    pub json: &'static str,
    init_code: &'static Bytes,
}

impl Artifact {
    /// The init code without constructor arguments.
    pub fn init_code(&self) -> &'static Bytes {
        self.init_code
    }

    /// The init code followed by the constructor's arguments: what a creating transaction carries.
    pub fn init_code_with(&self, arguments: &impl SolConstructor) -> Bytes {
        [self.init_code.as_ref(), &arguments.abi_encode()]
            .concat()
            .into()
    }

    /// The interface as the compiler described it.
    pub fn abi(&self) -> JsonAbi {
        serde_json::from_str(self.json)
            .ok()
            .and_then(|object: ContractObject| object.abi)
            .expect("the bindings were made from this file at compile time")
    }
}

macro_rules! artifact {
    ($name:ident) => {
        Artifact {
            name: stringify!($name),
            json: include_str!(concat!("../artifacts/", stringify!($name), ".json")),
            init_code: &bindings::$name::BYTECODE,
        }
    };
}

/// OpenZeppelin's access manager.
pub const ACCESS_MANAGER: Artifact = artifact!(AccessManager);
/// Authorities and the issuers that they accredit.
pub const ISSUER_REGISTRY: Artifact = artifact!(IssuerRegistry);
/// Models whose recognitions the network stands by.
pub const MODEL_REGISTRY: Artifact = artifact!(ModelRegistry);
/// Certificates of plant lots.
pub const PLANT_CERTIFICATE: Artifact = artifact!(PlantCertificate);
/// tUSD, test money.
pub const TEST_USD: Artifact = artifact!(TestUSD);
/// Sale of certificates.
pub const ESCROW: Artifact = artifact!(Escrow);

/// All of them, in the order in which a genesis can create them.
pub const ALL: [Artifact; 6] = [
    ACCESS_MANAGER,
    ISSUER_REGISTRY,
    MODEL_REGISTRY,
    PLANT_CERTIFICATE,
    TEST_USD,
    ESCROW,
];

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;

    #[test]
    fn names_and_interfaces_belong_together() {
        for artifact in ALL {
            assert!(
                artifact
                    .json
                    .contains(&format!("\"contractName\": \"{}\"", artifact.name)),
                "{} holds the artifact of another contract",
                artifact.name
            );
            assert!(artifact.abi().constructor.is_some(), "{}", artifact.name);
        }
    }

    #[test]
    fn constructor_arguments_follow_the_code() {
        let registry = Address::repeat_byte(0xab);
        let code = PLANT_CERTIFICATE
            .init_code_with(&bindings::PlantCertificate::constructorCall { registry });
        let (head, tail) = code.split_at(PLANT_CERTIFICATE.init_code().len());
        assert_eq!(head, PLANT_CERTIFICATE.init_code().as_ref());
        assert_eq!(tail, registry.into_word().as_slice());
    }
}
