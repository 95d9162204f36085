"""A small residual network of dense 3x3 convolutions.

Depthwise convolutions would need fewer weights, but candle's CPU backend loops
over their groups and runs them slower than the dense ones used here.
"""

import torch
from torch import nn
from torch.nn import functional as F

STEM = (32, 48)
STAGES = ((48, 1, 1), (96, 1, 2), (192, 2, 2))
"""Channels, residual blocks and the stride of the first block of each stage."""


class ConvNorm(nn.Module):
    """A convolution without bias and its batch norm; `fold` merges the two."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.norm(self.conv(x))

    def fold(self):
        """Weight and bias of the one convolution that equals conv and norm."""
        gain = self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)
        weight = self.conv.weight * gain[:, None, None, None]
        return weight.detach(), (self.norm.bias - self.norm.running_mean * gain).detach()


class Block(nn.Module):
    """relu(shortcut(x) + second(relu(first(x))))"""

    def __init__(self, inputs: int, outputs: int, stride: int, drop: float):
        super().__init__()
        self.first = ConvNorm(inputs, outputs, 3, stride)
        self.second = ConvNorm(outputs, outputs, 3, 1)
        changes = stride != 1 or inputs != outputs
        self.shortcut = ConvNorm(inputs, outputs, 1, stride) if changes else None
        self.drop = drop

    def forward(self, x):
        kept = x if self.shortcut is None else self.shortcut(x)
        y = self.second(F.relu(self.first(x)))
        if self.training and self.drop > 0:
            alive = torch.rand(len(x), 1, 1, 1) >= self.drop
            y = y * alive / (1 - self.drop)
        return F.relu(kept + y)


class LeafNet(nn.Module):
    """Input `[batch, 3, side, side]`, normalised; output logits `[batch, classes]`."""

    def __init__(self, classes: int, dropout: float = 0.1, drop_path: float = 0.05):
        super().__init__()
        self.stem = nn.ModuleList(
            ConvNorm(i, o, 3, 2) for i, o in zip((3, *STEM), STEM, strict=False)
        )
        self.stages = nn.ModuleList()
        inputs = STEM[-1]
        for depth, (channels, blocks, stride) in enumerate(STAGES):
            stage = nn.ModuleList()
            for block in range(blocks):
                drop = drop_path * depth / (len(STAGES) - 1)
                stage.append(Block(inputs, channels, stride if block == 0 else 1, drop))
                inputs = channels
            self.stages.append(stage)
        self.head = nn.Linear(inputs, classes)
        self.dropout = dropout

    def features(self, x):
        for conv in self.stem:
            x = F.relu(conv(x))
        for stage in self.stages:
            for block in stage:
                x = block(x)
        return x.mean((2, 3))

    def forward(self, x):
        return self.head(F.dropout(self.features(x), self.dropout, self.training))


def folded(model: LeafNet) -> dict[str, torch.Tensor]:
    """The tensors that ship: one weight and bias per convolution, and the head."""
    tensors = {}
    for name, module in model.named_modules():
        if isinstance(module, ConvNorm):
            tensors[f"{name}.weight"], tensors[f"{name}.bias"] = module.fold()
    tensors["head.weight"] = model.head.weight.detach()
    tensors["head.bias"] = model.head.bias.detach()
    return tensors


def run_folded(tensors: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The forward pass over folded tensors: the reference that Rust must match."""

    def conv(name, x, stride):
        weight = tensors[f"{name}.weight"].float()
        return F.conv2d(x, weight, tensors[f"{name}.bias"].float(), stride, weight.shape[-1] // 2)

    for i in range(len(STEM)):
        x = F.relu(conv(f"stem.{i}", x, 2))
    for s, (_, blocks, stride) in enumerate(STAGES):
        for b in range(blocks):
            name, step = f"stages.{s}.{b}", stride if b == 0 else 1
            kept = conv(f"{name}.shortcut", x, step) if f"{name}.shortcut.weight" in tensors else x
            y = conv(f"{name}.second", F.relu(conv(f"{name}.first", x, step)), 1)
            x = F.relu(kept + y)
    pooled = x.mean((2, 3))
    return F.linear(pooled, tensors["head.weight"].float(), tensors["head.bias"].float())
