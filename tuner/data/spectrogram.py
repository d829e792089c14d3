"""Log-mel spectrograms: how much power a recording has in each band of pitch, frame by frame.

    LogMel(AudioSpec(sample_rate=16_000))(samples)     # float32 [mels, frames]

A frame is a window of the recording times a Hann window; its power spectrum, in which a sine of amplitude 1
has 1/4, is summed over bands that are triangles of height 1 on the mel scale (`tuner.spec.mel`). Frames begin
at the first sample, and none reaches beyond the last. The logarithm is natural, of the power plus 1e-8.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tuner.data.table import FloatArray, to_float32
from tuner.spec.mel import band_edges
from tuner.spec.sections import AudioSpec

_FLOOR = 1e-8
"""80 dB below a power of 1: what is more quiet is silence."""

Samples = NDArray[np.float64]


class LogMel:
    """The spectrogram of `spec`; holds nothing but constants, so threads may share it."""

    dtype = np.dtype(np.float32)

    def __init__(self, spec: AudioSpec) -> None:
        self._spec = spec
        angles = 2 * np.pi * np.arange(spec.window) / spec.window
        window = 0.5 - 0.5 * np.cos(angles)
        self._window = window / window.sum()
        self._bands = filters(spec)

    def __call__(self, samples: Samples) -> FloatArray:
        """[mels, frames] of samples at `spec.sample_rate`, cut or filled up with zeros to `max_seconds`."""
        spec = self._spec
        whole = np.zeros(spec.num_samples)
        whole[: len(samples)] = as_loud(samples[: spec.num_samples], spec)
        frames = sliding_window_view(whole, spec.window)[:: spec.hop]
        spectrum = np.fft.rfft(frames * self._window, spec.num_fft)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        return to_float32(np.log(power @ self._bands + _FLOOR).T)


def as_loud(samples: Samples, spec: AudioSpec) -> Samples:
    """As `spec.loudness` says."""
    peak = np.abs(samples).max(initial=0.0)
    return samples if spec.loudness == "keep" or peak == 0 else samples / peak


def filters(spec: AudioSpec) -> NDArray[np.float64]:
    """[frequencies, mels]: the weight of each frequency of the spectrum in each band."""
    low, centre, high = sliding_window_view(band_edges(spec.mels, spec.sample_rate), 3).T
    frequencies = np.arange(spec.num_fft // 2 + 1)[:, None] * (spec.sample_rate / spec.num_fft)
    rising, falling = (frequencies - low) / (centre - low), (high - frequencies) / (high - centre)
    weights: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    return weights
