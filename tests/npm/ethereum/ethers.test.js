// ethers: the other library that wallets and pages use.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Contract, ContractFactory, HDNodeWallet, JsonRpcProvider, WebSocketProvider, isError } from "ethers";
import { compile } from "./contracts.js";
import { startNode } from "./node.js";

const { Seedling } = compile();
let node, provider, signer;

before(async () => {
  node = await startNode();
  provider = new JsonRpcProvider(node.url, undefined, { polling: true, pollingInterval: 100, cacheTimeout: -1 });
  const phrase = "test test test test test test test test test test test junk";
  signer = HDNodeWallet.fromPhrase(phrase, undefined, "m/44'/60'/0'/0/9").connect(provider);
});
after(async () => {
  provider?.destroy();
  await node?.stop();
});

test("deploys, sends, reads and hears of it over WebSocket", async () => {
  const factory = new ContractFactory(Seedling.abi, Seedling.bytecode, signer);
  const token = await (await factory.deploy(1_000n)).waitForDeployment();
  const live = new WebSocketProvider(node.webSocketUrl);
  const heard = new Promise((done) => new Contract(token.target, Seedling.abi, live).once("Transfer", (...event) => done(event)));
  const other = "0x00000000000000000000000000000000000000aa";
  await live.getBlockNumber();
  await (await token.transfer(other, 42n)).wait();
  const [from, to, value] = await heard;
  assert.deepEqual([from, to.toLowerCase(), value], [signer.address, other, 42n]);
  assert.equal(await token.balanceOf(other), 42n);
  assert.equal((await token.queryFilter("Transfer", 0)).length, 2);
  await live.destroy();
});

test("understands a refusal", async () => {
  const factory = new ContractFactory(Seedling.abi, Seedling.bytecode, signer);
  const token = await (await factory.deploy(1n)).waitForDeployment();
  const error = await token.transfer(signer.address, 2n).then(() => assert.fail("it was not refused"), (error) => error);
  assert.ok(isError(error, "CALL_EXCEPTION"), error);
  assert.equal(token.interface.parseError(error.data).name, "ERC20InsufficientBalance");
});
