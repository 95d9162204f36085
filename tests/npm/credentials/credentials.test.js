// Two implementations that share no code hold each other's credentials to the light.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import jsonld from "jsonld";
import { BitstringStatusList, createCredential } from "@digitalbazaar/vc-bitstring-status-list";
import { loaderWith } from "./loader.js";
import { OurIssuer, ourVerdict } from "./ours.js";
import { suites, theirKey, theirVerdict, theyIssue } from "./theirs.js";

const index = 94_567;
let issuer;
let key;
before(async () => {
  issuer = new OurIssuer();
  key = await theirKey();
});
after(() => issuer.remove());

/** Our certificate's words in their issuer's name, to be signed by them. */
function asTheirs(certificate, theirs = key) {
  const { proof, ...credential } = structuredClone(certificate);
  credential.issuer.id = theirs.controller;
  return credential;
}

const tampers = {
  "another species": (credential) => {
    credential.credentialSubject.plant.scientificName = "Cannabis sativa";
    credential.credentialSubject.product.name = "Cannabis sativa";
  },
  "ten times the quantity": (credential) => (credential.credentialSubject.plant.quantity.value = "5000"),
  "another batch": (credential) => (credential.credentialSubject.product.batchNumber = "2026-OL-18"),
  "another photo": (credential) => (credential.evidence[0].photoBlake3 = "ac".repeat(32)),
  "another status index": (credential) => {
    for (const entry of credential.credentialStatus) {
      entry.statusListIndex = "1";
      entry.id = `${entry.statusListCredential}#1`;
    }
  },
  "a later end": (credential) => (credential.validUntil = "2097-01-01T00:00:00Z"),
  "another time of signing": (credential) => (credential.proof.created = "2026-01-01T00:00:00Z"),
  "another purpose": (credential) => (credential.proof.proofPurpose = "authentication"),
};

for (const suite of suites) {
  describe(suite, () => {
    test("they accept ours", async () => {
      const verdict = await theirVerdict(issuer.issue(suite));
      assert.ok(verdict.isValid, verdict.error);
    });

    test("we accept theirs", async () => {
      const signed = await theyIssue(asTheirs(issuer.issue(suite)), key, suite);
      const verdict = ourVerdict(signed);
      assert.ok(verdict.isValid, verdict.failed);
      assert.equal(verdict.outcomes.signature, "passed");
    });

    for (const [what, tamper] of Object.entries(tampers)) {
      test(`nobody accepts ${what}`, async () => {
        const ours = issuer.issue(suite);
        tamper(ours);
        assert.equal((await theirVerdict(ours)).isValid, false);
        const theirs = await theyIssue(asTheirs(issuer.issue(suite)), key, suite);
        tamper(theirs);
        const verdict = ourVerdict(theirs);
        assert.equal(verdict.isValid, false);
        assert.ok(verdict.failed.includes("signature"), verdict.failed);
      });
    }

    test("nobody accepts a stranger's signature in the issuer's name", async () => {
      const victim = issuer.issue(suite);
      const { proof, ...credential } = victim;
      const forged = await theyIssue(credential, key, suite);
      assert.equal((await theirVerdict(forged)).isValid, false);
      assert.deepEqual(ourVerdict(forged).failed, ["controller"]);
    });

    test("a proof that ran out is refused by us", async () => {
      const credential = asTheirs(issuer.issue(suite));
      const signed = await theyIssue(credential, key, suite);
      signed.proof.expires = "2020-01-01T00:00:00Z";
      assert.ok(ourVerdict(signed).failed.includes("proof-dates"));
    });

    test("both read the same bits of our status lists", async () => {
      const ours = issuer.issue(suite, index);
      const clear = [issuer.statusList("revocation"), issuer.statusList("suspension", index - 1, index + 1)];
      const theirs = await theirVerdict(ours, clear);
      assert.ok(theirs.isValid, theirs.error);
      assert.deepEqual(theirs.status, { revocation: false, suspension: false });
      const verdict = ourVerdict(ours, ...clear);
      assert.ok(verdict.isValid, verdict.failed);
      assert.equal(verdict.outcomes.revocation, "passed");

      const suspended = [clear[0], issuer.statusList("suspension", index)];
      assert.deepEqual((await theirVerdict(ours, suspended)).status, { revocation: false, suspension: true });
      assert.deepEqual(ourVerdict(ours, ...suspended).failed, ["suspension"]);
    });

    test("both read the same bits of their status lists", async () => {
      const credential = await theyIssue(asTheirs(issuer.issue(suite, index)), key, suite);
      const lists = [];
      for (const entry of credential.credentialStatus) {
        const bits = new BitstringStatusList({ length: 131_072 });
        bits.setStatus(index, entry.statusPurpose === "revocation");
        const list = await createCredential({ id: entry.statusListCredential, list: bits, statusPurpose: entry.statusPurpose });
        list.issuer = key.controller;
        list.validFrom = "2026-01-01T00:00:00Z";
        lists.push(await theyIssue(list, key, suite));
      }
      assert.deepEqual((await theirVerdict(credential, lists)).status, { revocation: true, suspension: false });
      const verdict = ourVerdict(credential, ...lists);
      assert.deepEqual(verdict.failed, ["revocation"]);
      assert.equal(verdict.outcomes.suspension, "passed");
    });
  });
}

test("every term is defined: safe mode drops nothing", async () => {
  const options = { safe: true, documentLoader: loaderWith() };
  const expanded = await jsonld.expand(issuer.issue("eddsa-jcs-2022"), options);
  const text = JSON.stringify(expanded);
  for (const iri of [
    "http://rs.tdwg.org/dwc/terms/scientificName",
    "https://test.uncefact.org/vocabulary/untp/dpp/0/ProductPassport",
    "https://test.uncefact.org/vocabulary/untp/dpp/0/granularityCode#batch",
    "https://vocabulary.uncefact.org/UnitMeasureCode#H87",
    "https://vocabulary.uncefact.org/CountryId#IT",
    "urn:phytomer:plant#legalStatus",
  ]) {
    assert.ok(text.includes(iri), iri);
  }
  const undefinedTerm = issuer.issue("eddsa-jcs-2022");
  undefinedTerm.credentialSubject.plant.undefinedTerm = "x";
  await assert.rejects(jsonld.expand(undefinedTerm, options));
});
