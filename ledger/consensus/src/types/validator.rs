//! Who votes, and with how much power.

use std::fmt;
use std::sync::Arc;

use arc_malachitebft_core_types as core;
use phytomer_pqc::OperatorId;
use phytomer_wire::consensus::VALIDATORS_MAX;

use crate::{Context, Height, Round, Scheme};

/// The most power that all validators together may have: three times as much is still a `u64`,
/// which is what quorums are computed in.
pub const POWER_MAX: u64 = u64::MAX / 3;

/// The golden ratio as a fraction of 2⁶⁴.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Separates the hash of a set from every other (BLAKE3's key derivation mode).
const SET_CONTEXT: &str = "phytomer 2026 validator set";

/// The name of a validator: the hash of its public keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub OperatorId);

impl Address {
    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl From<[u8; 32]> for Address {
    fn from(bytes: [u8; 32]) -> Self {
        Self(OperatorId::from_bytes(bytes))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::Address for Address {}

/// A validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator<S: Scheme> {
    address: Address,
    public_key: S::PublicKey,
    power: u64,
}

impl<S: Scheme> Validator<S> {
    /// A validator with this key; its name follows from it.
    #[must_use]
    pub fn new(public_key: S::PublicKey, power: u64) -> Self {
        Self {
            address: S::address(&public_key),
            public_key,
            power,
        }
    }

    /// Its name.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// Its key.
    #[must_use]
    pub fn public_key(&self) -> &S::PublicKey {
        &self.public_key
    }

    /// Its voting power.
    #[must_use]
    pub fn power(&self) -> u64 {
        self.power
    }
}

/// Validators that cannot be a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidValidators {
    /// None, or too many.
    #[error("{count} validators; a set has 1 to {VALIDATORS_MAX}")]
    Count {
        /// How many.
        count: usize,
    },
    /// One stands twice.
    #[error("validator {address} stands twice")]
    Twice {
        /// Which.
        address: Address,
    },
    /// One has no power.
    #[error("validator {address} has no voting power")]
    Powerless {
        /// Which.
        address: Address,
    },
    /// All together have more power than can be counted.
    #[error("the validators have more voting power than {POWER_MAX} together")]
    Power,
}

/// The validators of a height, by address. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorSet<S: Scheme> {
    validators: Arc<[Validator<S>]>,
    total_power: u64,
}

impl<S: Scheme> ValidatorSet<S> {
    /// A set of these validators.
    ///
    /// # Errors
    /// [`InvalidValidators`] says what is wrong with them.
    pub fn new(mut validators: Vec<Validator<S>>) -> Result<Self, InvalidValidators> {
        let count = validators.len();
        if count == 0 || count > VALIDATORS_MAX {
            return Err(InvalidValidators::Count { count });
        }
        validators.sort_by_key(Validator::address);
        if let Some(pair) = validators
            .windows(2)
            .find(|pair| pair[0].address == pair[1].address)
        {
            let address = pair[0].address;
            return Err(InvalidValidators::Twice { address });
        }
        let mut total_power = 0_u64;
        for validator in &validators {
            if validator.power == 0 {
                let address = validator.address;
                return Err(InvalidValidators::Powerless { address });
            }
            total_power = total_power
                .checked_add(validator.power)
                .filter(|total| *total <= POWER_MAX)
                .ok_or(InvalidValidators::Power)?;
        }
        Ok(Self {
            validators: validators.into(),
            total_power,
        })
    }

    /// The validators, by address.
    #[must_use]
    pub fn validators(&self) -> &[Validator<S>] {
        &self.validators
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.validators.len()
    }

    /// Never: a set has at least one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.validators.is_empty()
    }

    /// The power of all together.
    #[must_use]
    pub fn total_power(&self) -> u64 {
        self.total_power
    }

    /// The validator with this name.
    #[must_use]
    pub fn get(&self, address: &Address) -> Option<&Validator<S>> {
        let found = self
            .validators
            .binary_search_by(|validator| validator.address.cmp(address));
        found.ok().map(|index| &self.validators[index])
    }

    /// The name of the set: BLAKE3 over each validator's public key (with its length, u32
    /// big-endian) and power (u64 big-endian), by address.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(SET_CONTEXT);
        for validator in self.validators.iter() {
            let key = S::encode_public_key(&validator.public_key);
            let len = u32::try_from(key.len()).expect("a public key has fewer than 4 GiB");
            hasher.update(&len.to_be_bytes());
            hasher.update(&key);
            hasher.update(&validator.power.to_be_bytes());
        }
        hasher.finalize().into()
    }

    /// Who proposes in a round of a height.
    ///
    /// Round 0 of consecutive heights walks the validators by a Weyl sequence of the golden ratio:
    /// in any span each proposes nearly in proportion to its power, with no state to keep. The
    /// rounds of one height draw without replacement, so that a validator that is down is not
    /// asked again before all others were.
    #[must_use]
    pub fn proposer(&self, height: Height, round: Round) -> &Validator<S> {
        let count = u32::try_from(self.len()).expect("at most 128 validators");
        let round = round.as_u32().unwrap_or_default() % count;
        let mut left: Vec<&Validator<S>> = self.validators.iter().collect();
        let mut power = self.total_power;
        for step in 0.. {
            let index = draw(&left, power, height.0.wrapping_add(step));
            if step == u64::from(round) {
                return left[index];
            }
            power -= left.remove(index).power;
        }
        unreachable!("the loop ends at the round, of which there are fewer than validators")
    }
}

/// The validator in whose share of `power` the point of `slot` falls.
fn draw<S: Scheme>(left: &[&Validator<S>], power: u64, slot: u64) -> usize {
    let point = u128::from(slot.wrapping_mul(GOLDEN)) * u128::from(power);
    let point = u64::try_from(point >> 64).expect("a fraction of a u64");
    let mut sum = 0;
    let found = left.iter().position(|validator| {
        sum += validator.power;
        point < sum
    });
    found.unwrap_or(left.len() - 1)
}

impl<S: Scheme> core::Validator<Context<S>> for Validator<S> {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &S::PublicKey {
        &self.public_key
    }

    fn voting_power(&self) -> u64 {
        self.power
    }
}

impl<S: Scheme> core::ValidatorSet<Context<S>> for ValidatorSet<S> {
    fn count(&self) -> usize {
        self.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.total_power
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator<S>> {
        self.get(address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator<S>> {
        self.validators.get(index)
    }
}
