// The key exchange: what a peer offers decides whether it is let in, and the wire is the witness.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { multiaddr } from "@multiformats/multiaddr";
import { OurPeer, topic } from "./ours.js";
import { tap } from "./tap.js";
import { listen, offer, say, theirPeer } from "./theirs.js";
import { until } from "./wait.js";

const hybrid = "X25519MLKEM768";
const classical = "X25519";

let ours, wire;
const guests = [];

async function start(...options) {
  ours = await OurPeer.start(...options);
  wire = await tap(ours.port("tcp"));
}

/** A peer of theirs that dials through the tapped wire and offers these groups. */
async function guest(groups) {
  offer(groups);
  const theirs = await theirPeer();
  guests.push(theirs);
  const connection = theirs.dial(multiaddr(`/ip4/127.0.0.1/tcp/${wire.port}/p2p/${ours.id}`));
  return { theirs, connection };
}

/** Whether a message of theirs arrives. */
async function isHeard(theirs, text) {
  listen(theirs, topic);
  await until("their subscription", () => theirs.services.gossip.getMeshPeers(topic).length > 0);
  await say(theirs, topic, text);
  await until(text, () => ours.heard.includes(text));
}

beforeEach(() => { guests.length = 0; });
afterEach(async () => {
  for (const theirs of guests) await theirs.stop();
  await ours?.stop();
  await wire?.stop();
  offer();
});

describe("a node that requires post-quantum keys", () => {
  beforeEach(() => start("--require-post-quantum"));

  test("does not listen where it cannot tell", () => {
    assert.ok(ours.address("tcp"));
    assert.equal(ours.address("quic"), undefined);
  });

  test("accepts a peer that agrees on them", async () => {
    const { theirs, connection } = await guest();
    await connection;
    assert.ok(wire.seen.offered.shares.includes(hybrid), wire.seen.offered.shares);
    assert.equal(wire.seen.chosen, hybrid);
    assert.equal((await ours.connected(theirs.peerId)).keyExchange, hybrid);
    await isHeard(theirs, "a quantum-safe word");
  });

  test("refuses a peer that offers less, and still accepts one that does not", async () => {
    const { theirs, connection } = await guest(classical);
    const refused = await connection.then((connection) => until("its end", () => connection.status !== "open"), () => true);
    assert.ok(refused);
    assert.deepEqual(wire.seen.offered, { groups: [classical], shares: [classical] });
    assert.deepEqual(theirs.getPeers(), []);

    const safe = await guest();
    await safe.connection;
    await ours.connected(safe.theirs.peerId);
    assert.deepEqual(ours.met, [String(safe.theirs.peerId)], "nobody else was let in");
  });

  test("refuses to stay with a peer that it dialled and that has less", async () => {
    offer(classical);
    const theirs = await theirPeer("/ip4/127.0.0.1/tcp/0");
    guests.push(theirs);
    const address = String(theirs.getMultiaddrs()[0]);
    const { error } = await ours.dial(address);
    assert.match(error, /X25519MLKEM768/);
    assert.deepEqual(ours.met, []);

    offer();
    const safe = await theirPeer("/ip4/127.0.0.1/tcp/0");
    guests.push(safe);
    assert.equal((await ours.dial(String(safe.getMultiaddrs()[0]))).peer, String(safe.peerId));
    assert.equal((await ours.connected(safe.peerId)).keyExchange, hybrid);
  });

});

describe("a node that does not require them", () => {
  beforeEach(() => start());

  test("accepts a peer that offers less, and says so", async () => {
    const { theirs, connection } = await guest(classical);
    await connection;
    assert.deepEqual(wire.seen.offered, { groups: [classical], shares: [classical] });
    assert.equal(wire.seen.chosen, classical);
    assert.equal((await ours.connected(theirs.peerId)).keyExchange, "classical");
    await isHeard(theirs, "a classical word");
  });

  test("agrees on them with a peer that offers both", async () => {
    const { theirs, connection } = await guest();
    await connection;
    assert.equal(wire.seen.chosen, hybrid);
    assert.equal((await ours.connected(theirs.peerId)).keyExchange, hybrid);
  });

  test("takes the share that a peer sent, even where both know a better group, and says so", async () => {
    // OpenSSL's notation: a share is sent for the group with the asterisk only.
    const { theirs, connection } = await guest(`*${classical}:${hybrid}`);
    await connection;
    assert.ok(wire.seen.offered.groups.includes(hybrid));
    assert.deepEqual(wire.seen.offered.shares, [classical]);
    assert.equal(wire.seen.chosen, classical);
    assert.equal((await ours.connected(theirs.peerId)).keyExchange, "classical");
  });
});
