// viem: deploys OpenZeppelin's contracts, sends, reads, watches, and understands what is refused.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  BaseError, ContractFunctionRevertedError, InsufficientFundsError, MethodNotFoundRpcError, NonceTooLowError,
  createPublicClient, createWalletClient, custom, defineChain, http, parseEther, parseEventLogs, webSocket, zeroAddress,
} from "viem";
import { compile } from "./contracts.js";
import { ask, devAccount, startNode } from "./node.js";

const contracts = compile();
const [sender, receiver] = [devAccount(7), devAccount(8)];
let node, chain, ledger, wallet;

before(async () => {
  node = await startNode();
  const id = Number((await ask(node, "eth_chainId")).result);
  const nativeCurrency = { name: "PHY", symbol: "PHY", decimals: 18 };
  chain = defineChain({ id, name: "phytomer dev", nativeCurrency, rpcUrls: { default: { http: [node.url] } } });
  const transport = http(node.url, { retryCount: 0 });
  ledger = createPublicClient({ chain, transport, pollingInterval: 100, cacheTime: 0 });
  wallet = createWalletClient({ account: sender, chain, transport });
});
after(() => node?.stop());

const mined = (hash) => ledger.waitForTransactionReceipt({ hash, timeout: 20_000 });

async function deploy({ abi, bytecode }, args = []) {
  const receipt = await mined(await wallet.deployContract({ abi, bytecode, args }));
  assert.equal(receipt.status, "success");
  return { abi, address: receipt.contractAddress, receipt };
}

/** What `act` is refused with, as viem sees it. */
async function refusal(act, kind) {
  const error = await act().then(() => assert.fail("it was not refused"), (error) => error);
  assert.ok(error instanceof BaseError, error);
  const cause = error.walk((cause) => cause instanceof kind);
  assert.ok(cause, `no ${kind.name} in ${error}`);
  return cause;
}

/** Collects what a watcher tells until there are `count`. */
function collect(count, watch) {
  return new Promise((done, fail) => {
    const found = [];
    const late = setTimeout(() => { unwatch(); fail(new Error(`${found.length} of ${count} came`)); }, 20_000);
    const unwatch = watch((items) => {
      found.push(...items);
      if (found.length < count) return;
      clearTimeout(late);
      unwatch();
      done(found);
    }, fail);
  });
}

