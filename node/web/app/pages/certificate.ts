import { afterEvents } from "../api/live.ts";
import { contractName } from "../api/logs.ts";
import * as api from "../api/node.ts";
import type { Certificate, Lineage, NodeEvent, NodeInfo } from "../api/types.ts";
import { type Child, fill, h, row } from "../dom.ts";
import { photo } from "../parts/card.ts";
import { type ChecksPanel, checksPanel } from "../parts/checks.ts";
import { credentialView } from "../parts/credential.ts";
import { hash } from "../parts/hash.ts";
import { icon } from "../parts/icon.ts";
import { lineageView } from "../parts/lineage.ts";
import { problemView } from "../parts/problem.ts";
import { qrCode } from "../parts/qr.ts";
import { statusBanner } from "../parts/status.ts";
import type { Page, Visit } from "../router.ts";
import { date, moment, number, percent, quantity, species } from "../text.ts";
import { readCredential } from "../verify/credential.ts";
import { verifyCredential } from "../verify/verify.ts";

/** Events come in bursts; one reload serves them all. */
const settleMs = 100;

/** The parts of the page that change while it is open. */
interface Places {
  readonly status: HTMLElement;
  readonly facts: HTMLElement;
  readonly checks: ChecksPanel;
  readonly checksProblem: HTMLElement;
  readonly family: HTMLElement;
  readonly signed: HTMLElement;
}

/** One certificate: what it says, whether that holds, where the lot came from and went. */
export async function openCertificate({ params, signal }: Visit): Promise<Page> {
  const id = params[0] ?? "";
  const [certificate, lineage, node] = await Promise.all([
    api.certificate(id, signal),
    api.lineage(id, signal),
    api.nodeInfo(signal),
  ]);
  const places: Places = {
    status: h("div", { role: "status" }),
    facts: h("dl", { class: "facts" }),
    checks: checksPanel(),
    checksProblem: h("div", {}),
    family: h("div", {}),
    signed: h("div", {}),
  };
  let verifying = new AbortController();
  const show = (shown: Certificate, tree: Lineage) => {
    fill(places.status, statusBanner(shown));
    fill(places.facts, facts(shown, node));
    lineageView(places.family, tree);
    // A verification that was overtaken by an event must not have the last word.
    verifying.abort();
    verifying = new AbortController();
    void verify(shown, node, places, AbortSignal.any([signal, verifying.signal]));
  };
  show(certificate, lineage);
  followRelatives({ id, lineage, show }, signal);
  return { title: `${species(certificate)}, No. ${id}`, view: pageView(certificate, node, places) };
}

function pageView(certificate: Certificate, node: NodeInfo, places: Places): HTMLElement {
  return h(
    "article",
    { class: "certificate" },
    sheet(certificate, places),
    section("verification", "Verification", places.checks.view, places.checksProblem),
    section("lineage", "Lineage", places.family),
    h(
      "div",
      { class: "columns" },
      section("credential", "What the issuer signed", places.signed),
      section("share", "Take it with you", shareView(certificate, node)),
    ),
  );
}

function section(id: string, title: string, ...content: readonly Node[]): HTMLElement {
  return h("section", { class: "panel", "aria-labelledby": id }, h("h2", { id }, title), ...content);
}

/** The head of the page, arranged like a herbarium sheet: the specimen, and its label. */
function sheet(certificate: Certificate, { status, facts: shown }: Places): HTMLElement {
  const label = h(
    "div",
    { class: "label" },
    h("p", { class: "accession" }, `Certificate No. ${certificate.id}`),
    h("h1", {}, h("i", {}, species(certificate))),
    h("p", { class: "confidence" }, confidence(certificate)),
    status,
    shown,
  );
  const picture =
    certificate.photo === null ? photo(certificate) : h("a", { href: certificate.photo }, photo(certificate));
  return h("div", { class: "sheet" }, h("div", { class: "specimen" }, picture), label);
}

