"""WAV files, of whole numbers with 8 to 64 bits or of floats, as one channel of samples between -1 and 1.

Scipy is imported where it is used: that is more than half of the room's import time (2.0 of 3.6 s on two busy
cores), and no rank needs it.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.sources.files import reason
from tuner.data.spectrogram import Samples
from tuner.errors import DataError

_RATES = (100, 768_000)
_LARGEST = 1e6
"""Of floats, whose loudest is meant to be 1: the square fits into a float32."""
_UNKNOWN_SIZE = 0xFFFFFFFF
"""What programs write that do not know yet how long the recording will be."""


class RecordingError(DataError):
    """A file that cannot be used; `reason` is what it is counted under where it is dropped."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{message}; correct it")
        self.reason, self.message = reason, message


def read_wav(path: Path, sample_rate: int, max_seconds: float) -> Samples:
    """The first `max_seconds` of `path` at `sample_rate`, channels averaged; RecordingError."""
    try:
        rate, values = _decoded(path)
    except OSError as error:
        raise _unreadable(path, error.strerror or reason(error)) from error
    samples = _as_floats(values[: math.ceil(max_seconds * rate)])
    if samples.ndim == 2:
        samples = samples.mean(axis=1)
    if not (np.abs(samples) < _LARGEST).all():  # nor is NaN
        raise RecordingError("value_invalid", f"samples must be below {_LARGEST:g}, but {path} has others")
    return samples if rate == sample_rate else _resampled(samples, rate, sample_rate)


def ignore_unknown_chunks() -> None:
    """Titles and the like are no fault; for the whole process, so this is no thread's to call."""
    from scipy.io import wavfile

    warnings.simplefilter("ignore", wavfile.WavFileWarning)


def _resampled(samples: Samples, rate: int, sample_rate: int) -> Samples:
    from scipy.signal import resample_poly

    divisor = math.gcd(rate, sample_rate)
    resampled: Samples = resample_poly(samples, sample_rate // divisor, rate // divisor)
    return resampled


def _decoded(path: Path) -> tuple[int, NDArray[Any]]:
    from scipy.io import wavfile

    if path.stat().st_size == 0:
        raise RecordingError("file_empty", f"a recording must have samples, but the file {path} is empty")
    _check_size(path)
    try:
        rate, values = wavfile.read(path)
    except Exception as error:
        # What scipy raises for a damaged file depends on the place of the damage.
        raise _unreadable(path, reason(error)) from error
    if len(values) == 0:
        raise RecordingError("recording_empty", f"a recording must have samples, but {path} has none")
    low, high = _RATES
    if not low <= rate <= high:
        raise _unreadable(path, f"it has {rate} samples a second, beyond {low} to {high}")
    return rate, values


def _check_size(path: Path) -> None:
    """Scipy takes what is there for all; the byte that makes a file even may be missing."""
    with path.open("rb") as file:
        header = file.read(8)
    size = int.from_bytes(header[4:], "big" if header[:4] == b"RIFX" else "little")
    if header[:3] == b"RIF" and size != _UNKNOWN_SIZE and path.stat().st_size < size + 7:
        raise _unreadable(path, "it ends before its samples do")


def _as_floats(values: NDArray[Any]) -> Samples:
    """24 bits come as the upper ones of 32; 8 bits have their silence at 128."""
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    if values.dtype == np.uint8:
        return (values.astype(np.float64) - 128) / 128
    return values.astype(np.float64) / 2.0 ** (8 * values.dtype.itemsize - 1)


def _unreadable(path: Path, found: str) -> RecordingError:
    return RecordingError("file_unreadable", f"a recording must be a WAV file, but {path} is not: {found}")
