"""Augmentation on whole batches of tensors. Levels are 0..1 throughout.

A leaf is sampled premultiplied with its alpha, turned, scaled and shifted, then
laid on generated paper: so neither the background nor the pose gives the class away.
"""

import math

import torch
from torch.nn import functional as F

KIND_PARTS = {"photo": 0.5, "cutout": 0.5}
WHITE_PART = 0.5
"""Part of the papers that are plain white, as `images.prepare` fills them in."""


def uniform(n: int, low: float, high: float) -> torch.Tensor:
    return torch.empty(n).uniform_(low, high)


def chance(n: int, part: float) -> torch.Tensor:
    return torch.rand(n) < part


def column(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]


def smooth_noise(n: int, channels: int, cells: int, side: int) -> torch.Tensor:
    noise = torch.randn(n, channels, cells, cells)
    return F.interpolate(noise, (side, side), mode="bilinear", align_corners=False)


def ramp(n: int, side: int) -> torch.Tensor:
    """A linear gradient of random direction, -1..1, `[n, 1, side, side]`."""
    angle = uniform(n, 0, 2 * math.pi)
    axis = torch.linspace(-1, 1, side)
    across = column(angle.cos()) * axis[None, None, None, :]
    down = column(angle.sin()) * axis[None, None, :, None]
    return (across + down) / math.sqrt(2)


def paper(n: int, side: int, strength: float = 1.0) -> torch.Tensor:
    """Backgrounds: white, greyish paper with shading, or any colour."""
    grey = uniform(n, 0.5, 1.0)[:, None] + torch.randn(n, 3) * 0.03
    colour = torch.where(chance(n, 0.15)[:, None], torch.rand(n, 3), grey)
    shade = ramp(n, side) * column(uniform(n, 0, 0.2))
    texture = smooth_noise(n, 1, int(torch.randint(2, 32, ())), side) * column(uniform(n, 0, 0.06))
    out = (colour[:, :, None, None] + shade + texture).clamp(0, 1)
    out[chance(n, 1 - strength * (1 - WHITE_PART))] = 1
    return out


def pose(n: int, strength: float) -> torch.Tensor:
    """Affine matrices `[n, 2, 3]` from output to input coordinates."""
    quarter = torch.randint(0, 4, (n,)) * (math.pi / 2)
    free = torch.where(chance(n, 0.15 * strength), uniform(n, -math.pi, math.pi), uniform(n, -0.2, 0.2))
    angle = quarter + free
    stretch = (uniform(n, -0.08, 0.08) * strength).exp()
    flip = torch.where(chance(n, 0.5), 1.0, -1.0)
    shear = uniform(n, -0.08, 0.08) * strength
    cos, sin = angle.cos(), angle.sin()
    a, b = cos * stretch * flip, (-sin + shear * cos) / stretch
    c, d = sin * stretch * flip, (cos + shear * sin) / stretch
    shift = uniform(2 * n, -0.1, 0.1).view(n, 2, 1) * strength
    zoom = (uniform(n, math.log(0.8), math.log(1.3)) * strength).exp()
    linear = torch.stack([torch.stack([a, b], 1), torch.stack([c, d], 1)], 1)
    return torch.cat([linear / zoom[:, None, None], shift], 2)


def light(x: torch.Tensor, strength: float = 1.0) -> torch.Tensor:
    """Exposure, white balance, gamma, saturation, contrast and uneven light."""
    n, side = len(x), x.shape[-1]
    x = x * (1 + ramp(n, side) * column(uniform(n, 0, 0.2 * strength)))
    gain = uniform(n, -0.25, 0.2)[:, None] + torch.randn(n, 3) * 0.04
    x = x * (gain * strength).exp()[:, :, None, None]
    x = x.clamp(1e-3, 1) ** column((uniform(n, -0.2, 0.2) * strength).exp())
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * column(1 + uniform(n, -0.3, 0.3) * strength)
    middle = x.mean((1, 2, 3), keepdim=True)
    return (middle + (x - middle) * column(1 + uniform(n, -0.2, 0.2) * strength)).clamp(0, 1)


