"""One command: trains three times, measures, and writes the model directory.

1. *held-out*: without the last shooting sessions of each species. All accuracy
   and calibration figures come from this run; temperature and threshold are
   fitted on one part of those sessions and reported on the other.
2. *five*: moreover without five species: how well is an unknown plant noticed?
3. *final*: as the held-out run, but the last two cycles see every leaf. Its
   weights ship, with the temperature and threshold of the held-out run; nothing is left
   to measure it on.

A finished run is kept in the work folder and not repeated.
"""

import argparse
import copy
import json
from pathlib import Path

import torch

from . import card, data, evaluate, export
from .model import LeafNet
from .train import Plan, logits, train

NAME, VERSION, SIDE = "leaf-40", 1, 96
UNKNOWN_SPECIES = range(3, 40, 8)
"""Every eighth label in alphabetical order is left out of the run `five`."""
GENTLE = {"grow": ((0.0, 96),), "rate": 7e-4, "strength": 0.4, "average": 0.99}
CLEAN = (Plan(6, seed=3, **GENTLE), Plan(5, seed=4, **GENTLE))
"""The last cycles: images of full size, little augmentation."""
HELD_OUT = (Plan(30), Plan(40, grow=((0.0, 64), (0.6, 80), (0.85, 96)), seed=2))
FIVE = (Plan(18), Plan(5, seed=3, **GENTLE))


