import { readFileSync } from "node:fs";
import { base58 } from "@scure/base";
import { describe, expect, test } from "vitest";
import { verdictOf } from "../app/verify/check.ts";
import { certificateCharactersMax, NotACredential, readCredential } from "../app/verify/credential.ts";
import { publicKeyOf } from "../app/verify/did-key.ts";
import { checkDocument } from "../app/verify/document.ts";
import { verifyEddsaJcs } from "../app/verify/eddsa-jcs.ts";
import type { Json, JsonObject } from "../app/verify/json.ts";
import { ambiguity, without } from "../app/verify/json.ts";
import { credentialBody, forger, grower, now, read, signed } from "./sign.ts";

/** Example 41 of W3C Data Integrity EdDSA Cryptosuites v1.0, from its published test vectors. */
const vectorText = readFileSync(new URL("vectors/w3c-eddsa-jcs-2022.json", import.meta.url), "utf8");
const vector = JSON.parse(vectorText) as JsonObject;
const vectorProof = vector.proof as JsonObject;

/** The outcome of every check, by name. */
function outcomes(document: JsonObject, at = now): Record<string, string> {
  return Object.fromEntries(checkDocument(read(document), at).map((check) => [check.name, check.outcome]));
}

/** Expects exactly the named checks to fail, and no other. */
function expectFailed(document: JsonObject, ...names: string[]): void {
  const failures = Object.entries(outcomes(document)).filter(([, outcome]) => outcome === "failed");
  expect(failures.map(([name]) => name)).toEqual(names);
}

describe("the vector that the W3C publishes", () => {
  test("its signature holds", () => {
    expect(verifyEddsaJcs(without(vector, "proof"), vectorProof)).toEqual({ valid: true });
  });

  test("its document hash is the published one", () => {
    expect(readCredential(vectorText).hash).toBe("0x59b7cb6251b8991add1ce0bc83107e3db9dbbab5bd2c28f687db1a03abc92f19");
  });

  test("it is no plant certificate, and its key is not in its issuer's name", () => {
    expect(outcomes(vector)).toEqual({
      form: "failed",
      signature: "passed",
      controller: "failed",
      "proof-purpose": "passed",
      dates: "passed",
    });
  });

  test.each(Object.keys(vector).filter((key) => key !== "proof"))("changing “%s” breaks the signature", (key) => {
    const changed = { ...vector, [key]: "something else" };
    expect(verifyEddsaJcs(without(changed, "proof"), vectorProof).valid).toBe(false);
  });

  test.each(Object.keys(vectorProof))("changing “%s” of the proof breaks the signature", (key) => {
    expect(verifyEddsaJcs(without(vector, "proof"), { ...vectorProof, [key]: "something else" }).valid).toBe(false);
  });

  test.each(Array.from({ length: 64 }, (_, at) => at))("flipping a bit of signature byte %i breaks it", (at) => {
    const signature = base58.decode((vectorProof.proofValue as string).slice(1));
    signature[at] = (signature[at] ?? 0) ^ 1;
    const proof = { ...vectorProof, proofValue: `z${base58.encode(signature)}` };
    expect(verifyEddsaJcs(without(vector, "proof"), proof).valid).toBe(false);
  });
});

