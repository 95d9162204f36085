//! Addresses that come and go while a node runs.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{
    Boxed, DialOpts, ListenerId, MemoryTransport, TransportError, TransportEvent,
};
use libp2p::{Multiaddr, PeerId, Transport as _};
use phytomer_p2p::Transport;
use tokio::sync::mpsc;

use crate::support::{Node, PATIENCE, Setup, eventually};

type Inner = Boxed<(PeerId, StreamMuxerBox)>;

/// What happens to the address that is listened on.
enum Change {
    Expires,
    Returns,
    Closes,
}

/// A transport whose address goes and comes back as the test says, as with an interface of the
/// system that is taken down.
struct Shaky {
    inner: Inner,
    changes: mpsc::UnboundedReceiver<Change>,
    listener: Option<(ListenerId, Multiaddr)>,
}

impl libp2p::Transport for Shaky {
    type Output = <Inner as libp2p::Transport>::Output;
    type Error = io::Error;
    type ListenerUpgrade = <Inner as libp2p::Transport>::ListenerUpgrade;
    type Dial = <Inner as libp2p::Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address.clone())?;
        self.listener = Some((id, address));
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        if let (Some((listener_id, listen_addr)), Poll::Ready(Some(change))) =
            (self.listener.clone(), self.changes.poll_recv(cx))
        {
            return Poll::Ready(match change {
                Change::Expires => TransportEvent::AddressExpired {
                    listener_id,
                    listen_addr,
                },
                Change::Returns => TransportEvent::NewAddress {
                    listener_id,
                    listen_addr,
                },
                Change::Closes => TransportEvent::ListenerClosed {
                    listener_id,
                    reason: Ok(()),
                },
            });
        }
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// Such a transport, and what to tell it through.
fn shaky(seed: u8) -> (Transport, mpsc::UnboundedSender<Change>) {
    let keypair = libp2p::identity::Keypair::ed25519_from_bytes([seed; 32]).unwrap();
    let inner = MemoryTransport::new()
        .upgrade(libp2p::core::upgrade::Version::V1Lazy)
        .authenticate(libp2p::plaintext::Config::new(&keypair))
        .multiplex(libp2p::yamux::Config::default())
        .boxed();
    let (sender, changes) = mpsc::unbounded_channel();
    let transport = Shaky {
        inner,
        changes,
        listener: None,
    };
    (Transport::custom(transport.boxed()), sender)
}

async fn until_told(node: &Node, expected: &[&str]) {
    let told = async {
        while node.status().await.unwrap().external != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await;
    assert!(told.is_ok(), "{expected:?} is never what is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_told_only_while_it_is_listened_on() {
    let listen = "/memory/4711";
    let (transport, changes) = shaky(1);
    let mut setup = Setup::new(1, &[listen]).with(|config| config.relay_server = true);
    setup.transport = transport;
    let node = setup.spawn();
    until_told(&node, &[listen]).await;
    for (change, expected) in [
        (Change::Expires, &[][..]),
        (Change::Returns, &[listen]),
        (Change::Closes, &[]),
    ] {
        changes.send(change).unwrap();
        until_told(&node, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_operator_names_is_told_whatever_is_listened_on() {
    let listen = "/memory/4712";
    let (transport, changes) = shaky(2);
    let mut setup = Setup::new(2, &[listen]).with(|config| config.external = vec![listen.into()]);
    setup.transport = transport;
    let node = setup.spawn();
    node.address("memory").await;
    changes.send(Change::Expires).unwrap();
    eventually("the address is gone", || node.listen_addresses().is_empty()).await;
    until_told(&node, &[listen]).await;
}
