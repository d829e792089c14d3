"""What single tasks do beside what all promise (`test_tasks_contract.py`), and what they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from tuner import tasks
from tuner.errors import ExperimentError
from tuner.spec.sections import TrainSpec
from tuner.tasks.base import Task
from tuner.tasks.continuation import continue_text

CPU = torch.device("cpu")


@dataclass(frozen=True)
class FakeManifest:
    class_names: tuple[str, ...] | None = None
    target_mean: float | None = None
    target_std: float | None = None


def manifest(classes: int | None) -> FakeManifest:
    if classes is None:
        return FakeManifest(target_mean=1e4, target_std=3.0)
    return FakeManifest(class_names=tuple(f"class {index}" for index in range(classes)))


def task_of(name: str, loss: str, classes: int | None, **train: Any) -> Task:
    return tasks.get(name, TrainSpec.model_validate({"epochs": 1, "loss": loss, **train}), manifest(classes))


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


class Letters:
    """A `Preparation` of padding, what is unknown, and the letter a."""

    padding, unknown, max_length = 0, 1, 4

    def encode(self, text: str) -> list[int]:
        return [2] * len(text)

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join("-?a"[token] for token in tokens)

    def rows(self, raw: Any) -> Any:
        return raw


def test_a_text_goes_on_with_nothing_but_text() -> None:
    """Whatever the network thinks of the tokens that are none."""
    scores = torch.tensor([9.0, 9.0, 0.0])
    text = continue_text(lambda x: scores.repeat(*x.shape, 1), Letters(), "aa", num_tokens=20)
    assert text == "a" * 20