describe("a credential of a grower", () => {
  test("passes every check", () => {
    const checks = checkDocument(read(signed(credentialBody(), grower)), now);
    expect(verdictOf(checks)).toBe("valid");
  });

  test("passes whatever the order of its members", () => {
    const document = signed(credentialBody(), grower);
    expectFailed(Object.fromEntries(Object.entries(document).reverse()));
  });

  test("fails when another key signed it in the grower's name", () => {
    expectFailed(signed(credentialBody(), forger), "controller");
  });

  test("fails when the forger names the grower's key", () => {
    expectFailed(signed(credentialBody(), forger, { verificationMethod: grower.method }), "signature");
  });

  test("fails when the fragment is not the key of the DID", () => {
    const method = `${grower.did}#${forger.did.slice("did:key:".length)}`;
    expectFailed(signed(credentialBody(), grower, { verificationMethod: method }), "signature");
  });

  test.each(["authentication", "keyAgreement", "capabilityInvocation", undefined])(
    "fails with the purpose %s",
    (purpose) => {
      expectFailed(signed(credentialBody(), grower, { proofPurpose: purpose }), "proof-purpose");
    },
  );

  test.each(["domain", "challenge"])("fails when it was signed for one recipient by “%s”", (name) => {
    expectFailed(signed(credentialBody(), grower, { [name]: "example" }), "proof-purpose");
  });

  test.each([
    ["its term is over", { validUntil: "2026-06-01T12:00:00Z" }, {}],
    ["it has not begun", { validFrom: "2026-06-01T13:00:00Z" }, {}],
    ["its proof has expired", {}, { expires: "2020-01-01T00:00:00Z" }],
    ["its proof was made in the future", {}, { created: "2030-01-01T00:00:00Z" }],
    ["a date has no time zone", { validUntil: "2027-05-01T00:00:00" }, {}],
    ["a date is a list", { validUntil: ["2027-05-01T00:00:00Z"] }, {}],
    ["a date does not exist", { validUntil: "2027-13-01T00:00:00Z" }, {}],
  ] as [string, Record<string, Json>, Record<string, Json>][])("fails when %s", (_, members, options) => {
    expectFailed(signed(credentialBody(members), grower, options), "dates");
  });

  test("allows for clocks that differ by a minute", () => {
    const document = signed(credentialBody({ validFrom: "2026-06-01T12:00:59Z" }), grower);
    expect(outcomes(document).dates).toBe("passed");
  });

  test("fails when a word was changed after signing", () => {
    const document = signed(credentialBody(), grower);
    const text = JSON.stringify(document).replace('"500"', '"5000"');
    expectFailed(JSON.parse(text) as JsonObject, "signature");
  });

  test("fails when a context was appended, which the suite alone would allow", () => {
    const document = signed(credentialBody(), grower);
    const context = [...(document["@context"] as Json[]), "https://attacker.example/context"];
    expectFailed({ ...document, "@context": context }, "form");
  });

  test.each([
    { "@context": ["https://www.w3.org/ns/credentials/v2"] },
    { "@context": ["urn:phytomer:context:plant:v1", "https://www.w3.org/ns/credentials/v2"] },
    { "@context": "https://www.w3.org/ns/credentials/v2" },
    { type: ["VerifiableCredential"] },
    { type: ["VerifiableCredential", "DigitalProductPassport", "PlantCertificate", "Permit"] },
    { credentialSubject: {} },
    { credentialSubject: { plant: { scientificName: "Mangifera indica", quantity: { value: "0", unit: "H87" } } } },
    { credentialSubject: { plant: { scientificName: "Mangifera indica", quantity: { value: "1e3", unit: "H87" } } } },
  ] as Record<string, Json>[])("fails when it has not the form of a plant certificate: %j", (members) => {
    expectFailed(signed(credentialBody(members), grower), "form");
  });

  test("fails without a proof", () => {
    expectFailed(credentialBody(), "signature", "controller", "proof-purpose");
  });

  test("fails when one proof of two does", () => {
    const body = credentialBody();
    const good = signed(body, grower).proof as JsonObject;
    const bad = { ...(signed(body, grower).proof as JsonObject), created: "2026-05-02T00:00:00Z" };
    expectFailed({ ...body, proof: [good, good] });
    expectFailed({ ...body, proof: [good, bad] }, "signature");
  });

  test("stays unproven under a cryptosuite that this page does not know", () => {
    const document = signed(credentialBody(), grower, { cryptosuite: "mldsa44-jcs-2024" });
    expect(outcomes(document).signature).toBe("not-checked");
    expect(verdictOf(checkDocument(read(document), now))).toBe("unproven");
  });

  test("stays unproven when a proof builds on another, which this page cannot follow", () => {
    const document = signed(credentialBody(), grower, { previousProof: "urn:uuid:1" });
    expect(outcomes(document).signature).toBe("not-checked");
  });

  test("is not fooled by a key of small order, under which any signature of one kind holds", () => {
    // The neutral element of the curve is its own public key; R = neutral and S = 0 satisfy the plain equation.
    const neutral = new Uint8Array(32);
    neutral[0] = 1;
    const multikey = `z${base58.encode(new Uint8Array([0xed, 0x01, ...neutral]))}`;
    const did = `did:key:${multikey}`;
    const proofValue = `z${base58.encode(new Uint8Array([...neutral, ...new Uint8Array(32)]))}`;
    const document = signed(credentialBody({ issuer: did }), grower, { verificationMethod: `${did}#${multikey}` });
    expectFailed({ ...document, proof: { ...(document.proof as JsonObject), proofValue } }, "signature");
  });
});

