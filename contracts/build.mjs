// Compiles the contracts of this folder into artifacts/, or with --check compares what it would
// write with what is committed and exits 1 where they differ. The compiler is the npm package
// `solc` (WebAssembly, no network), so the same sources give the same bytes everywhere.
//
//   npm ci && node build.mjs [--check]

import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const solc = createRequire(import.meta.url)("solc");

/** Contract → source that defines it. Each gets one artifact. */
export const contracts = {
  AccessManager: "@openzeppelin/contracts/access/manager/AccessManager.sol",
  Escrow: "src/Escrow.sol",
  IssuerRegistry: "src/IssuerRegistry.sol",
  ModelRegistry: "src/ModelRegistry.sol",
  PlantCertificate: "src/PlantCertificate.sol",
  TestUSD: "src/TestUSD.sol",
};

/** Bytes of code that an account may hold (EIP-170), and of init code (EIP-3860). */
const codeBytesMax = 24_576;
const initCodeBytesMax = 2 * codeBytesMax;

/** solc's general advice on transient storage, raised by OpenZeppelin's reentrancy guard, which
    clears what it sets at the end of every call as that advice demands. */
const transientStorageAdvice = "2394";

const settings = {
  evmVersion: "prague",
  optimizer: { enabled: true, runs: 200 },
  metadata: { bytecodeHash: "ipfs", useLiteralContent: false },
};

/** Sources come from this folder and from node_modules, and nowhere else. */
export function read(source) {
  const path = source.startsWith("@") ? join(here, "node_modules", source) : join(here, source);
  return readFileSync(path, "utf8").replaceAll("\r\n", "\n");
}

/** Compiles the named contracts into artifacts; `readSource` yields the text of a source, and
    `refused` are the severities of complaints that no compilation may have. */
export function compile(names = Object.keys(contracts), readSource = read, refused = ["error", "warning"]) {
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(names.map((name) => [contracts[name], { content: readSource(contracts[name]) }])),
    settings: {
      ...settings,
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const load = (source) => {
    try {
      return { contents: readSource(source) };
    } catch (error) {
      return { error: error.message };
    }
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: load }));
  const complaints = (output.errors ?? [])
    .filter((error) => error.errorCode !== transientStorageAdvice)
    .filter((error) => refused.includes(error.severity));
  if (complaints.length > 0) {
    const texts = complaints.map((complaint) => complaint.formattedMessage);
    throw new Error(`${texts.join("\n")}\nthe sources do not compile without errors and warnings: mend them first`);
  }
  return names.map((name) => artifact(name, contracts[name], output.contracts[contracts[name]][name]));
}

/** The IPFS multihash of the metadata, from the CBOR map that ends the code: the text "ipfs",
    then 58 22 for a string of 34 bytes. */
function metadataHash(code) {
  const mark = "64697066735822";
  const at = code.lastIndexOf(mark);
  if (at < 0) throw new Error("the code carries no metadata hash");
  return code.slice(at + mark.length, at + mark.length + 68);
}

function artifact(name, source, { abi, evm }) {
  const deployedBytes = evm.deployedBytecode.object.length / 2;
  const initBytes = evm.bytecode.object.length / 2;
  if (deployedBytes > codeBytesMax) {
    throw new Error(`${name} has ${deployedBytes} bytes of code; EIP-170 allows ${codeBytesMax}`);
  }
  if (initBytes > initCodeBytesMax) {
    throw new Error(`${name} has ${initBytes} bytes of init code; EIP-3860 allows ${initCodeBytesMax}`);
  }
  return {
    contractName: name,
    source,
    compiler: solc.version(),
    settings,
    metadataHash: metadataHash(evm.deployedBytecode.object),
    deployedBytes,
    abi,
    bytecode: `0x${evm.bytecode.object}`,
  };
}

function main(check) {
  const folder = join(here, "artifacts");
  mkdirSync(folder, { recursive: true });
  const differing = [];
  for (const made of compile()) {
    const text = `${JSON.stringify(made, null, 1)}\n`;
    const path = join(folder, `${made.contractName}.json`);
    const same = existsSync(path) && readFileSync(path, "utf8") === text;
    if (!same && check) differing.push(made.contractName);
    if (!same && !check) writeFileSync(path, text);
    console.log(`${made.contractName}: ${made.deployedBytes} bytes${same ? "" : check ? ", DIFFERS" : ", written"}`);
  }
  const known = Object.keys(contracts).map((name) => `${name}.json`);
  differing.push(...readdirSync(folder).filter((file) => !known.includes(file)));
  if (differing.length > 0) {
    throw new Error(
      `artifacts/ does not match the sources: ${differing.join(", ")}. ` +
        "Run `npm ci && node build.mjs` in contracts/ and commit artifacts/.",
    );
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main(process.argv.includes("--check"));
  } catch (error) {
    console.error(`contracts: ${error.message}`);
    process.exitCode = 1;
  }
}
