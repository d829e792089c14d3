"""Recordings as waves: what is stored of them, how they come back, and where each ends."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio_recordings import PATTERN, RATE, tone, write_tones, write_wav

from tuner.data import Manifest, Store, fingerprint, prepare, preprocess, read_inputs
from tuner.data.spectrogram import Samples
from tuner.data.wav import read_wav
from tuner.data.waves import ToWave, Waves, to_rows, without_end
from tuner.spec.sections import AudioSpec, DataSpec

TASK = "audio_classification"
AUDIO = {"features": "waves", "sample_rate": RATE, "max_seconds": 0.5, "loudness": "keep"}
Prepared = Callable[..., Store]


@pytest.fixture
def store_of(prepared: Any, tmp_path: Path) -> Prepared:
    def call(audio: Any = None, **fields: Any) -> Store:
        source = {"type": "audio", "path": str(tmp_path / "tones"), "pattern": PATTERN}
        return prepared(source, TASK, audio=AUDIO | (audio or {}), **fields)

    write_tones(tmp_path / "tones")
    return call


def stored(samples: Samples, **fields: Any) -> np.ndarray:
    return ToWave(AudioSpec(**(AUDIO | fields)))(samples)


def all_rows(store: Store) -> np.ndarray:
    return np.concatenate([store.split(name).features[0:size] for name, size in store.manifest.sizes.items()])


def test_recordings_of_16_bits_come_back_as_they_were(store_of: Prepared, tmp_path: Path) -> None:
    found = {without_end(row).tobytes() for row in all_rows(store_of())}
    expected = set()
    for path in (tmp_path / "tones").iterdir():
        with wave.open(str(path)) as file:
            values = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32)
        expected.add((values / 32768).tobytes())
    assert len(expected) == 40
    assert found == expected


def test_a_store_of_waves(store_of: Prepared) -> None:
    store = store_of()
    manifest, features = store.manifest, store.split("train").features
    assert manifest.input_shape == (4000,)
    assert manifest.are_waves
    assert (manifest.mean, manifest.std) == (None, None)
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert isinstance(features, Waves)
    assert (features.stored.dtype, features.dtype, features[2:4].dtype) == (np.int16, np.float32, np.float32)
    rows = np.array([4, 0, 7])
    np.testing.assert_array_equal(features.take(rows, axis=0), features[0:8][rows])
    assert features[0:8].flags.writeable


def test_what_is_loud_long_short_or_silent() -> None:
    long, short = tone(440, seconds=0.7), tone(440, seconds=0.2)
    np.testing.assert_allclose(to_rows(stored(long)), long[:4000], atol=2e-5)
    np.testing.assert_allclose(to_rows(stored(short))[: len(short)], short, atol=2e-5)
    assert not stored(short)[len(short) :].any()
    loudest = np.abs(to_rows(stored(short, loudness="peak"))).max()
    assert loudest == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(to_rows(stored(np.array([3.0, -2.0, 0.5]))[:3]), [1, -1, 0.5], atol=1e-4)
    assert stored(np.zeros(7))[:9].tolist() == [0] * 6 + [1, 0, 0]


@pytest.mark.parametrize("end", [0.0, 1e-6, -1e-6, 0.3])
@pytest.mark.parametrize("length", [1, 2, 3999, 4000])
def test_the_last_sample_tells_the_end(length: int, end: float) -> None:
    samples = np.zeros(length)
    samples[0], samples[-1] = 0.5, end
    for dtype in (np.float32, np.float16):  # of which bfloat16 has the exponents
        row = to_rows(stored(samples)).astype(dtype)
        assert len(without_end(row)) == len(without_end(stored(samples))) == length
        np.testing.assert_allclose(row[: length - 1], samples[:-1], atol=2e-5)


def test_new_recordings_are_prepared_as_in_training(store_of: Prepared, tmp_path: Path) -> None:
    store = store_of()
    rows = preprocess(read_inputs(tmp_path / "tones", store.manifest), store.manifest)
    assert rows.dtype == np.float32
    assert sorted(row.tobytes() for row in rows) == sorted(row.tobytes() for row in all_rows(store))
    samples = tone(440, seconds=0.4, rate=44_100)
    path = write_wav(tmp_path / "new.wav", samples, 44_100)
    (row,) = preprocess(read_inputs(path, store.manifest), store.manifest)
    assert len(without_end(row)) == 3200
    np.testing.assert_allclose(without_end(row), read_wav(path, RATE, 0.5), atol=2e-5)


def test_each_recipe_is_another_store(store_of: Prepared) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"features": "mel"},
        {"sample_rate": 4000},
        {"max_seconds": 0.4},
        {"loudness": "peak"},
    ]
    assert len({store_of(change).path for change in changes}) == len(changes)


def test_stores_of_spectrograms_keep_their_names() -> None:
    """Guards `store.CODE_VERSION`: what they do not have does not count for them."""

    def name(**audio: Any) -> str:
        return fingerprint(DataSpec.model_validate({"source": {"type": "two_class"}, "audio": audio}), TASK)

    expected = "e2bf874bd869b76c26c25fc0bfce3923e102fa55760f42319c350b6f153399df"
    assert name(features="mel", mels=20) == name(mels=20) == expected


@pytest.mark.parametrize("standardise", [False, "robust"])
def test_nothing_is_standardised(store_of: Prepared, standardise: Any) -> None:
    rows = all_rows(store_of(standardise=standardise))
    np.testing.assert_array_equal(rows, all_rows(store_of()))


def test_they_are_kept_for_the_stores_of_a_search(store_of: Prepared, tmp_path: Path) -> None:
    source = {"type": "audio", "path": str(tmp_path / "tones"), "pattern": PATTERN}
    for seed in (0, 1):
        fields: dict[str, Any] = {"audio": AUDIO, "split": {"group": "speaker", "seed": seed}}
        spec = DataSpec.model_validate(fields | {"source": source})
        kept = prepare(spec, TASK, tmp_path / "searched" / "store", searched=["data.split.seed"])
        np.testing.assert_array_equal(all_rows(kept), all_rows(store_of(split=fields["split"])))
    assert len(list((tmp_path / "searched" / ".stages").glob("*/features.npy"))) == 1
