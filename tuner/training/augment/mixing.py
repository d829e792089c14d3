"""Mixup (Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018): each row with the next one."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Numbers = NDArray[np.float32]


def mix(x: Tensor, y: Tensor, share: Numbers, num_classes: int) -> tuple[Tensor, Tensor]:
    """`share` [rows] of each row but the last, the rest of the next; class indices become shares of classes.

    Returns:
        One row less than `x` [rows, ...] and `y` [rows] have.
    """
    targets = y if y.is_floating_point() else functional.one_hot(y, num_classes).float()
    own = torch.from_numpy(share[:-1]).to(x.device)
    return _mixed(x, own), _mixed(targets, own)


def _mixed(values: Tensor, own: Tensor) -> Tensor:
    weight = own.reshape(-1, *[1] * (values.ndim - 1))
    return weight * values[:-1] + (1 - weight) * values[1:]
