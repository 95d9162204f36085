import { Problem, recognise } from "../api/node.ts";
import { fill, h } from "../dom.ts";
import { dropZone } from "../parts/drop.ts";
import { issueForm, issueFormId } from "../parts/issue-form.ts";
import { problemView } from "../parts/problem.ts";
import { recognitionView } from "../parts/recognition.ts";
import type { Page, Visit } from "../router.ts";

/** What the node's decoder reads. */
export const photoTypes = "image/jpeg,image/png,image/webp";

/** What the node takes as one photo. */
const photoBytesMax = 10 * 1024 * 1024;

let carried: File | undefined;

/** Takes a photo along to this page. */
export function carryPhoto(file: File): void {
  carried = file;
}

/** A photo, what the model sees in it, what the issuer states, and the certificate. */
export function openIssue({ signal, go }: Visit): Page {
  const preview = h("div", { class: "preview" });
  const seen = h("div", { class: "seen" });
  const spoken = h("p", { class: "unseen", role: "status" });
  const form = h("div", {});
  let shownUrl: string | undefined;

  const take = async (photo: File) => {
    if (shownUrl !== undefined) URL.revokeObjectURL(shownUrl);
    const url = URL.createObjectURL(photo);
    shownUrl = url;
    fill(preview, h("img", { src: url, alt: `The chosen photo, ${photo.name}` }));
    preview.classList.add("preview-filled");
    fill(seen, h("p", { class: "busy" }, "Looking at the leaf…"));
    fill(form);
    try {
      const recognition = await recognise(fitting(photo), signal);
      if (shownUrl !== url) return; // Another photo was chosen meanwhile.
      const chosen = recognitionView(recognition, issueFormId);
      spoken.textContent = chosen.summary;
      fill(seen, chosen.view);
      fill(form, issueForm({ photo, species: chosen.species, go }));
    } catch (error) {
      if (!signal.aborted && shownUrl === url) fill(seen, problemView(error));
    }
  };
  signal.addEventListener("abort", () => shownUrl !== undefined && URL.revokeObjectURL(shownUrl));

  const drop = dropZone({
    title: "Choose a photo of a leaf",
    again: "Choose another photo",
    hint: "Drop it here. JPEG, PNG or WebP; one leaf, well lit, filling the frame.",
    symbol: "camera",
    accept: photoTypes,
    onFile: (file) => void take(file),
  });
  const view = h(
    "div",
    { class: "issue" },
    h("h1", {}, "Issue a certificate"),
    h("div", { class: "issue-photo" }, h("div", {}, preview, drop), seen, spoken),
    form,
  );
  if (carried !== undefined) void take(carried);
  carried = undefined;
  return { title: "Issue", view };
}

/** The photo, unless the node would refuse it for its size, after a long upload. */
function fitting(photo: File): File {
  if (photo.size <= photoBytesMax) return photo;
  const [size, most] = [photo.size, photoBytesMax].map((bytes) => (bytes / 1024 / 1024).toFixed(1));
  throw new Problem(
    413,
    "The photo is too large",
    `It has ${size} MiB; at most ${most} MiB are taken.`,
    "Choose a smaller copy of it.",
  );
}
