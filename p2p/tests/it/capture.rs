//! What travels in a handshake, read off the wire.
//!
//! A small proxy stands between two nodes and keeps what passes. TLS over TCP shows its hellos in
//! the clear; QUIC wraps them in Initial packets, whose keys anybody can derive from the first
//! packet (RFC 9001, 5.2).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use phytomer_wire::{KeyExchange, Network};
use rustls::Side;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{DirectionalKeys, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::support::{QUIC, Setup, TCP, connected};

/// X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem).
const X25519_MLKEM768: u16 = 0x11ec;
/// X25519MLKEM768: 1184 bytes of ML-KEM-768 and 32 of X25519 to the server, 1088 and 32 back.
const SHARE_BYTES: [usize; 2] = [1_184 + 32, 1_088 + 32];
/// The `key_share` extension (RFC 8446, 4.2.8).
const KEY_SHARE: u16 = 51;

/// What passed, to the listener and back.
type Passed<T> = Arc<[Mutex<T>; 2]>;

/// Reads big-endian numbers and what they count.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        let digits = self.take(bytes)?;
        Some(
            digits
                .iter()
                .fold(0, |n, digit| n << 8 | usize::from(*digit)),
        )
    }

    /// What follows its own length.
    fn block(&mut self, len_bytes: usize) -> Option<&'a [u8]> {
        let len = self.number(len_bytes)?;
        self.take(len)
    }

    /// A number of QUIC, whose first two bits say how long it is (RFC 9000, 16).
    fn variable(&mut self) -> Option<usize> {
        let bytes = 1 << (self.0.first()? >> 6);
        let all = self.number(bytes)?;
        Some(all & ((1 << (8 * bytes - 2)) - 1))
    }
}

/// The group and the length of each key share of a hello (RFC 8446, 4.1).
fn key_shares(handshake: &[u8]) -> Option<Vec<(u16, usize)>> {
    let mut reader = Reader(handshake);
    let is_client = match reader.number(1)? {
        1 => true,
        2 => false,
        _ => return None,
    };
    let mut hello = Reader(reader.block(3)?);
    hello.take(2 + 32)?;
    hello.block(1)?;
    if is_client {
        hello.block(2)?;
        hello.block(1)?;
    } else {
        hello.take(2 + 1)?;
    }
    let mut extensions = Reader(hello.block(2)?);
    while let Some(kind) = extensions.number(2) {
        let mut body = Reader(extensions.block(2)?);
        if kind != usize::from(KEY_SHARE) {
            continue;
        }
        let mut shares = if is_client {
            Reader(body.block(2)?)
        } else {
            body
        };
        let mut groups = Vec::new();
        while let Some(group) = shares.number(2) {
            groups.push((group as u16, shares.block(2)?.len()));
        }
        return Some(groups);
    }
    None
}

/// The handshake messages in a stream that begins with something else.
fn handshake_of_stream(bytes: &[u8]) -> Option<Vec<u8>> {
    let start = bytes
        .windows(6)
        .position(|head| head[0] == 22 && head[1] == 3 && (head[5] == 1 || head[5] == 2))?;
    let mut records = Reader(&bytes[start..]);
    let mut handshake = Vec::new();
    while records.number(1) == Some(22) {
        records.take(2)?;
        handshake.extend_from_slice(records.block(2)?);
    }
    Some(handshake)
}

/// The handshake messages in the Initial packets of QUIC version 1 (RFC 9000, 17.2.2).
fn handshake_of_datagrams(datagrams: &[Vec<u8>], keys: &DirectionalKeys) -> Vec<u8> {
    let mut pieces = BTreeMap::new();
    for datagram in datagrams {
        let mut rest = datagram.as_slice();
        while let Some(after) = packet(rest, keys, &mut pieces) {
            rest = after;
        }
    }
    let mut handshake: Vec<u8> = Vec::new();
    for (offset, piece) in pieces {
        if offset <= handshake.len() {
            let known = handshake.len() - offset;
            handshake.extend(piece.iter().skip(known));
        }
    }
    handshake
}

/// Reads one packet; returns what follows it in the datagram.
fn packet<'a>(
    bytes: &'a [u8],
    keys: &DirectionalKeys,
    pieces: &mut BTreeMap<usize, Vec<u8>>,
) -> Option<&'a [u8]> {
    let mut reader = Reader(bytes);
    let first = reader.number(1)?;
    let (is_long, kind) = (first & 0x80 != 0, (first >> 4) & 3);
    if !is_long || reader.number(4)? != 1 {
        return None;
    }
    reader.block(1)?;
    reader.block(1)?;
    if kind == 0 {
        let len = reader.variable()?;
        reader.take(len)?;
    }
    let len = reader.variable()?;
    let start = bytes.len() - reader.0.len();
    reader.take(len)?;
    if kind == 0 {
        let mut packet = bytes[..start + len].to_vec();
        if let Some(frames) = decrypt(&mut packet, start, keys) {
            crypto(&frames, pieces)?;
        }
    }
    Some(reader.0)
}