describe("what is no credential", () => {
  test.each([
    ["nothing", ""],
    ["prose", "a leaf"],
    ["a list", "[]"],
    ["text", '"VerifiableCredential"'],
    ["another type", '{"type":["VerifiablePresentation"],"issuer":"did:key:z1"}'],
    ["no issuer", '{"type":["VerifiableCredential"]}'],
    ["an issuer that is a number", '{"type":["VerifiableCredential"],"issuer":7}'],
    ["half a surrogate pair", '{"type":"VerifiableCredential","issuer":"did:key:z1","name":"\\ud800"}'],
    ["a proof that is text", '{"type":"VerifiableCredential","issuer":"x","proof":"signed"}'],
    ["a proof that is nothing", '{"type":"VerifiableCredential","issuer":"x","proof":[null]}'],
    ["many proofs", JSON.stringify({ type: "VerifiableCredential", issuer: "x", proof: Array(9).fill({}) })],
    ["too much text", " ".repeat(certificateCharactersMax + 1)],
  ])("%s is refused in words", (_, text) => {
    expect(() => readCredential(text)).toThrow(NotACredential);
  });

  test.each([
    ["a name stands twice", '{"a":"1","b":{"a":"1"},"a":"2"}'],
    ["a name stands twice, once escaped", '{"a":"1","\\u0061":"2"}'],
    ["a name stands twice, far from its colon", `{"a":"1","a"${" ".repeat(1000)}:"2"}`],
    ["there is a number", '{"a":"1","b":[-1.5e3]}'],
    ["nesting is deep", `${'{"a":'.repeat(17)}"1"${"}".repeat(17)}`],
    ["nesting is deeper than any stack", `${"[".repeat(20_000)}${"]".repeat(20_000)}`],
  ])("%s is refused, because programs read it differently", (_, members) => {
    const text = `{"type":"VerifiableCredential","issuer":"${grower.did}","more":${members}}`;
    expect(() => readCredential(text)).toThrow(NotACredential);
  });

  test("what only looks like a name, a number or nesting inside a text is text", () => {
    const name = `{"a":1,"a":[2]} \\" ${"[".repeat(40)} \\`;
    expectFailed(signed(credentialBody({ description: name, name: "a" }), grower));
  });

  test("a very long text is read in one go", () => {
    expect(ambiguity(`{"a":"${"x".repeat(2_000_000)}"}`)).toBeUndefined();
  });

  test.each([
    { proofValue: null },
    { proofValue: "z0OIl" },
    { proofValue: `z${"1".repeat(99)}` },
    { verificationMethod: "did:key" },
    { verificationMethod: [] },
    { "@context": { a: "b" } },
  ] as JsonObject[])("a proof with %j fails and never throws", (strange) => {
    const document = signed(credentialBody(), grower);
    const proof = { ...(document.proof as JsonObject), ...strange };
    expect(outcomes({ ...document, proof }).signature).toBe("failed");
  });

  test("a member named like one of JavaScript's own is only a member", () => {
    const text = JSON.stringify(signed(credentialBody(), grower)).replace(
      '"id":"urn',
      '"__proto__":{"proof":"none"},"id":"urn',
    );
    expect(checkDocument(readCredential(text), now).find((check) => check.name === "signature")?.outcome).toBe(
      "failed",
    );
  });
});

describe("did:key", () => {
  test("gives the key that its specification publishes", () => {
    // The did:key method specification, Ed25519 test vectors: the same key as a JWK.
    const published = Buffer.from("O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik", "base64url");
    expect(publicKeyOf("did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp")).toEqual(new Uint8Array(published));
  });

  test.each([
    "did:key:",
    "did:key:z",
    "did:key:z1111",
    "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169", // P-256
    "did:web:example.org",
    `did:key:z${"2".repeat(200)}`,
    "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ", // one character short
  ])("finds no Ed25519 key in %s", (did) => {
    expect(publicKeyOf(did)).toBeUndefined();
  });
});
