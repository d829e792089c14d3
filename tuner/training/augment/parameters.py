"""How each row is changed, as numbers: drawn all at once, whatever is switched on.

Each number has its own column of the draw, so that switching something on changes nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.spec.sections import AugmentSpec
from tuner.training.augment.draws import PARAMETERS, WINDOWS, Places

Numbers = NDArray[np.float32]
_COLUMNS = 16


@dataclass(frozen=True)
class Parameters:
    """[rows] each."""

    warps: bool
    """Whether there is a rotation, a scale, a translation or a crop at all."""
    angle: Numbers
    """Radians, counterclockwise."""
    scale: Numbers
    """Times as large."""
    down: Numbers
    """Share of the height that the image is moved by."""
    right: Numbers
    window: Window
    flips: NDArray[np.bool_]
    contrast: Numbers | None
    """Factor."""
    brightness: Numbers | None
    """Summand."""
    recolours: bool
    """Whether there is a saturation or a hue at all."""
    saturation: Numbers
    """Factor."""
    hue: Numbers
    """Radians, from red to green."""
    masks: tuple[Mask, ...]
    share: Numbers
    """Of a row's own values in a mixture; the next row has the rest."""

    @classmethod
    def draw(cls, spec: AugmentSpec, places: Places) -> Parameters:
        columns = places.uniform(PARAMETERS, _COLUMNS).T
        either_way = 2 * columns - 1
        return cls(
            warps=bool(spec.rotate or spec.scale or spec.translate or spec.crop),
            angle=np.radians(spec.rotate * either_way[0]),
            scale=1 + spec.scale * either_way[1],
            down=spec.translate * either_way[2],
            right=spec.translate * either_way[3],
            window=_window(spec.crop, places),
            flips=columns[4] < spec.flip,
            contrast=1 + spec.contrast * either_way[5] if spec.contrast else None,
            brightness=spec.brightness * either_way[6] if spec.brightness else None,
            recolours=bool(spec.saturation or spec.hue),
            saturation=1 + spec.saturation * either_way[14],
            hue=np.radians(spec.hue * either_way[15]),
            masks=_masks(spec, columns),
            share=_shares(spec.mixup, columns[13]),
        )


@dataclass(frozen=True)
class Window:
    """The part of an image that is shown; shares of its height and width."""

    height: Numbers
    width: Numbers
    down: Numbers
    """From the image's centre to the window's."""
    right: Numbers


@dataclass(frozen=True)
class Mask:
    """A rectangle that becomes 0; shares of the image's height and width, and of the room that it leaves."""

    height: Numbers
    width: Numbers
    top: Numbers
    left: Numbers


def _window(crop: float, places: Places) -> Window:
    columns = places.uniform(WINDOWS, 4).T
    cut_height, cut_width = crop * columns[0], crop * columns[1]
    down, right = cut_height * (columns[2] - 0.5), cut_width * (columns[3] - 0.5)
    return Window(1 - cut_height, 1 - cut_width, down, right)


def _masks(spec: AugmentSpec, columns: Numbers) -> tuple[Mask, ...]:
    whole, start = np.ones_like(columns[0]), np.zeros_like(columns[0])
    masks = []
    if spec.cutout:
        masks.append(Mask(spec.cutout * whole, spec.cutout * whole, columns[7], columns[8]))
    if spec.time_mask:
        masks.append(Mask(whole, spec.time_mask * columns[9], start, columns[10]))
    if spec.frequency_mask:
        masks.append(Mask(spec.frequency_mask * columns[11], whole, columns[12], start))
    return tuple(masks)


def _shares(alpha: float, uniform: Numbers) -> Numbers:
    """From Beta(alpha, alpha)."""
    if not alpha:
        return np.ones_like(uniform)
    from scipy.special import betaincinv  # here: only mixup needs it

    return betaincinv(alpha, alpha, uniform.astype(np.float64)).astype(np.float32)  # type: ignore[no-any-return]