function facts(certificate: Certificate, node: NodeInfo): Child[] {
  const { issuer, transaction, expiresAt } = certificate;
  return [
    row("Quantity", quantity(certificate.quantity.value, certificate.quantity.unit), remainder(certificate)),
    row("Issued", h("time", { datetime: certificate.issuedAt }, moment(certificate.issuedAt))),
    row("Expires", expiresAt === null ? "Never" : h("time", { datetime: expiresAt }, date(expiresAt))),
    row("Owner", owner(certificate, node)),
    row("Issuer", hash(issuer.did ?? issuer.address)),
    row("Recorded in", h("a", { href: `/tx/${transaction.hash}` }, `block ${number(transaction.block)}`)),
  ];
}

function owner(certificate: Certificate, node: NodeInfo): Child[] {
  const escrow = contractName(node.contracts, certificate.owner) === "Escrow";
  return [
    hash(certificate.owner),
    escrow && ", the escrow contract: it is for sale",
    certificate.locked && ", locked: it cannot change hands",
  ];
}

function confidence(certificate: Certificate): string {
  if (certificate.confidence === null) return "The species was stated by the issuer.";
  return `Recognised from the photo with ${percent(certificate.confidence)} confidence: an estimate, not a laboratory diagnosis.`;
}

function remainder({ quantity: { value, unit }, remainder: rest, children }: Certificate): string {
  if (children.length === 0 || rest === value) return "";
  return rest === "0" ? ", all passed on to other lots" : `, of which ${quantity(rest, unit)} remain in this lot`;
}

/** Fetches the credential and verifies it here; the checks that need no network show first. */
async function verify(certificate: Certificate, node: NodeInfo, places: Places, signal: AbortSignal): Promise<void> {
  const { checks, checksProblem, signed } = places;
  try {
    const credential = readCredential(await api.credentialText(certificate.id, signal));
    fill(signed, credentialView(credential.unsecured));
    fill(checksProblem);
    const found = await verifyCredential(credential, {
      node,
      now: new Date(),
      expected: BigInt(certificate.id),
      signal,
      onDocumentChecks: (first) => checks.show(first, "pending"),
    });
    if (!signal.aborted) checks.show(found, "complete");
  } catch (error) {
    if (signal.aborted) return;
    checks.show([], "complete");
    fill(checksProblem, problemView(error));
    if (signed.childElementCount === 0)
      fill(signed, h("p", { class: "quiet" }, "This node does not hold the credential."));
  }
}

interface Following {
  readonly id: string;
  readonly lineage: Lineage;
  readonly show: (certificate: Certificate, lineage: Lineage) => void;
}

/** Reloads when something happens to the lot or a relative: a suspension above reaches everything below. */
function followRelatives({ id, lineage, show }: Following, signal: AbortSignal): void {
  let relatives = new Set(lineage.nodes.map((node) => node.id));
  const reload = async () => {
    const [certificate, tree] = await Promise.all([api.certificate(id, signal), api.lineage(id, signal)]);
    relatives = new Set(tree.nodes.map((node) => node.id));
    show(certificate, tree);
  };
  const concerns = (event: NodeEvent) =>
    event.type !== "block" && (event.certificate === null || relatives.has(event.certificate));
  afterEvents({ concerns, settleMs, act: reload }, signal);
}

function shareView(certificate: Certificate, node: NodeInfo): HTMLElement {
  const address = new URL(certificate.page, node.publicUrl || location.origin).href;
  const file = `certificate-${certificate.id}.json`;
  return h(
    "div",
    { class: "share" },
    qrCode(address, `QR code of ${address}`),
    h("p", { class: "share-address" }, h("code", {}, address)),
    h(
      "p",
      {},
      h(
        "a",
        { href: api.credentialPath(certificate.id), download: file, class: "button" },
        icon("download"),
        "Download the credential",
      ),
    ),
    h(
      "p",
      { class: "explanation" },
      "The file verifies without this node: on the Verify page of any node, or with any verifier of eddsa-jcs-2022.",
    ),
  );
}