describe("the chain", () => {
  test("has blocks that agree by number, hash and tag", async () => {
    await mined(await wallet.sendTransaction({ to: receiver.address, value: 1n }));
    const latest = await ledger.getBlock({ includeTransactions: true });
    assert.equal(latest.number, await ledger.getBlockNumber());
    assert.deepEqual(await ledger.getBlock({ blockHash: latest.hash, includeTransactions: true }), latest);
    const hashes = await ledger.getBlock({ blockNumber: latest.number });
    assert.deepEqual(hashes.transactions, latest.transactions.map(({ hash }) => hash));
    assert.equal(await ledger.getBlockTransactionCount({ blockHash: latest.hash }), latest.transactions.length);
    const genesis = await ledger.getBlock({ blockTag: "earliest" });
    assert.equal(genesis.number, 0n);
    for (const blockTag of ["safe", "finalized"]) assert.equal((await ledger.getBlock({ blockTag })).hash, latest.hash);
    await assert.rejects(ledger.getBlock({ blockNumber: 1_000_000n }), { name: "BlockNotFoundError" });
  });

  test("prices gas by EIP-1559", async () => {
    const [block, gasPrice, fees] = await Promise.all([ledger.getBlock(), ledger.getGasPrice(), ledger.estimateFeesPerGas()]);
    assert.ok(gasPrice > 0n && fees.maxFeePerGas >= fees.maxPriorityFeePerGas);
    const history = await ledger.getFeeHistory({ blockCount: 2, rewardPercentiles: [25, 75] });
    assert.equal(history.baseFeePerGas.length, history.gasUsedRatio.length + 1);
    assert.ok(history.baseFeePerGas.includes(block.baseFeePerGas));
    assert.ok(history.reward.every((percentiles) => percentiles.length === 2));
    assert.equal(await ledger.getBlobBaseFee(), 1n);
  });

  test("takes transactions of every type that wallets send", async () => {
    const gasPrice = await ledger.getGasPrice();
    const types = [
      { type: "legacy", gasPrice }, { type: "eip2930", gasPrice, accessList: [] }, { type: "eip1559" },
      { type: "eip7702", authorizationList: [await receiver.signAuthorization({ chainId: chain.id, nonce: 0, contractAddress: zeroAddress })] },
    ];
    for (const fields of types) {
      const before = await ledger.getBalance({ address: receiver.address });
      const hash = await wallet.sendTransaction({ to: receiver.address, value: 5n, ...fields });
      const receipt = await mined(hash);
      assert.equal(receipt.type, fields.type);
      const found = await ledger.getTransaction({ blockHash: receipt.blockHash, index: receipt.transactionIndex });
      assert.deepEqual(await ledger.getTransaction({ hash }), found);
      assert.equal(found.from.toLowerCase(), sender.address.toLowerCase());
      assert.equal(await ledger.getBalance({ address: receiver.address }), before + 5n);
    }
  });

  test("counts a transaction that waits when asked for the pending nonce", async () => {
    const nonce = await ledger.getTransactionCount({ address: sender.address, blockTag: "pending" });
    const request = await wallet.prepareTransactionRequest({ to: receiver.address, value: 1n, nonce: nonce + 1 });
    const later = await wallet.sendRawTransaction({ serializedTransaction: await wallet.signTransaction(request) });
    assert.equal((await ledger.getTransaction({ hash: later })).blockNumber, null);
    const content = (await ask(node, "txpool_content")).result;
    const [queued] = Object.values(content.queued);
    assert.equal(queued[nonce + 1].hash, later);
    const receipt = await ledger.sendRawTransactionSync({
      serializedTransaction: await wallet.signTransaction({ ...request, nonce }),
    });
    assert.equal(receipt.status, "success");
    await mined(later);
    assert.equal(await ledger.getTransactionCount({ address: sender.address }), nonce + 2);
  });
});

describe("OpenZeppelin's ERC-20", () => {
  const supply = parseEther("1000");
  let token;
  before(async () => { token = await deploy(contracts.Seedling, [supply]); });

  test("is there as it was compiled", async () => {
    assert.ok((await ledger.getCode({ address: token.address })).length > 1_000);
    const read = (functionName, args) => ledger.readContract({ ...token, functionName, args });
    assert.equal(await read("name"), "Seedling");
    assert.equal(await read("decimals"), 18);
    assert.equal(await read("balanceOf", [sender.address]), supply);
  });

  test("moves balances, and tells so in logs", async () => {
    const { request } = await ledger.simulateContract({ ...token, account: sender, functionName: "transfer", args: [receiver.address, 7n] });
    const gas = await ledger.estimateContractGas(request);
    const receipt = await mined(await wallet.writeContract(request));
    assert.ok(gas >= receipt.gasUsed && gas < receipt.gasUsed * 2n, `estimated ${gas}, used ${receipt.gasUsed}`);
    const [transfer] = parseEventLogs({ abi: token.abi, logs: receipt.logs });
    assert.deepEqual(transfer.args, { from: sender.address, to: receiver.address, value: 7n });
    const found = await ledger.getContractEvents({ ...token, eventName: "Transfer", args: { to: receiver.address }, fromBlock: 0n });
    assert.deepEqual(found.map(({ transactionHash }) => transactionHash), [receipt.transactionHash]);
    assert.deepEqual(await ledger.getLogs({ blockHash: receipt.blockHash }), receipt.logs);
    const receipts = (await ask(node, "eth_getBlockReceipts", [receipt.blockHash])).result;
    assert.ok(receipts.some(({ transactionHash }) => transactionHash === receipt.transactionHash));
  });

  test("answers what-if questions with an overridden state", async () => {
    const stateOverride = [{ address: sender.address, balance: 1n }];
    const balanceOf = { ...token, functionName: "balanceOf", args: [sender.address] };
    assert.equal(await ledger.readContract({ ...balanceOf, stateOverride }), await ledger.readContract(balanceOf));
    const empty = { ...token, functionName: "totalSupply", stateOverride: [{ address: token.address, code: "0x60005460005260206000f3" }] };
    assert.equal(await ledger.readContract(empty), 0n, "the overriding code returns slot 0, which is empty");
  });
});

