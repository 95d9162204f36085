// js-libp2p, set up to meet our node.
import tls from "node:tls";
import { quic } from "@chainsafe/libp2p-quic";
import { StrictNoSign, gossipsub } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { tls as tlsEncryption } from "@libp2p/tls";
import { yamux } from "@libp2p/yamux";
import { blake3 } from "@noble/hashes/blake3.js";
import { createLibp2p } from "libp2p";

/** They open a stream for each ping, and over QUIC the last one may still be closing. */
const pingsAtOnceMax = 16;

/** What Node.js offers of itself. */
const defaultGroups = tls.DEFAULT_ECDH_CURVE;

/** Offers only these groups, or all that OpenSSL has, in every handshake from now on. */
export function offer(groups = defaultGroups) {
  tls.DEFAULT_ECDH_CURVE = groups;
}

/** A peer; it is not dialled unless it listens. */
export async function theirPeer(...listen) {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp(), quic()],
    connectionEncrypters: [tlsEncryption()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      ping: ping({ maxOutboundStreams: pingsAtOnceMax }),
      gossip: gossipsub({ globalSignaturePolicy: StrictNoSign, msgIdFn: ({ topic, data }) => messageId(topic, data) }),
    },
  });
}

/** Our network's name for a message: 20 bytes of BLAKE3 over its topic, a zero byte and its content. */
function messageId(topic, data) {
  return blake3.create({ dkLen: 20 }).update(new TextEncoder().encode(`${topic}\0`)).update(data).digest();
}

/** Collects what comes on a topic, as text. */
export function listen(peer, topic) {
  const heard = [];
  peer.services.gossip.addEventListener("message", ({ detail }) => {
    if (detail.topic === topic) heard.push(new TextDecoder().decode(detail.data));
  });
  peer.services.gossip.subscribe(topic);
  return heard;
}

/** Says something to those who listen to a topic. */
export function say(peer, topic, text) {
  return peer.services.gossip.publish(topic, new TextEncoder().encode(text));
}