def sharpness(x: torch.Tensor, strength: float) -> torch.Tensor:
    """Blurs some, sharpens some, coarsens some, and adds noise to some."""
    n, side = len(x), x.shape[-1]
    kernel = torch.tensor([1.0, 2.0, 1.0])
    kernel = (kernel[:, None] * kernel / 16).expand(3, 1, 3, 3)
    soft = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    amount = uniform(n, -0.6, 1.0) * chance(n, 0.4 * strength)
    x = x + column(amount) * (soft - x)
    rows = torch.nonzero(chance(n, 0.15 * strength)).flatten()
    if len(rows):
        small = F.interpolate(x[rows], size=int(side * uniform(1, 0.4, 0.8)), mode="bilinear", antialias=True)
        x[rows] = F.interpolate(small, (side, side), mode="bilinear", align_corners=False)
    return (x + torch.randn_like(x) * column(uniform(n, 0, 0.03) * chance(n, 0.2 * strength))).clamp(0, 1)


def erase(x: torch.Tensor, strength: float) -> torch.Tensor:
    """Paints one rectangle of paper over some images."""
    n, side = len(x), x.shape[-1]
    axis = torch.arange(side)
    centre = torch.randint(0, side, (n, 2))
    half = (uniform(2 * n, 0.05, 0.2) * side).view(n, 2)
    inside = ((axis[None] - centre[:, :1]).abs() < half[:, :1])[:, None, :, None] & (
        (axis[None] - centre[:, 1:]).abs() < half[:, 1:]
    )[:, None, None, :]
    return torch.where(inside & column(chance(n, 0.1 * strength)), torch.rand(n, 3, 1, 1), x)


def leaves(stored: dict, rows: torch.Tensor, side: int, strength: float = 1.0) -> torch.Tensor:
    """Augmented images of the leaves `rows`, `[n, 3, side, side]`, of all kinds.

    At strength 0 only quarter turns, mirrors and small turns are left.
    """
    n = len(rows)
    names, parts = list(KIND_PARTS), torch.tensor(list(KIND_PARTS.values()))
    kind = torch.multinomial(parts, n, replacement=True)
    source = torch.stack([stored[names[k]][r] for k, r in zip(kind.tolist(), rows.tolist())])
    grid = F.affine_grid(pose(n, strength), (n, 4, side, side), align_corners=False)
    sampled = F.grid_sample(source.float() / 255, grid, align_corners=False)
    x = sampled[:, :3] + (1 - sampled[:, 3:]) * paper(n, side, strength)
    return erase(sharpness(light(x, strength), strength), strength)


def mix(x: torch.Tensor, y: torch.Tensor, part: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Mixup on some of the batch: images and one-hot targets blended in pairs."""
    order = torch.randperm(len(x))
    share = torch.distributions.Beta(0.4, 0.4).sample((len(x),))
    share = torch.where(chance(len(x), part), torch.maximum(share, 1 - share), 1.0)
    return (
        column(share) * x + (1 - column(share)) * x[order],
        share[:, None] * y + (1 - share[:, None]) * y[order],
    )


def shapes(n: int, side: int) -> torch.Tensor:
    """Ellipses and boxes of any colour on paper: smooth outlines that are no leaf."""
    axis = torch.linspace(-1, 1, side)
    angle = uniform(n, 0, math.pi)
    cx, cy = uniform(n, -0.4, 0.4), uniform(n, -0.4, 0.4)
    u = axis[None, None, :] - cx[:, None, None]
    v = axis[None, :, None] - cy[:, None, None]
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    p = (u * cos + v * sin) / uniform(n, 0.1, 0.9)[:, None, None]
    q = (v * cos - u * sin) / uniform(n, 0.1, 0.9)[:, None, None]
    power = torch.where(chance(n, 0.5), 2.0, 12.0)[:, None, None]
    inside = ((p.abs() ** power + q.abs() ** power) < 1)[:, None].float()
    return inside * torch.rand(n, 3, 1, 1) + (1 - inside) * paper(n, side)


def nothing(stored: dict, rows: torch.Tensor, side: int) -> torch.Tensor:
    """Images that are no leaf: noise, papers, shapes, and leaves cut into shuffled tiles."""
    n = len(rows)
    noise = 0.5 + smooth_noise(n, 3, int(torch.randint(2, side + 1, ())), side) * column(uniform(n, 0.05, 0.5))
    torn = leaves(stored, rows, side)
    tiles = 4 if side % 4 == 0 else 2
    cut = F.unfold(torn, side // tiles, stride=side // tiles)
    torn = F.fold(cut[:, :, torch.randperm(tiles * tiles)], side, side // tiles, stride=side // tiles)
    choices = torch.stack([noise, paper(n, side), shapes(n, side), torn])
    return light(choices[torch.randint(0, 4, (n,)), torch.arange(n)].clamp(0, 1))
