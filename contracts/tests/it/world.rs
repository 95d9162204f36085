//! The six contracts with the accounts that use them.

use std::path::Path;

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::{SolCall, SolConstructor},
};
use phytomer_contracts::{
    AccessManager, Artifact, Escrow, IssuerRegistry, ModelRegistry, OfferStatus, PlantCertificate,
    Status, TestUSD, Unit, artifacts, did_hash, roles, taxon,
};

use crate::chain::{Chain, Done, Refused};

/// Seconds since 1970 at which every world begins.
pub(crate) const BEGIN: u64 = 1_760_000_000;
/// tUSD that every account begins with, in millionths.
pub(crate) const FUNDS: u64 = 10_000_000_000;
/// When the accreditation of the narrow issuer ends.
pub(crate) const NARROW_UNTIL: u64 = BEGIN + 100_000;

/// Who uses the contracts. Each is an address.
pub(crate) mod who {
    use alloy::primitives::{Address, address};

    /// Admin of the access manager.
    pub(crate) const ADMIN: Address = address!("00000000000000000000000000000000000a0001");
    /// Accredited [`WIDE`] and [`NARROW`].
    pub(crate) const AUTHORITY: Address = address!("00000000000000000000000000000000000a0002");
    /// Another authority, without issuers of its own.
    pub(crate) const RIVAL: Address = address!("00000000000000000000000000000000000a0003");
    /// An issuer for all taxa.
    pub(crate) const WIDE: Address = address!("00000000000000000000000000000000000a0004");
    /// An issuer for olives, for a while.
    pub(crate) const NARROW: Address = address!("00000000000000000000000000000000000a0005");
    /// Buys.
    pub(crate) const BUYER: Address = address!("00000000000000000000000000000000000a0006");
    /// Decides disputes.
    pub(crate) const INSPECTOR: Address = address!("00000000000000000000000000000000000a0007");
    /// Has no rights at all.
    pub(crate) const STRANGER: Address = address!("00000000000000000000000000000000000a0008");
    /// All of them.
    pub(crate) const ALL: [Address; 8] = [
        ADMIN, AUTHORITY, RIVAL, WIDE, NARROW, BUYER, INSPECTOR, STRANGER,
    ];
}

pub(crate) struct World {
    pub(crate) chain: Chain,
    pub(crate) manager: Address,
    pub(crate) issuers: Address,
    pub(crate) models: Address,
    pub(crate) certificates: Address,
    pub(crate) usd: Address,
    pub(crate) escrow: Address,
    /// Distinguishes credentials and status indexes.
    fresh: u64,
}

impl World {
    /// Creates the contracts, accredits the issuers and hands out money.
    pub(crate) fn new() -> Self {
        let mut chain = Chain::new(BEGIN);
        let admin = who::ADMIN;
        let manager = chain.create(
            admin,
            init_code(
                artifacts::ACCESS_MANAGER,
                &AccessManager::constructorCall {
                    initialAdmin: admin,
                },
            ),
        );
        let issuers = chain.create(
            admin,
            init_code(
                artifacts::ISSUER_REGISTRY,
                &IssuerRegistry::constructorCall {
                    accessManager: manager,
                },
            ),
        );
        let models = chain.create(
            admin,
            init_code(
                artifacts::MODEL_REGISTRY,
                &ModelRegistry::constructorCall {
                    accessManager: manager,
                },
            ),
        );
        let certificates = chain.create(
            admin,
            init_code(
                artifacts::PLANT_CERTIFICATE,
                &PlantCertificate::constructorCall { registry: issuers },
            ),
        );
        let usd = chain.create(
            admin,
            init_code(
                artifacts::TEST_USD,
                &TestUSD::constructorCall {
                    accessManager: manager,
                },
            ),
        );
        let escrow = chain.create(
            admin,
            init_code(
                artifacts::ESCROW,
                &Escrow::constructorCall {
                    accessManager: manager,
                    certificates_: certificates,
                    currency_: usd,
                },
            ),
        );
        let mut world = Self {
            chain,
            manager,
            issuers,
            models,
            certificates,
            usd,
            escrow,
            fresh: 0,
        };
        world.set_up();
        world
    }

    fn set_up(&mut self) {
        let (manager, usd, escrow) = (self.manager, self.usd, self.escrow);
        let assign = AccessManager::setTargetFunctionRoleCall {
            target: escrow,
            selectors: vec![Escrow::resolveCall::SELECTOR.into()],
            roleId: roles::INSPECTOR,
        };
        self.chain.send(who::ADMIN, manager, &assign).unwrap();
        let grant = AccessManager::grantRoleCall {
            roleId: roles::INSPECTOR,
            account: who::INSPECTOR,
            executionDelay: 0,
        };
        self.chain.send(who::ADMIN, manager, &grant).unwrap();
        for authority in [who::AUTHORITY, who::RIVAL] {
            self.admin_adds(authority).unwrap();
        }
        self.accredit(who::AUTHORITY, who::WIDE, &[], 0).unwrap();
        self.accredit(who::AUTHORITY, who::NARROW, &[olive()], NARROW_UNTIL)
            .unwrap();
        for account in who::ALL {
            self.chain
                .send(
                    who::ADMIN,
                    usd,
                    &TestUSD::mintCall {
                        to: account,
                        amount: U256::from(FUNDS),
                    },
                )
                .unwrap();
            self.chain
                .send(
                    account,
                    usd,
                    &TestUSD::approveCall {
                        spender: escrow,
                        value: U256::MAX,
                    },
                )
                .unwrap();
        }
    }

