import { describe, expect, test } from "vitest";
import { decimal } from "../app/pages/transaction.ts";
import { countries, country, moment, number, percent, quantity, reason, short } from "../app/text.ts";

describe("words for values", () => {
  test("a share is never rounded up to certainty, nor down to impossibility", () => {
    expect([0, 0.001, 0.0049, 0.934, 0.995, 0.9999, 1].map((share) => percent(share).replace("\u00a0", " "))).toEqual([
      "0 %",
      "under 1 %",
      "under 1 %",
      "93 %",
      "over 99 %",
      "over 99 %",
      "100 %",
    ]);
  });

  test("amounts keep every digit, however many", () => {
    expect(number("340282366920938463463374607431768211455")).toBe(
      "340,282,366,920,938,463,463,374,607,431,768,211,455",
    );
    expect(number("not a number")).toBe("not a number");
  });

  test("units are words where they are known", () => {
    expect([quantity("1", "H87"), quantity("500", "H87"), quantity("2", "MTK")]).toEqual([
      "1 plant",
      "500 plants",
      "2 MTK",
    ]);
  });

  test("coins and dollars are written without idle zeros", () => {
    const coins = [0n, 1n, 10n ** 18n, 1_500_000_000_000_000_000n, 10_000n * 10n ** 18n];
    expect(coins.map((coin) => decimal(coin, 18))).toEqual(["0", "0.000000000000000001", "1", "1.5", "10,000"]);
    expect([25_000_000n, 1n].map((dollar) => decimal(dollar, 6))).toEqual(["25", "0.000001"]);
  });

  test("what is no date or country is shown as it came", () => {
    expect([moment("soon"), country("?"), reason("OTHER")]).toEqual(["soon", "?", "OTHER"]);
  });

  test("the countries are those of ISO 3166-1", () => {
    const codes = countries().map(({ code }) => code);
    for (const code of ["PH", "IT", "DE", "BR", "ZA", "NZ"]) expect(codes).toContain(code);
    for (const code of ["EU", "UN", "XX", "AA", "ZZ", "UK", "SU"]) expect(codes).not.toContain(code);
    // 249 codes are assigned; a browser may name a few user-assigned ones, such as XK, beside them.
    expect(codes.length).toBeGreaterThanOrEqual(245);
    expect(codes.length).toBeLessThanOrEqual(251);
  });

  test("names of keys keep what tells them apart", () => {
    expect(short("did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2")).toBe("did:key:z6Mk…bTQ2");
    expect(short("0x1")).toBe("0x1");
  });
});
