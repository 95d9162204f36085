//! Dialling only what may be dialled, whoever asks for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::{Multiaddr, Transport};

use crate::shared::Shared;

/// A transport that refuses to dial what the policy forbids: addresses come from strangers, and
/// from several protocols, so they are judged where they all pass.
pub(super) struct Filter<T> {
    inner: T,
    shared: Arc<Shared>,
}

impl<T> Filter<T> {
    pub(super) const fn new(inner: T, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

impl<T: Transport + Unpin> Transport for Filter<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<Self::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<Self::Error>> {
        if !self.shared.policy.read().allows(&address) {
            tracing::debug!(%address, "not dialled: the address is private");
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}
