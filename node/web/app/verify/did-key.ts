import { base58 } from "@scure/base";

/** Multicodec prefix of an Ed25519 public key, 0xed as a varint. */
const ed25519Prefix = [0xed, 0x01] as const;
const publicKeyBytes = 32;
/** A `did:key` of Ed25519 has 56 characters; anything far beyond is not decoded at all. */
const didCharactersMax = 128;

/** Splits a verification method `did:key:z…#z…` into the DID that controls it and the key's name. */
export function controllerOf(verificationMethod: string): { did: string; fragment: string } | undefined {
  const [did, fragment, ...rest] = verificationMethod.split("#");
  if (did === undefined || fragment === undefined || rest.length > 0 || !did.startsWith("did:")) return undefined;
  return { did, fragment };
}

/**
 * The Ed25519 public key that a `did:key` spells out. No network is asked: the identifier is the key.
 * Source: the did:key method specification, and W3C Controlled Identifiers, "Multikey".
 */
export function publicKeyOf(did: string): Uint8Array | undefined {
  if (did.length > didCharactersMax) return undefined;
  const encoded = /^did:key:z([1-9A-HJ-NP-Za-km-z]+)$/.exec(did)?.[1];
  if (encoded === undefined) return undefined;
  const bytes = base58.decode(encoded);
  const isEd25519 = bytes[0] === ed25519Prefix[0] && bytes[1] === ed25519Prefix[1];
  return isEd25519 && bytes.length === 2 + publicKeyBytes ? bytes.slice(2) : undefined;
}
