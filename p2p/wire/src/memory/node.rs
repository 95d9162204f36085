//! One node of a process.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::fabric::Ports;
use super::{Fabric, line};
use crate::{
    ByteStream, ContentKey, Direction, Gossip, Inbound, KeyExchange, MESSAGE_BYTES_MAX, Network,
    NetworkError, Offence, Peer, PeerEvent, PeerId, Protocol, REQUEST_BYTES_MAX,
    RESPONSE_BYTES_MAX, Request, Route, Topic, Verdict,
};

/// Messages that wait for one receiver.
const QUEUE_LEN: usize = 1024;
/// Bytes in flight on one direction of a stream.
const STREAM_BYTES: usize = 256 << 10;
/// How long a request waits for its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// One node of a [`Fabric`]; clones are the same node.
#[derive(Clone)]
pub struct MemoryNetwork {
    fabric: Fabric,
    peer: PeerId,
}

impl MemoryNetwork {
    pub(super) fn new(fabric: Fabric, peer: PeerId) -> Self {
        Self { fabric, peer }
    }

    /// Sends a gossip message to every reachable subscriber that has not seen it.
    fn spread(&self, topic: Topic, data: &Bytes) -> usize {
        let id = *blake3::hash(data).as_bytes();
        let mut state = self.fabric.lock();
        if let Some(own) = state.nodes.get_mut(&self.peer) {
            own.seen.insert(id);
        }
        let mut told = 0;
        for other in state.reachable(self.peer) {
            let link = state.link(self.peer, other);
            let lost = state.loses_next(self.peer, other);
            let Some(ports) = state.nodes.get_mut(&other) else {
                continue;
            };
            let Some(sender) = ports.gossip.get(&topic).cloned() else {
                continue;
            };
            told += 1;
            if lost || !ports.seen.insert(id) {
                continue;
            }
            let (gossip, judged) = Gossip::new(self.peer, topic, data.clone());
            let receiver = Self::new(self.fabric.clone(), other);
            let (from, data) = (self.peer, data.clone());
            tokio::spawn(async move {
                tokio::time::sleep(link.latency).await;
                // A full queue drops gossip, as the real network does.
                if sender.try_send(gossip).is_err() {
                    return;
                }
                match judged.await {
                    Ok(Verdict::Accept) => {
                        receiver.spread(topic, &data);
                    }
                    Ok(Verdict::Reject) => receiver.report(from, Offence::Forged),
                    Ok(Verdict::Ignore) | Err(_) => {}
                }
            });
        }
        told
    }

    fn unreachable(peer: PeerId) -> NetworkError {
        NetworkError::Unreachable {
            peer,
            reason: "there is no link to it".into(),
        }
    }

    /// What arrives at one of this node's ports, for the one who listens there.
    fn listen<K: Eq + Hash, T>(
        &self,
        key: K,
        name: &'static str,
        ports: impl FnOnce(&mut Ports) -> &mut HashMap<K, mpsc::Sender<T>>,
    ) -> Result<mpsc::Receiver<T>, NetworkError> {
        let mut state = self.fabric.lock();
        let own = state.nodes.get_mut(&self.peer);
        let ports = ports(own.ok_or(NetworkError::Closed)?);
        if ports.get(&key).is_some_and(|taken| !taken.is_closed()) {
            return Err(NetworkError::Taken { name });
        }
        let (sender, receiver) = mpsc::channel(QUEUE_LEN);
        ports.insert(key, sender);
        Ok(receiver)
    }

    /// The latency to a peer that can be reached.
    fn latency(&self, peer: PeerId) -> Result<Duration, NetworkError> {
        let state = self.fabric.lock();
        if state.is_reachable(self.peer, peer) {
            Ok(state.link(self.peer, peer).latency)
        } else {
            Err(Self::unreachable(peer))
        }
    }
}

#[async_trait]
impl Network for MemoryNetwork {
    fn local_peer(&self) -> PeerId {
        self.peer
    }

    fn peers(&self) -> Vec<Peer> {
        let state = self.fabric.lock();
        state
            .reachable(self.peer)
            .into_iter()
            .map(|id| Peer {
                id,
                address: format!("/memory/{id}"),
                direction: if self.peer < id {
                    Direction::Outbound
                } else {
                    Direction::Inbound
                },
                route: Route::Memory,
                key_exchange: KeyExchange::None,
                agent: None,
                rtt: Some(state.link(self.peer, id).latency * 2),
                score: 0.0,
                connected: Duration::ZERO,
            })
            .collect()
    }

    fn peer_events(&self) -> mpsc::Receiver<PeerEvent> {
        let (sender, receiver) = mpsc::channel(QUEUE_LEN);
        let mut state = self.fabric.lock();
        for peer in state.reachable(self.peer) {
            let _ = sender.try_send(PeerEvent::Connected(peer));
        }
        if let Some(ports) = state.nodes.get_mut(&self.peer) {
            ports.events.push(sender);
        }
        receiver
    }