    /// A lot of pieces with a new credential and the next status index.
    pub(crate) fn lot(&mut self, taxon: B256, quantity: u128) -> PlantCertificate::NewLot {
        self.fresh += 1;
        PlantCertificate::NewLot {
            credentialHash: B256::from(U256::from(self.fresh)),
            taxon,
            statusIndex: self.fresh,
            expiresAt: 0,
            quantity,
            unit: Unit::PIECE.code(),
        }
    }

    /// An olive lot that the wide issuer issues to itself.
    pub(crate) fn issued(&mut self, quantity: u128) -> u64 {
        let lot = self.lot(olive(), quantity);
        self.issue(who::WIDE, who::WIDE, lot).unwrap()
    }

    /// Olive lots that the wide issuer splits off for itself; the first one's id.
    pub(crate) fn split_off(&mut self, parent: u64, quantities: &[u128]) -> u64 {
        let lots = quantities
            .iter()
            .map(|quantity| self.lot(olive(), *quantity))
            .collect();
        self.split(who::WIDE, parent, lots, who::WIDE).unwrap()
    }

    pub(crate) fn issue(
        &mut self,
        by: Address,
        to: Address,
        lot: PlantCertificate::NewLot,
    ) -> Result<u64, Refused> {
        let call = PlantCertificate::issueCall { to, newLot: lot };
        Ok(self.certify(by, &call)?.value.to())
    }

    pub(crate) fn split(
        &mut self,
        by: Address,
        parent: u64,
        lots: Vec<PlantCertificate::NewLot>,
        to: Address,
    ) -> Result<u64, Refused> {
        let call = PlantCertificate::splitCall {
            parent: U256::from(parent),
            newLots: lots,
            to,
        };
        Ok(self.certify(by, &call)?.value.to())
    }

    /// Merges `(parent, quantity)` pairs into `lot` for the caller.
    pub(crate) fn merge(
        &mut self,
        by: Address,
        parts: &[(u64, u128)],
        lot: PlantCertificate::NewLot,
    ) -> Result<u64, Refused> {
        let call = PlantCertificate::mergeCall {
            parentIds: parts.iter().map(|(id, _)| U256::from(*id)).collect(),
            quantities: parts.iter().map(|(_, quantity)| *quantity).collect(),
            newLot: lot,
            to: by,
        };
        Ok(self.certify(by, &call)?.value.to())
    }

    /// Transfers from whoever owns the lot.
    pub(crate) fn transfer(&mut self, by: Address, to: Address, id: u64) -> Result<(), Refused> {
        let token = U256::from(id);
        let owner = self.chain.try_view(
            self.certificates,
            &PlantCertificate::ownerOfCall { tokenId: token },
        );
        let call = PlantCertificate::transferFromCall {
            from: owner.unwrap_or_default(),
            to,
            tokenId: token,
        };
        self.certify(by, &call).map(drop)
    }

    pub(crate) fn suspend(&mut self, by: Address, id: u64, reason: &str) -> Result<(), Refused> {
        let call = PlantCertificate::suspendCall {
            id: U256::from(id),
            reason: reason_code(reason),
        };
        self.certify(by, &call).map(drop)
    }

    pub(crate) fn revoke(&mut self, by: Address, id: u64, reason: &str) -> Result<(), Refused> {
        let call = PlantCertificate::revokeCall {
            id: U256::from(id),
            reason: reason_code(reason),
        };
        self.certify(by, &call).map(drop)
    }

    pub(crate) fn reinstate(&mut self, by: Address, id: u64) -> Result<(), Refused> {
        self.certify(by, &PlantCertificate::reinstateCall { id: U256::from(id) })
            .map(drop)
    }

    pub(crate) fn retire(&mut self, by: Address, id: u64) -> Result<(), Refused> {
        self.certify(by, &PlantCertificate::retireCall { id: U256::from(id) })
            .map(drop)
    }

    pub(crate) fn supersede(
        &mut self,
        by: Address,
        id: u64,
        lot: PlantCertificate::NewLot,
    ) -> Result<u64, Refused> {
        let call = PlantCertificate::supersedeCall {
            id: U256::from(id),
            newLot: lot,
        };
        Ok(self.certify(by, &call)?.value.to())
    }

    /// Sends to the certificates.
    pub(crate) fn certify<C: SolCall>(
        &mut self,
        by: Address,
        call: &C,
    ) -> Result<Done<C::Return>, Refused> {
        self.chain.send(by, self.certificates, call)
    }

    /// Sends to the escrow.
    pub(crate) fn trade<C: SolCall>(
        &mut self,
        by: Address,
        call: &C,
    ) -> Result<Done<C::Return>, Refused> {
        self.chain.send(by, self.escrow, call)
    }

