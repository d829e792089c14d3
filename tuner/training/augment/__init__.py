"""Augmentation: training rows are changed at random when they are read, in this process and on their device.

    augmentation = Augmentation(spec.train.augment, seed=0, num_outputs=10, padding=None)
    x, y = augmentation(x, y, epoch=3, place=128)

What becomes of a row is a function of the seed, the epoch and the row's place in the epoch's order alone: it
does not depend on the number of ranks, on the micro-batch, or on where the training was interrupted, and no
state is saved. With mixup the partner of a row is the next one of the epoch's order, so a micro-batch comes
with one row more than it trains on (`num_following`).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tuner.data.tokens import PADDING
from tuner.spec.sections import AugmentSpec
from tuner.training.augment import images, tokens
from tuner.training.augment.draws import Places
from tuner.training.augment.mixing import mix
from tuner.training.augment.parameters import Parameters


@dataclass(frozen=True)
class Augmentation:
    """Of the training batches of one trial."""

    spec: AugmentSpec
    seed: int
    num_outputs: int
    """of the task: targets of so many classes become shares of each when they are mixed"""
    padding: int | None
    """the token that fills up short rows; None: every row is full, or is none of tokens"""
    blank: int = PADDING
    """the token that stands for a dropped one where every row is full"""
    moments: images.Moments | None = None
    """of each channel, that images are standardised with; None: they are not"""
    are_waves: bool = False
    """whether rows are recordings, with zeros behind their ends, which stay zeros"""

    @property
    def is_on(self) -> bool:
        return self.spec != AugmentSpec()

    @property
    def num_following(self) -> int:
        """Rows that a micro-batch must have beyond its own: the next ones of the epoch's order."""
        return 1 if self.spec.mixup else 0

    def __call__(self, x: Tensor, y: Tensor, *, epoch: int, place: int) -> tuple[Tensor, Tensor]:
        """New rows and targets, without the following ones.

        Args:
            x: float32 [rows, ...] or int64 tokens [rows, length], as the task's `batch` gives them.
            y: their targets; as float shares [rows, num_outputs] of classes after mixup.
            place: of the first row in the order of `epoch`; the others follow it.
        """
        places = Places(self.seed, epoch, place, len(x))
        if not x.is_floating_point():
            return tokens.drop(x, self.spec.token_dropout, places, self.padding, self.blank), y
        parameters = Parameters.draw(self.spec, places)
        if x.ndim == 4:
            x = images.change(x, parameters, self.moments)
        if self.spec.noise:
            noise = self.spec.noise * places.normal(x)
            x = x + (noise * (x != 0) if self.are_waves else noise)
        if x.ndim == 4:
            x = images.mask(x, parameters)
        return mix(x, y, parameters.share, self.num_outputs) if self.spec.mixup else (x, y)
