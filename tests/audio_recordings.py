"""Recordings of tones, written by the standard library: a class a pitch."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PITCHES = {"low": 300.0, "high": 1500.0}
RATE = 8000
PATTERN = "{label}_{speaker}_{index}"
SPEAKERS = ("ann", "bob", "cem", "dia")


def tone(pitch: float, seconds: float = 0.4, rate: int = RATE, seed: int = 0) -> NDArray[np.float64]:
    """Samples between -1 and 1, with some noise."""
    noise = np.random.default_rng(seed).normal(0, 0.01, round(seconds * rate))
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(len(noise)) / rate) + noise


def write_wav(path: Path, samples: NDArray[np.float64], rate: int = RATE, num_bytes: int = 2) -> Path:
    """Samples [samples] or [samples, channels] in PCM of 8, 16, 24 or 32 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.rint(samples * (2 ** (8 * num_bytes - 1) - 1)).astype("<i8").ravel()
    if num_bytes == 1:
        values = values + 128
    content = values.view(np.uint8).reshape(-1, 8)[:, :num_bytes].tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(num_bytes)
        file.setframerate(rate)
        file.writeframes(content)
    return path


def write_tones(folder: Path, per_speaker: int = 5) -> list[Path]:
    """`low_ann_0.wav` and so on: as many of each class by each of four speakers."""
    names = [
        (label, speaker, index) for label in PITCHES for speaker in SPEAKERS for index in range(per_speaker)
    ]
    return [
        write_wav(folder / f"{label}_{speaker}_{index}.wav", tone(PITCHES[label], seed=number))
        for number, (label, speaker, index) in enumerate(names)
    ]
