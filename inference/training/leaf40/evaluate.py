"""Figures: accuracy, calibration, abstention, the floor, and unknown plants."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from . import data

BINS = 15
ACCEPTED_RIGHT_MIN = 0.95
"""The threshold is the lowest at which this part of the accepted answers is right."""


def temperature(logits: torch.Tensor, target: torch.Tensor) -> float:
    """The divisor of the logits that minimises the cross-entropy."""
    grid = torch.linspace(math.log(0.2), math.log(3), 561).exp()
    losses = torch.stack([F.cross_entropy(logits / t, target) for t in grid])
    return round(float(grid[losses.argmin()]), 3)


def calibration_error(confidence: torch.Tensor, right: torch.Tensor) -> float:
    """Expected calibration error over equal-width bins (Guo et al., 2017)."""
    bins = (confidence * BINS).long().clamp(0, BINS - 1)
    error = 0.0
    for b in range(BINS):
        inside = bins == b
        if inside.any():
            gap = confidence[inside].mean() - right[inside].float().mean()
            error += inside.float().mean() * gap.abs()
    return float(error)


def threshold(confidence: torch.Tensor, right: torch.Tensor) -> float:
    """The lowest threshold, in hundredths, at which accepted answers are right enough."""
    for hundredths in range(1, 100):
        accepted = confidence >= hundredths / 100
        if right[accepted].float().mean() >= ACCEPTED_RIGHT_MIN:
            return hundredths / 100
    return 0.99


def figures(logits, target, heat: float, unknown_below: float) -> dict:
    probability = (logits / heat).softmax(1)
    confidence, best = probability.max(1)
    right = best == target
    accepted = confidence >= unknown_below
    top5 = (logits.topk(5, 1).indices == target[:, None]).any(1)
    return {
        "images": len(target),
        "top1": float(right.float().mean()),
        "top5": float(top5.float().mean()),
        "ece": calibration_error(confidence, right),
        "coverage": float(accepted.float().mean()),
        "accepted_top1": float(right[accepted].float().mean()) if accepted.any() else None,
    }


def nearest_neighbour(train_pixels, train_target, pixels, target) -> float:
    """Top-1 of the nearest training image by 8×8 thumbnails: what the
    background and the overall colour give away."""
    a, b = train_pixels.flatten(1).float(), pixels.flatten(1).float()
    return float((train_target[torch.cdist(b, a).argmin(1)] == target).float().mean())


def floor(leaves, kind: str, rows) -> float:
    known = leaves.select("train")
    thumbnails = {name: data.prepared(leaves, kind, r, 8) for name, r in (("a", known), ("b", rows))}
    return nearest_neighbour(
        thumbnails["a"], leaves.target[known], thumbnails["b"], leaves.target[rows]
    )


def scores(logits: torch.Tensor, heat: float) -> dict[str, torch.Tensor]:
    """Candidate scores of "known"; higher means more familiar."""
    probability = (logits / heat).softmax(1)
    top2 = probability.topk(2, 1).values
    return {
        "max softmax": probability.max(1).values,
        "margin": top2[:, 0] - top2[:, 1],
        "negative entropy": (probability * probability.clamp_min(1e-12).log()).sum(1),
        "max logit": logits.max(1).values,
        "energy": heat * (logits / heat).logsumexp(1),
    }


def auroc(known: torch.Tensor, unknown: torch.Tensor) -> float:
    """Probability that a known image scores above an unknown one."""
    ranks = torch.cat([known, unknown]).double().numpy()
    order = np.argsort(np.argsort(ranks, kind="stable"), kind="stable") + 1.0
    for value in np.unique(ranks):  # ties share their mean rank
        same = ranks == value
        if same.sum() > 1:
            order[same] = order[same].mean()
    n, m = len(known), len(unknown)
    return float((order[:n].sum() - n * (n + 1) / 2) / (n * m))


def no_leaves(side: int) -> dict[str, torch.Tensor]:
    """Images of no leaf, made by other rules than those used in training."""
    g = torch.Generator().manual_seed(7)
    n = 100
    rand = lambda *shape: torch.rand(*shape, generator=g)  # noqa: E731
    axis = torch.linspace(0, 1, side)
    yy, xx = torch.meshgrid(axis, axis, indexing="ij")
    flat = rand(n, 3, 1, 1).expand(n, 3, side, side)
    noise = rand(n, 3, side, side)
    period, angle = 2 + 14 * rand(n, 1, 1), rand(n, 1, 1) * math.pi
    wave = (torch.sin(2 * math.pi * period * (xx * angle.cos() + yy * angle.sin())) + 1)[:, None] / 2
    stripes = wave * rand(n, 3, 1, 1) + (1 - wave) * rand(n, 3, 1, 1)
    cells = (2 + 8 * rand(n, 1, 1)).floor()
    board = (((xx * cells).floor() + (yy * cells).floor()) % 2)[:, None]
    checks = board * rand(n, 3, 1, 1) + (1 - board) * rand(n, 3, 1, 1)
    corners = rand(n, 3, 2) * 0.8 + 0.1
    inside = torch.ones(n, side, side, dtype=torch.bool)
    turn = torch.zeros(n, 1, 1)
    for k in range(3):
        (ax, ay), (bx, by) = corners[:, k].T, corners[:, (k + 1) % 3].T
        cross = lambda v: v[:, None, None]  # noqa: E731
        edge = cross(bx - ax) * (yy - cross(ay)) - cross(by - ay) * (xx - cross(ax))
        if k == 0:
            (cx, cy) = corners[:, 2].T
            turn = torch.sign(cross((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)))
        inside &= edge * turn >= 0
    shape = inside[:, None].float()
    triangles = shape * rand(n, 3, 1, 1) + (1 - shape) * torch.where(rand(n, 1, 1, 1) < 0.5, 1.0, rand(n, 3, 1, 1))
    green = torch.tensor([0.2, 0.5, 0.15])[:, None, None]
    discs = []
    for radius in (0.15 + 0.3 * rand(n)).tolist():
        disc = (((xx - 0.5) ** 2 + (yy - 0.5) ** 2).sqrt() < radius).float()[None]
        discs.append(disc * green * (0.5 + rand(1)) + (1 - disc))
    sets = {"flat colours": flat, "pixel noise": noise, "stripes": stripes, "checkerboards": checks,
            "triangles": triangles, "green discs on white": torch.stack(discs)}
    return {name: (x.clamp(0, 1) * 255).round().byte() for name, x in sets.items()}


def confusion(path, labels, target, guess, title: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    n = len(labels)
    counts = torch.zeros(n, n)
    counts.index_put_((target, guess), torch.ones(len(target)), accumulate=True)
    share = counts / counts.sum(1, keepdim=True).clamp_min(1)
    figure, axes = pyplot.subplots(figsize=(10, 9))
    shown = axes.imshow(share, cmap="Greens", vmin=0, vmax=1)
    axes.set_xticks(range(n), labels, rotation=90, fontsize=7)
    axes.set_yticks(range(n), labels, fontsize=7)
    axes.set_xlabel("answer")
    axes.set_ylabel("species")
    axes.set_title(title, fontsize=10)
    figure.colorbar(shown, shrink=0.7, label="share of the species' images")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def worst_pairs(labels, target, guess, count: int = 8) -> list[dict]:
    n = len(labels)
    counts = torch.zeros(n, n)
    counts.index_put_((target, guess), torch.ones(len(target)), accumulate=True)
    share = counts / counts.sum(1, keepdim=True).clamp_min(1)
    share.fill_diagonal_(0)
    out = []
    for at in share.flatten().argsort(descending=True)[:count].tolist():
        i, j = divmod(at, n)
        if counts[i, j] > 0:
            out.append({"species": labels[i], "taken for": labels[j], "share": float(share[i, j])})
    return out
