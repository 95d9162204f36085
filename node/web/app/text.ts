import type { Certificate, Status } from "./api/types.ts";

/** The page speaks English, so its dates and numbers do too; months are words, which nobody misreads. */
const language = "en-GB";

const dateTime = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const day = new Intl.DateTimeFormat(language, { dateStyle: "medium" });

/** Units of UN/CEFACT Recommendation 20 that plants are counted and weighed in. */
export const units: Readonly<Record<string, { one: string; many: string }>> = {
  H87: { one: "plant", many: "plants" },
  KGM: { one: "kilogram", many: "kilograms" },
  GRM: { one: "gram", many: "grams" },
  LTR: { one: "litre", many: "litres" },
  MTR: { one: "metre", many: "metres" },
};

/** Organisms behind the commonest reason codes. Contains EPPO Codes (www.eppo.int). */
const organisms: Readonly<Record<string, string>> = {
  XYLEFA: "Xylella fastidiosa",
  LIBEAS: "Candidatus Liberibacter asiaticus",
  PHYTRA: "Phytophthora ramorum",
  ERWIAM: "Erwinia amylovora",
  ANOLGL: "Anoplophora glabripennis",
  TOBRFV: "Tomato brown rugose fruit virus",
};

export const statusWords: Readonly<Record<Status, { name: string; meaning: string }>> = {
  active: { name: "Active", meaning: "In force: neither this lot nor one it came from is suspended or revoked." },
  suspended: { name: "Suspended", meaning: "On hold: it cannot be sold, split or moved until the authority lifts it." },
  revoked: { name: "Revoked", meaning: "Withdrawn for good: do not rely on it." },
  retired: { name: "Retired", meaning: "Given back by its holder: the lot is no longer on the market." },
  superseded: { name: "Superseded", meaning: "Replaced by a newer certificate." },
  expired: { name: "Expired", meaning: "Its term is over." },
};

/** `500 plants`, with the digits grouped. */
export function quantity(value: string, unit: string): string {
  const words = units[unit];
  const grouped = number(value);
  if (words === undefined) return `${grouped} ${unit}`;
  return `${grouped} ${value === "1" ? words.one : words.many}`;
}

/** A whole number in decimal text, grouped; it may be larger than a JavaScript number holds. */
export function number(value: string | number | bigint): string {
  try {
    return BigInt(value).toLocaleString(language);
  } catch {
    return String(value);
  }
}

/** A share of one as per cent, never rounded up to certainty. */
export function percent(share: number): string {
  if (share >= 0.995 && share < 1) return "over 99\u00a0%";
  if (share > 0 && share < 0.005) return "under 1\u00a0%";
  return `${Math.round(share * 100)}\u00a0%`;
}

/** A time of day to the second, for lists whose rows lie close together. */
export function timeOfDay(value: string): string {
  const parsed = new Date(value);
  return Number.isNaN(parsed.getTime()) ? value : clock.format(parsed);
}

export function moment(value: string): string {
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? value : dateTime.format(date);
}

export function date(value: string): string {
  const parsed = new Date(value);
  return Number.isNaN(parsed.getTime()) ? value : day.format(parsed);
}

/** `XYLEFA (EPPO code of Xylella fastidiosa)` where the organism is known. */
export function reason(code: string): string {
  const organism = organisms[code];
  return organism === undefined ? code : `${code} (EPPO code of ${organism})`;
}

/** What to call a certificate whose credential this node does not hold. */
export function species(certificate: Certificate): string {
  return certificate.scientificName ?? "Species not known to this node";
}

/** An address or hash short enough to read aloud; the whole stands in its title. */
export function short(value: string): string {
  if (value.length <= 16) return value;
  const start = value.startsWith("did:key:") ? "did:key:z6Mk".length : 8;
  return `${value.slice(0, start)}…${value.slice(-4)}`;
}

/** The name of a country. */
export function country(code: string): string {
  try {
    return new Intl.DisplayNames(language, { type: "region" }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** The countries, by name: the two-letter codes that the browser has a name for. */
export function countries(): { code: string; name: string }[] {
  const names = new Intl.DisplayNames(language, { type: "region", fallback: "none" });
  const letters = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  const codes = letters.flatMap((first) => letters.map((second) => first + second));
  return codes
    .filter((code) => !notCountries.has(code))
    .flatMap((code) => {
      const name = names.of(code);
      return name === undefined ? [] : [{ code, name }];
    })
    .sort((one, other) => one.name.localeCompare(other.name));
}

/** Codes that have a name but are no country: unions, reserved and withdrawn codes, test values. */
const notCountries = new Set(
  "AC AN BU CP CQ CS DD DG DY EA EU EZ FX HV IC NH NT QO QU RH SU TA TP UK UN VD XA XB YD YU ZR ZZ".split(" "),
);
