"""Spectrograms against scipy's short-time transform and bands that are drawn point by point."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from audio_recordings import tone
from scipy import signal

from tuner.data.spectrogram import LogMel, filters
from tuner.spec.mel import band_edges
from tuner.spec.sections import AudioSpec

SPECS = [
    AudioSpec(loudness="keep"),
    AudioSpec(sample_rate=8000, mels=40, window_ms=32, hop_ms=10),
    AudioSpec(sample_rate=22_050, mels=80, window_ms=46.44, hop_ms=11.6, max_seconds=0.7),
]
every_spec = pytest.mark.parametrize("spec", SPECS, ids=str)


def textbook_filters(spec: AudioSpec) -> np.ndarray:
    """HTK's: corners at equal distances in mel, drawn as triangles by interpolation."""
    top = 2595 * np.log10(1 + spec.sample_rate / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, spec.mels + 2) / 2595) - 1)
    frequencies = np.fft.rfftfreq(spec.num_fft, 1 / spec.sample_rate)
    return np.stack([np.interp(frequencies, corners[i : i + 3], [0, 1, 0]) for i in range(spec.mels)], axis=1)


@every_spec
def test_it_is_that_of_scipy(spec: AudioSpec) -> None:
    samples = tone(700, seconds=spec.max_seconds, rate=spec.sample_rate)
    found = LogMel(spec)(samples)

    _, _, spectrum = signal.stft(
        samples,
        window=signal.get_window("hann", spec.window),
        nperseg=spec.window,
        noverlap=spec.window - spec.hop,
        nfft=spec.num_fft,
        boundary=None,
        padded=False,
        scaling="spectrum",
    )
    peak = np.abs(samples).max() if spec.loudness == "peak" else 1.0
    expected = np.log(textbook_filters(spec).T @ np.abs(spectrum / peak) ** 2 + 1e-8)
    assert found.dtype == np.float32
    assert found.shape == (spec.mels, spec.num_frames)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@every_spec
def test_bands_add_up_and_none_is_empty(spec: AudioSpec) -> None:
    weights = filters(spec)
    edges = band_edges(spec.mels, spec.sample_rate)
    frequencies = np.fft.rfftfreq(spec.num_fft, 1 / spec.sample_rate)
    inside = (frequencies >= edges[1]) & (frequencies <= edges[-2])
    np.testing.assert_allclose(weights[inside].sum(axis=1), 1)
    assert (weights.max(axis=0) > 0).all()


def test_mel_as_the_book_has_it() -> None:
    """1,000 Hz are 1,000 mel."""
    edges = band_edges(1, 2 * 1000)
    assert edges[0] == 0
    assert edges[2] == pytest.approx(1000)
    assert edges[1] == pytest.approx(700 * (10 ** (500 / 2595) - 1), rel=1e-4)


def test_a_tone_sounds_in_its_band() -> None:
    spec = SPECS[1]
    loudest = LogMel(spec)(tone(1000)).mean(axis=1).argmax()
    edges = band_edges(spec.mels, spec.sample_rate)
    assert edges[loudest] < 1000 < edges[loudest + 2]


def test_how_loud_it_was_recorded_does_not_matter() -> None:
    levelled, kept = LogMel(SPECS[1]), LogMel(SPECS[1].model_copy(update={"loudness": "keep"}))
    np.testing.assert_allclose(levelled(tone(700) / 50), levelled(tone(700)), rtol=1e-5)
    assert (kept(tone(700) / 50) < kept(tone(700)) - 1).any()
    assert (levelled(np.zeros(100)) == np.float32(np.log(1e-8))).all()


def test_short_ones_go_on_in_silence_and_long_ones_are_cut() -> None:
    log_mel = LogMel(SPECS[1])
    short, long = log_mel(tone(700, seconds=0.3)), log_mel(tone(700, seconds=3.0))
    assert short.shape == long.shape
    assert (short[:, -10:] == np.float32(np.log(1e-8))).all()
    np.testing.assert_array_equal(long, log_mel(tone(700, seconds=3.0)[:8000]))


@pytest.mark.parametrize(
    ("fields", "frames"),
    [({"hop_ms": 10.0}, 98), ({"hop_ms": 25.0}, 40), ({"max_seconds": 0.025}, 1), ({"window_ms": 1000.0}, 1)],
)
def test_frames_end_with_the_recording(fields: dict[str, Any], frames: int) -> None:
    spec = AudioSpec(**fields)
    assert (spec.num_frames, LogMel(spec)(tone(700)).shape) == (frames, (64, frames))