    async fn publish(&self, topic: Topic, message: Bytes) -> Result<(), NetworkError> {
        check_len(message.len(), MESSAGE_BYTES_MAX)?;
        match self.spread(topic, &message) {
            0 => Err(NetworkError::NoListeners { topic }),
            _ => Ok(()),
        }
    }

    async fn subscribe(&self, topic: Topic) -> Result<mpsc::Receiver<Gossip>, NetworkError> {
        self.listen(topic, topic.as_str(), |ports| &mut ports.gossip)
    }

    async fn request(
        &self,
        peer: PeerId,
        protocol: Protocol,
        request: Bytes,
    ) -> Result<Bytes, NetworkError> {
        check_len(request.len(), REQUEST_BYTES_MAX)?;
        let latency = self.latency(peer)?;
        tokio::time::sleep(latency).await;
        let server = self
            .fabric
            .lock()
            .nodes
            .get(&peer)
            .and_then(|ports| ports.requests.get(&protocol).cloned())
            .ok_or(NetworkError::Unsupported { peer, protocol })?;
        let (request, answered) = Request::new(self.peer, request);
        let exchange = async {
            server
                .send(request)
                .await
                .map_err(|_| Self::unreachable(peer))?;
            answered.await.map_err(|_| NetworkError::Refused {
                peer,
                reason: "it gave no answer".into(),
            })
        };
        let response = tokio::time::timeout(REQUEST_TIMEOUT, exchange)
            .await
            .map_err(|_| NetworkError::Timeout {
                peer,
                limit_ms: u64::try_from(REQUEST_TIMEOUT.as_millis()).unwrap_or(u64::MAX),
            })??;
        check_len(response.len(), RESPONSE_BYTES_MAX)?;
        tokio::time::sleep(latency).await;
        self.latency(peer)?;
        Ok(response)
    }

    async fn serve(&self, protocol: Protocol) -> Result<mpsc::Receiver<Request>, NetworkError> {
        self.listen(protocol, protocol.as_str(), |ports| &mut ports.requests)
    }

    async fn open_stream(
        &self,
        peer: PeerId,
        protocol: Protocol,
    ) -> Result<ByteStream, NetworkError> {
        let latency = self.latency(peer)?;
        tokio::time::sleep(latency * 2).await;
        let acceptor = self
            .fabric
            .lock()
            .nodes
            .get(&peer)
            .and_then(|ports| ports.streams.get(&protocol).cloned())
            .ok_or(NetworkError::Unsupported { peer, protocol })?;
        let (ours, mut theirs) = tokio::io::duplex(STREAM_BYTES);
        let origin = self.fabric.lock().origin(self.peer);
        let there = self.fabric.lock().line(self.peer, peer);
        let back = self.fabric.lock().line(peer, self.peer);
        if let (Some(there), Some(back)) = (there, back) {
            let (middle, far) = tokio::io::duplex(STREAM_BYTES);
            let near = std::mem::replace(&mut theirs, far);
            tokio::spawn(line::join((near, middle), there, back));
        }
        let inbound = Inbound {
            from: self.peer,
            origin,
            stream: Box::new(theirs),
        };
        acceptor
            .send(inbound)
            .await
            .map_err(|_| Self::unreachable(peer))?;
        Ok(Box::new(ours))
    }

    async fn accept(&self, protocol: Protocol) -> Result<mpsc::Receiver<Inbound>, NetworkError> {
        self.listen(protocol, protocol.as_str(), |ports| &mut ports.streams)
    }

    async fn provide(&self, key: ContentKey) -> Result<(), NetworkError> {
        let mut state = self.fabric.lock();
        let max = state.provided_max;
        let of_peer = |(_, peers): &(&ContentKey, &BTreeSet<PeerId>)| peers.contains(&self.peer);
        let known = state.providers.get(&key);
        if known.is_none_or(|peers| !peers.contains(&self.peer))
            && state.providers.iter().filter(of_peer).count() >= max
        {
            return Err(NetworkError::TooManyProvided { max });
        }
        state.providers.entry(key).or_default().insert(self.peer);
        Ok(())
    }

    async fn withdraw(&self, key: ContentKey) -> Result<(), NetworkError> {
        let mut state = self.fabric.lock();
        if let Some(providers) = state.providers.get_mut(&key) {
            providers.remove(&self.peer);
        }
        Ok(())
    }

    async fn providers(&self, key: ContentKey) -> Result<Vec<PeerId>, NetworkError> {
        let state = self.fabric.lock();
        let known = state.providers.get(&key).into_iter().flatten();
        Ok(known
            .copied()
            .filter(|peer| state.is_reachable(self.peer, *peer))
            .collect())
    }

    fn report(&self, peer: PeerId, offence: Offence) {
        self.fabric.lock().reports.push((self.peer, peer, offence));
    }
}