    pub(crate) fn accredit(
        &mut self,
        by: Address,
        issuer: Address,
        taxa: &[B256],
        until: u64,
    ) -> Result<(), Refused> {
        let call = IssuerRegistry::accreditCall {
            issuer,
            didHash: did_hash(&format!("did:test:{issuer}")),
            taxa: taxa.to_vec(),
            validUntil: until,
        };
        self.chain.send(by, self.issuers, &call).map(drop)
    }

    pub(crate) fn withdraw(&mut self, by: Address, issuer: Address) -> Result<(), Refused> {
        self.chain
            .send(by, self.issuers, &IssuerRegistry::withdrawCall { issuer })
            .map(drop)
    }

    pub(crate) fn admin_adds(&mut self, authority: Address) -> Result<(), Refused> {
        let call = IssuerRegistry::addAuthorityCall { account: authority };
        self.chain.send(who::ADMIN, self.issuers, &call).map(drop)
    }

    pub(crate) fn admin_removes(&mut self, authority: Address) -> Result<(), Refused> {
        let call = IssuerRegistry::removeAuthorityCall { account: authority };
        self.chain.send(who::ADMIN, self.issuers, &call).map(drop)
    }

    /// Approves the escrow and offers for a day.
    pub(crate) fn offer(
        &mut self,
        by: Address,
        id: u64,
        price: u64,
        buyer: Address,
    ) -> Result<u64, Refused> {
        let approve = PlantCertificate::approveCall {
            to: self.escrow,
            tokenId: U256::from(id),
        };
        self.certify(by, &approve)?;
        let call = Escrow::offerCall {
            certificate: U256::from(id),
            price: U256::from(price),
            buyer,
            deadline: self.chain.timestamp() + 86_400,
        };
        Ok(self.trade(by, &call)?.value.to())
    }

    pub(crate) fn record(&mut self, id: u64) -> PlantCertificate::Lot {
        self.chain.view(
            self.certificates,
            &PlantCertificate::lotCall { id: U256::from(id) },
        )
    }

    pub(crate) fn owner(&mut self, id: u64) -> Address {
        self.chain.view(
            self.certificates,
            &PlantCertificate::ownerOfCall {
                tokenId: U256::from(id),
            },
        )
    }

    pub(crate) fn locked(&mut self, id: u64) -> bool {
        self.chain.view(
            self.certificates,
            &PlantCertificate::lockedCall { id: U256::from(id) },
        )
    }

    /// Effective status, expiry and cause.
    pub(crate) fn standing(&mut self, id: u64) -> (Status, bool, u64) {
        let answer = self.chain.view(
            self.certificates,
            &PlantCertificate::effectiveStatusCall { id: U256::from(id) },
        );
        (
            answer.status.try_into().unwrap(),
            answer.expired,
            answer.cause.to(),
        )
    }

    pub(crate) fn parents(&mut self, id: u64) -> Vec<(u64, u128)> {
        let answer = self.chain.view(
            self.certificates,
            &PlantCertificate::parentsCall { id: U256::from(id) },
        );
        let ids = answer.ids.iter().map(|id| id.to());
        ids.zip(answer.quantities).collect()
    }

    pub(crate) fn children(&mut self, id: u64) -> Vec<u64> {
        self.chain
            .view(
                self.certificates,
                &PlantCertificate::childrenCall { id: U256::from(id) },
            )
            .iter()
            .map(|id| id.to())
            .collect()
    }

    pub(crate) fn sale(&mut self, offer: u64) -> (OfferStatus, Escrow::Offer) {
        let sale = self.chain.view(
            self.escrow,
            &Escrow::offersCall {
                id: U256::from(offer),
            },
        );
        (sale.status.try_into().unwrap(), sale)
    }

    pub(crate) fn usd_of(&mut self, account: Address) -> u64 {
        self.chain
            .view(self.usd, &TestUSD::balanceOfCall { account })
            .to()
    }
}

/// The init code of a contract, or of a mutant of it (see `tests/mutants.mjs`).
fn init_code(artifact: Artifact, arguments: &impl SolConstructor) -> Bytes {
    let Some(folder) = std::env::var_os("PHYTOMER_MUTANT") else {
        return artifact.init_code_with(arguments);
    };
    let path = Path::new(&folder).join(format!("{}.json", artifact.name));
    let Ok(json) = std::fs::read(path) else {
        return artifact.init_code_with(arguments);
    };
    let mutant: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let code: Bytes = mutant["bytecode"].as_str().unwrap().parse().unwrap();
    [code.as_ref(), &arguments.abi_encode()].concat().into()
}

/// The taxon most tests are about.
pub(crate) fn olive() -> B256 {
    taxon("Olea europaea")
}

/// Another taxon.
pub(crate) fn grape() -> B256 {
    taxon("Vitis vinifera")
}

fn reason_code(reason: &str) -> B256 {
    reason
        .parse()
        .map_or(B256::ZERO, |reason: phytomer_contracts::Reason| {
            reason.code()
        })
}
