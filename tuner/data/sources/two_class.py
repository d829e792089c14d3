"""Two overlapping Gaussian classes with a known best accuracy: shows how near a tuned model comes to it.

Class k is drawn from a unit Gaussian around +-separation/2 along one random direction u, so that no single
feature tells the classes apart. The best possible classifier is the sign of x.u, and its accuracy is
Phi(separation / 2): 0.95 at the default separation of 3.29 (R. O. Duda, P. E. Hart and D. G. Stork,
"Pattern Classification", 2nd edition, section 2.6, case 1).
"""

from __future__ import annotations

import math

import numpy as np

from tuner.data.table import FloatArray, Table, to_float32
from tuner.spec.sections import TwoClassSource

CLASS_NAMES = ("0", "1")


def bayes_accuracy(separation: float) -> float:
    """The accuracy of the best possible classifier, Phi(separation / 2)."""
    return 0.5 * (1.0 + math.erf(separation / 2.0 / math.sqrt(2.0)))


def bayes_predictions(source: TwoClassSource, features: FloatArray) -> np.ndarray:
    """The best possible classifier's class (0 or 1) for each raw row of `features` [rows, features]."""
    direction, _ = _draw_direction(source)
    return np.asarray(features @ direction > 0, dtype=np.int64)


def read(source: TwoClassSource) -> Table:
    """Draw `source.samples` rows, half of them of each class (class 1 gets the odd one)."""
    direction, generator = _draw_direction(source)
    targets = (np.arange(source.samples) >= source.samples // 2).astype(np.int64)
    noise = generator.standard_normal((source.samples, source.features))
    centres = (targets[:, None] - 0.5) * source.separation * direction
    names = tuple(f"x{index}" for index in range(source.features))
    return Table(to_float32(centres + noise), targets, names, CLASS_NAMES)


def _draw_direction(source: TwoClassSource) -> tuple[np.ndarray, np.random.Generator]:
    generator = np.random.Generator(np.random.Philox(source.seed))
    direction = generator.standard_normal(source.features)
    return direction / np.linalg.norm(direction), generator
