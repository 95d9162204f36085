import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { eventsOf, functionsOf } from "../app/api/logs.ts";
import { lotPlaces, statusNames, views } from "../app/verify/ledger.ts";

interface Parameter {
  readonly name: string;
  readonly type: string;
  readonly indexed?: boolean;
  readonly components?: readonly Parameter[];
}

interface AbiItem {
  readonly type: string;
  readonly name?: string;
  readonly inputs?: readonly Parameter[];
  readonly outputs?: readonly Parameter[];
}

/** The compiler's own word on a contract. */
function abiOf(contract: string): AbiItem[] {
  const artifact = contract === "tUSD" ? "TestUSD" : contract;
  const text = readFileSync(new URL(`../../../contracts/artifacts/${artifact}.json`, import.meta.url), "utf8");
  return (JSON.parse(text) as { abi: AbiItem[] }).abi;
}

/** The canonical type of a parameter: structs are spelled out. */
function typeOf({ type, components }: Parameter): string {
  return components === undefined ? type : type.replace("tuple", `(${components.map(typeOf).join(",")})`);
}

const signatureOf = ({ name, inputs }: AbiItem) => `${name}(${(inputs ?? []).map(typeOf).join(",")})`;

const certificate = abiOf("PlantCertificate");
const certificateView = (name: string) => certificate.find((item) => item.type === "function" && item.name === name);

describe("what the page knows of the contracts is what was compiled", () => {
  test.each(Object.entries(functionsOf))("functions of %s", (contract, signatures) => {
    const compiled = abiOf(contract).filter(({ type }) => type === "function");
    for (const signature of signatures) expect(compiled.map(signatureOf)).toContain(signature);
  });

  test.each(Object.entries(views))("views of %s", (contract, signatures) => {
    const compiled = abiOf(contract).filter(({ type }) => type === "function");
    for (const signature of Object.values(signatures)) expect(compiled.map(signatureOf)).toContain(signature);
  });

  test.each(Object.entries(eventsOf))("events of %s", (contract, events) => {
    const compiled = abiOf(contract).filter(({ type }) => type === "event");
    for (const { signature, indexed } of events) {
      const event = compiled.find((item) => signatureOf(item) === signature);
      expect(event, signature).toBeDefined();
      expect(event?.inputs?.filter((input) => input.indexed === true)).toHaveLength(indexed.length);
    }
  });

  test("the members of a lot stand where they are read", () => {
    const members = certificateView("lot")?.outputs?.[0]?.components?.map(({ name }) => name);
    for (const [name, place] of Object.entries(lotPlaces)) expect(members?.[place]).toBe(name);
  });

  test("a lot, a status and an issuer are made of single words", () => {
    const issuer = abiOf("IssuerRegistry").find(({ name }) => name === "issuerOf")?.outputs?.[0]?.components;
    expect(issuer?.slice(0, 2).map(({ name }) => name)).toEqual(["authority", "didHash"]);
    const lot = certificateView("lot")?.outputs?.[0]?.components ?? [];
    const status = certificateView("effectiveStatus")?.outputs ?? [];
    expect(status.map(({ name }) => name)).toEqual(["status", "expired", "cause"]);
    for (const { type } of [...lot, ...status, ...(issuer ?? [])])
      expect(type).toMatch(/^(u?int|address|bytes|bool)\d*$/);
  });

  test("the names of a status are in the contract's order", () => {
    const source = readFileSync(new URL("../../../contracts/src/IPlantCertificate.sol", import.meta.url), "utf8");
    const names = /enum Status \{([^}]*)\}/
      .exec(source)?.[1]
      ?.split(",")
      .map((name) => name.trim().toLowerCase());
    expect(names).toEqual([...statusNames]);
  });
});
