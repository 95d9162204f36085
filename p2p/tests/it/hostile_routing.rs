//! Peers that fill the routing table with more than it can hold or tell.

use std::time::Duration;

use futures::StreamExt;
use libp2p::Multiaddr;
use phytomer_wire::PeerId;
use prost::Message;
use prost::bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use crate::raw::Raw;
use crate::support::{Setup, TCP, eventually, soon};

const KAD: &str = "/phytomer/kad/1";
const ADD_PROVIDER: i32 = 2;
const GET_PROVIDERS: i32 = 3;
const FIND_NODE: i32 = 4;

/// A message of the routing table (libp2p specs, kad-dht).
#[derive(Clone, PartialEq, Message)]
struct Kad {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
    #[prost(message, repeated, tag = "8")]
    closer: Vec<KadPeer>,
    #[prost(message, repeated, tag = "9")]
    providers: Vec<KadPeer>,
}

#[derive(Clone, PartialEq, Message)]
struct KadPeer {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    addresses: Vec<Vec<u8>>,
}

/// What a peer tells of itself (libp2p specs, identify).
#[derive(Clone, PartialEq, Message)]
struct Identify {
    #[prost(bytes = "vec", tag = "1")]
    public_key: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    listen: Vec<Vec<u8>>,
    #[prost(string, repeated, tag = "3")]
    protocols: Vec<String>,
    #[prost(bytes = "vec", tag = "4")]
    observed: Vec<u8>,
    #[prost(string, tag = "5")]
    version: String,
    #[prost(string, tag = "6")]
    agent: String,
}

fn address(port: usize) -> Vec<u8> {
    let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
    address.to_vec()
}

fn identify(peer: PeerId, ports: std::ops::Range<usize>) -> Identify {
    Identify {
        // The id of a peer is the multihash of its key as it is.
        public_key: peer.to_multihash()[2..].to_vec(),
        listen: ports.map(address).collect(),
        protocols: vec!["/phytomer/handshake/1".into(), KAD.into()],
        observed: address(1),
        version: "/phytomer/1".into(),
        agent: "raw".into(),
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), message: &impl Message) -> bool {
    let mut bytes = BytesMut::new();
    message.encode_length_delimited(&mut bytes).unwrap();
    stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok()
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Kad {
    let mut len = Vec::new();
    while len.last().is_none_or(|byte| *byte >= 0x80) {
        len.push(stream.read_u8().await.unwrap());
    }
    let len = prost::decode_length_delimiter(&len[..]).unwrap();
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).await.unwrap();
    Kad::decode(&bytes[..]).unwrap()
}

async fn ask(peer: &Raw, kind: i32, key: Vec<u8>) -> Kad {
    let mut stream = peer.open(KAD).await.unwrap();
    let question = Kad {
        kind,
        key,
        ..Kad::default()
    };
    assert!(send(&mut stream, &question).await);
    soon("the answer", receive(&mut stream)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_no_content_has_are_not_kept_and_addresses_only_some() {
    let victim = Setup::new(1, &[TCP]).spawn();
    let at = victim.address("tcp").await;
    let (hostile, honest) = (Raw::member(&at).await, Raw::member(&at).await);
    let mut stream = hostile.open(KAD).await.unwrap();
    let (long, short) = (vec![7; 12_000], vec![7; 32]);
    for key in [&long, &short] {
        let told = Kad {
            kind: ADD_PROVIDER,
            key: key.clone(),
            providers: vec![KadPeer {
                id: hostile.id.to_multihash(),
                addresses: (1..100).map(address).collect(),
            }],
            ..Kad::default()
        };
        assert!(send(&mut stream, &told).await);
    }
    let known = soon("what can be kept is kept", async {
        loop {
            let answer = ask(&honest, GET_PROVIDERS, short.clone()).await;
            if let Some(provider) = answer.providers.first() {
                return provider.addresses.len();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(known, 4);
    // It came first, so it would be there by now.
    let answer = ask(&honest, GET_PROVIDERS, long).await;
    assert!(answer.providers.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_tells_ever_new_addresses_is_known_by_few_and_then_not_heard() {
    let victim = Setup::new(1, &[TCP]).spawn();
    let at = victim.address("tcp").await;
    let mut hostile = Raw::connect(&at).await.unwrap();
    let mut asked = hostile.accept("/ipfs/id/1.0.0");
    let about = identify(hostile.id, 1_000..1_010);
    tokio::spawn(async move {
        while let Some((_, stream)) = asked.next().await {
            let mut stream = stream.compat();
            send(&mut stream, &about).await;
            let _ = stream.shutdown().await;
        }
    });
    hostile.greet_as(crate::support::NETWORK).await.unwrap();
    let honest = Raw::member(&at).await;
    let known = async || {
        let answer = ask(&honest, FIND_NODE, hostile.id.to_multihash()).await;
        let told = |peer: &&KadPeer| peer.id == hostile.id.to_multihash();
        answer
            .closer
            .iter()
            .find(told)
            .map(|peer| peer.addresses.clone())
    };
    soon("the peer is in the routing table", async {
        while known().await.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    for push in 1..=10 {
        let ports = 1_000 + 10 * push..1_010 + 10 * push;
        let mut stream = hostile.open("/ipfs/id/push/1.0.0").await.unwrap();
        send(&mut stream, &identify(hostile.id, ports.clone())).await;
        let _ = stream.shutdown().await;
        let newest = address(ports.start);
        soon("the newest address is known", async {
            let is_newest = |known: &Vec<u8>| known.starts_with(&newest);
            while !known().await.unwrap().iter().any(is_newest) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        assert!(known().await.unwrap().len() <= 5);
    }
    // Nobody moves that often.
    for push in 0..100 {
        let Ok(mut stream) = hostile.open("/ipfs/id/push/1.0.0").await else {
            break;
        };
        send(
            &mut stream,
            &identify(hostile.id, 9_000 + push..9_001 + push),
        )
        .await;
        let _ = stream.shutdown().await;
    }
    hostile.until_closed().await;
    eventually("it is held against the peer", || {
        victim.figure("phytomer_p2p_offences_total") > 0.0
    })
    .await;
}
