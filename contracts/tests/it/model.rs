//! A ledger of lots and sales in plain Rust: what the contracts should do, written down a second
//! time, with sets and recursion instead of packed slots and queues.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256};
use phytomer_contracts::{OfferStatus, PlantCertificate::NewLot, Status};

use crate::world::{BEGIN, FUNDS, NARROW_UNTIL, olive, who};

/// One transaction, or time that passes.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Warp(u64),
    AddAuthority(Address),
    RemoveAuthority(Address),
    Accredit {
        by: Address,
        issuer: Address,
        taxa: Vec<B256>,
        until: u64,
    },
    Withdraw {
        by: Address,
        issuer: Address,
    },
    Issue {
        by: Address,
        to: Address,
        lot: NewLot,
    },
    Split {
        by: Address,
        parent: u64,
        lots: Vec<NewLot>,
        to: Address,
    },
    Merge {
        by: Address,
        parts: Vec<(u64, u128)>,
        lot: NewLot,
    },
    Transfer {
        by: Address,
        to: Address,
        id: u64,
    },
    Approve {
        by: Address,
        to: Address,
        id: u64,
    },
    Suspend {
        by: Address,
        id: u64,
    },
    Reinstate {
        by: Address,
        id: u64,
    },
    Revoke {
        by: Address,
        id: u64,
    },
    Retire {
        by: Address,
        id: u64,
    },
    Supersede {
        by: Address,
        id: u64,
        lot: NewLot,
    },
    Offer(Sale),
    Buy {
        by: Address,
        offer: u64,
    },
    Confirm {
        by: Address,
        offer: u64,
    },
    Cancel {
        by: Address,
        offer: u64,
    },
    Refund {
        by: Address,
        offer: u64,
    },
    Dispute {
        by: Address,
        offer: u64,
    },
    Resolve {
        by: Address,
        offer: u64,
        verdict: OfferStatus,
    },
    Reclaim {
        by: Address,
        offer: u64,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Accreditation {
    pub(crate) authority: Address,
    pub(crate) active: bool,
    /// `None`: all taxa.
    taxa: Option<BTreeSet<B256>>,
    /// `None`: until withdrawn.
    until: Option<u64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Lot {
    pub(crate) terms: NewLot,
    pub(crate) issuer: Address,
    pub(crate) owner: Address,
    pub(crate) approved: Address,
    pub(crate) status: Status,
    pub(crate) under_hold: Status,
    pub(crate) remainder: u128,
    pub(crate) parents: Vec<(u64, u128)>,
    /// The offer under which the escrow holds it.
    pub(crate) held_for: Option<u64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Sale {
    pub(crate) seller: Address,
    pub(crate) buyer: Address,
    pub(crate) certificate: u64,
    pub(crate) price: u64,
    pub(crate) deadline: u64,
    pub(crate) status: OfferStatus,
}

#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) now: u64,
    pub(crate) authorities: BTreeSet<Address>,
    pub(crate) issuers: BTreeMap<Address, Accreditation>,
    /// By id, from 1.
    pub(crate) lots: BTreeMap<u64, Lot>,
    /// By id, from 1.
    pub(crate) sales: BTreeMap<u64, Sale>,
    pub(crate) money: BTreeMap<Address, u64>,
    pub(crate) indexes: BTreeSet<(Address, u64)>,
    pub(crate) credentials: BTreeMap<B256, u64>,
    pub(crate) escrow: Address,
}

/// `Some` if the step is allowed so far.
pub(crate) type Allowed<T = ()> = Option<T>;

pub(crate) fn ensure(condition: bool) -> Allowed {
    condition.then_some(())
}

impl Model {
    /// The state in which `World::new` leaves the contracts.
    pub(crate) fn new(escrow: Address) -> Self {
        let by_authority = |taxa, until| Accreditation {
            authority: who::AUTHORITY,
            active: true,
            taxa,
            until,
        };
        Self {
            now: BEGIN,
            authorities: [who::AUTHORITY, who::RIVAL].into(),
            issuers: [
                (who::WIDE, by_authority(None, None)),
                (
                    who::NARROW,
                    by_authority(Some([olive()].into()), Some(NARROW_UNTIL)),
                ),
            ]
            .into(),
            lots: BTreeMap::new(),
            sales: BTreeMap::new(),
            money: who::ALL
                .map(|account| (account, FUNDS))
                .into_iter()
                .chain([(escrow, 0)])
                .collect(),
            indexes: BTreeSet::new(),
            credentials: BTreeMap::new(),
            escrow,
        }
    }

    /// Takes the step whole, or refuses it and stays as it was.
    pub(crate) fn take(&mut self, step: &Step) -> bool {
        let mut next = self.clone();
        let allowed = next.attempt(step).is_some();
        if allowed {
            *self = next;
        }
        allowed
    }

    /// The lot and everything above it.
    pub(crate) fn line(&self, id: u64) -> BTreeSet<u64> {
        let above = self.lots[&id]
            .parents
            .iter()
            .flat_map(|(parent, _)| self.line(*parent));
        above.chain([id]).collect()
    }

    /// Effective status, whether expired, and the cause.
    pub(crate) fn standing(&self, id: u64) -> (Status, bool, u64) {
        let worst = [Status::Revoked, Status::Suspended]
            .into_iter()
            .find_map(|status| {
                let cause = self
                    .line(id)
                    .into_iter()
                    .find(|above| self.lots[above].status == status)?;
                Some((status, cause))
            });
        let (status, cause) = worst.unwrap_or((self.lots[&id].status, id));
        (status, self.expired(id), cause)
    }

    pub(crate) fn locked(&self, id: u64) -> bool {
        let (status, expired, _) = self.standing(id);
        status != Status::Active || expired
    }

    pub(crate) fn depth(&self, id: u64) -> usize {
        let parents = &self.lots[&id].parents;
        parents
            .iter()
            .map(|(parent, _)| self.depth(*parent) + 1)
            .max()
            .unwrap_or(0)
    }

    pub(crate) fn children(&self, id: u64) -> Vec<u64> {
        let of = |lot: &Lot| lot.parents.iter().any(|(parent, _)| *parent == id);
        self.lots
            .iter()
            .filter(|(_, lot)| of(lot))
            .map(|(child, _)| *child)
            .collect()
    }

    /// Who answers for an issuer: nobody if it was never accredited or the authority was removed.
    pub(crate) fn authority_of(&self, issuer: Address) -> Option<Address> {
        let authority = self.issuers.get(&issuer)?.authority;
        self.authorities.contains(&authority).then_some(authority)
    }

    pub(crate) fn accredited(&self, issuer: Address, taxon: B256) -> bool {
        self.authority_of(issuer).is_some()
            && self.issuers.get(&issuer).is_some_and(|record| {
                record.active
                    && record.until.is_none_or(|until| self.now < until)
                    && record
                        .taxa
                        .as_ref()
                        .is_none_or(|taxa| taxa.contains(&taxon))
            })
    }

    fn expired(&self, id: u64) -> bool {
        let end = self.lots[&id].terms.expiresAt;
        end != 0 && self.now >= end
    }

    fn attempt(&mut self, step: &Step) -> Allowed {
        match step.clone() {
            Step::Warp(seconds) => self.now += seconds,
            Step::AddAuthority(authority) => ensure(self.authorities.insert(authority))?,
            Step::RemoveAuthority(authority) => ensure(self.authorities.remove(&authority))?,
            Step::Accredit {
                by,
                issuer,
                taxa,
                until,
            } => self.accredit(by, issuer, taxa, until)?,
            Step::Withdraw { by, issuer } => {
                ensure(self.authority_of(issuer) == Some(by))?;
                let record = self.issuers.get_mut(&issuer)?;
                ensure(record.active)?;
                record.active = false;
            }
            Step::Issue { by, to, lot } => {
                ensure(self.accredited(by, lot.taxon))?;
                self.add(by, to, lot, Vec::new())?;
            }
            Step::Split {
                by,
                parent,
                lots,
                to,
            } => self.split(by, parent, lots, to)?,
            Step::Merge { by, parts, lot } => self.merge(by, parts, lot)?,
            Step::Transfer { by, to, id } => {
                let lot = self.lots.get(&id)?;
                ensure([lot.owner, lot.approved].contains(&by) && !self.locked(id))?;
                self.hand_over(id, to);
            }
            Step::Approve { by, to, id } => {
                let lot = self.lots.get_mut(&id)?;
                ensure(lot.owner == by)?;
                lot.approved = to;
            }
            Step::Suspend { .. }
            | Step::Reinstate { .. }
            | Step::Revoke { .. }
            | Step::Retire { .. } => {
                self.change_status(step)?;
            }
            Step::Supersede { by, id, lot } => self.supersede(by, id, lot)?,
            _ => self.trade(step)?,
        }
        Some(())
    }

    fn accredit(&mut self, by: Address, issuer: Address, taxa: Vec<B256>, until: u64) -> Allowed {
        ensure(self.authorities.contains(&by))?;
        ensure(
            self.authority_of(issuer)
                .is_none_or(|current| current == by),
        )?;
        ensure(until == 0 || until > self.now)?;
        let record = Accreditation {
            authority: by,
            active: true,
            taxa: (!taxa.is_empty()).then(|| taxa.into_iter().collect()),
            until: (until != 0).then_some(until),
        };
        self.issuers.insert(issuer, record);
        Some(())
    }

    fn split(&mut self, by: Address, parent: u64, lots: Vec<NewLot>, to: Address) -> Allowed {
        self.may_divide(by, parent)?;
        ensure(!lots.is_empty())?;
        for lot in lots {
            ensure(self.accredited(by, lot.taxon))?;
            self.inherits(parent, &lot)?;
            self.draw(parent, lot.quantity)?;
            let quantity = lot.quantity;
            self.add(by, to, lot, vec![(parent, quantity)])?;
        }
        Some(())
    }

    fn merge(&mut self, by: Address, parts: Vec<(u64, u128)>, lot: NewLot) -> Allowed {
        ensure((2..=8).contains(&parts.len()))?;
        ensure(parts.windows(2).all(|pair| pair[0].0 < pair[1].0))?;
        ensure(self.accredited(by, lot.taxon))?;
        ensure(lot.quantity == parts.iter().map(|(_, quantity)| quantity).sum::<u128>())?;
        for (parent, quantity) in &parts {
            self.may_divide(by, *parent)?;
            self.inherits(*parent, &lot)?;
            self.draw(*parent, *quantity)?;
        }
        self.add(by, by, lot, parts)
    }

    fn supersede(&mut self, by: Address, id: u64, lot: NewLot) -> Allowed {
        let old = self.lots.get(&id)?.clone();
        ensure(old.issuer == by && self.standing(id).0 == Status::Active)?;
        ensure(self.accredited(by, lot.taxon))?;
        ensure(
            (lot.taxon, lot.unit, lot.quantity) == (old.terms.taxon, old.terms.unit, old.remainder),
        )?;
        self.draw(id, old.remainder)?;
        self.lots.get_mut(&id)?.status = Status::Superseded;
        // The escrow takes no certificate that nobody offered.
        ensure(old.owner != self.escrow)?;
        self.add(by, old.owner, lot, vec![(id, old.remainder)])
    }

    fn may_divide(&self, by: Address, parent: u64) -> Allowed {
        let lot = self.lots.get(&parent)?;
        ensure([lot.owner, lot.approved].contains(&by) && !self.locked(parent))
    }

    fn inherits(&self, parent: u64, lot: &NewLot) -> Allowed {
        let from = &self.lots[&parent].terms;
        let end = |expires_at| {
            if expires_at == 0 {
                u64::MAX
            } else {
                expires_at
            }
        };
        ensure((lot.taxon, lot.unit) == (from.taxon, from.unit))?;
        ensure(end(lot.expiresAt) <= end(from.expiresAt))
    }

    fn draw(&mut self, parent: u64, quantity: u128) -> Allowed {
        let lot = self.lots.get_mut(&parent)?;
        ensure(quantity > 0)?;
        lot.remainder = lot.remainder.checked_sub(quantity)?;
        Some(())
    }

    fn add(
        &mut self,
        issuer: Address,
        owner: Address,
        terms: NewLot,
        parents: Vec<(u64, u128)>,
    ) -> Allowed {
        let id = self.lots.len() as u64 + 1;
        ensure(terms.quantity > 0 && (terms.expiresAt == 0 || terms.expiresAt > self.now))?;
        ensure(self.indexes.insert((issuer, terms.statusIndex)))?;
        ensure(self.credentials.insert(terms.credentialHash, id).is_none())?;
        let lot = Lot {
            issuer,
            owner,
            approved: Address::ZERO,
            status: Status::Active,
            under_hold: Status::None,
            remainder: terms.quantity,
            parents,
            held_for: None,
            terms,
        };
        self.lots.insert(id, lot);
        ensure(self.depth(id) <= 32 && self.line(id).len() <= 257)
    }

    pub(crate) fn hand_over(&mut self, id: u64, to: Address) {
        if let Some(lot) = self.lots.get_mut(&id) {
            (lot.owner, lot.approved) = (to, Address::ZERO);
        }
    }

    fn change_status(&mut self, step: &Step) -> Allowed {
        let (Step::Suspend { by, id }
        | Step::Reinstate { by, id }
        | Step::Revoke { by, id }
        | Step::Retire { by, id }) = *step
        else {
            return None;
        };
        let lot = self.lots.get(&id)?;
        let by_authority = self.authority_of(lot.issuer) == Some(by);
        let by_issuer = lot.issuer == by;
        let by_owner = lot.owner == by;
        let (status, under_hold) = match (step, lot.status) {
            (
                Step::Suspend { .. },
                status @ (Status::Active | Status::Retired | Status::Superseded),
            ) => {
                ensure(by_authority)?;
                (Status::Suspended, status)
            }
            (Step::Reinstate { .. }, Status::Suspended) => {
                ensure(by_authority)?;
                (lot.under_hold, Status::None)
            }
            (Step::Revoke { .. }, status) if status != Status::Revoked => {
                ensure(by_authority || by_issuer)?;
                (Status::Revoked, Status::None)
            }
            (Step::Retire { .. }, Status::Active) => {
                ensure(by_owner || by_issuer)?;
                (Status::Retired, Status::None)
            }
            _ => return None,
        };
        let lot = self.lots.get_mut(&id)?;
        (lot.status, lot.under_hold) = (status, under_hold);
        Some(())
    }
}
