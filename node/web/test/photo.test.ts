import { describe, expect, test } from "vitest";
import { checkPhotos } from "../app/verify/photo.ts";
import { credentialBody, grower, read, signed } from "./sign.ts";

/** The first test vector of BLAKE3: the hash of no bytes. */
const emptyHash = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

const certificate = (photoBlake3: string) =>
  read(signed(credentialBody({ evidence: [{ type: ["PhotoEvidence"], photoBlake3 }] }), grower));

describe("the certified photo", () => {
  test("is known by its hash", async () => {
    const [check] = await checkPhotos(certificate(emptyHash), async (hash) => {
      expect(hash).toBe(emptyHash);
      return new Uint8Array();
    });
    expect(check?.outcome).toBe("passed");
  });

  test("is told from another one", async () => {
    const [check] = await checkPhotos(certificate(emptyHash), async () => new Uint8Array([0]));
    expect(check?.outcome).toBe("failed");
  });

  test("stays unchecked when the node does not keep it", async () => {
    const [check] = await checkPhotos(certificate(emptyHash), () => Promise.reject(new Error("not here")));
    expect(check).toMatchObject({ outcome: "not-checked", detail: "not here" });
  });

  test("is not asked for where the certificate rests on none, nor under a name that is no hash", async () => {
    const never = () => Promise.reject(new Error("asked"));
    expect(await checkPhotos(read(signed(credentialBody(), grower)), never)).toEqual([]);
    expect(await checkPhotos(certificate("../../operator.token"), never)).toEqual([]);
  });
});
