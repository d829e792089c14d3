"""Every task against scikit-learn's metrics, on one shard and on two, and against what it reports."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torch import Tensor

from tuner import tasks
from tuner.errors import ExperimentError
from tuner.spec.sections import TrainSpec
from tuner.spec.tasks import METRICS

CPU = torch.device("cpu")
NUM_ROWS = 41
CASES = [
    ("image_classification", "auto", 4),
    ("image_classification", "cross_entropy", 2),
    ("tabular_classification", "bce", 2),
    ("audio_classification", "auto", 10),
    ("regression", "auto", None),
    ("regression", "mse", None),
    ("regression", "huber", None),
]


@dataclass(frozen=True)
class FakeManifest:
    class_names: tuple[str, ...] | None = None
    target_mean: float | None = None
    target_std: float | None = None


class AsTheyAre:
    """New rows that need no preparation."""

    def rows(self, raw: np.ndarray) -> np.ndarray:
        return raw


def manifest(classes: int | None) -> FakeManifest:
    if classes is None:
        return FakeManifest(target_mean=1e4, target_std=3.0)
    return FakeManifest(class_names=tuple(f"class {index}" for index in range(classes)))


def task_of(name: str, loss: str, classes: int | None, **train: Any) -> tasks.Task:
    return tasks.get(name, TrainSpec.model_validate({"epochs": 1, "loss": loss, **train}), manifest(classes))


@dataclass(frozen=True)
class Case:
    task: tasks.Task
    classes: int | None
    x: np.ndarray
    y: np.ndarray
    """Targets as the store has them."""
    outputs: Tensor

    def batch(self) -> tuple[Tensor, Tensor]:
        return self.task.batch(self.x, self.y, CPU, torch.float32)

    def metrics(self, *cuts: int) -> dict[str, float]:
        """Metrics from the summed statistics of the parts between `cuts`."""
        _, targets = self.batch()
        bounds = [0, *cuts, NUM_ROWS]
        parts = [
            self.task.statistics(self.outputs[start:end], targets[start:end])
            for start, end in zip(bounds[:-1], bounds[1:], strict=True)
        ]
        return self.task.metrics(torch.stack(parts).sum(dim=0))


@pytest.fixture(params=CASES, ids=lambda case: "-".join(map(str, case)))
def case(request: pytest.FixtureRequest) -> Case:
    name, loss, classes = request.param
    task = task_of(name, loss, classes)
    random = np.random.default_rng(0)
    y = (
        random.integers(0, classes, NUM_ROWS)
        if classes
        else random.normal(1e4, 3.0, NUM_ROWS).astype(np.float32)
    )
    outputs = torch.from_numpy(random.normal(size=(NUM_ROWS, task.num_outputs))).float()
    return Case(task, classes, random.normal(size=(NUM_ROWS, 5)).astype(np.float32), y, outputs)


def test_batch_and_loss(case: Case) -> None:
    x, targets = case.batch()
    assert x.dtype == torch.float32
    assert targets.shape == (NUM_ROWS,)
    half, targets_again = case.task.batch(case.x, case.y, CPU, torch.bfloat16)
    assert half.dtype == torch.bfloat16
    assert torch.equal(targets, targets_again)
    loss = case.task.loss(case.outputs.bfloat16(), targets)
    assert loss.shape == ()
    assert loss.dtype == torch.float32


def test_loss_is_the_mean_of_the_measured_one(case: Case) -> None:
    _, targets = case.batch()
    assert case.metrics()["loss"] == pytest.approx(case.task.loss(case.outputs, targets).item(), rel=1e-5)


def test_shards_add_up(case: Case) -> None:
    whole = case.metrics()
    assert case.metrics(17) == pytest.approx(whole, rel=1e-6)
    assert case.metrics(0, 0, 5, 30) == pytest.approx(whole, rel=1e-6)


def test_statistics_are_float64(case: Case) -> None:
    _, targets = case.batch()
    assert case.task.statistics(case.outputs, targets).dtype == torch.float64
    assert not case.task.statistics(case.outputs[:0], targets[:0]).any()


def test_metrics_agree_with_scikit_learn(case: Case) -> None:
    found = case.metrics(20)
    predictions = case.task.predict(lambda _: case.outputs, case.x, AsTheyAre())
    if case.classes is None:
        values = [prediction["value"] for prediction in predictions]
        assert found["mae"] == pytest.approx(reference.mean_absolute_error(case.y, values), rel=1e-4)
        assert found["r2"] == pytest.approx(reference.r2_score(case.y, values), rel=1e-4)
        return
    labels = [int(prediction["label"].removeprefix("class ")) for prediction in predictions]
    average = "binary" if case.classes == 2 else "macro"
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(case.y, labels))
    assert found["f1"] == pytest.approx(reference.f1_score(case.y, labels, average=average))
    assert all(1 / case.classes <= prediction["probability"] <= 1 for prediction in predictions)


def test_metrics_are_the_ones_that_the_spec_names(case: Case) -> None:
    task = "regression" if case.classes is None else "image_classification"
    assert {f"val/{name}" for name in case.metrics()} == {
        name for name in METRICS[task] if name.startswith("val/")
    }


def test_an_overfittable_batch_is_learnt(case: Case) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(5, 64), torch.nn.ReLU(), torch.nn.Linear(64, case.task.num_outputs)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    x, targets = case.batch()
    first = case.task.loss(model(x), targets).item()
    for _ in range(300):
        optimizer.zero_grad()
        case.task.loss(model(x), targets).backward()
        optimizer.step()
    with torch.no_grad():
        assert case.task.loss(model(x), targets).item() < 0.1 * first
        learnt = dataclasses.replace(case, outputs=model(x)).metrics()
    assert learnt["r2" if case.classes is None else "accuracy"] > 0.95


@pytest.mark.parametrize(("loss", "classes"), [("cross_entropy", 3), ("bce", 2)])
def test_smoothing_is_trained_but_not_measured(loss: str, classes: int) -> None:
    plain = task_of("tabular_classification", loss, classes)
    smooth = task_of("tabular_classification", loss, classes, label_smoothing=0.2)
    outputs = torch.tensor([[4.0] * (classes - 1) + [-3.0]])[:, -plain.num_outputs :]
    _, targets = smooth.batch(np.zeros((1, 2), np.float32), np.array([0]), CPU, torch.float32)
    assert torch.equal(plain.statistics(outputs, targets), smooth.statistics(outputs, targets))
    assert smooth.loss(outputs, targets) > plain.loss(outputs, targets)


def test_binary_smoothing_is_that_of_two_logits() -> None:
    logits = torch.linspace(-3, 3, 8)
    y = np.arange(8) % 2
    losses = []
    for name, outputs in (
        ("bce", logits[:, None]),
        ("cross_entropy", torch.stack([torch.zeros(8), logits], dim=1)),
    ):
        task = task_of("tabular_classification", name, 2, label_smoothing=0.1)
        _, targets = task.batch(np.zeros((8, 1), np.float32), y, CPU, torch.float32)
        losses.append(task.loss(outputs, targets).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_macro_f1_leaves_out_absent_classes() -> None:
    task = task_of("tabular_classification", "auto", 4)
    y = np.array([0, 0, 1, 1])
    outputs = torch.nn.functional.one_hot(torch.tensor([0, 2, 1, 1]), 4).float()
    _, targets = task.batch(np.zeros((4, 1), np.float32), y, CPU, torch.float32)
    expected = reference.f1_score(y, [0, 2, 1, 1], average="macro")
    assert task.metrics(task.statistics(outputs, targets))["f1"] == pytest.approx(expected)


def test_f1_without_positives_is_zero() -> None:
    task = task_of("tabular_classification", "bce", 2)
    _, targets = task.batch(np.zeros((3, 1), np.float32), np.zeros(3, np.int64), CPU, torch.float32)
    assert task.metrics(task.statistics(torch.full((3, 1), -1.0), targets))["f1"] == 0.0


def test_r2_of_equal_targets_is_nan() -> None:
    task = task_of("regression", "auto", None)
    _, targets = task.batch(np.zeros((3, 1), np.float32), np.full(3, 1e4, np.float32), CPU, torch.float32)
    assert np.isnan(task.metrics(task.statistics(torch.ones(3, 1), targets))["r2"])


@pytest.mark.parametrize(
    ("name", "loss", "classes", "match"),
    [
        ("regression", "bce", None, "found bce with regression; use one of auto, mse, huber"),
        (
            "image_classification",
            "mse",
            3,
            "found mse with image_classification; use one of auto, cross_entropy, bce",
        ),
        ("tabular_classification", "bce", 3, "bce needs two classes, but the data has 3; use cross_entropy"),
    ],
)
def test_losses_that_do_not_fit(name: str, loss: str, classes: int | None, match: str) -> None:
    with pytest.raises(ExperimentError, match=match):
        task_of(name, loss, classes)
