"""Images [rows, channels, height, width]: moved, mirrored, recoloured, masked; a row by its own numbers.

Nothing is added up over rows or pixels, so a row comes out the same to the last bit in any batch.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tuner.data.table import AnyArray
from tuner.training.augment.parameters import Mask, Parameters


def change(x: Tensor, parameters: Parameters) -> Tensor:
    """Geometry first, then colour."""
    if parameters.warps:
        x = warp(x, parameters)
    if parameters.flips.any():
        x = torch.where(_per_row(parameters.flips, x), x.flip(3), x)
    if parameters.contrast is not None:
        x = x * _per_row(parameters.contrast, x)
    if parameters.brightness is not None:
        x = x + _per_row(parameters.brightness, x)
    return x


def mask(x: Tensor, parameters: Parameters) -> Tensor:
    for each in parameters.masks:
        x = x.masked_fill(_inside(each, x), 0)
    return x


def warp(x: Tensor, parameters: Parameters) -> Tensor:
    """Rotated about the centre, scaled and moved, bilinearly; beyond its edge an image goes on as it ends."""
    height, width = x.shape[2:]
    right, down = _centred(width, x.device)[None, None, :], _centred(height, x.device)[None, :, None]
    right = right - _plane(parameters.right * np.float32(width), x)
    down = down - _plane(parameters.down * np.float32(height), x)
    cos = _plane(np.cos(parameters.angle) / parameters.scale, x)
    sin = _plane(np.sin(parameters.angle) / parameters.scale, x)
    source_right = cos * right - sin * down
    source_down = sin * right + cos * down
    grid = torch.stack([source_right * (2 / width), source_down * (2 / height)], dim=3)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _centred(size: int, device: torch.device) -> Tensor:
    """Where the pixels are, in pixels from the centre."""
    return torch.arange(size, dtype=torch.float32, device=device) - (size - 1) / 2


def _inside(mask: Mask, x: Tensor) -> Tensor:
    """[rows, 1, height, width]"""
    rows = _span(mask.height, mask.top, x.shape[2], x.device)
    columns = _span(mask.width, mask.left, x.shape[3], x.device)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def _span(share: NDArray[np.float32], place: NDArray[np.float32], size: int, device: torch.device) -> Tensor:
    """[rows, size]: round(share * size) pixels, all inside the image."""
    length = np.rint(share * size)
    start = np.minimum(np.floor(place * (size - length + 1)), size - length)
    pixels = np.arange(size)
    inside = (pixels >= start[:, None]) & (pixels < (start + length)[:, None])
    return torch.from_numpy(inside).to(device)


def _plane(values: AnyArray, x: Tensor) -> Tensor:
    """[rows, 1, 1]"""
    return torch.from_numpy(values.astype(np.float32)).to(x.device)[:, None, None]


def _per_row(values: AnyArray, x: Tensor) -> Tensor:
    """[rows, 1, 1, 1]"""
    return torch.from_numpy(values).to(x.device)[:, None, None, None]
