"""Images [rows, channels, height, width]: cropped, moved, mirrored, recoloured, masked; a row by its numbers.

Nothing is added up over rows or pixels, so a row comes out the same to the last bit in any batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tuner.data.table import AnyArray
from tuner.training.augment.parameters import Mask, Parameters

Moments = tuple[Sequence[float], Sequence[float]]
"""Mean and standard deviation of each channel."""


def change(x: Tensor, parameters: Parameters, moments: Moments | None) -> Tensor:
    """Geometry first, then colour.

    Args:
        moments: that the images are standardised with; None: they are not.
    """
    if parameters.warps:
        x = warp(x, parameters)
    if parameters.flips.any():
        x = torch.where(_per_row(parameters.flips, x), x.flip(3), x)
    if parameters.recolours:
        x = recolour(x, parameters, moments)
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
    """Cropped, rotated about the centre, scaled and moved, bilinearly; beyond its edge an image goes on as it
    ends."""
    height, width = x.shape[2:]
    right, down = _centred(width, x.device)[None, None, :], _centred(height, x.device)[None, :, None]
    right = right - _plane(parameters.right * np.float32(width), x)
    down = down - _plane(parameters.down * np.float32(height), x)
    cos = _plane(np.cos(parameters.angle) / parameters.scale, x)
    sin = _plane(np.sin(parameters.angle) / parameters.scale, x)
    window = parameters.window
    source_right = _in_window(cos * right - sin * down, window.width, window.right, width)
    source_down = _in_window(sin * right + cos * down, window.height, window.down, height)
    grid = torch.stack([source_right * (2 / width), source_down * (2 / height)], dim=3)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _in_window(places: Tensor, share: AnyArray, centre: AnyArray, size: int) -> Tensor:
    """Where in the image the pixels of its window are, which is shown as large as the image."""
    return places * _plane(share, places) + _plane(centre * np.float32(size), places)


def recolour(x: Tensor, parameters: Parameters, moments: Moments | None) -> Tensor:
    """Red, green and blue turned about the axis of grey, and moved to it or from it; their mean stays.

    So it is in the unit of the pixels, in which alone equal channels are grey. x: [rows, 3, height, width].
    """
    red, green, blue = _pixels(x, moments).unbind(1)
    grey = (red + green + blue) / 3
    along = _plane(parameters.saturation * np.cos(parameters.hue), x)
    across = _plane(parameters.saturation * np.sin(parameters.hue) / np.sqrt(3), x)
    pixels = [
        grey + along * (own - grey) + across * (before - after)
        for own, before, after in ((red, blue, green), (green, red, blue), (blue, green, red))
    ]
    return _standardised(torch.stack(pixels, dim=1), moments)


def _pixels(x: Tensor, moments: Moments | None) -> Tensor:
    if moments is None:
        return x
    mean, std = (_per_channel(values, x) for values in moments)
    return x * std + mean


def _standardised(pixels: Tensor, moments: Moments | None) -> Tensor:
    if moments is None:
        return pixels
    mean, std = (_per_channel(values, pixels) for values in moments)
    return (pixels - mean) / std


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


def _per_channel(values: Sequence[float], x: Tensor) -> Tensor:
    """[1, channels, 1, 1]"""
    return torch.tensor(values, dtype=torch.float32, device=x.device)[None, :, None, None]


def _per_row(values: AnyArray, x: Tensor) -> Tensor:
    """[rows, 1, 1, 1]"""
    return torch.from_numpy(values).to(x.device)[:, None, None, None]
