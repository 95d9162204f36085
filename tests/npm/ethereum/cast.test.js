// Foundry's cast: the command line that developers use.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { toHex } from "viem";
import { compile } from "./contracts.js";
import { devAccount, startNode } from "./node.js";

const cast = resolve(import.meta.dirname, "node_modules/@foundry-rs/cast-linux-amd64/bin/cast");
const run = promisify(execFile);
const account = devAccount(6);
const key = toHex(account.getHdKey().privateKey);
const other = "0x00000000000000000000000000000000000000aa";

describe("cast", { skip: existsSync(cast) ? false : "cast is not published for this system" }, () => {
  const { Seedling } = compile();
  let node, token, transfer;
  const asks = async (command, ...parameters) => (await run(cast, [command, "--rpc-url", node.url, ...parameters])).stdout.trim();
  const sends = async (...parameters) => JSON.parse(await asks("send", "--json", "--private-key", key, ...parameters));

  before(async () => {
    node = await startNode();
    const supply = (1_000n).toString(16).padStart(64, "0");
    const receipt = await sends("--create", Seedling.bytecode + supply);
    assert.equal(receipt.status, "0x1");
    token = receipt.contractAddress;
  });
  after(() => node?.stop());

  test("asks what the chain is", async () => {
    assert.match(await asks("client"), /^phytomer\/v/);
    assert.equal(await asks("chain-id"), String(Number(await asks("rpc", "eth_chainId", "--raw", "[]").then(JSON.parse))));
    assert.ok(Number(await asks("block-number")) >= 1);
    assert.ok(BigInt(await asks("gas-price")) > 0n);
    assert.ok(BigInt(await asks("balance", account.address)) > 0n);
    assert.equal(await asks("nonce", account.address), "1");
    assert.ok((await asks("code", token)).length > 1_000);
  });

  test("sends a call and reads what came of it", async () => {
    transfer = await sends(token, "transfer(address,uint256)", other, "7");
    assert.equal(transfer.status, "0x1");
    assert.equal(await asks("call", token, "balanceOf(address)(uint256)", other), "7");
    const receipt = JSON.parse(await asks("receipt", "--json", transfer.transactionHash));
    assert.deepEqual(receipt, transfer);
    const sent = JSON.parse(await asks("tx", "--json", transfer.transactionHash));
    assert.equal(sent.from.toLowerCase(), account.address.toLowerCase());
    const block = JSON.parse(await asks("block", "--json", String(Number(transfer.blockNumber))));
    assert.equal(block.hash, transfer.blockHash);
    assert.deepEqual(block.transactions, [transfer.transactionHash]);
    const logs = JSON.parse(await asks("logs", "--json", "--from-block", "0", "--address", token, "Transfer(address,address,uint256)"));
    assert.deepEqual(logs.map(({ transactionHash }) => transactionHash).slice(1), [transfer.transactionHash]);
    assert.equal(BigInt(await asks("storage", token, "2")), 1_000n, "OpenZeppelin keeps the supply in slot 2");
  });

  test("estimates what it costs", async () => {
    const gas = BigInt(await asks("estimate", "--from", account.address, token, "transfer(address,uint256)", other, "1"));
    assert.ok(gas > 21_000n && gas < 100_000n, gas);
    const list = await asks("access-list", "--from", account.address, token, "transfer(address,uint256)", other, "1");
    assert.match(list, /gas used/);
  });

  test("shows why a call is refused", async () => {
    const refused = asks("call", "--from", other, token, "transfer(address,uint256)", account.address, "99");
    await assert.rejects(refused, ({ stderr }) => /execution reverted/.test(stderr) && /0xe450d38c/.test(stderr));
  });
});
