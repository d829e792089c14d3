"""Recordings through the DeepSpeed loop: pictures for some models, sequences for others."""

import numpy as np
import pytest
from audio_recordings import PITCHES, tone, write_tones, write_wav
from test_training_texts import open_export
from training_cases import experiment_file

from tuner.data import read_inputs

pytestmark = pytest.mark.slow

MODELS = {
    "cnn": {"type": "cnn", "channels": 4, "depth": 1},
    "rnn": {"type": "rnn", "cell": "gru", "width": 16, "embedding": 8, "bidirectional": True},
    "transformer": {"type": "transformer", "width": 16, "depth": 1, "heads": 2},
}


@pytest.fixture
def write(tmp_path):
    write_tones(tmp_path / "tones", per_speaker=20)

    def file(model: str, **train):
        base = {
            "task": "audio_classification",
            "data": {
                "source": {"type": "audio", "path": "tones/*.wav", "pattern": "{label}_{speaker}_{index}"},
                "audio": {"sample_rate": 8000, "mels": 16, "max_seconds": 0.3},
                "split": {"train": 0.5, "val": 0.25, "test": 0.25, "group": "speaker"},
            },
            "model": MODELS[model],
            "search": {"metric": "val/accuracy"},
        }
        settings = {"batch_size": 16, "optimizer": {"type": "sgd", "lr": 0.05, "momentum": 0.9}} | train
        return experiment_file(tmp_path, base, **settings)

    return file


@pytest.mark.parametrize("model", ["cnn", "rnn"])
def test_masks_are_those_of_one_rank(gangs, write, tmp_path, model):
    plain = gangs(1).train(write(model), tmp_path / "plain")
    path = write(model, augment={"time_mask": 0.4, "frequency_mask": 0.3, "noise": 0.1, "mixup": 0.2})
    alone, together = (gangs(num_ranks).train(path, tmp_path / f"{num_ranks}") for num_ranks in (1, 2))
    assert alone[0].metrics["train/loss"] != pytest.approx(plain[0].metrics["train/loss"], rel=1e-3)
    for expected, found in zip(alone, together, strict=True):
        assert found.metrics["train/loss"] == pytest.approx(expected.metrics["train/loss"], rel=5e-4)


@pytest.mark.parametrize("model", MODELS)
def test_it_learns_and_its_export_hears_files(gangs, write, tmp_path, model):
    path, out = write(model, epochs=8, optimizer={"type": "adamw", "lr": 0.01}), tmp_path / "out"
    reports = gangs(1).train(path, out)
    assert max(report.metrics["val/accuracy"] for report in reports) == 1.0
    exported = open_export(path, out, tmp_path / "export")
    for number, (label, pitch) in enumerate(PITCHES.items()):
        # Another rate, two channels, and longer than what was trained on.
        samples = np.stack([tone(pitch * 1.02, seconds=1.0, rate=44_100, seed=90 + number)] * 2, axis=1)
        write_wav(tmp_path / "new" / f"{number}.wav", samples, 44_100, num_bytes=3)
        assert [row["label"] for row in exported.predict(read_inputs(tmp_path / "new", exported.manifest))][
            number
        ] == label
