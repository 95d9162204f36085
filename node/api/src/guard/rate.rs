//! How often one client, and all together, may ask for what costs much.
//!
//! Token buckets: one for each address and one for all. The number of addresses is bounded; when
//! it is reached, addresses whose bucket is full again are forgotten, and if none is, newcomers
//! share the common bucket only.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A rate: so many per minute, and as many at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerMinute(pub(crate) u32);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    fn full(rate: PerMinute, now: Instant) -> Self {
        Self {
            tokens: rate.0.into(),
            filled_at: now,
        }
    }

    fn refill(&mut self, rate: PerMinute, now: Instant) {
        let elapsed_s = now.saturating_duration_since(self.filled_at).as_secs_f64();
        let capacity = f64::from(rate.0);
        self.tokens = (self.tokens + elapsed_s * capacity / 60.0).min(capacity);
        self.filled_at = now;
    }

    /// How long until one token is there; `None` when it is there now.
    fn wait(&self, rate: PerMinute) -> Option<Duration> {
        let missing = 1.0 - self.tokens;
        (missing > 0.0).then(|| Duration::from_secs_f64(missing * 60.0 / f64::from(rate.0.max(1))))
    }
}

/// Counts calls by address.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    each: PerMinute,
    all: PerMinute,
    clients_max: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    common: Bucket,
    clients: HashMap<IpAddr, Bucket>,
}

impl RateLimiter {
    pub(crate) fn new(each: PerMinute, all: PerMinute, clients_max: usize, now: Instant) -> Self {
        let state = State {
            common: Bucket::full(all, now),
            clients: HashMap::new(),
        };
        Self {
            each,
            all,
            clients_max,
            state: Mutex::new(state),
        }
    }

    /// Takes one token, or says how long to wait for it.
    pub(crate) fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let client = network(client);
        let state = &mut *self.state.lock();
        state.common.refill(self.all, now);
        if let Some(wait) = state.common.wait(self.all) {
            return Err(wait);
        }
        if !state.clients.contains_key(&client) && state.clients.len() >= self.clients_max {
            state.clients.retain(|_, bucket| {
                bucket.refill(self.each, now);
                bucket.tokens < f64::from(self.each.0)
            });
        }
        if state.clients.contains_key(&client) || state.clients.len() < self.clients_max {
            let bucket = state
                .clients
                .entry(client)
                .or_insert_with(|| Bucket::full(self.each, now));
            bucket.refill(self.each, now);
            if let Some(wait) = bucket.wait(self.each) {
                return Err(wait);
            }
            bucket.tokens -= 1.0;
        }
        state.common.tokens -= 1.0;
        Ok(())
    }
}

/// Who counts as one client: an IPv4 address, or an IPv6 network of 64 bits, which is what one
/// subscriber gets.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_gets_its_rate_and_no_more() {
        let start = Instant::now();
        let limiter = RateLimiter::new(PerMinute(6), PerMinute(100), 8, start);
        let client = address("192.0.2.1");
        for _ in 0..6 {
            limiter.take(client, start).unwrap();
        }
        let wait = limiter.take(client, start).unwrap_err();
        assert_eq!(wait, Duration::from_secs(10));
        limiter.take(address("192.0.2.2"), start).unwrap();
        assert!(
            limiter
                .take(client, start + Duration::from_secs(9))
                .is_err()
        );
        limiter.take(client, start + wait).unwrap();
    }

    #[test]
    fn all_together_get_the_common_rate() {
        let start = Instant::now();
        let limiter = RateLimiter::new(PerMinute(6), PerMinute(10), 8, start);
        let taken = (1..=20)
            .filter(|n| {
                limiter
                    .take(address(&format!("192.0.2.{n}")), start)
                    .is_ok()
            })
            .count();
        assert_eq!(taken, 10);
    }

    #[test]
    fn one_ipv6_network_is_one_client() {
        let start = Instant::now();
        let limiter = RateLimiter::new(PerMinute(1), PerMinute(100), 8, start);
        limiter.take(address("2001:db8::1"), start).unwrap();
        assert!(limiter.take(address("2001:db8::2"), start).is_err());
        limiter.take(address("2001:db8:0:1::1"), start).unwrap();
    }

    #[test]
    fn the_number_of_clients_is_bounded() {
        let start = Instant::now();
        let limiter = RateLimiter::new(PerMinute(60), PerMinute(100_000), 8, start);
        for n in 0..10_000u32 {
            limiter.take(IpAddr::V4(n.into()), start).unwrap();
            assert!(limiter.state.lock().clients.len() <= 8);
        }
        limiter
            .take(address("192.0.2.1"), start + Duration::from_secs(60))
            .unwrap();
        assert_eq!(
            limiter.state.lock().clients.len(),
            1,
            "full buckets are forgotten"
        );
    }
}