/// Takes off the protection of a packet whose number stands at `start`.
fn decrypt(packet: &mut [u8], start: usize, keys: &DirectionalKeys) -> Option<Vec<u8>> {
    let sample = packet.get(start + 4..start + 20)?.to_vec();
    let mut first = packet[0];
    let mut number = packet[start..start + 4].to_vec();
    keys.header
        .decrypt_in_place(&sample, &mut first, &mut number)
        .ok()?;
    let number_len = usize::from(first & 3) + 1;
    packet[0] = first;
    packet[start..start + number_len].copy_from_slice(&number[..number_len]);
    let number = Reader(&number).number(number_len)? as u64;
    let (header, payload) = packet.split_at_mut(start + number_len);
    let plain = keys.packet.decrypt_in_place(number, header, payload).ok()?;
    Some(plain.to_vec())
}

/// Collects the CRYPTO frames among those that an Initial packet may hold.
fn crypto(frames: &[u8], pieces: &mut BTreeMap<usize, Vec<u8>>) -> Option<()> {
    let mut reader = Reader(frames);
    while let Some(kind) = reader.variable() {
        match kind {
            0 | 1 => {}
            2 | 3 => {
                reader.variable()?;
                reader.variable()?;
                let ranges = reader.variable()?;
                reader.variable()?;
                for _ in 0..2 * ranges {
                    reader.variable()?;
                }
            }
            6 => {
                let offset = reader.variable()?;
                let len = reader.variable()?;
                pieces.insert(offset, reader.take(len)?.to_vec());
            }
            _ => return Some(()),
        }
    }
    Some(())
}

async fn tcp_proxy(target: SocketAddr) -> (SocketAddr, Passed<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let passed: Passed<Vec<u8>> = Arc::default();
    let record = passed.clone();
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(target).await.unwrap();
        let (near, far) = (near.into_split(), far.into_split());
        for (side, (mut from, mut to)) in [(near.0, far.1), (far.0, near.1)].into_iter().enumerate()
        {
            let record = record.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 16 << 10];
                while let Ok(len @ 1..) = from.read(&mut buffer).await {
                    record[side].lock().extend_from_slice(&buffer[..len]);
                    if to.write_all(&buffer[..len]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    (address, passed)
}

async fn udp_proxy(target: SocketAddr) -> (SocketAddr, Passed<Vec<Vec<u8>>>) {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    far.connect(target).await.unwrap();
    let address = near.local_addr().unwrap();
    let passed: Passed<Vec<Vec<u8>>> = Arc::default();
    let record = passed.clone();
    tokio::spawn(async move {
        let (mut there, mut back) = (vec![0; 65_536], vec![0; 65_536]);
        let mut client = None;
        loop {
            tokio::select! {
                Ok((len, from)) = near.recv_from(&mut there) => {
                    client = Some(from);
                    record[0].lock().push(there[..len].to_vec());
                    let _ = far.send(&there[..len]).await;
                }
                Ok(len) = far.recv(&mut back) => {
                    record[1].lock().push(back[..len].to_vec());
                    if let Some(client) = client {
                        let _ = near.send_to(&back[..len], client).await;
                    }
                }
            }
        }
    });
    (address, passed)
}

fn port(address: &str) -> u16 {
    address.split('/').nth(4).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tcp_the_keys_are_agreed_with_x25519_mlkem768() {
    let a = Setup::new(1, &[]).spawn();
    let b = Setup::new(2, &[TCP]).spawn();
    let target = SocketAddr::from(([127, 0, 0, 1], port(&b.address("tcp").await)));
    let (proxy, passed) = tcp_proxy(target).await;
    let address = format!("/ip4/127.0.0.1/tcp/{}/p2p/{}", proxy.port(), b.local_peer());
    a.dial(&address).await.unwrap();
    let peer = connected(&a, b.local_peer()).await;
    assert_eq!(peer.key_exchange, KeyExchange::X25519MlKem768);
    let hellos = [0, 1].map(|side| {
        let bytes = passed[side].lock().clone();
        key_shares(&handshake_of_stream(&bytes).unwrap()).unwrap()
    });
    assert_eq!(hellos[0][0], (X25519_MLKEM768, SHARE_BYTES[0]));
    assert_eq!(hellos[1], [(X25519_MLKEM768, SHARE_BYTES[1])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_quic_the_keys_are_agreed_with_x25519_mlkem768() {
    let a = Setup::new(1, &[]).spawn();
    let b = Setup::new(2, &[QUIC]).spawn();
    let target = SocketAddr::from(([127, 0, 0, 1], port(&b.address("udp").await)));
    let (proxy, passed) = udp_proxy(target).await;
    let address = format!(
        "/ip4/127.0.0.1/udp/{}/quic-v1/p2p/{}",
        proxy.port(),
        b.local_peer()
    );
    a.dial(&address).await.unwrap();
    connected(&a, b.local_peer()).await;
    let [there, back] = [0, 1].map(|side| passed[side].lock().clone());
    let mut first = Reader(&there[0][5..]);
    let id = first.block(1).unwrap();
    let suite = TLS13_AES_128_GCM_SHA256
        .tls13()
        .unwrap()
        .quic_suite()
        .unwrap();
    // What one side sends is what the other receives.
    let client = suite.keys(id, Side::Server, Version::V1).remote;
    let server = suite.keys(id, Side::Client, Version::V1).remote;
    let asked = key_shares(&handshake_of_datagrams(&there, &client)).unwrap();
    let answered = key_shares(&handshake_of_datagrams(&back, &server)).unwrap();
    assert_eq!(asked[0], (X25519_MLKEM768, SHARE_BYTES[0]));
    assert_eq!(answered, [(X25519_MLKEM768, SHARE_BYTES[1])]);
}