fn check_len(len: usize, max: usize) -> Result<(), NetworkError> {
    if len > max {
        return Err(NetworkError::TooLarge { len, max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::memory::Link;

    const PING: Protocol = Protocol::new("/phytomer/ping/1");

    fn peer(byte: u8) -> PeerId {
        PeerId::from_bytes([byte; 32])
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_answered_and_a_cut_link_refuses() {
        let fabric = Fabric::new();
        let (a, b) = (fabric.join(peer(1)), fabric.join(peer(2)));
        let mut served = b.serve(PING).await.unwrap();
        tokio::spawn(async move {
            while let Some(request) = served.recv().await {
                let body = request.body.clone();
                request.answer(body);
            }
        });
        let answer = a.request(peer(2), PING, Bytes::from_static(b"x")).await;
        assert_eq!(answer.unwrap(), Bytes::from_static(b"x"));
        fabric.cut(peer(1), peer(2));
        let refused = a.request(peer(2), PING, Bytes::new()).await;
        assert!(matches!(refused, Err(NetworkError::Unreachable { .. })));
        fabric.heal(peer(1), peer(2));
        assert!(a.request(peer(2), PING, Bytes::new()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn gossip_reaches_everybody_once_and_only_what_was_accepted_goes_on() {
        let fabric = Fabric::new();
        let nodes: Vec<_> = (1..=4).map(|byte| fabric.join(peer(byte))).collect();
        // 1 reaches only 2; 3 and 4 hear of it through 2.
        fabric.cut(peer(1), peer(3));
        fabric.cut(peer(1), peer(4));
        let mut heard = Vec::new();
        for node in &nodes[1..] {
            heard.push(node.subscribe(Topic::EVENTS).await.unwrap());
        }
        nodes[0]
            .publish(Topic::EVENTS, Bytes::from_static(b"good"))
            .await
            .unwrap();
        for receiver in &mut heard {
            let gossip = receiver.recv().await.unwrap();
            assert_eq!(gossip.data, Bytes::from_static(b"good"));
            gossip.judge(Verdict::Accept);
        }
        nodes[0]
            .publish(Topic::EVENTS, Bytes::from_static(b"bad"))
            .await
            .unwrap();
        heard[0].recv().await.unwrap().judge(Verdict::Reject);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(heard[1].try_recv().is_err());
        assert_eq!(fabric.reports(), [(peer(2), peer(1), Offence::Forged)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_loses_the_share_that_it_is_told_to() {
        let fabric = Fabric::new();
        let (a, b) = (fabric.join(peer(1)), fabric.join(peer(2)));
        fabric.set_link(Link {
            gossip_loss: 0.25,
            ..Link::default()
        });
        let mut heard = b.subscribe(Topic::EVENTS).await.unwrap();
        for number in 0..100u8 {
            a.publish(Topic::EVENTS, Bytes::from(vec![number]))
                .await
                .unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut count = 0;
        while heard.try_recv().is_ok() {
            count += 1;
        }
        assert_eq!(count, 75);
    }

    #[tokio::test(start_paused = true)]
    async fn the_streams_of_a_slow_link_share_its_speed() {
        let fabric = Fabric::new();
        let (a, b) = (fabric.join(peer(1)), fabric.join(peer(2)));
        fabric.set_link(Link {
            stream_bytes_per_s: NonZeroU64::new(100_000),
            ..Link::default()
        });
        let mut inbound = b.accept(PING).await.unwrap();
        let start = tokio::time::Instant::now();
        let mut senders = Vec::new();
        for _ in 0..2 {
            let mut stream = a.open_stream(peer(2), PING).await.unwrap();
            senders.push(tokio::spawn(async move {
                stream.write_all(&[1; 500_000]).await.unwrap();
                stream.shutdown().await.unwrap();
            }));
        }
        let mut receivers = Vec::new();
        for _ in 0..2 {
            let mut stream = inbound.recv().await.unwrap().stream;
            receivers.push(tokio::spawn(async move {
                let mut received = Vec::new();
                stream.read_to_end(&mut received).await.unwrap();
                assert_eq!(received.len(), 500_000);
            }));
        }
        for task in senders.into_iter().chain(receivers) {
            task.await.unwrap();
        }
        let seconds = start.elapsed().as_secs_f64();
        assert!((10.0..11.0).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn streams_carry_bytes_both_ways_and_end() {
        let fabric = Fabric::new();
        let (a, b) = (fabric.join(peer(1)), fabric.join(peer(2)));
        let mut inbound = b.accept(PING).await.unwrap();
        tokio::spawn(async move {
            let mut stream = inbound.recv().await.unwrap().stream;
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let mut stream = a.open_stream(peer(2), PING).await.unwrap();
        stream.write_all(b"leaf").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut echo = String::new();
        stream.read_to_string(&mut echo).await.unwrap();
        assert_eq!(echo, "leaf");
    }
}
