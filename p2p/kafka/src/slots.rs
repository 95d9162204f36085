//! Places for connections.
//!
//! Where clients must show a token, who has not shown it takes at most half of the places, and from
//! one address only a few of these: strangers cannot keep those out who have the token.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::Config;

/// One in so many places is for clients that have not shown their token.
const LOGINS_SHARE: usize = 2;
/// One in so many places for such clients is for those of one address.
const LOGINS_OF_ADDRESS_SHARE: usize = 8;

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    #[error("there are too many connections")]
    All,
    #[error("too many clients have not shown their token yet")]
    Logins,
    #[error("too many clients of this address have not shown their token yet")]
    LoginsOfAddress,
}

impl Full {
    /// A word for metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::All => "limit",
            Self::Logins => "logins",
            Self::LoginsOfAddress => "logins-of-address",
        }
    }
}

/// The places of an endpoint.
pub(crate) struct Slots {
    all_max: usize,
    /// Places for clients that have not shown their token; none where there is no token.
    logins_max: Option<usize>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    logins: usize,
    logins_of: HashMap<IpAddr, usize>,
}

impl Slots {
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let all_max = config.connections_max;
        let logins_max = (all_max / LOGINS_SHARE).max(1);
        Arc::new(Self {
            all_max,
            logins_max: config.tls.as_ref().map(|_| logins_max),
            taken: Mutex::default(),
        })
    }

    /// A place for a client that has just connected.
    ///
    /// # Errors
    /// [`Full`].
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Slot, Full> {
        let mut taken = self.taken.lock();
        if taken.all >= self.all_max {
            return Err(Full::All);
        }
        let mut login = None;
        if let Some(logins_max) = self.logins_max {
            let network = network(peer);
            let of_address_max = (logins_max / LOGINS_OF_ADDRESS_SHARE).max(1);
            if taken.logins_of.get(&network).copied().unwrap_or(0) >= of_address_max {
                return Err(Full::LoginsOfAddress);
            }
            if taken.logins >= logins_max {
                return Err(Full::Logins);
            }
            taken.logins += 1;
            *taken.logins_of.entry(network).or_default() += 1;
            login = Some(network);
        }
        taken.all += 1;
        Ok(Slot {
            slots: Arc::clone(self),
            login,
        })
    }
}

/// What counts as one address: of IPv6 the half that a household is given whole (RFC 6177).
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
        address @ IpAddr::V4(_) => address,
    }
}

/// The place of a connection; free again once this is dropped.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    /// Where the client comes from that has not shown its token.
    login: Option<IpAddr>,
}

impl Slot {
    /// The client has shown its token: its place is one of those for such clients now.
    pub(crate) fn admit(&mut self) {
        let Some(network) = self.login.take() else {
            return;
        };
        let mut taken = self.slots.taken.lock();
        taken.logins -= 1;
        if let Some(count) = taken.logins_of.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                taken.logins_of.remove(&network);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.admit();
        self.slots.taken.lock().all -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::TlsConfig;

    fn slots(connections_max: usize, tls: Option<TlsConfig>) -> Arc<Slots> {
        Slots::new(&Config {
            connections_max,
            tls,
            ..Config::default()
        })
    }

    fn with_token(connections_max: usize) -> Arc<Slots> {
        let tls = TlsConfig {
            certificate: "crt".into(),
            key: "key".into(),
            token: "token".into(),
        };
        slots(connections_max, Some(tls))
    }

    fn host(number: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, number).into()
    }

    #[test]
    fn without_a_token_every_place_is_for_everybody() {
        let slots = slots(20, None);
        let taken: Vec<Slot> = (0..20).map(|_| slots.take(host(1)).unwrap()).collect();
        assert_eq!(slots.take(host(2)).err(), Some(Full::All));
        drop(taken);
        assert!(slots.take(host(2)).is_ok());
    }

    #[test]
    fn strangers_leave_half_of_the_places_to_those_with_the_token() {
        let slots = with_token(64);
        let mut admitted = Vec::new();
        // Those with the token come from one address.
        for _ in 0..32 {
            let mut slot = slots.take(host(0)).unwrap();
            slot.admit();
            admitted.push(slot);
        }
        let mut strangers = Vec::new();
        for number in 1..=8 {
            strangers.extend((0..4).map(|_| slots.take(host(number)).unwrap()));
            let refused = slots.take(host(number)).err();
            let expected = match number {
                8 => Full::All,
                _ => Full::LoginsOfAddress,
            };
            assert_eq!(refused, Some(expected));
        }
        admitted.truncate(10);
        assert_eq!(slots.take(host(9)).err(), Some(Full::Logins));
        strangers.pop();
        assert!(slots.take(host(9)).is_ok());
        drop((admitted, strangers));
        let taken = slots.taken.lock();
        assert_eq!((taken.all, taken.logins), (0, 0));
        assert!(taken.logins_of.is_empty());
    }

    #[test]
    fn there_is_a_place_to_log_in_however_few_there_are() {
        let slots = with_token(1);
        let slot = slots.take(host(1)).unwrap();
        assert_eq!(slots.take(host(1)).err(), Some(Full::All));
        drop(slot);
        assert!(slots.take(host(1)).is_ok());
    }

    #[test]
    fn the_addresses_of_a_household_are_one() {
        let address = |text: &str| network(text.parse().unwrap());
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:0:0:2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:10.0.0.1"), address("10.0.0.1"));
        assert_ne!(address("10.0.0.1"), address("10.0.0.2"));
    }
}
