"""The training loop: AdamW, cosine schedule, growing images, EMA of the weights."""

import copy
import math
import time
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from . import augment, data
from .model import LeafNet

BATCH = 44
NOTHING = 4
"""Images of no leaf added to each batch; their target is uniform over the classes."""
MIXUP_PART = 0.1
SMOOTHING = 0.05
WARMUP_PART = 0.05


@dataclass
class Plan:
    """One cycle of the cosine schedule."""

    epochs: int
    grow: tuple = ((0.0, 64), (0.5, 80), (0.8, 96))
    """From which part of the cycle on which image side is used."""
    rate: float = 2e-3
    strength: float = 1.0
    """Of the augmentation, 0 to 1."""
    average: float = 0.998
    """Decay of the moving average of the weights, per step."""
    decay: float = 0.05
    seed: int = 1

    def side(self, part: float) -> int:
        return [side for start, side in self.grow if part >= start][-1]


def rate_at(part: float) -> float:
    if part < WARMUP_PART:
        return part / WARMUP_PART
    return 0.5 * (1 + math.cos(math.pi * (part - WARMUP_PART) / (1 - WARMUP_PART))) + 1e-3


def train(model: LeafNet, stored: dict, target: torch.Tensor, rows: torch.Tensor, plan: Plan, watch=None):
    """Trains `model` on the leaves `rows`; returns the averaged model in eval mode.

    `watch(model)` may return a line to print; it decides nothing.
    """
    torch.manual_seed(plan.seed)
    classes = model.head.out_features
    average = copy.deepcopy(model)
    plain = [p for p in model.parameters() if p.ndim == 1]
    decayed = [p for p in model.parameters() if p.ndim > 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": plan.decay}, {"params": plain, "weight_decay": 0}],
        lr=plan.rate,
    )
    steps_per_epoch = len(rows) // BATCH
    steps, step, began = plan.epochs * steps_per_epoch, 0, time.time()
    for epoch in range(plan.epochs):
        order = rows[torch.randperm(len(rows))]
        total = 0.0
        for k in range(steps_per_epoch):
            part = step / steps
            batch, side = order[k * BATCH : (k + 1) * BATCH], plan.side(part)
            for group in optimiser.param_groups:
                group["lr"] = plan.rate * rate_at(part)
            with torch.no_grad():
                x = augment.leaves(stored, batch, side, plan.strength)
                y = F.one_hot(target[batch], classes).float()
                y = y * (1 - SMOOTHING) + SMOOTHING / classes
                x, y = augment.mix(x, y, MIXUP_PART * plan.strength)
                none = augment.nothing(stored, batch[:NOTHING], side)
                x = data.normalise(torch.cat([x, none]) * 255)
                y = torch.cat([y, torch.full((NOTHING, classes), 1 / classes)])
            model.train()
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(x)
            loss = F.cross_entropy(logits.float(), y)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            step += 1
            decay = min(plan.average, (1 + step) / (10 + step))
            with torch.no_grad():
                for a, b in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
                    a.lerp_(b, 1 - decay) if a.is_floating_point() else a.copy_(b)
            total += loss.item()
        line = watch(average) if watch and (epoch % 10 == 9 or epoch + 1 == plan.epochs) else ""
        print(f"epoch {epoch + 1}/{plan.epochs} loss {total / steps_per_epoch:.3f} "
              f"{time.time() - began:.0f} s {line}", flush=True)
    return average.eval()


@torch.no_grad()
def logits(model, pixels: torch.Tensor) -> torch.Tensor:
    """Logits of prepared images, in f32 and eval mode."""
    model.eval()
    return torch.cat([model(data.normalise(chunk)) for chunk in pixels.split(64)])
