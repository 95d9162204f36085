import { onEvent } from "../api/live.ts";
import * as api from "../api/node.ts";
import type { Certificate, Lineage, NodeEvent, NodeInfo } from "../api/types.ts";
import { fill, h, row } from "../dom.ts";
import { photo } from "../parts/card.ts";
import { checksView } from "../parts/checks.ts";
import { signedWords } from "../parts/credential.ts";
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

/** One certificate: what it says, whether that holds, where the lot came from and went. */
export async function openCertificate({ params, signal }: Visit): Promise<Page> {
  const id = params[0] ?? "";
  const [certificate, lineage, node] = await Promise.all([
    api.certificate(id, signal),
    api.lineage(id, signal),
    api.nodeInfo(signal),
  ]);
  const sheet = h("div", { class: "sheet" });
  const status = h("div", { role: "status" });
  const checks = h("div", { "aria-live": "polite" }, h("p", { class: "busy" }, "Verifying…"));
  const signed = h("div", {});
  const family = h("div", {});

  const show = (shown: Certificate, tree: Lineage) => {
    fill(status, statusBanner(shown));
    fill(sheet, sheetView(shown, status));
    fill(family, lineageView(tree));
    void verify(shown, node, { checks, signed }, signal);
  };
  show(certificate, lineage);
  followRelatives({ id, lineage, show }, signal);

  const view = h(
    "article",
    { class: "certificate" },
    sheet,
    section("verification", "Verification", checks),
    section("lineage", "Lineage", family),
    h(
      "div",
      { class: "columns" },
      section("credential", "What the issuer signed", signed),
      section("share", "Take it with you", shareView(certificate, node)),
    ),
  );
  return { title: `${species(certificate)}, No. ${id}`, view };
}

function section(id: string, title: string, ...content: readonly Node[]): HTMLElement {
  return h("section", { class: "panel", "aria-labelledby": id }, h("h2", { id }, title), ...content);
}

/** The head of the page, arranged like a herbarium sheet: the specimen, and its label. */
function sheetView(certificate: Certificate, status: HTMLElement): Node[] {
  const label = h(
    "div",
    { class: "label" },
    h("p", { class: "accession" }, `No. ${certificate.id}`),
    h("h1", {}, h("i", {}, species(certificate))),
    h("p", { class: "confidence" }, confidence(certificate)),
    status,
    h(
      "dl",
      { class: "facts" },
      row("Quantity", quantity(certificate.quantity.value, certificate.quantity.unit), remainder(certificate)),
      row("Issued", h("time", { datetime: certificate.issuedAt }, moment(certificate.issuedAt))),
      row(
        "Expires",
        certificate.expiresAt === null
          ? "Never"
          : h("time", { datetime: certificate.expiresAt }, date(certificate.expiresAt)),
      ),
      row("Owner", hash(certificate.owner), certificate.locked && " (locked: cannot change hands)"),
      row("Issuer", certificate.issuer.did === null ? hash(certificate.issuer.address) : hash(certificate.issuer.did)),
      row(
        "Recorded in",
        h("a", { href: `/tx/${certificate.transaction.hash}` }, `block ${number(certificate.transaction.block)}`),
      ),
    ),
  );
  return [photo(certificate), label];
}

function confidence(certificate: Certificate): string {
  if (certificate.confidence === null) return "Species stated by the issuer.";
  return `Recognised from the photo with ${percent(certificate.confidence)} confidence: an estimate, not a laboratory diagnosis.`;
}

function remainder({ quantity: { value, unit }, remainder: rest, children }: Certificate): string {
  if (children.length === 0 || rest === value) return "";
  return rest === "0" ? ", all of it passed on to other lots" : `, of which ${quantity(rest, unit)} remain in this lot`;
}

interface Places {
  readonly checks: HTMLElement;
  readonly signed: HTMLElement;
}

/** Fetches the credential and verifies it here; the checks that need no network show first. */
async function verify(certificate: Certificate, node: NodeInfo, places: Places, signal: AbortSignal): Promise<void> {
  try {
    const credential = readCredential(await api.credentialText(certificate.id, signal));
    fill(places.signed, signedWords(credential.document));
    const checks = await verifyCredential(credential, {
      node,
      now: new Date(),
      expected: BigInt(certificate.id),
      signal,
    });
    fill(places.checks, checksView(checks));
  } catch (error) {
    if (signal.aborted) return;
    fill(places.checks, problemView(error));
    if (places.signed.childElementCount === 0)
      fill(places.signed, h("p", { class: "quiet" }, "This node does not hold the credential."));
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
  let timer: ReturnType<typeof setTimeout> | undefined;
  const reload = async () => {
    try {
      const [certificate, tree] = await Promise.all([api.certificate(id, signal), api.lineage(id, signal)]);
      relatives = new Set(tree.nodes.map((node) => node.id));
      show(certificate, tree);
    } catch {
      // The footer says that the node is out of reach; what is shown stays until it is back.
    }
  };
  const concerns = (event: NodeEvent) =>
    event.type !== "block" && (event.certificate === null || relatives.has(event.certificate));
  onEvent((event) => {
    if (event !== "missed" && !concerns(event)) return;
    clearTimeout(timer);
    timer = setTimeout(() => void reload(), settleMs);
  }, signal);
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
