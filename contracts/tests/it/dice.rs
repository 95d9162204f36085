//! Choosing the steps of a history.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, U256};
use phytomer_contracts::{OfferStatus, PlantCertificate::NewLot, Status, Unit};

use crate::{
    model::{Model, Sale, Step},
    world::{grape, olive, who},
};

/// Kinds of steps, see [`Dice::step`].
pub(crate) const KINDS: u32 = 116;

/// Random numbers that choose a step; zero, to which they shrink, is the plainest choice.
pub(crate) struct Dice<'a> {
    pub(crate) model: &'a Model,
    pub(crate) escrow: Address,
    pub(crate) numbers: std::slice::Iter<'a, u32>,
}

impl Dice<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        u64::from(self.numbers.next().copied().unwrap_or(0)) % bound.max(1)
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == chances - 1
    }

    /// Mostly who may, sometimes anybody.
    fn actor(&mut self, rightful: Address) -> Address {
        // The escrow owns certificates, too, but sends nothing.
        if self.one_in(6) || rightful == self.escrow {
            self.anybody()
        } else {
            rightful
        }
    }

    fn anybody(&mut self) -> Address {
        who::ALL[self.below(who::ALL.len() as u64) as usize]
    }

    fn issuer(&mut self) -> Address {
        let issuer = if self.one_in(4) {
            who::NARROW
        } else {
            who::WIDE
        };
        self.actor(issuer)
    }

    /// Mostly a lot that exists, the newest first.
    fn lot(&mut self) -> u64 {
        let count = self.model.lots.len() as u64;
        if self.one_in(24) {
            count + 1
        } else {
            count - self.below(count).min(count)
        }
    }

    fn sale(&mut self) -> u64 {
        let count = self.model.sales.len() as u64;
        if self.one_in(24) {
            count + 1
        } else {
            count - self.below(count).min(count)
        }
    }

    fn owner(&mut self, id: u64) -> Address {
        let owner = self.model.lots.get(&id).map_or(who::WIDE, |lot| lot.owner);
        self.actor(owner)
    }

    fn authority(&mut self, id: u64) -> Address {
        let issuer = self.model.lots.get(&id).map_or(who::WIDE, |lot| lot.issuer);
        let authority = self.model.authority_of(issuer).unwrap_or(who::AUTHORITY);
        self.actor(authority)
    }

    fn moment(&mut self) -> u64 {
        match self.below(8) {
            0..=3 => 0,
            4 => self.model.now,
            5 => self.model.now + 1,
            _ => self.model.now + self.below(150_000),
        }
    }

    /// A new lot that fits `parent`, mostly.
    fn terms(&mut self, by: Address, parent: Option<u64>, quantity: u128, serial: u64) -> NewLot {
        let parent = parent
            .and_then(|id| self.model.lots.get(&id))
            .map(|lot| &lot.terms);
        let serial = serial + 1;
        let reused = self.below(self.model.lots.len() as u64) + 1;
        let credential = if self.one_in(24) {
            self.model
                .lots
                .get(&reused)
                .map(|lot| lot.terms.credentialHash)
        } else {
            None
        };
        let index = if self.one_in(24) {
            self.model
                .indexes
                .iter()
                .find(|(issuer, _)| *issuer == by)
                .map(|(_, index)| *index)
        } else {
            None
        };
        let taxon = parent.map_or(olive(), |terms| terms.taxon);
        let expires_at = match (parent, self.one_in(3)) {
            (Some(terms), false) => terms.expiresAt,
            _ => self.moment(),
        };
        NewLot {
            credentialHash: credential.unwrap_or(B256::from(U256::from(serial))),
            taxon: if self.one_in(16) { grape() } else { taxon },
            statusIndex: index.unwrap_or(serial),
            expiresAt: expires_at,
            quantity,
            unit: if self.one_in(24) {
                Unit::KILOGRAM.code()
            } else {
                Unit::PIECE.code()
            },
        }
    }

    /// A part of what is left of a lot, seldom too much or nothing.
    fn part(&mut self, id: u64) -> u128 {
        let left = self.model.lots.get(&id).map_or(1, |lot| lot.remainder);
        match self.below(12) {
            0..=5 => left.div_ceil(3),
            6..=8 => left.div_ceil(2),
            9 => left,
            10 => left + 1,
            _ => u128::from(self.below(20)),
        }
    }

    /// A step of one of [`KINDS`] kinds; `serial` and the nine numbers above it name new
    /// credentials.
    pub(crate) fn step(&mut self, kind: u32, serial: u64) -> Step {
        match kind {
            0..=13 => self.issue(serial),
            14..=27 => self.split(serial),
            28..=35 => self.merge(serial),
            36..=57 => self.status(kind, serial),
            58..=64 => {
                let id = self.lot();
                Step::Transfer {
                    by: self.owner(id),
                    to: self.anybody(),
                    id,
                }
            }
            65..=68 => {
                let id = self.lot();
                Step::Approve {
                    by: self.owner(id),
                    to: self.issuer(),
                    id,
                }
            }
            69..=73 => Step::Warp([0, 1, 600, 30_000][self.below(4) as usize]),
            74..=78 => self.govern(kind),
            79..=86 => self.offer(),
            _ => self.trade(kind),
        }
    }

    fn issue(&mut self, serial: u64) -> Step {
        let by = self.issuer();
        let to = self.actor(by);
        let quantity = u128::from([100, 1, 1_000, 0][self.below(4) as usize] * (self.below(9) + 1));
        let lot = self.terms(by, None, quantity, serial);
        Step::Issue { by, to, lot }
    }

    fn split(&mut self, serial: u64) -> Step {
        let parent = self.lot();
        let by = self.owner(parent);
        let count = self.below(4);
        let lots = (0..count + u64::from(!self.one_in(16)))
            .map(|n| {
                let quantity = self.part(parent).div_ceil(u128::from(count) + 1);
                self.terms(by, Some(parent), quantity, serial + n)
            })
            .collect();
        Step::Split {
            by,
            parent,
            lots,
            to: self.actor(by),
        }
    }

    fn merge(&mut self, serial: u64) -> Step {
        let first = self.lot();
        let by = self.owner(first);
        let mine = |id: &u64| self.model.lots[id].owner == by;
        let mut ids: BTreeSet<u64> = self
            .model
            .lots
            .keys()
            .copied()
            .filter(mine)
            .rev()
            .take(3)
            .collect();
        ids.extend([first, self.lot()]);
        let mut parts: Vec<_> = ids
            .into_iter()
            .map(|id| (id, self.part(id).max(1)))
            .collect();
        if self.one_in(16) {
            parts.reverse();
        }
        let sum: u128 = parts.iter().map(|(_, quantity)| quantity).sum();
        let quantity = if self.one_in(16) { sum + 1 } else { sum };
        let lot = self.terms(by, Some(first), quantity, serial);
        Step::Merge { by, parts, lot }
    }

    fn status(&mut self, kind: u32, serial: u64) -> Step {
        let id = self.lot();
        match kind {
            36..=41 => Step::Suspend {
                by: self.authority(id),
                id,
            },
            42..=47 => {
                let held: Vec<u64> = self
                    .model
                    .lots
                    .iter()
                    .filter(|(_, lot)| lot.status == Status::Suspended)
                    .map(|(id, _)| *id)
                    .collect();
                let id = held
                    .get(self.below(held.len() as u64) as usize)
                    .copied()
                    .unwrap_or(id);
                Step::Reinstate {
                    by: self.authority(id),
                    id,
                }
            }
            48..=49 => Step::Revoke {
                by: self.authority(id),
                id,
            },
            50..=53 => Step::Retire {
                by: self.owner(id),
                id,
            },
            _ => {
                let (issuer, left) = self
                    .model
                    .lots
                    .get(&id)
                    .map_or((who::WIDE, 1), |lot| (lot.issuer, lot.remainder));
                let by = self.actor(issuer);
                let quantity = if self.one_in(8) { left + 1 } else { left };
                let lot = self.terms(by, Some(id), quantity, serial);
                Step::Supersede { by, id, lot }
            }
        }
    }

    fn govern(&mut self, kind: u32) -> Step {
        let authority = if self.one_in(2) {
            who::RIVAL
        } else {
            who::AUTHORITY
        };
        let issuer = [who::WIDE, who::NARROW, who::BUYER, who::WIDE][self.below(4) as usize];
        match kind {
            74 => Step::RemoveAuthority(authority),
            75 => Step::AddAuthority(authority),
            76 => Step::Withdraw {
                by: self.actor(authority),
                issuer,
            },
            _ => {
                let taxa =
                    [vec![], vec![olive()], vec![grape(), olive()]][self.below(3) as usize].clone();
                Step::Accredit {
                    by: self.actor(authority),
                    issuer,
                    taxa,
                    until: self.moment(),
                }
            }
        }
    }

    fn offer(&mut self) -> Step {
        let id = self.lot();
        let by = self.owner(id);
        // An offer needs an approval first; the next step may then make the offer.
        let approved = self
            .model
            .lots
            .get(&id)
            .is_some_and(|lot| lot.approved == self.escrow);
        if !approved && !self.one_in(8) {
            return Step::Approve {
                by,
                to: self.escrow,
                id,
            };
        }
        let price = [25_000_000, 1, 4_000_000_000, 0][self.below(4) as usize] * (1 + self.below(3));
        let buyer = if self.one_in(3) {
            self.anybody()
        } else {
            Address::ZERO
        };
        let deadline = self.model.now + [50_000, 1, 0][self.below(3) as usize];
        Step::Offer(Sale {
            seller: by,
            buyer,
            certificate: id,
            price,
            deadline,
            status: OfferStatus::Open,
        })
    }

    fn trade(&mut self, kind: u32) -> Step {
        let offer = self.sale();
        let sale = self.model.sales.get(&offer);
        let seller = sale.map_or(who::WIDE, |sale| sale.seller);
        let buyer = sale.map_or(who::BUYER, |sale| sale.buyer);
        let buyer = if buyer == Address::ZERO {
            who::BUYER
        } else {
            buyer
        };
        let party = if self.one_in(2) { seller } else { buyer };
        match kind {
            87..=94 => Step::Buy {
                by: self.actor(buyer),
                offer,
            },
            95..=99 => Step::Confirm {
                by: self.actor(buyer),
                offer,
            },
            100..=101 => Step::Cancel {
                by: self.actor(seller),
                offer,
            },
            102..=105 => Step::Refund {
                by: self.actor(party),
                offer,
            },
            106..=108 => Step::Dispute {
                by: self.actor(party),
                offer,
            },
            109..=111 => {
                let verdict = if self.one_in(2) {
                    OfferStatus::Refunded
                } else {
                    OfferStatus::Completed
                };
                Step::Resolve {
                    by: self.actor(who::INSPECTOR),
                    offer,
                    verdict,
                }
            }
            _ => Step::Reclaim {
                by: self.anybody(),
                offer,
            },
        }
    }
}
