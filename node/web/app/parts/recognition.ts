import type { Recognition, Species } from "../api/types.ts";
import { h } from "../dom.ts";
import { percent } from "../text.ts";

/** What the model saw, and a way to ask which species the issuer settled on. */
export interface RecognitionChoice {
  readonly view: HTMLElement;
  /** The outcome in one sentence, for those who hear the page. */
  readonly summary: string;
  /** The species that the issuer named against or without the model; nothing while they agree. */
  readonly species: () => string | undefined;
}

/** The most likely species as a choice, with room for another name; both belong to the form `form`. */
export function recognitionView(recognition: Recognition, form: string): RecognitionChoice {
  const { species, unknown } = recognition;
  const other = h("input", {
    class: "other-species",
    name: "other",
    form,
    required: unknown,
    placeholder: "Genus species",
    maxlength: 200,
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": "Scientific name",
  });
  const otherRadio = h("input", { type: "radio", name: "species", form, value: "", checked: unknown });
  other.addEventListener("input", () => {
    otherRadio.checked = true;
  });
  const choices = species.map((candidate, rank) => choice(candidate, form, !unknown && rank === 0));
  const list = h(
    "fieldset",
    { class: "species" },
    h("legend", {}, unknown ? "Not a plant this model knows" : "This looks like"),
    unknown &&
      h(
        "p",
        { class: "explanation" },
        "The photo fits none of its species well. Write the scientific name, or try another photo: one leaf, plain background, good light.",
      ),
    choices,
    h(
      "label",
      { class: "choice choice-other" },
      otherRadio,
      h("span", { class: "choice-name" }, "Another species"),
      other,
    ),
  );
  list.addEventListener("input", () => {
    other.required = otherRadio.checked;
  });
  const view = h("div", {}, list, h("p", { class: "notice" }, recognition.notice));
  const chosen = () => {
    const value = list.querySelector<HTMLInputElement>("input[type=radio]:checked")?.value ?? "";
    const named = value === "" ? other.value.trim() : value;
    const agreed = !unknown && named === species[0]?.scientificName;
    return agreed || named === "" ? undefined : named;
  };
  const [best] = species;
  const summary =
    unknown || best === undefined
      ? "The model does not know this plant."
      : `This looks like ${best.scientificName}, ${percent(best.confidence)}.`;
  return { view, summary, species: chosen };
}

function choice(candidate: Species, form: string, checked: boolean): HTMLElement {
  const bar = h("span", { class: "bar", "aria-hidden": "true" });
  // The content security policy forbids style attributes, not the style object.
  bar.style.setProperty("--share", String(candidate.confidence));
  return h(
    "label",
    { class: "choice" },
    h("input", { type: "radio", name: "species", form, value: candidate.scientificName, checked }),
    h("span", { class: "choice-name" }, h("i", {}, candidate.scientificName)),
    h("span", { class: "choice-share" }, percent(candidate.confidence)),
    bar,
  );
}
