"""What training promises, over each model with each of its tasks (`tests/kinds.py`), on real small data.

One experiment each is trained once on one rank, on two, and with its weights split over two.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from kinds import (
    MODEL_TYPES,
    MODELS,
    SOURCES,
    TASKS,
    AsTheyAre,
    examples_of,
    model_section,
    source_data,
)
from training_cases import OPTIMIZERS
from training_gang import is_complete
from training_reference import train_plainly

from tuner import models, tasks
from tuner.data import prepare, read_inputs
from tuner.records.paths import ExperimentPaths
from tuner.results.export import ExportedModel, export, measure
from tuner.spec import Experiment
from tuner.tasks import RULES

pytestmark = pytest.mark.slow

CASES = [(model, task) for model in MODELS for _, task in examples_of(model)]
EXACT = ("train/loss", "train/grad_norm", "train/lr", "val/loss")
WAYS = [(1, 0), (2, 0), (2, 3)]
"""Ranks, and ZeRO's stage."""
NUM_GATHERINGS = 10
"""What gloo has too late now and then is noticed."""


class Trained:
    """Experiments of one model and task, and what became of them."""

    def __init__(self, gangs, folder, model, task):
        self.gangs, self.folder, self.model, self.task = gangs, folder, model, task
        self._reports = {}

    def file(self, name, model=None, **train):
        """An experiment file with those settings."""
        data = SOURCES[TASKS[self.task].source].in_splits(self.folder)
        example = next(section for section, task in examples_of(self.model) if task == self.task)
        section = model_section(example, self.folder) | (model or {})
        settings = {"epochs": 2, "batch_size": 8, "optimizer": OPTIMIZERS["adamw"], "gradient_clip": 1.0}
        tree = {
            "name": name,
            "task": self.task,
            "data": source_data(data, section),
            "model": section,
            "train": settings | train,
            "search": {"metric": "val/accuracy" if RULES[self.task].targets == "classes" else "val/loss"},
            "resources": {"workers": 2},
        }
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(tree))
        return path

    def paths(self, name):
        return ExperimentPaths(self.folder / "results" / name)

    def reports(self, num_ranks, stage):
        """Of a whole training, whose experiment has the name `ranks_stage`."""
        name = f"{num_ranks}_{stage}"
        if name not in self._reports:
            out = self.paths(name).trial(0).root
            self._reports[name] = self.gangs(num_ranks).train(self.file(name, zero={"stage": stage}), out)
        return self._reports[name]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def trained(request, gangs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return Trained(gangs, folder, *request.param)


@pytest.mark.parametrize(("num_ranks", "stage"), WAYS)
def test_the_losses_are_those_of_plain_torch(trained, num_ranks, stage):
    expected = train_plainly(Experiment.load(trained.file("plain")), trained.folder / "plain")
    reports = trained.reports(num_ranks, stage)
    assert is_complete(reports)
    assert [report.metrics["train/loss"] for report in reports] == pytest.approx(expected, rel=5e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_split_weights_are_those_of_a_whole_model(trained, precision):
    path, out = trained.file("begun", zero={"stage": 3}, precision=precision), trained.folder / "begun"
    spec = Experiment.load(path).resolve({})
    store = prepare(spec.data, spec.task, out / ".store")
    task = tasks.get(spec.task, spec.train, store.manifest)
    torch.manual_seed(spec.train.seed)
    shape = models.DataShape.of(store.manifest)
    expected = models.build(spec.model, shape, task.num_outputs, per_token=task.is_per_token).state_dict()
    gang = trained.gangs(2)
    gang.call("start", path, out)
    for _ in range(NUM_GATHERINGS):
        gang.call("save_weights", out / "weights.pt")
        found = torch.load(out / "weights.pt", weights_only=True)
        assert found.keys() == expected.keys()
        for name, value in found.items():
            assert torch.equal(value, expected[name].to(value.dtype)), name


def test_going_on_is_exact(trained):
    has_dropout = "dropout" in MODEL_TYPES[trained.model].model_fields
    path = trained.file(
        "exact",
        {"dropout": 0.2} if has_dropout else None,
        zero={"stage": 3},
        precision="bf16",
        schedule="cosine",
    )
    gang, folder = trained.gangs(2), trained.folder / "exact"
    whole = gang.train(path, folder / "whole")
    first = gang.train(path, folder / "cut", reports=1)
    rest = gang.train(path, folder / "cut", resume=folder / "cut")
    assert [[report.metrics[name] for name in EXACT] for report in first + rest] == [
        [report.metrics[name] for name in EXACT] for report in whole
    ]


@pytest.mark.parametrize(("num_ranks", "stage"), [(1, 0), (2, 3)])
def test_its_export_measures_and_predicts_as_it_did(trained, num_ranks, stage):
    name = f"{num_ranks}_{stage}"
    reports = trained.reports(num_ranks, stage)
    experiment, paths = Experiment.load(trained.folder / f"{name}.yaml"), trained.paths(name)
    search = experiment.search
    best = {"min": min, "max": max}[search.mode](reports, key=lambda report: report.metrics[search.metric])
    validated = {key[4:]: value for key, value in best.metrics.items() if key.startswith("val/")}
    assert measure(experiment, {}, paths, 0, "val") == pytest.approx(validated, rel=1e-4)

    assert all(RULES[trained.task].metrics.keys() <= report.metrics.keys() for report in reports)
    assert 0 < best.metrics["train/step_seconds"] < 60
    exported = ExportedModel.open(export(experiment, {}, paths, 0, paths.root / "export"))
    num_parameters = sum(weight.numel() for weight in exported.network.parameters())
    assert best.metrics["model/parameters"] == num_parameters
    num_trained = sum(weight.numel() for weight in exported.network.parameters() if weight.requires_grad)
    assert best.metrics["model/trained_parameters"] == num_trained
    spec = experiment.resolve({})
    found = exported.predict(read_inputs(validation_file(spec), exported.manifest)[:8])
    kind = TASKS[trained.task]
    if kind.tells_tokens:
        assert all(isinstance(text, str) for each in found for text in each.values())
        return
    x, y = prepare(spec.data, spec.task, paths.store_root).split("val")
    with torch.no_grad():
        expected = exported.task.predict(exported.network, np.array(x[0 : len(x)]), AsTheyAre(kind))
    assert [each.get("label") for each in found] == [each.get("label") for each in expected]
    assert [numbers_of(each) for each in found] == [pytest.approx(numbers_of(each)) for each in expected]


def numbers_of(prediction):
    return {name: value for name, value in prediction.items() if isinstance(value, float)}


def validation_file(spec):
    path = spec.data.source.path
    return Path(path if isinstance(path, str) else path.val)
