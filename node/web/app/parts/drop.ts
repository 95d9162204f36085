import { h } from "../dom.ts";
import { type IconName, icon } from "./icon.ts";

/** What a place for files asks for. */
export interface DropOptions {
  readonly title: string;
  readonly hint: string;
  /** The title once a file was chosen, where the place stays. */
  readonly again?: string;
  readonly symbol: IconName;
  /** As the `accept` attribute of a file input. */
  readonly accept: string;
  readonly onFile: (file: File) => void;
}

/** A place to drop a file on, which is also a button that opens the file chooser (on a phone, the camera). */
export function dropZone(options: DropOptions): HTMLElement {
  const input = h("input", {
    type: "file",
    accept: options.accept,
    class: "drop-input",
    change: () => {
      const [file] = input.files ?? [];
      if (file !== undefined) options.onFile(file);
      // The same file may be chosen again after it was changed.
      input.value = "";
    },
  });
  const zone = h(
    "label",
    { class: "drop" },
    input,
    icon(options.symbol),
    h("span", { class: "drop-title drop-first" }, options.title),
    options.again !== undefined && h("span", { class: "drop-title drop-again" }, options.again),
    h("span", { class: "drop-hint" }, options.hint),
  );
  acceptDrops(zone, options.onFile);
  return zone;
}

function acceptDrops(zone: HTMLElement, onFile: (file: File) => void): void {
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("drop-over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("drop-over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("drop-over");
    const [file] = event.dataTransfer?.files ?? [];
    if (file !== undefined) onFile(file);
  });
}
