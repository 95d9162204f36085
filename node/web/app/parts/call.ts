import { type Child, h } from "../dom.ts";

/** What a transaction asks for: `PlantCertificate.issue`, which may break after the dot. */
export function callName(contract: string | undefined, name: string | undefined): Child {
  if (contract === undefined) return "Transfer";
  return name === undefined ? contract : [`${contract}.`, h("wbr"), name];
}
