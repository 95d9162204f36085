//! Signing many events at once, on as many cores as there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use bytes::Bytes;
use phytomer_pqc::{FAST_SIGNATURE_BYTES, OperatorKey};
use tokio::runtime::Handle;

use crate::EVENT_CONTEXT;

/// Events that one thread takes at a time: they take about as long as to wake another thread.
const SHARE_EVENTS: usize = 8;

pub(super) type Signature = [u8; FAST_SIGNATURE_BYTES];

/// Signs events.
pub(super) struct Signer {
    key: Arc<OperatorKey>,
    runtime: Handle,
    threads: usize,
}

/// Encoded headers, of which every thread takes the next few that nobody has taken.
struct Shares {
    key: Arc<OperatorKey>,
    headers: Vec<Bytes>,
    taken: AtomicUsize,
}

impl Signer {
    pub(super) fn new(key: Arc<OperatorKey>, runtime: Handle) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            key,
            runtime,
            threads,
        }
    }

    /// The signatures of encoded headers, in their order. This thread signs too, and waits for no
    /// other that has not begun.
    pub(super) fn sign(&self, headers: Vec<Bytes>) -> Vec<Signature> {
        let len = headers.len();
        let shares = Arc::new(Shares {
            key: Arc::clone(&self.key),
            headers,
            taken: AtomicUsize::new(0),
        });
        let (done, signed) = mpsc::channel();
        for _ in 1..self.threads.min(len.div_ceil(SHARE_EVENTS)) {
            let (shares, done) = (Arc::clone(&shares), done.clone());
            // It says what it did by itself.
            drop(self.runtime.spawn_blocking(move || shares.sign(&done)));
        }
        shares.sign(&done);
        drop(done);
        let mut signatures = vec![[0; FAST_SIGNATURE_BYTES]; len];
        let mut missing = len;
        while missing > 0 {
            let (first, share): (usize, Vec<Signature>) =
                signed.recv().expect("whoever took a share signs it");
            signatures[first..first + share.len()].copy_from_slice(&share);
            missing -= share.len();
        }
        signatures
    }
}

impl Shares {
    /// Takes and signs shares until none is left.
    fn sign(&self, done: &mpsc::Sender<(usize, Vec<Signature>)>) {
        loop {
            let first = self.taken.fetch_add(SHARE_EVENTS, Ordering::Relaxed);
            let Some(share) = self.headers.get(first..).filter(|rest| !rest.is_empty()) else {
                return;
            };
            let share = share.iter().take(SHARE_EVENTS);
            let share = share.map(|header| self.key.sign_fast(EVENT_CONTEXT, header));
            // Who waits has gone only if it panicked.
            let _ = done.send((first, share.collect()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_gets_its_own_signature() {
        let key = Arc::new(OperatorKey::from_seeds(&[1; 32], &[2; 32]));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut signer = Signer::new(Arc::clone(&key), runtime.handle().clone());
        for threads in [1, 2, 7] {
            signer.threads = threads;
            for len in [0, 1, 7, 8, 9, 100] {
                let headers: Vec<_> = (0..len).map(|it: u8| Bytes::from(vec![it; 40])).collect();
                let signatures = signer.sign(headers.clone());
                assert_eq!(signatures.len(), headers.len());
                for (header, signature) in headers.iter().zip(&signatures) {
                    let verified = key.public().verify_fast(EVENT_CONTEXT, header, signature);
                    assert!(verified.is_ok(), "{threads} threads, {len} headers");
                }
            }
        }
    }
}
