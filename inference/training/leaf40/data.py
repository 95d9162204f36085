"""Reads the data folder, splits it by shooting session and keeps it in memory."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import images

STORED_SIDE = 128
"""Side of the stored training images; crops are sampled from these."""
KINDS = ("photo", "cutout")
HELD_OUT_PART_MIN = 0.13
"""The last groups of a class that together hold this part are held out."""
HELD_OUT_GROUPS_MIN = 2


@dataclass
class Leaves:
    """Every leaf once: its label, its part of the split and its two images."""

    root: Path
    labels: list[str]
    scientific: list[str]
    target: torch.Tensor
    part: np.ndarray
    """`train`, `fit` (temperature, threshold) or `report`."""
    paths: dict[str, list[str]]

    def select(self, *parts: str) -> torch.Tensor:
        return torch.from_numpy(np.flatnonzero(np.isin(self.part, parts)))


def _parts(groups: list[str]) -> list[str]:
    """Part of each image of one class, from its groups in shooting order."""
    order = sorted(set(groups), key=lambda g: int(g.split("-")[1]))
    held, count = [], 0
    while len(held) < HELD_OUT_GROUPS_MIN or count < HELD_OUT_PART_MIN * len(groups):
        held.insert(0, order.pop())
        count += groups.count(held[0])
    report, reported = [], 0
    while reported < 0.4 * count and len(held) > 1:
        report.insert(0, held.pop())
        reported += groups.count(report[0])
    return ["fit" if g in held else "report" if g in report else "train" for g in groups]


def read(root: Path) -> Leaves:
    files = [f for f in json.loads((root / "files.json").read_text()) if f["task"] == "species"]
    photos = [f for f in files if f["kind"] == "photo"]
    cutouts = {f["sha256_src"] + f["label"]: f["path"] for f in files if f["kind"] == "cutout"}
    labels = sorted({f["label"] for f in photos})
    names = {f["label"]: f["scientific"].split(" (")[0] for f in photos}
    part = np.empty(len(photos), object)
    for label in labels:
        rows = [i for i, f in enumerate(photos) if f["label"] == label]
        part[rows] = _parts([photos[i]["group"] for i in rows])
    return Leaves(
        root,
        labels,
        [names[label] for label in labels],
        torch.tensor([labels.index(f["label"]) for f in photos]),
        part,
        {
            "photo": [f["path"] for f in photos],
            "cutout": [cutouts[f["sha256_src"] + f["label"]] for f in photos],
        },
    )


def stored(leaves: Leaves, cache: Path) -> dict[str, torch.Tensor]:
    """The training images, `[leaf, 4, 128, 128]` bytes, premultiplied.

    `photo`: the photo without its white bars. `cutout`: the leaf where the photo
    showed it.
    """
    if cache.exists():
        return torch.load(cache)
    out = {kind: [] for kind in KINDS}

    def keep(name, rgba):
        square = images.padded_square(rgba).astype(np.uint16)
        square[..., :3] = (square[..., :3] * square[..., 3:] + 127) // 255
        small = images.resize(square.astype(np.uint8), STORED_SIDE, STORED_SIDE)
        out[name].append(torch.from_numpy(small).permute(2, 0, 1))

    for photo, cutout in zip(leaves.paths["photo"], leaves.paths["cutout"], strict=True):
        keep("photo", images.without_bars(images.decode(leaves.root / photo)))
        keep("cutout", images.decode(leaves.root / cutout))
    tensors = {name: torch.stack(rows) for name, rows in out.items()}
    torch.save(tensors, cache)
    return tensors


def prepared(leaves: Leaves, kind: str, rows: torch.Tensor, side: int) -> torch.Tensor:
    """The images as the shipped code sees them, `[row, 3, side, side]` bytes."""
    return torch.stack(
        [
            torch.from_numpy(images.prepare(leaves.root / leaves.paths[kind][i], side))
            .permute(2, 0, 1)
            for i in rows.tolist()
        ]
    )


def normalise(pixels: torch.Tensor) -> torch.Tensor:
    """Bytes or levels 0..255 to what the network expects."""
    mean = torch.tensor(images.MEAN)[:, None, None]
    std = torch.tensor(images.STD)[:, None, None]
    return (pixels.float() / 255 - mean) / std
