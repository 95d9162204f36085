"""The model card, written from the measured figures."""

import json
from pathlib import Path


HISTORY = """Version 1 was trained in cycles of 30, 40, 6 and 5 epochs. The second was planned with 45 epochs and cut short. The first cycle, and the first 18 epochs of the
*five* run, used an earlier augmentation that cropped most of the cut-outs to their leaf; training anew with the recipe as it stands gives other weights."""


def percent(part: float | None) -> str:
    return "–" if part is None else f"{100 * part:.1f} %"


def accuracy_table(known: dict) -> str:
    head = (
        "| images | n | top-1 | floor (1-NN, 8×8) | top-5 | ECE | coverage | top-1 of accepted |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    names = {"photo": "photos", "cutout": "cut-outs"}
    rows = []
    for kind, f in known["report"].items():
        rows.append(
            f"| {names[kind]} | {f['images']} | **{percent(f['top1'])}** | {percent(f['floor_top1'])} "
            f"| {percent(f['top5'])} | {f['ece']:.3f} | {percent(f['coverage'])} | {percent(f['accepted_top1'])} |"
        )
    return head + "\n".join(rows)


def unknown_table(unknown: dict) -> str:
    names = list(unknown["auroc"]["photo"])
    head = "| AUROC | " + " | ".join(names) + " |\n|---|" + "---|" * len(names) + "\n"
    rows = [
        f"| {kind} | " + " | ".join(f"{values[name]:.3f}" for name in names) + " |"
        for kind, values in unknown["auroc"].items()
    ]
    return head + "\n".join(rows)


def sources(root: Path) -> str:
    manifest = json.loads((root / "manifest.json").read_text())
    lines = []
    for source in manifest["sources"]:
        lines.append(f"- **{source['title']}**, DOI {source['doi']}. {source['licence'].rstrip('.')}. Changes: {source['changes']}.")
    return "\n".join(lines)


def write(results: dict, leaves) -> str:
    known, unknown = results["known"], results["unknown"]
    parts = {p: int((leaves.part == p).sum()) for p in ("train", "fit", "report")}
    refused = ", ".join(f"{n} {percent(v)}" for n, v in results["final_no_leaf_refused"].items())
    held_refused = ", ".join(f"{n} {percent(v)}" for n, v in results["no_leaf_refused"].items())
    pairs = "\n".join(
        f"- *{p['species']}* is taken for *{p['taken for']}* in {percent(p['share'])} of its images"
        for p in results["worst_pairs"]
    )
    mango, final_mango = results["foreign_mango"], results["final_foreign_mango"]
    both = known["all_held_out_top1"]
    return f"""# leaf-40

Names the species of a single leaf on a plain background, one of {len(leaves.labels)} medicinal plants of the Philippines. A residual network of
{results['parameters']:,} parameters, {results['parameters'] * 2 / 1e6:.1f} MB in half precision, trained from nothing by `inference/training`.

Model id `{results['model']}`.

## Intended use
A first suggestion of the species on a photo of one leaf, laid on paper, with a confidence and the answer "unknown". **It is not a laboratory
diagnosis, no proof of identity, and says nothing about plant health.** Not for foraging, medicine or any use where a wrong name does harm.
Whole plants, several leaves, natural backgrounds and any species beside the {len(leaves.labels)} were not in the training data.

## Input and output
JPEG, PNG or still WebP. Transparent parts are laid on white; the image is fitted into a square of 96 pixels by an antialiasing triangle filter
and normalised (`model.toml`; the steps are documented at `Pixels::prepare`). Confidence is the softmax of the logits divided by {known['temperature']}; below {known['unknown_below']} the answer is "unknown".

## Data
{sources(leaves.root)}

**What is not proven:** neither mirror from which the images were taken has a licence file, and the licence line of the original pages was not
seen. Both data sets are recalled as CC BY 4.0; check that before you publish images or weights. The photos in `../samples` and in
`../tests/fixtures/leaf-40` come from PhilMedic (E. Custodio, 2024, DOI 10.17632/tsvdyhbphs.1), unchanged or saved again without loss as PNG;
those in `../tests/fixtures/odd` are drawn.

## What was measured on what
Neighbouring shots show the same leaf, so the split is by shooting order: the last groups of ten shots of each species, at least two groups and
13 %, are held out. Of these, the later ones make the part *report* ({parts['report']} leaves), the earlier ones the part *fit* ({parts['fit']} leaves).

1. **held-out run**, trained on {parts['train']} leaves: every accuracy and calibration figure below. Temperature and threshold were fitted on *fit*, the figures of the
   first table are of *report*. The recipe (augmentation, length) was judged by the top-1 on both parts together, so these figures are a little favourable.
2. **five run**, trained without five species and without the held-out groups, a shorter and weaker run of 23 epochs: the AUROC of unknown plants.
3. **final run**: as the held-out run, but its last two cycles, eleven epochs, saw all {sum(parts.values())} leaves. **These weights ship. There is no untouched leaf left to measure them on;** they use the temperature
   and threshold of the held-out run.

{HISTORY}

{accuracy_table(known)}

Coverage is the part that is not answered with "unknown". The floor is what a nearest neighbour on 8×8 thumbnails of the same prepared images
reaches: what background and overall colour give away. Over both held-out parts top-1 is {percent(both['photo'])} on photos and {percent(both['cutout'])} on cut-outs.

![confusion matrix of the held-out run](confusion.png)

## Unknown plants
Five species ({', '.join(unknown['species'])}) were left out of training; {unknown['unknown_images']} leaves of them against {unknown['known_images']} held-out leaves of the other 35:

{unknown_table(unknown)}

The score in use is the maximum of the softmax: it is the confidence that is shown anyway. With the threshold fitted as above
({unknown['unknown_below']} in this run) {percent(unknown['refused']['photo'])} of the unknown photos and {percent(unknown['refused']['cutout'])} of the cut-outs are answered with "unknown"; **the others get a wrong name.**

Images of no leaf, part answered with "unknown": held-out run {held_refused}; shipped weights {refused}.

## Another source
{mango['images']} mango photos of MangoLeafBD (another camera, country and background; some diseased): held-out run top-1 {percent(mango['top1'])}, {percent(mango['coverage'])} answered, of which
{percent(mango['accepted_top1'])} right; shipped weights {percent(final_mango['top1'])}, {percent(final_mango['coverage'])}, {percent(final_mango['accepted_top1'])}. **The model fails on them, and is often sure of it:** it knows leaves as PhilMedic photographed
them, and its confidence is calibrated for such photos only.

## Known failures
{pairs}

*Citrus aurantiifolia* and *C. microcarpa* look alike and were photographed in changing sessions: do not rely on the answer between them.
"""
