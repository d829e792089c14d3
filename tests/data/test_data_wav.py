"""WAV files of every kind give the samples that were written; a broken one is named."""

from __future__ import annotations

import wave
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from audio_recordings import RATE, tone, write_wav
from damage import damaged
from scipy.io import wavfile

from tuner.data.wav import RecordingError, read_wav


@pytest.mark.parametrize("num_bytes", [1, 2, 3, 4])
def test_whole_numbers(tmp_path: Path, num_bytes: int) -> None:
    samples = tone(440)
    path = write_wav(tmp_path / "a.wav", samples, num_bytes=num_bytes)
    assert np.abs(read_wav(path, RATE, 1.0) - samples).max() < 2.0 ** (2 - 8 * num_bytes)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats(tmp_path: Path, dtype: type) -> None:
    samples = tone(440).astype(dtype)
    wavfile.write(tmp_path / "a.wav", RATE, samples)
    np.testing.assert_array_equal(read_wav(tmp_path / "a.wav", RATE, 1.0), samples)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = tone(440), tone(880)
    path = write_wav(tmp_path / "a.wav", np.stack([left, right], axis=1))
    np.testing.assert_allclose(read_wav(path, RATE, 1.0), (left + right) / 2, atol=1e-4)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100])
def test_another_rate_is_the_same_sound(tmp_path: Path, rate: int) -> None:
    write_wav(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate), rate)
    samples = read_wav(tmp_path / "a.wav", RATE, 1.0)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    assert len(samples) == pytest.approx(RATE, abs=1)
    np.testing.assert_allclose(samples[100:7900], expected[100:7900], atol=5e-3)


def test_a_lower_rate_has_no_aliases(tmp_path: Path) -> None:
    """3 kHz above the half of the new rate would sound as 1 kHz."""
    write_wav(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 7000 * np.arange(44100) / 44100), 44100)
    assert np.abs(read_wav(tmp_path / "a.wav", RATE, 1.0)[100:-100]).max() < 0.01


def test_only_the_beginning_is_resampled(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", tone(440, seconds=2.0, rate=16000), 16000)
    assert len(read_wav(path, RATE, 0.5)) == RATE // 2


def test_other_chunks_are_passed_over(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", tone(440))
    content = path.read_bytes()
    chunk = b"bext" + (4).to_bytes(4, "little") + b"note"
    size = (len(content) + len(chunk) - 8).to_bytes(4, "little")
    other = tmp_path / "b.wav"
    other.write_bytes(content[:4] + size + content[8:36] + chunk + content[36:])
    with pytest.warns(wavfile.WavFileWarning):
        np.testing.assert_array_equal(read_wav(other, RATE, 1.0), read_wav(path, RATE, 1.0))


@pytest.mark.filterwarnings("ignore::scipy.io.wavfile.WavFileWarning")
def test_a_stream_does_not_know_its_length(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", tone(440))
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff\xff\xff\xff" + content[8:])
    assert len(read_wav(path, RATE, 1.0)) == len(tone(440))


def without_samples(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))


def with_nan(path: Path) -> None:
    wavfile.write(path, RATE, np.array([0.0, np.nan], dtype=np.float32))


def too_loud(path: Path) -> None:
    wavfile.write(path, RATE, np.array([0.0, 1e200]))


def a_broken_link(path: Path) -> None:
    path.symlink_to("nowhere")


def cut_off(path: Path) -> None:
    write_wav(path, tone(440))
    path.write_bytes(path.read_bytes()[:-100])


def at_a_mad_rate(path: Path) -> None:
    write_wav(path, tone(440), 4_000_000)


BROKEN = [
    (
        Path.touch,
        "file_empty",
        r"a recording must have samples, but the file .*a.wav is empty; correct it",
    ),
    (
        lambda path: path.write_text("no sound"),
        "file_unreadable",
        r"must be a WAV file, but .*a.wav is not: ",
    ),
    (cut_off, "file_unreadable", r"must be a WAV file, but .*a.wav is not: it ends before its samples do; "),
    (at_a_mad_rate, "file_unreadable", r"it has 4000000 samples a second, beyond 100 to 768000"),
    (
        without_samples,
        "recording_empty",
        r"a recording must have samples, but .*a.wav has none; correct it",
    ),
    (a_broken_link, "file_unreadable", r"must be a WAV file, but .*a.wav is not: No such file or directory"),
    (
        too_loud,
        "value_invalid",
        r"samples must be below 1e\+06, but .*a.wav has others; correct it",
    ),
    (
        with_nan,
        "value_invalid",
        r"samples must be below 1e\+06, but .*a.wav has others; correct it",
    ),
]


@pytest.mark.parametrize(("write", "reason", "match"), BROKEN)
def test_broken_files(tmp_path: Path, write, reason: str, match: str) -> None:
    path = tmp_path / "a.wav"
    write(path)
    with pytest.raises(RecordingError, match=match) as caught:
        read_wav(path, RATE, 1.0)
    assert caught.value.reason == reason


@pytest.mark.filterwarnings("ignore::scipy.io.wavfile.WavFileWarning")
def test_damaged_files(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", tone(440, seconds=0.01))
    content = path.read_bytes()
    for other in damaged(content, count=60):
        path.write_bytes(other)
        with suppress(RecordingError):
            assert np.isfinite(read_wav(path, RATE, 1.0)).all()
