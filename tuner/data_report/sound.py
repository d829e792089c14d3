"""Recordings made audible from their log-mel spectrograms, as the model hears them, and waves made visible.

The power of each frequency is what the bands that it is in have, and the phases are found by the algorithm of
D. Griffin and J. Lim, "Signal estimation from modified short-time Fourier transform", 1984. What the bands
have lost (exact pitch, silence below 80 dB) stays lost. A second at 16 kHz takes some 50 ms.
"""

from __future__ import annotations

import io
import wave

import numpy as np
from numpy.typing import NDArray

from tuner.data.spectrogram import LogMel, Samples, filters
from tuner.data.table import AnyArray
from tuner.spec.mel import empty_band
from tuner.spec.sections import AudioSpec

ROUNDS = 30
MOST_MELS = 64
_LOUDEST = 0.9


def spectrograms_of(waves: AnyArray, spec: AudioSpec) -> AnyArray:
    """[..., 1, mels, frames] of waves [..., samples]; fewer bands where one would have no frequency."""
    mels = next(n for n in range(MOST_MELS, 0, -1) if empty_band(n, spec.sample_rate, spec.num_fft) is None)
    log_mel = LogMel(spec.model_copy(update={"features": "mel", "mels": mels, "loudness": "keep"}))
    return np.apply_along_axis(lambda wave: log_mel(wave)[None], -1, waves)


def wav_of(log_mel: AnyArray, spec: AudioSpec) -> bytes:
    """16-bit WAV of a spectrogram [mels, frames]."""
    return wav_of_samples(samples_of(log_mel, spec), spec.sample_rate)


def wav_of_samples(samples: AnyArray, sample_rate: int) -> bytes:
    """The same of samples of any loudness."""
    peak = float(np.abs(samples).max(initial=0.0))
    scaled = samples * (_LOUDEST * 32767 / peak) if peak > 0 else samples
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.rint(scaled).astype("<i2").tobytes())
    return content.getvalue()


def samples_of(log_mel: AnyArray, spec: AudioSpec) -> Samples:
    """[num_samples] of any loudness."""
    magnitude = np.sqrt(_power(log_mel, spec)) * spec.window
    window = np.hanning(spec.window + 1)[:-1]
    turns = np.random.default_rng(0).uniform(0, 2 * np.pi, magnitude.shape)
    phases = np.exp(1j * turns)
    for _ in range(ROUNDS):
        samples = _overlapped(magnitude * phases, window, spec)
        spectrum = np.fft.rfft(_frames(samples, spec) * window, spec.num_fft)
        phases = spectrum / np.maximum(np.abs(spectrum), 1e-12)
    return _overlapped(magnitude * phases, window, spec)


def _power(log_mel: AnyArray, spec: AudioSpec) -> NDArray[np.float64]:
    """[frames, frequencies]: each has the mean of its bands' powers, as they weigh it."""
    weights = filters(spec)
    of_bands = np.exp(log_mel.T.astype(np.float64)) / weights.sum(axis=0)
    share = weights.sum(axis=1)
    return np.asarray(of_bands @ weights.T / np.maximum(share, 1e-12))


def _frames(samples: Samples, spec: AudioSpec) -> NDArray[np.float64]:
    return np.lib.stride_tricks.sliding_window_view(samples, spec.window)[:: spec.hop]


def _overlapped(spectrum: NDArray[np.complex128], window: Samples, spec: AudioSpec) -> Samples:
    """The samples whose frames have the spectrum most nearly: the frames, weighed by the window, added up."""
    parts = np.fft.irfft(spectrum, spec.num_fft)[:, : spec.window] * window
    samples, weight = np.zeros(spec.num_samples), np.zeros(spec.num_samples)
    for place, part in enumerate(parts):
        begin = place * spec.hop
        samples[begin : begin + spec.window] += part
        weight[begin : begin + spec.window] += window**2
    return samples / np.maximum(weight, 1e-3)
