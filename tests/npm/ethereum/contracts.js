// The contracts, compiled by the compiler that everybody uses from sources that nobody changed.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import solc from "solc";

const folder = import.meta.dirname;

/** ABI and init code of each contract in `contracts/Contracts.sol`, by name. */
export function compile() {
  const input = {
    language: "Solidity",
    sources: { "Contracts.sol": { content: readFileSync(resolve(folder, "contracts/Contracts.sol"), "utf8") } },
    settings: { outputSelection: { "Contracts.sol": { "*": ["abi", "evm.bytecode.object"] } } },
  };
  const find = (path) => ({ contents: readFileSync(resolve(folder, "node_modules", path), "utf8") });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: find }));
  const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join("\n"));
  const contracts = Object.entries(output.contracts["Contracts.sol"]);
  return Object.fromEntries(contracts.map(([name, { abi, evm }]) => [name, { abi, bytecode: `0x${evm.bytecode.object}` }]));
}
