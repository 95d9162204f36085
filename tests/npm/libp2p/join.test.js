// js-libp2p joins our node, is known to it, and takes part in gossip.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { multiaddr } from "@multiformats/multiaddr";
import { OurPeer, topic } from "./ours.js";
import { listen, say, theirPeer } from "./theirs.js";
import { until } from "./wait.js";

const messages = 200;

for (const transport of ["tcp", "quic"]) {
  describe(`over ${transport}`, () => {
    let ours, theirs, heard;
    before(async () => {
      ours = await OurPeer.start();
      theirs = await theirPeer();
      heard = listen(theirs, topic);
      await theirs.dial(multiaddr(ours.address(transport)));
    });
    after(async () => {
      await theirs?.stop();
      await ours?.stop();
    });

    test("they know us", async () => {
      const agent = await until("our agent", async () => {
        const known = await theirs.peerStore.get(theirs.getPeers()[0]);
        return known.metadata.get("AgentVersion");
      });
      assert.equal(String(theirs.getPeers()[0]), ours.id);
      assert.match(new TextDecoder().decode(agent), /^phytomer/);
    });

    test("we know them, as a guest", async () => {
      const guest = await ours.connected(theirs.peerId);
      assert.equal(guest.route, transport);
      assert.equal(guest.direction, "inbound");
      assert.match(guest.agent, /^js-libp2p\//);
      const { status, peers } = await ours.status();
      assert.equal(status.guests, 1);
      assert.deepEqual(peers.map(({ peer }) => peer), [String(theirs.peerId)]);
    });

    test(`they hear all of ${messages} messages`, async () => {
      await until("their subscription", () => theirs.services.gossip.getMeshPeers(topic).length > 0);
      const said = Array.from({ length: messages }, (_, number) => `ours ${number}`);
      for (const text of said) ours.tell(`publish ${text}`);
      await until(`${messages} messages`, () => heard.length >= messages);
      assert.deepEqual(heard, said);
    });

    test(`we hear all of ${messages} messages`, async () => {
      const said = Array.from({ length: messages }, (_, number) => `theirs ${number}`);
      for (const text of said) await say(theirs, topic, text);
      await until(`${messages} messages`, () => ours.heard.length >= messages);
      assert.deepEqual(ours.heard, said);
    });

    test("what one of them says reaches another through us", async () => {
      const another = await theirPeer();
      const heardByAnother = listen(another, topic);
      await another.dial(multiaddr(ours.address(transport)));
      await until("their subscription", () => another.services.gossip.getMeshPeers(topic).length > 0);
      await say(theirs, topic, "pass it on");
      await until("the message", () => heardByAnother.length > 0);
      assert.deepEqual(heardByAnother, ["pass it on"]);
      await another.stop();
    });

    test("they have an answer to each of 200 pings", async () => {
      for (let count = 0; count < 200; count += 1) assert.ok(await theirs.services.ping.ping(theirs.getPeers()[0]) >= 0);
    });
  });
}
