"""Recordings as waves: samples of 16 bits, [rows, samples], cut or filled up with zeros to one length.

The last sample of a recording is never 0 (a 0 there is stored as 1, which nobody hears), so that the zeros
behind it can be told from it. 16 bits are what most recordings have: they come back as they were, in half the
disk of float32; float16 would keep 11 bits of the loud samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.data.converted import Converted
from tuner.data.spectrogram import Samples, as_loud
from tuner.data.table import AnyArray, FloatArray
from tuner.spec.sections import AudioSpec

Wave = NDArray[np.int16]
_FULL = 32768
"""A sample of 1; the largest that is stored is one less."""


@dataclass(frozen=True)
class Waves(Converted):
    """Waves as samples from -1 to 1."""

    def to_rows(self, stored: AnyArray) -> FloatArray:
        return to_rows(stored)


class ToWave:
    """The wave of `spec`; threads may share it."""

    dtype = np.dtype(np.int16)

    def __init__(self, spec: AudioSpec) -> None:
        self._spec = spec

    def __call__(self, samples: Samples) -> Wave:
        """[num_samples] of samples at `spec.sample_rate`, at least one; louder ones than 1 become 1."""
        loud = as_loud(samples[: self._spec.num_samples], self._spec)
        wave = np.zeros(self._spec.num_samples, dtype=np.int16)
        wave[: len(loud)] = np.clip(np.rint(loud * _FULL), -_FULL, _FULL - 1)
        wave[len(loud) - 1] = wave[len(loud) - 1] or 1
        return wave


def to_rows(waves: AnyArray) -> FloatArray:
    return np.asarray(waves.astype(np.float32) / np.float32(_FULL))


def without_end(wave: AnyArray) -> AnyArray:
    """The recording alone, of one row as it is stored or as the model reads it."""
    return wave[: int(np.flatnonzero(wave)[-1]) + 1]