describe("OpenZeppelin's ERC-721", () => {
  let herbarium;
  before(async () => { herbarium = await deploy(contracts.Herbarium); });

  test("is watched over WebSocket: events, blocks, pending transactions", async () => {
    const live = createPublicClient({ chain, transport: webSocket(node.webSocketUrl) });
    assert.equal(await live.getChainId(), chain.id);
    const events = collect(3, (onLogs, onError) => live.watchContractEvent({ ...herbarium, eventName: "Transfer", onLogs, onError }));
    const blocks = collect(3, (add, onError) => live.watchBlocks({ onBlock: (block) => add([block]), onError }));
    const pending = collect(3, (onTransactions, onError) => live.watchPendingTransactions({ onTransactions, onError }));
    await new Promise((done) => setTimeout(done, 300));
    const sent = [];
    for (let count = 0; count < 3; count += 1) {
      const hash = await wallet.writeContract({ ...herbarium, functionName: "collect", args: [receiver.address] });
      await mined(hash);
      sent.push(hash);
    }
    assert.deepEqual((await events).map(({ args }) => args.tokenId), [1n, 2n, 3n]);
    const numbers = (await blocks).map(({ number }) => number);
    assert.deepEqual(numbers, [numbers[0], numbers[0] + 1n, numbers[0] + 2n]);
    assert.deepEqual(await pending, sent);
    (await live.transport.getRpcClient()).close();
  });

  test("is watched over HTTP by polling filters", async () => {
    const first = (await ledger.readContract({ ...herbarium, functionName: "balanceOf", args: [receiver.address] })) + 1n;
    const events = collect(2, (onLogs, onError) => ledger.watchContractEvent({ ...herbarium, eventName: "Transfer", onLogs, onError, poll: true }));
    await new Promise((done) => setTimeout(done, 300));
    for (let count = 0; count < 2; count += 1) {
      await mined(await wallet.writeContract({ ...herbarium, functionName: "collect", args: [receiver.address] }));
    }
    assert.deepEqual((await events).map(({ args }) => args.tokenId), [first, first + 1n]);

    const filter = await ledger.createContractEventFilter({ ...herbarium, eventName: "Transfer", fromBlock: 0n });
    assert.equal((await ledger.getFilterLogs({ filter })).length, Number(first) + 1);
    assert.ok(await ledger.uninstallFilter({ filter }));
    assert.equal(await ledger.uninstallFilter({ filter }), false);
    await assert.rejects(ledger.getFilterChanges({ filter }), /filter not found/);
  });

  test("refuses with errors that viem decodes", async () => {
    const refused = (fields) => refusal(() => ledger.simulateContract({ ...herbarium, account: sender, ...fields }), ContractFunctionRevertedError);
    const missing = await refused({ functionName: "ownerOf", args: [999n] });
    assert.deepEqual([missing.data.errorName, missing.data.args], ["ERC721NonexistentToken", [999n]]);
    const foreign = await refused({ functionName: "transferFrom", args: [receiver.address, sender.address, 1n] });
    assert.equal(foreign.data.errorName, "ERC721InsufficientApproval");
  });
});

