// A real node, as `phytomer dev` starts it, and the accounts of others that act on its ledger.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { createPublicClient, createWalletClient, defineChain, http, parseAbi, stringToHex } from "viem";
import { mnemonicToAccount } from "viem/accounts";

const repository = resolve(import.meta.dirname, "../../..");
const startTimeoutMs = 60_000;
const stopTimeoutMs = 15_000;

function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? resolve(repository, "target");
  const path = process.env.PHYTOMER_BIN ?? resolve(target, "debug/phytomer");
  if (!existsSync(path))
    throw new Error(`there is no ${path}: build it with \`cargo build\`, or name it in PHYTOMER_BIN`);
  return path;
}

/** Starts a node with a chain of its own; `pageUrl` carries the operator's token in its fragment. */
export async function startNode() {
  // PHYTOMER_BIN would be taken for a setting, so the node gets an environment of its own.
  const environment = { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: "1" };
  const child = spawn(binary(), ["dev", "--temporary", "--http-port", "0"], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = [];
  const stopped = new Promise((done) => child.once("exit", done));
  const pageUrl = await new Promise((done, fail) => {
    const late = setTimeout(
      () => fail(new Error(`no page within ${startTimeoutMs} ms; it said:\n${said.join("\n")}`)),
      startTimeoutMs,
    );
    const listen = (line) => {
      said.push(line);
      const url = /https?:\/\/\S+#token=\S+/.exec(line)?.[0];
      if (url !== undefined) {
        clearTimeout(late);
        done(url);
      }
    };
    createInterface({ input: child.stdout }).on("line", listen);
    createInterface({ input: child.stderr }).on("line", (line) => said.push(line));
    stopped.then((code) => fail(new Error(`the node ended with ${code}; it said:\n${said.join("\n")}`)));
  });
  const origin = new URL(pageUrl).origin;
  const token = new URLSearchParams(new URL(pageUrl).hash.slice(1)).get("token");
  const stop = async () => {
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
    await stopped;
    clearTimeout(late);
  };
  return { pageUrl, origin, token, stop, log: () => said.join("\n") };
}

/** Splits a certificate, as its operator may over REST. */
export async function split(node, certificate, quantities) {
  const response = await fetch(`${node.origin}/v1/certificates/${certificate}/split`, {
    method: "POST",
    headers: { authorization: `Bearer ${node.token}`, "content-type": "application/json" },
    body: JSON.stringify({ quantities }),
  });
  if (response.status !== 201) throw new Error(`split: ${response.status} ${await response.text()}`);
  return (await response.json()).certificates.map(({ id }) => id);
}

/** The authority of the development preset, with its own key, over the node's public JSON-RPC. */
export async function authority(node) {
  const { chainId, contracts } = await (await fetch(`${node.origin}/v1/node`)).json();
  const chain = defineChain({
    id: Number(chainId),
    name: "phytomer dev",
    nativeCurrency: { name: "PHY", symbol: "PHY", decimals: 18 },
    rpcUrls: { default: { http: [node.origin] } },
  });
  const account = mnemonicToAccount("test test test test test test test test test test test junk", { addressIndex: 1 });
  const transport = http(node.origin);
  const wallet = createWalletClient({ account, chain, transport });
  const ledger = createPublicClient({ chain, transport, pollingInterval: 100 });
  const abi = parseAbi(["function suspend(uint256 id, bytes32 reason)", "function reinstate(uint256 id)"]);
  const write = async (functionName, args) => {
    const hash = await wallet.writeContract({ address: contracts.PlantCertificate, abi, functionName, args });
    const receipt = await ledger.waitForTransactionReceipt({ hash, timeout: 20_000 });
    if (receipt.status !== "success") throw new Error(`${functionName} was reverted in ${hash}`);
    return { hash, block: receipt.blockNumber };
  };
  return {
    suspend: (id, reason) => write("suspend", [BigInt(id), stringToHex(reason, { size: 32 })]),
    reinstate: (id) => write("reinstate", [BigInt(id)]),
  };
}
