import { describe, expect, test } from "vitest";
import { asAddress, asAscii, decodeWords, encodeCall, type Hex, keccak, selector } from "../app/api/abi.ts";
import { decodeLog } from "../app/api/logs.ts";
import { verdictOf } from "../app/verify/check.ts";
import { judgeLedger, type LedgerFacts } from "../app/verify/ledger.ts";
import { credentialBody, forger, grower, read, signed } from "./sign.ts";

const address: Hex = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";
const entry = (statusPurpose: string) => ({
  type: "BitstringStatusListEntry",
  statusPurpose,
  statusListIndex: "94",
  statusListCredential: `https://node.example/v1/status-lists/${statusPurpose}`,
});
const credentialStatus = [entry("revocation"), entry("suspension")];
const credential = read(signed(credentialBody({ credentialStatus }), grower));

const facts: LedgerFacts = {
  id: 2n,
  issuer: address,
  owner: address,
  statusIndex: 94n,
  quantity: 500n,
  unit: "H87",
  taxon: keccak("Mangifera indica"),
  status: "active",
  expired: false,
  cause: 2n,
  causeReason: "",
  causeBlock: 0,
  didHash: keccak(grower.did),
  accredited: true,
  authority: address,
};

function outcomeOf(name: string, changed: Partial<LedgerFacts>, expected = 2n): { outcome: string; detail: string } {
  const check = judgeLedger(credential, { ...facts, ...changed }, expected).find((one) => one.name === name);
  return { outcome: check?.outcome ?? "absent", detail: check?.detail ?? "" };
}

describe("the ledger's word", () => {
  test("agrees with a credential in good standing", () => {
    expect(verdictOf(judgeLedger(credential, facts, 2n))).toBe("valid");
  });

  test("is missing for a document that was never recorded", () => {
    expect(judgeLedger(credential, undefined).map((check) => check.outcome)).toEqual([
      "failed",
      "not-checked",
      "not-checked",
      "not-checked",
    ]);
  });

  test("exposes the credential of another certificate", () => {
    expect(outcomeOf("anchor", {}, 3n).outcome).toBe("failed");
  });

  test.each([
    ["quantity", { quantity: 5000n }],
    ["unit", { unit: "KGM" }],
    ["species", { taxon: keccak("Mangifera foetida") }],
    ["status entry", { statusIndex: 95n }],
  ] as [string, Partial<LedgerFacts>][])("exposes another %s beside the same hash", (_, changed) => {
    expect(outcomeOf("anchor", changed).outcome).toBe("failed");
  });

  test("exposes an account that is registered for another DID", () => {
    expect(outcomeOf("accreditation", { didHash: keccak(forger.did) }).outcome).toBe("failed");
  });

  test("exposes an issuer for whom nobody ever vouched", () => {
    expect(outcomeOf("accreditation", { authority: `0x${"0".repeat(40)}` }).outcome).toBe("failed");
  });

  test("counts an accreditation that ended after the issue, and says so", () => {
    const found = outcomeOf("accreditation", { accredited: false });
    expect(found.outcome).toBe("passed");
    expect(found.detail).toContain("no longer");
  });

  test("names the ancestor, the reason and the block of a suspension", () => {
    const found = outcomeOf("ledger-status", { status: "suspended", cause: 1n, causeReason: "XYLEFA", causeBlock: 9 });
    expect(found.outcome).toBe("failed");
    for (const word of ["Certificate 1", "suspended", "XYLEFA", "block 9"]) expect(found.detail).toContain(word);
  });

  test("exposes an expired certificate", () => {
    expect(outcomeOf("ledger-status", { expired: true }).outcome).toBe("failed");
  });
});

describe("the ABI", () => {
  // Selectors and topics that every block explorer shows for ERC-20 and ERC-721.
  test("has the selectors that the standards are known by", () => {
    expect(selector("transfer(address,uint256)")).toBe("0xa9059cbb");
    expect(selector("ownerOf(uint256)")).toBe("0x6352211e");
    expect(keccak("Transfer(address,address,uint256)")).toBe(
      "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
    );
  });

  test("pads numbers and addresses on the left", () => {
    expect(encodeCall("transfer(address,uint256)", [address, 25n])).toBe(
      `0xa9059cbb${"0".repeat(24)}${address.slice(2)}${"0".repeat(62)}19`,
    );
  });

  test("refuses what is not whole words", () => {
    expect(() => decodeWords("0x00")).toThrow(RangeError);
    expect(() => decodeWords(`0x${"zz".repeat(32)}`)).toThrow(RangeError);
    expect(decodeWords("0x")).toEqual([]);
  });

  test("reads addresses and short text", () => {
    expect(asAddress(`0x${"0".repeat(24)}${address.slice(2)}`)).toBe(address);
    expect(asAscii(`0x${Buffer.from("XYLEFA").toString("hex").padEnd(64, "0")}`)).toBe("XYLEFA");
  });
});

describe("logs in words", () => {
  const word = (value: number): Hex => `0x${value.toString(16).padStart(64, "0")}`;
  const transfer = keccak("Transfer(address,address,uint256)");

  test("a certificate's transfer names the certificate, a token's the amount", () => {
    const certificate = decodeLog("PlantCertificate", [transfer, word(1), word(2), word(7)], "0x");
    const token = decodeLog("tUSD", [transfer, word(1), word(2)], word(25));
    expect(certificate?.arguments.at(-1)).toEqual({ name: "id", kind: "id", value: "7" });
    expect(token?.arguments.at(-1)).toEqual({ name: "amount", kind: "money", value: "25" });
  });

  test("a list of parents is read", () => {
    const data = `0x${[32, 2, 3, 4].map((value) => word(value).slice(2)).join("")}` as Hex;
    const merged = decodeLog("PlantCertificate", [keccak("Merged(uint256,uint256[])"), word(5)], data);
    expect(merged?.arguments).toContainEqual({ name: "parents", kind: "list", value: "3, 4" });
  });

  test("an unknown event stays unknown", () => {
    expect(decodeLog("PlantCertificate", [keccak("Else()")], "0x")).toBeUndefined();
    expect(decodeLog(undefined, [transfer, word(1), word(2), word(7)], "0x")).toBeUndefined();
  });
});
