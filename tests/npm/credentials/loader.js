// Everything a JSON-LD processor may ask for, from memory. Nothing is fetched.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { contexts as credentials } from "@digitalbazaar/credentials-context";
import { contexts as dataIntegrity } from "@digitalbazaar/data-integrity-context";
import { CachedResolver } from "@digitalbazaar/did-io";
import { driver } from "@digitalbazaar/did-method-key";
import * as Ed25519Multikey from "@digitalbazaar/ed25519-multikey";
import { contexts as multikey } from "@digitalbazaar/multikey-context";
import { contexts as did } from "did-context";
import { JsonLdDocumentLoader } from "jsonld-document-loader";

export const plantContext = "urn:phytomer:context:plant:v1";
const plantContextFile = resolve(import.meta.dirname, "../../../identity/contexts/plant-v1.jsonld");

const didKey = driver();
didKey.use({ multibaseMultikeyHeader: "z6Mk", fromMultibase: Ed25519Multikey.from });
const resolver = new CachedResolver();
resolver.use(didKey);

/** A document loader that also knows these documents: `{ url: document }`. */
export function loaderWith(documents = {}) {
  const loader = new JsonLdDocumentLoader();
  loader.setDidResolver(resolver);
  for (const contexts of [credentials, dataIntegrity, multikey, did]) {
    for (const [url, context] of contexts) loader.addStatic(url, context);
  }
  loader.addStatic(plantContext, JSON.parse(readFileSync(plantContextFile, "utf8")));
  for (const [url, document] of Object.entries(documents)) loader.addStatic(url, document);
  return loader.build();
}
