"""A pretrained network for images through the DeepSpeed loop: every tuning, going on, and its export."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from pretrained_models import save_vit
from training_cases import experiment_file
from training_gang import job_of
from training_reference import initial_weights

from tuner import models
from tuner.data import Store
from tuner.records.paths import TrialPaths
from tuner.results.export import ExportedModel

pytestmark = pytest.mark.slow

IMAGES = {
    "task": "image_classification",
    "data": {"source": {"type": "image_folder", "path": "pictures"}, "image": {"size": [8, 9]}},
    "model": {"type": "pretrained", "name": "./vit"},
    "search": {"metric": "val/accuracy"},
}
COLOURS = {"warm": (200, 110, 40), "cold": (40, 110, 200)}
TUNINGS = {
    "decay": {"type": "full", "layer_decay": 0.7},
    "frozen": {"type": "frozen", "layers": 2},
    "lora": {"type": "lora", "rank": 2},
}
EXACT = ("train/loss", "train/grad_norm", "train/lr", "val/loss", "val/accuracy")


def picture(colour: str, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(-40, 40, (8, 9, 3))
    return (np.array(COLOURS[colour]) + noise).astype(np.uint8)


@pytest.fixture
def write(tmp_path):
    """An experiment in a folder with its pictures and its model."""
    for colour in COLOURS:
        (tmp_path / "pictures" / colour).mkdir(parents=True)
        for seed in range(60):
            Image.fromarray(picture(colour, seed)).save(tmp_path / "pictures" / colour / f"{seed}.png")
    save_vit(tmp_path / "vit")

    def file(tuning, **train):
        settings = {"batch_size": 16, "optimizer": {"type": "adamw", "lr": 0.01}} | train
        return experiment_file(tmp_path, IMAGES, {"tuning": TUNINGS[tuning]}, **settings)

    return file


@pytest.mark.parametrize(
    ("tuning", "stage", "precision"), [("decay", 3, "bf16"), ("frozen", 0, "fp32"), ("lora", 3, "fp32")]
)
def test_it_learns_goes_on_exactly_and_its_export_tells_colours(
    gangs, write, tmp_path, tuning, stage, precision
):
    path = write(tuning, zero={"stage": stage}, precision=precision, augment={"hue": 5.0, "crop": 0.1})
    gang, out = gangs(2), tmp_path / "whole"
    whole = gang.train(path, out)
    first = gang.train(path, tmp_path / "cut", reports=1)
    rest = gang.train(path, tmp_path / "cut", resume=tmp_path / "cut")
    assert [[report.metrics[name] for name in EXACT] for report in first + rest] == [
        [report.metrics[name] for name in EXACT] for report in whole
    ]
    assert whole[-1].metrics["train/loss"] < 0.7 * whole[0].metrics["train/loss"]
    assert max(report.metrics["val/accuracy"] for report in whole) == 1.0

    before = initial_weights(path)
    after = torch.load(TrialPaths(out).best_checkpoint / "weights.pt", weights_only=True)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name].float())}
    if precision == "fp32":
        assert changed == {name for name in before if is_tuned(name, tuning)}
    assert not {"factor", "summand"} & changed

    exported = open_export(path, out, tmp_path)
    rows = np.stack([picture(colour, seed) for colour in COLOURS for seed in (100, 101)])
    found = exported.predict(rows.transpose(0, 3, 1, 2))
    assert [row["label"] for row in found] == [colour for colour in COLOURS for _ in range(2)]


def is_tuned(name: str, tuning: str) -> bool:
    if name in ("factor", "summand"):
        return False
    if "classifier" in name or name.startswith("network.vit.layernorm."):
        return True
    return "lora_" in name if tuning == "lora" else tuning == "decay" or ".2." in name


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
    (folder / "vit").rename(folder / "vit moved")
    return ExportedModel.open(export)
