// Our key file is an age file: an implementation in TypeScript opens it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Decrypter } from "age-encryption";
import { OurIssuer } from "./ours.js";

test("another implementation of age opens the key file with its password alone", async () => {
  const issuer = new OurIssuer();
  try {
    issuer.issue("eddsa-jcs-2022");
    const sealed = readFileSync(join(issuer.keys, "root.age"));
    const password = readFileSync(join(issuer.keys, "password"), "utf8");

    const decrypter = new Decrypter();
    decrypter.addPassphrase(password);
    const line = await decrypter.decrypt(sealed, "text");
    assert.match(line, /^phytomer-root-1 [0-9a-f]{64}\n$/);

    const stranger = new Decrypter();
    stranger.addPassphrase("not the password");
    await assert.rejects(stranger.decrypt(sealed));
  } finally {
    issuer.remove();
  }
});
