//! Peers that break the rules of gossip, with messages of gossipsub written by hand.

use std::time::Duration;

use bytes::Bytes;
use libp2p::Stream;
use phytomer_wire::{MESSAGE_BYTES_MAX, Network, Offence, Verdict};
use prost::Message as _;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_util::compat::Compat;

use crate::raw::Raw;
use crate::support::{Node, QUIC, Setup, TCP, TOPIC, eventually, resident_bytes, soon};

/// gossipsub's envelope (libp2p specs, pubsub/gossipsub).
#[derive(Clone, PartialEq, prost::Message)]
struct Rpc {
    #[prost(message, repeated, tag = "1")]
    subscriptions: Vec<Subscription>,
    #[prost(message, repeated, tag = "2")]
    publish: Vec<Published>,
    #[prost(message, optional, tag = "3")]
    control: Option<Control>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Subscription {
    #[prost(bool, tag = "1")]
    subscribe: bool,
    #[prost(string, tag = "2")]
    topic: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Published {
    #[prost(bytes = "vec", optional, tag = "1")]
    from: Option<Vec<u8>>,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
    #[prost(string, tag = "4")]
    topic: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Control {
    #[prost(message, repeated, tag = "1")]
    ihave: Vec<Have>,
    #[prost(message, repeated, tag = "3")]
    graft: Vec<Graft>,
    #[prost(message, repeated, tag = "4")]
    prune: Vec<Prune>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Have {
    #[prost(string, tag = "1")]
    topic: String,
    #[prost(bytes = "vec", repeated, tag = "2")]
    ids: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Graft {
    #[prost(string, tag = "1")]
    topic: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Prune {
    #[prost(string, tag = "1")]
    topic: String,
    #[prost(uint64, tag = "3")]
    backoff: u64,
}

/// A node under attack that hears a topic, and an honest one that publishes.
struct Scene {
    victim: Node,
    honest: Node,
    heard: mpsc::Receiver<phytomer_wire::Gossip>,
    said: u32,
}

impl Scene {
    async fn new() -> Self {
        let victim = Setup::new(1, &[QUIC, TCP]).spawn();
        let honest = Setup::new(2, &[QUIC]).spawn();
        let heard = victim.subscribe(TOPIC).await.unwrap();
        honest.dial(&victim.address("udp").await).await.unwrap();
        let mut scene = Self {
            victim,
            honest,
            heard,
            said: 0,
        };
        scene.serves().await;
        scene
    }

    /// What the honest peer publishes is heard.
    async fn serves(&mut self) {
        self.said += 1;
        let wanted = Bytes::from(format!("honest {}", self.said));
        let (honest, heard) = (&self.honest, &mut self.heard);
        soon("what is said is heard", async {
            loop {
                // Until the victim has said what it listens to, nobody hears.
                let _ = honest.publish(TOPIC, wanted.clone()).await;
                while let Ok(Some(gossip)) =
                    tokio::time::timeout(Duration::from_millis(200), heard.recv()).await
                {
                    let is_wanted = gossip.data == wanted;
                    gossip.judge(Verdict::Accept);
                    if is_wanted {
                        return;
                    }
                }
            }
        })
        .await;
    }

    async fn attacker(&self) -> (Raw, Compat<Stream>) {
        let raw = Raw::member(&self.victim.address("tcp").await).await;
        let mut stream = raw.open("/meshsub/1.2.0").await.unwrap();
        let hello = Rpc {
            subscriptions: vec![Subscription {
                subscribe: true,
                topic: TOPIC.as_str().into(),
            }],
            ..Rpc::default()
        };
        send(&mut stream, &hello).await.unwrap();
        (raw, stream)
    }
}

async fn send(stream: &mut Compat<Stream>, rpc: &Rpc) -> std::io::Result<()> {
    stream
        .write_all(&rpc.encode_length_delimited_to_vec())
        .await?;
    stream.flush().await
}

fn message(data: impl Into<Vec<u8>>) -> Rpc {
    Rpc {
        publish: vec![Published {
            from: None,
            data: data.into(),
            topic: TOPIC.as_str().into(),
        }],
        ..Rpc::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_bogus_prunes_grafts_and_announcements_cost_nothing() {
    let mut scene = Scene::new().await;
    let before = resident_bytes();
    let (_raw, mut stream) = scene.attacker().await;
    for number in 0..10_000u32 {
        // Topics that nobody joined, pauses for centuries, and ids of nothing.
        let topic = format!("/nobody/{number}");
        let control = Control {
            ihave: vec![Have {
                topic: TOPIC.as_str().into(),
                ids: (0..20)
                    .map(|n: u32| [number, n].map(u32::to_be_bytes).concat())
                    .collect(),
            }],
            graft: vec![Graft {
                topic: topic.clone(),
            }],
            prune: vec![Prune {
                topic,
                backoff: u64::MAX,
            }],
        };
        let rpc = Rpc {
            control: Some(control),
            ..Rpc::default()
        };
        // The victim may hang up; that is its right.
        if send(&mut stream, &rpc).await.is_err() {
            break;
        }
    }
    scene.serves().await;
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 96 << 20, "memory grew by {grown} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_message_is_heard_once() {
    let mut scene = Scene::new().await;
    let (raw, mut stream) = scene.attacker().await;
    for _ in 0..1_000 {
        send(&mut stream, &message("again")).await.unwrap();
    }
    send(&mut stream, &message("last")).await.unwrap();
    let mut heard = Vec::new();
    soon("the last one", async {
        while heard.last().is_none_or(|data| data != "last") {
            let gossip = scene.heard.recv().await.unwrap();
            if gossip.from == raw.id {
                heard.push(gossip.data.clone());
            }
            gossip.judge(Verdict::Accept);
        }
    })
    .await;
    assert_eq!(heard, ["again", "last"]);
    scene.serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversize_message_and_a_signed_one_are_not_heard() {
    let mut scene = Scene::new().await;
    let (raw, mut stream) = scene.attacker().await;
    let mut signed = message("signed");
    signed.publish[0].from = Some(raw.id.to_multihash());
    send(&mut stream, &signed).await.unwrap();
    // Within the envelope, beyond what a message may have.
    send(&mut stream, &message(vec![1; MESSAGE_BYTES_MAX + 100]))
        .await
        .unwrap();
    send(&mut stream, &message("fine")).await.unwrap();
    let gossip = soon("the message that is fine", scene.heard.recv())
        .await
        .unwrap();
    assert_eq!((gossip.from, gossip.data.as_ref()), (raw.id, &b"fine"[..]));
    gossip.judge(Verdict::Accept);
    assert_eq!(scene.victim.figure("phytomer_p2p_offences_total"), 1.0);
    // Beyond the envelope: no more is taken than is on its way, whatever is announced.
    let bytes = message(vec![2; 8 << 20]).encode_length_delimited_to_vec();
    let mut taken = 0;
    let pushing = async {
        while let Ok(len) = stream.write(&bytes[taken..]).await {
            taken += len;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(3), pushing).await;
    assert!(taken < 2 << 20, "{taken} bytes were taken");
    scene.serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_forges_messages_loses_its_hearing_and_others_keep_theirs() {
    let mut scene = Scene::new().await;
    let (mut raw, mut stream) = scene.attacker().await;
    for number in 0..6 {
        send(&mut stream, &message(format!("forged {number}")))
            .await
            .unwrap();
        let gossip = soon("what was forged", scene.heard.recv()).await.unwrap();
        assert_eq!(gossip.from, raw.id);
        gossip.judge(Verdict::Reject);
    }
    raw.until_closed().await;
    let excluded = scene.victim.status().await.unwrap().excluded;
    assert_eq!(excluded.len(), 1);
    assert!(excluded[0].peer == raw.id && excluded[0].until_ms.is_some());
    scene.serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_admitted_again_is_heard_again_at_once() {
    let mut scene = Scene::new().await;
    let honest = scene.honest.local_peer();
    for _ in 0..3 {
        scene.victim.report(honest, Offence::Forged);
    }
    eventually("the peer is sent away", || scene.victim.peers().is_empty()).await;
    scene.victim.unban(honest).await.unwrap();
    assert!(scene.victim.status().await.unwrap().excluded.is_empty());
    let address = scene.victim.address("udp").await;
    soon("the peers meet again", async {
        // The honest node may find out only now that it was sent away.
        while scene.honest.dial(&address).await.is_err() || scene.victim.peers().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    scene.serves().await;
}