def arguments():
    parser = argparse.ArgumentParser(prog="python -m leaf40", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with files.json and species/")
    parser.add_argument("--out", type=Path, required=True, help="the model directory to write")
    parser.add_argument("--fixtures", type=Path, required=True, help="folder for the tests' images")
    parser.add_argument("--work", type=Path, default=Path("work"), help="checkpoints and caches")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def run(path: Path, model: LeafNet, plans, stored, target, rows) -> LeafNet:
    """Trains the model through its plans, or loads what an earlier call trained."""
    if path.exists():
        model.load_state_dict(torch.load(path))
        return model.eval()
    for plan in plans:
        print(f"{path.stem}: {len(rows)} leaves, {plan.epochs} epochs", flush=True)
        model = train(model, stored, target, rows, plan)
    torch.save(model.state_dict(), path)
    return model


def answers(model, leaves, part: str) -> dict:
    """Logits of each kind of image of one part of the split."""
    rows = leaves.select(part)
    return {kind: logits(model, data.prepared(leaves, kind, rows, SIDE)) for kind in data.KINDS}


def measure_known(model, leaves) -> dict:
    """Calibrates on the part `fit`, measures on `report`."""
    fit, report = answers(model, leaves, "fit"), answers(model, leaves, "report")
    fit_target = leaves.target[leaves.select("fit")]
    target = leaves.target[leaves.select("report")]
    both, twice = torch.cat(list(fit.values())), fit_target.repeat(len(fit))
    heat = evaluate.temperature(both, twice)
    confidence, best = (both / heat).softmax(1).max(1)
    unknown_below = evaluate.threshold(confidence, best == twice)
    out = {"temperature": heat, "unknown_below": unknown_below, "report": {}, "fit": {}}
    for kind in data.KINDS:
        out["fit"][kind] = evaluate.figures(fit[kind], fit_target, heat, unknown_below)
        out["report"][kind] = evaluate.figures(report[kind], target, heat, unknown_below)
        rows = leaves.select("report")
        out["report"][kind]["floor_top1"] = evaluate.floor(leaves, kind, rows)
    for kind in data.KINDS:
        held = torch.cat([fit[kind], report[kind]])
        out.setdefault("all_held_out_top1", {})[kind] = float(
            (held.argmax(1) == torch.cat([fit_target, target])).float().mean()
        )
    return out


def measure_nothing(model, leaves, heat: float, unknown_below: float) -> dict:
    """Which part of images of no leaf, and of foreign mango photos, is refused."""
    out = {}
    for name, pixels in evaluate.no_leaves(SIDE).items():
        confidence = (logits(model, pixels) / heat).softmax(1).max(1).values
        out[name] = float((confidence < unknown_below).float().mean())
    return out


def measure_mango(model, leaves, heat: float, unknown_below: float) -> dict:
    """The mango photos of another source: one species, another camera and place."""
    from . import images

    files = json.loads((leaves.root / "files.json").read_text())
    paths = [leaves.root / f["path"] for f in files if f["task"] == "health"]
    pixels = torch.stack([torch.from_numpy(images.prepare(p, SIDE)).permute(2, 0, 1) for p in paths])
    target = torch.full((len(paths),), leaves.labels.index("mangifera-indica"))
    return evaluate.figures(logits(model, pixels), target, heat, unknown_below)


def measure_unknown(model, leaves, kept: list[int]) -> dict:
    """AUROC of each score: held-out leaves of known species against every leaf
    of the species that the run never saw."""
    mapped = torch.full((len(leaves.labels),), -1)
    mapped[kept] = torch.arange(len(kept))
    target = mapped[leaves.target]
    fit, held = leaves.select("fit"), leaves.select("fit", "report")
    fit, held = fit[target[fit] >= 0], held[target[held] >= 0]
    strangers = torch.nonzero(target < 0).flatten()
    see = lambda kind, rows: logits(model, data.prepared(leaves, kind, rows, SIDE))  # noqa: E731
    calibrate = torch.cat([see(kind, fit) for kind in data.KINDS])
    heat = evaluate.temperature(calibrate, target[fit].repeat(2))
    confidence, best = (calibrate / heat).softmax(1).max(1)
    unknown_below = evaluate.threshold(confidence, best == target[fit].repeat(2))
    out = {"species": [leaves.labels[i] for i in range(len(leaves.labels)) if i not in kept],
           "known_images": len(held), "unknown_images": len(strangers),
           "temperature": heat, "unknown_below": unknown_below, "auroc": {}, "refused": {}}
    for kind in data.KINDS:
        known, unknown = (evaluate.scores(see(kind, rows), heat) for rows in (held, strangers))
        out["auroc"][kind] = {name: evaluate.auroc(known[name], unknown[name]) for name in known}
        out["refused"][kind] = float((unknown["max softmax"] < unknown_below).float().mean())
    return out


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    args.work.mkdir(parents=True, exist_ok=True)
    leaves = data.read(args.data)
    stored = data.stored(leaves, args.work / "stored.pt")
    classes = len(leaves.labels)

    rows = leaves.select("train")
    base = run(args.work / "base.pt", LeafNet(classes), HELD_OUT, stored, leaves.target, rows)
    start = copy.deepcopy(base)
    held_out = run(args.work / "heldout.pt", start, CLEAN, stored, leaves.target, rows)
    results = {"known": measure_known(held_out, leaves)}
    heat, unknown_below = results["known"]["temperature"], results["known"]["unknown_below"]
    results["no_leaf_refused"] = measure_nothing(held_out, leaves, heat, unknown_below)
    results["foreign_mango"] = measure_mango(held_out, leaves, heat, unknown_below)

    kept = [i for i in range(classes) if i not in UNKNOWN_SPECIES]
    mapped = torch.full((classes,), -1)
    mapped[kept] = torch.arange(len(kept))
    rows = rows[mapped[leaves.target[rows]] >= 0]
    five = run(args.work / "five.pt", LeafNet(len(kept)), FIVE, stored, mapped[leaves.target], rows)
    results["unknown"] = measure_unknown(five, leaves, kept)

    everything = leaves.select("train", "fit", "report")
    final = run(args.work / "final.pt", base, CLEAN, stored, leaves.target, everything)
    results["final_no_leaf_refused"] = measure_nothing(final, leaves, heat, unknown_below)
    results["final_foreign_mango"] = measure_mango(final, leaves, heat, unknown_below)

    report = answers(held_out, leaves, "report")
    guess = torch.cat([x.argmax(1) for x in report.values()])
    target = leaves.target[leaves.select("report")].repeat(len(report))
    results["worst_pairs"] = evaluate.worst_pairs(leaves.labels, target, guess)
    settings = export.config(NAME, VERSION, SIDE, leaves, heat, unknown_below)
    tensors, ident = export.write_model(args.out, final, settings)
    evaluate.confusion(args.out / "confusion.png", leaves.labels, target, guess,
                       f"{NAME}, held-out run: last shooting sessions, photos and cut-outs")
    export.write_reference(args.fixtures / NAME, leaves, tensors, ident, SIDE)
    export.write_odd_images(args.fixtures / "odd")
    results["model"] = ident
    results["parameters"] = sum(t.numel() for t in tensors.values())
    (args.out / "metrics.json").write_text(json.dumps(results, indent=1) + "\n")
    (args.out / "MODEL_CARD.md").write_text(card.write(results, leaves))
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
