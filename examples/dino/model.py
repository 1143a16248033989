"""A small vision transformer with DINO's head. Crops of any size that patches tile go through the same weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812, the name that PyTorch's users know


class Block(nn.Module):
    """Attention and an MLP, each after a norm and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        batch, length, width = tokens.shape
        qkv = self.qkv(self.norm_1(tokens)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(*qkv.unbind(0))
        tokens = tokens + self.project(attended.transpose(1, 2).reshape(batch, length, width))
        return tokens + self.mlp(self.norm_2(tokens))


class VisionTransformer(nn.Module):
    """[B, 3, H, W] to [B, width]: the class token after the last block."""

    def __init__(self, width: int = 96, depth: int = 3, heads: int = 3, patch_size: int = 8) -> None:
        super().__init__()
        self.width = width
        self.patches = nn.Conv2d(3, width, patch_size, patch_size)
        self.class_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def forward(self, images: Tensor) -> Tensor:
        grid = self.patches(images)
        tokens = grid.flatten(2).transpose(1, 2) + positions(grid.shape[2], grid.shape[3], self.width)
        tokens = torch.cat([self.class_token.expand(len(images), -1, -1), tokens], dim=1)
        return self.norm(self.blocks(tokens))[:, 0]


def positions(rows: int, columns: int, width: int) -> Tensor:
    """Sines and cosines of where a patch lies in its crop, [rows * columns, width]: half of the width for each axis.
    They are not learnt, so no size of crop needs an interpolation."""
    frequencies = math.pi * 2.0 ** torch.linspace(0, 5, width // 4)

    def axis(count: int) -> Tensor:
        angles = (torch.arange(count) + 0.5)[:, None] / count * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    down = axis(rows)[:, None].expand(rows, columns, -1)
    across = axis(columns)[None].expand(rows, columns, -1)
    return torch.cat([down, across], dim=2).reshape(rows * columns, width)


class Head(nn.Module):
    """Three layers, a normalised bottleneck, and prototypes of length one: cosines, [B, prototypes]."""

    def __init__(self, width: int, prototypes: int, hidden: int = 192, bottleneck: int = 64) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        self.prototypes = nn.Parameter(torch.randn(prototypes, bottleneck))

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(F.normalize(self.mlp(features)), F.normalize(self.prototypes))


class Network(nn.Module):
    """A list of crops to [crops * B, prototypes], crop by crop; neighbours of one size go through as one batch."""

    def __init__(self, prototypes: int) -> None:
        super().__init__()
        self.backbone = VisionTransformer()
        self.head = Head(self.backbone.width, prototypes)

    def forward(self, crops: list[Tensor]) -> Tensor:
        groups: list[list[Tensor]] = []
        for crop in crops:
            if groups and groups[-1][0].shape == crop.shape:
                groups[-1].append(crop)
            else:
                groups.append([crop])
        return self.head(torch.cat([self.backbone(torch.cat(group)) for group in groups]))
