import { issue, Problem } from "../api/node.ts";
import { dropToken, keepToken, operatorToken } from "../api/token.ts";
import type { Details } from "../api/types.ts";
import { fill, h } from "../dom.ts";
import { countries, units } from "../text.ts";
import { problemView } from "./problem.ts";

/** Names the form, so that the choice of species, which stands elsewhere, belongs to it. */
export const issueFormId = "issue-form";

interface FormOptions {
  readonly photo: File;
  /** The species that the issuer settled on; nothing stands for what the model saw. */
  readonly species: () => string | undefined;
  readonly go: (path: string) => void;
}

/** What the issuer states about a lot, and the button that makes it a certificate. */
export function issueForm({ photo, species, go }: FormOptions): HTMLFormElement {
  const outcome = h("div", { class: "outcome", "aria-live": "polite" });
  const button = h("button", { type: "submit", class: "button primary" }, "Sign and issue");
  // The same request again must not issue twice; a corrected one is another request.
  let attempt = { stated: "", key: "" };
  const form = h(
    "form",
    { id: issueFormId, class: "form", "aria-labelledby": "lot" },
    h("h2", { id: "lot" }, "The lot"),
    h("div", { class: "fields" }, lotFields()),
    h(
      "details",
      { class: "more-fields" },
      h("summary", {}, "Origin, owner and term"),
      h("div", { class: "fields" }, originFields()),
    ),
    operatorToken() === null && tokenField(),
    h("p", { class: "actions" }, button),
    outcome,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit();
  });

  const submit = async () => {
    const data = new FormData(form);
    const token = String(data.get("token") ?? "");
    if (token !== "") keepToken(token);
    button.disabled = true;
    fill(outcome, h("p", { class: "busy" }, "Signing the credential and writing it on the ledger…"));
    try {
      const details = detailsFrom(data, species());
      const stated = JSON.stringify(details);
      if (stated !== attempt.stated) attempt = { stated, key: idempotencyKey() };
      const certificate = await issue(photo, details, attempt.key);
      go(`/c/${certificate.id}`);
    } catch (error) {
      button.disabled = false;
      fill(outcome, problemView(error));
      if (error instanceof Problem && error.status === 401) askForToken(form);
    }
  };
  return form;
}

function lotFields(): HTMLElement[] {
  return [
    field(
      "Quantity",
      h("input", {
        name: "quantity",
        inputmode: "numeric",
        pattern: "[1-9][0-9]{0,37}",
        required: true,
        value: "1",
        autocomplete: "off",
      }),
      "A whole number.",
    ),
    field(
      "Unit",
      h(
        "select",
        { name: "unit" },
        Object.entries(units).map(([code, words]) => h("option", { value: code }, words.many)),
      ),
    ),
    field("Variety", h("input", { name: "variety", maxlength: 200, autocomplete: "off" }), "Variety or cultivar."),
    field(
      "Batch number",
      h("input", { name: "batchNumber", maxlength: 100, autocomplete: "off" }),
      "Your own traceability code.",
    ),
  ];
}

function originFields(): HTMLElement[] {
  return [
    field(
      "Country of origin",
      h(
        "select",
        { name: "countryOfOrigin" },
        h("option", { value: "" }, "Not stated"),
        countries().map(({ code, name }) => h("option", { value: code }, name)),
      ),
    ),
    field(
      "Nursery or facility",
      h("input", { name: "facility", maxlength: 200, autocomplete: "organization" }),
      "Stands in the credential, never on the ledger.",
    ),
    field(
      "Owner",
      h("input", {
        name: "owner",
        pattern: "0x[0-9a-fA-F]{40}",
        placeholder: "0x…",
        autocomplete: "off",
        spellcheck: "false",
      }),
      "An account on the ledger. The issuer, if left empty.",
    ),
    field(
      "Valid until",
      h("input", { name: "validUntil", type: "date" }),
      "The end of that day. No end, if left empty.",
    ),
  ];
}

let fields = 0;

/** A labelled input with a hint that a screen reader reads with it. */
function field(label: string, input: HTMLInputElement | HTMLSelectElement, hint = ""): HTMLElement {
  const id = `field-${++fields}`;
  input.id = id;
  if (hint !== "") input.setAttribute("aria-describedby", `${id}-hint`);
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    input,
    hint !== "" && h("p", { class: "hint", id: `${id}-hint` }, hint),
  );
}

function tokenField(): HTMLElement {
  const input = h("input", { name: "token", type: "password", required: true, autocomplete: "off" });
  const hint =
    "Only the operator may issue. The token stands in the file operator.token in the node’s data folder; “phytomer dev” also prints a link that contains it. It is kept until this tab is closed.";
  return h("div", { class: "token" }, field("Operator token", input, hint));
}

/** The token was refused: forget it and ask again. */
function askForToken(form: HTMLFormElement): void {
  dropToken();
  if (form.querySelector(".token") === null) form.querySelector(".actions")?.before(tokenField());
  form.querySelector<HTMLInputElement>(".token input")?.focus();
}

/** The form's answers in the shape of the API; what was left empty is left out. */
function detailsFrom(data: FormData, scientificName: string | undefined): Details {
  const text = (name: string) => String(data.get(name) ?? "").trim();
  const optional = {
    scientificName,
    variety: text("variety"),
    batchNumber: text("batchNumber"),
    countryOfOrigin: text("countryOfOrigin"),
    facility: text("facility"),
    owner: text("owner"),
    validUntil: endOfDay(text("validUntil")),
  };
  const stated = Object.entries(optional).filter(([, value]) => value !== undefined && value !== "");
  return { quantity: text("quantity"), unit: text("unit"), ...Object.fromEntries(stated) };
}

/** The last second of a day of this time zone, in RFC 3339. */
function endOfDay(day: string): string {
  return day === "" ? "" : new Date(`${day}T23:59:59`).toISOString();
}

function idempotencyKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
