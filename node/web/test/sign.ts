import { getPublicKey, hashes, sign } from "@noble/ed25519";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { base58 } from "@scure/base";
import { type Credential, readCredential } from "../app/verify/credential.ts";
import { canonicalHash } from "../app/verify/eddsa-jcs.ts";
import type { Json, JsonObject } from "../app/verify/json.ts";

hashes.sha512 = sha512;

/** A key of a test, and its DID. */
export interface Signer {
  readonly did: string;
  readonly method: string;
  readonly secret: Uint8Array;
}

export function signer(name: string): Signer {
  const secret = sha256(utf8ToBytes(name));
  const multikey = `z${base58.encode(new Uint8Array([0xed, 0x01, ...getPublicKey(secret)]))}`;
  return { secret, did: `did:key:${multikey}`, method: `did:key:${multikey}#${multikey}` };
}

/** Signs `document` as W3C Data Integrity EdDSA Cryptosuites v1.0, section 3.3.1, says; `options` override the proof's members. */
export function signed(document: JsonObject, by: Signer, options: Record<string, Json | undefined> = {}): JsonObject {
  const proof: Record<string, Json> = {};
  const members = {
    type: "DataIntegrityProof",
    cryptosuite: "eddsa-jcs-2022",
    created: "2026-05-01T00:00:00Z",
    verificationMethod: by.method,
    proofPurpose: "assertionMethod",
    "@context": document["@context"],
    ...options,
  };
  for (const [name, value] of Object.entries(members)) if (value !== undefined) proof[name] = value;
  const message = new Uint8Array([...canonicalHash(proof), ...canonicalHash(document)]);
  return { ...document, proof: { ...proof, proofValue: `z${base58.encode(sign(message, by.secret))}` } };
}

export const grower = signer("grower");
export const forger = signer("forger");
export const now = new Date("2026-06-01T12:00:00Z");

/** Reads a document as the page would read its text. */
export const read = (document: JsonObject): Credential => readCredential(JSON.stringify(document));

/** A credential as an issuer writes it, unsigned. */
export function credentialBody(members: Record<string, Json> = {}): JsonObject {
  return {
    "@context": ["https://www.w3.org/ns/credentials/v2", "urn:phytomer:context:plant:v1"],
    id: "urn:uuid:7d1a3c60-9f5f-4a35-8f2b-0c8b8a7a6b11",
    type: ["VerifiableCredential", "DigitalProductPassport", "PlantCertificate"],
    issuer: { id: grower.did, name: "A nursery" },
    validFrom: "2026-05-01T00:00:00Z",
    validUntil: "2027-05-01T00:00:00Z",
    credentialSubject: {
      product: { name: "Mangifera indica" },
      plant: { scientificName: "Mangifera indica", quantity: { value: "500", unit: "H87" } },
    },
    ...members,
  };
}