describe("refusals", () => {
  let refusing;
  before(async () => { refusing = await deploy(contracts.Refusal); });
  const call = (functionName, args) => refusal(() => ledger.readContract({ ...refusing, functionName, args }), ContractFunctionRevertedError);

  test("carry the reason in the message and the data", async () => {
    assert.equal((await call("withText")).reason, "no leaf left");
    assert.deepEqual((await call("withError")).data.args, [3n]);
    assert.match((await call("withPanic", [0n])).reason, /[Dd]ivi/);
    assert.equal((await call("withNothing")).reason, "execution reverted");
    const raw = await ask(node, "eth_call", [{ to: refusing.address, data: "0xdeadbeef" }, "latest"]);
    assert.deepEqual(raw.error, { code: 3, message: "execution reverted", data: "0x" });
  });

  test("come before a transaction is sent, when gas is estimated", async () => {
    const send = () => wallet.writeContract({ ...refusing, functionName: "withText" });
    assert.equal((await refusal(send, ContractFunctionRevertedError)).reason, "no leaf left");
  });

  test("of a mined transaction are in its receipt", async () => {
    const receipt = await mined(await wallet.writeContract({ ...refusing, functionName: "withText", gas: 100_000n }));
    assert.equal(receipt.status, "reverted");
    assert.deepEqual(receipt.logs, []);
  });

  test("by the pool are told apart", async () => {
    const send = (fields) => () => wallet.sendTransaction({ to: receiver.address, value: 1n, gas: 21_000n, ...fields });
    await refusal(send({ nonce: 0 }), NonceTooLowError);
    await refusal(send({ value: parseEther("1000000") }), InsufficientFundsError);
    const again = await ask(node, "eth_sendRawTransaction", ["0x02c0"]);
    assert.equal(again.error.code, -32000);
  });

  test("of the protocol have geth's codes and words", async () => {
    const errors = {
      eth_sendTransaction: [[{}], -32601, "the method eth_sendTransaction does not exist/is not available"],
      eth_getBalance: [[], -32602, "missing value for required argument 0"],
      eth_blockNumber: [[1], -32602, "too many arguments, want at most 0"],
      eth_subscribe: [["newHeads"], -32601, "notifications not supported"],
    };
    for (const [method, [params, code, message]] of Object.entries(errors)) {
      assert.deepEqual((await ask(node, method, params)).error, { code, message });
    }
    await refusal(() => wallet.request({ method: "eth_sign" }), MethodNotFoundRpcError);
    const broken = await fetch(node.url, { method: "POST", headers: { "content-type": "application/json" }, body: "{" });
    assert.deepEqual(await broken.json(), { jsonrpc: "2.0", id: null, error: { code: -32700, message: "parse error" } });
  });
});

test("a batch is answered in order, each call for itself", async () => {
  const batching = createPublicClient({ chain, transport: http(node.url, { batch: true }), cacheTime: 0 });
  const [id, block, balance] = await Promise.all([batching.getChainId(), batching.getBlockNumber(), batching.getBalance({ address: sender.address })]);
  assert.ok(id === chain.id && block > 0n && balance > 0n);
  const call = (id, method) => ({ jsonrpc: "2.0", id, method });
  const body = JSON.stringify([call(1, "eth_chainId"), call("two", "nope"), 3, call(4, "net_version")]);
  const answers = await (await fetch(node.url, { method: "POST", headers: { "content-type": "application/json" }, body })).json();
  assert.deepEqual(answers.map(({ id, error }) => [id, error?.code]), [[1, undefined], ["two", -32601], [null, -32600], [4, undefined]]);
});

test("a wallet in a page of another origin is refused", async () => {
  const foreign = custom({
    async request({ method, params }) {
      const headers = { "content-type": "application/json", origin: "http://evil.example" };
      const response = await fetch(node.url, { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }) });
      throw new Error((await response.json()).title);
    },
  }, { retryCount: 0 });
  await assert.rejects(createPublicClient({ chain, transport: foreign }).getBlockNumber(), /may not use the node/);
});
