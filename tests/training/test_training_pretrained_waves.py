"""A pretrained network for recordings through the DeepSpeed loop: every tuning, going on, and its export."""

import json

import numpy as np
import pytest
import torch
from audio_recordings import PATTERN, PITCHES, tone, write_tones, write_wav
from pretrained_models import HEARD_RATE, save_ast, save_hearing
from training_cases import experiment_file
from training_gang import job_of

from tuner import models
from tuner.data import Store, prepare, read_inputs
from tuner.records.paths import TrialPaths
from tuner.results.export import ExportedModel
from tuner.spec import Experiment

pytestmark = pytest.mark.slow

WAVES = {
    "task": "audio_classification",
    "data": {
        "source": {"type": "audio", "path": "tones", "pattern": PATTERN},
        "audio": {"features": "waves", "sample_rate": HEARD_RATE, "max_seconds": 0.1},
        "split": {"train": 0.5, "val": 0.25, "test": 0.25, "group": "speaker"},
    },
    "model": {"type": "pretrained", "name": "./heard"},
    "search": {"metric": "val/accuracy"},
}
TUNINGS = {
    "decay": {"type": "full", "layer_decay": 0.7},
    "frozen": {"type": "frozen", "layers": 1},
    "lora": {"type": "lora", "rank": 2},
}
EXACT = ("train/loss", "train/grad_norm", "train/lr", "val/loss", "val/accuracy")
STABLE = {"masks": True, "feat_extract_norm": "layer", "do_stable_layer_norm": True}


@pytest.fixture
def write(tmp_path):
    """An experiment in a folder with its recordings and its model."""
    for number, path in enumerate(write_tones(tmp_path / "tones", per_speaker=15)):
        pitch = PITCHES[path.name.partition("_")[0]]
        write_wav(path, tone(pitch, seconds=0.06 + 0.02 * (number % 4), seed=number))

    def file(tuning, kind="wav2vec2", model=None, data=None, **train):
        save_ast(tmp_path / "heard") if kind == "ast" else save_hearing(
            tmp_path / "heard", kind, **model or {}
        )
        base = WAVES | {"data": WAVES["data"] | {"audio": WAVES["data"]["audio"] | (data or {})}}
        settings = {"batch_size": 16, "optimizer": {"type": "adamw", "lr": 0.01}} | train
        return experiment_file(tmp_path, base, {"tuning": TUNINGS[tuning]}, **settings)

    return file


@pytest.mark.parametrize(
    ("tuning", "kind", "model", "stage", "precision"),
    [
        ("decay", "wav2vec2", STABLE, 3, "bf16"),
        ("frozen", "hubert", {}, 0, "fp32"),
        ("lora", "wavlm", {"masks": True}, 3, "fp32"),
    ],
)
def test_it_learns_goes_on_exactly_and_its_export_tells_tones(
    gangs, write, tmp_path, tuning, kind, model, stage, precision
):
    path = write(
        tuning, kind, model, zero={"stage": stage}, precision=precision, augment={"noise": 0.01, "mixup": 0.1}
    )
    gang, out = gangs(2), tmp_path / "whole"
    whole = gang.train(path, out)
    first = gang.train(path, tmp_path / "cut", reports=1)
    rest = gang.train(path, tmp_path / "cut", resume=tmp_path / "cut")
    assert [[report.metrics[name] for name in EXACT] for report in first + rest] == [
        [report.metrics[name] for name in EXACT] for report in whole
    ]
    assert whole[-1].metrics["train/loss"] < 0.8 * whole[0].metrics["train/loss"]
    assert max(report.metrics["val/accuracy"] for report in whole) == 1.0

    before, after = begun(path), torch.load(TrialPaths(out).best_checkpoint / "weights.pt", weights_only=True)
    assert before.keys() == after.keys()
    if precision == "fp32":
        changed = {name for name in before if not torch.equal(before[name], after[name].float())}
        assert changed == {name for name in before if is_tuned(name, tuning)}
    assert_tells_tones(open_export(path, out, tmp_path), tmp_path)


def test_filter_banks_are_learned_from_too(gangs, write, tmp_path):
    path = write("lora", "ast", data={"sample_rate": 16_000})
    reports = gangs(2).train(path, tmp_path / "out")
    assert max(report.metrics["val/accuracy"] for report in reports) == 1.0
    assert_tells_tones(open_export(path, tmp_path / "out", tmp_path), tmp_path)


def assert_tells_tones(exported, folder):
    for number, (label, pitch) in enumerate(PITCHES.items()):
        # Another rate, two channels, and longer than what was trained on.
        samples = np.stack([tone(pitch, seconds=0.3, rate=44_100, seed=90 + number)] * 2, axis=1)
        path = write_wav(folder / "new" / f"{label}.wav", samples, 44_100, num_bytes=3)
        (found,) = exported.predict(read_inputs(path, exported.manifest))
        assert found["label"] == label


def is_tuned(name: str, tuning: str) -> bool:
    if any(part in name for part in ("classifier", "projector")):
        return True
    return "lora_" in name if tuning == "lora" else ".layers.1." in name


def begun(path):
    """The weights with which a training begins."""
    spec = Experiment.load(path).resolve({})
    manifest = prepare(spec.data, spec.task, path.parent / "store").manifest
    torch.manual_seed(spec.train.seed)
    return models.build(spec.model, models.DataShape.of(manifest), 2).state_dict()


def open_export(path, out, folder) -> ExportedModel:
    """As `tuner best --export` writes it; the model's folder is gone then."""
    job = job_of(path, out)
    manifest = Store.open(job.store).manifest
    export = folder / "export"
    export.mkdir()
    (export / "weights.pt").write_bytes((TrialPaths(out).best_checkpoint / "weights.pt").read_bytes())
    content = {"spec": job.spec.model_dump(mode="json"), "manifest": json.loads(manifest.to_json())}
    (export / "model.json").write_text(json.dumps(content))
    (export / "config.json").write_text(json.dumps(models.read_config(job.spec.model)))
    (folder / "heard").rename(folder / "heard moved")
    return ExportedModel.open(export)
