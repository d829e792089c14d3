"""What every task promises, over all of them with all losses, against scikit-learn (`tests/kinds.py`)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import kinds
import numpy as np
import pytest
import torch
from kinds import LOSSES, AsTheyAre
from sklearn import metrics as reference
from torch import Tensor

from tuner import tasks
from tuner.spec.sections import TrainSpec
from tuner.tasks import RULES, TaskRules
from tuner.tasks.base import Task

CPU = torch.device("cpu")
NUM_ROWS = 40
CASES = [(name, loss) for name in kinds.TASKS for loss in LOSSES[name]]
SMOOTHED = [(name, loss) for name, loss in CASES if RULES[name].smooths_labels]
TELLING_TOKENS = [(name, loss) for name, loss in CASES if kinds.TASKS[name].tells_tokens]
TELLING_NUMBERS = [case for case in CASES if case not in TELLING_TOKENS]


@dataclass(frozen=True)
class Case:
    """A task, rows of it, and what some network gives for them."""

    name: str
    loss: str
    task: Task
    x: np.ndarray
    y: np.ndarray
    outputs: Tensor

    @property
    def kind(self) -> kinds.TaskKind:
        return kinds.TASKS[self.name]

    @property
    def rules(self) -> TaskRules:
        return RULES[self.name]

    @property
    def is_measured(self) -> np.ndarray:
        """Of `y`: all but padding."""
        is_padded = self.kind.tells_tokens and self.kind.padding is not None
        return self.y != self.kind.padding if is_padded else np.ones(self.y.shape, bool)

    @property
    def targets(self) -> Tensor:
        return self.task.batch(self.x, self.y, CPU, torch.float32)[1]

    def metrics(self, *cuts: int) -> dict[str, float]:
        """From the summed statistics of the parts between `cuts`."""
        bounds = [0, *cuts, NUM_ROWS]
        parts = [
            self.task.statistics(self.outputs[start:end], self.targets[start:end])
            for start, end in zip(bounds[:-1], bounds[1:], strict=True)
        ]
        return self.task.metrics(torch.stack(parts).sum(dim=0))

    def predict(self, network: Callable[[Tensor], Tensor]) -> list[dict[str, Any]]:
        return self.task.predict(network, self.x, AsTheyAre(self.kind))


def make(name: str, loss: str, **train: Any) -> Case:
    kind = kinds.TASKS[name]
    if loss == "bce":
        kind = replace(kind, class_names=("no", "yes"))
    task = tasks.get(name, TrainSpec(epochs=1, loss=loss, **train), kind)
    x, y = kind.rows(NUM_ROWS)
    shape = (NUM_ROWS, *(x.shape[1:2] if task.is_per_token else ()), task.num_outputs)
    return Case(name, loss, task, x, y, torch.from_numpy(np.random.default_rng(1).normal(size=shape)).float())


@pytest.fixture(params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> Case:
    return make(*request.param)


def test_every_task_has_an_example() -> None:
    assert RULES.keys() == kinds.TASKS.keys(), "see tests/kinds.py"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_batch_and_loss(case: Case, dtype: torch.dtype) -> None:
    x, targets = case.task.batch(case.x, case.y, CPU, dtype)
    sides = (2,) if case.kind.is_teacher_forced else ()
    assert x.shape == (NUM_ROWS, *sides, *case.x.shape[1:])
    assert x.dtype == (torch.int64 if case.x.dtype.kind == "i" else dtype)
    assert len(targets) == NUM_ROWS
    assert torch.equal(targets, case.targets)
    loss = case.task.loss(case.outputs.to(dtype), targets)
    assert (loss.shape, loss.dtype) == ((), torch.float32)


def test_the_trained_loss_is_the_measured_one(case: Case) -> None:
    assert case.metrics()["loss"] == pytest.approx(
        case.task.loss(case.outputs, case.targets).item(), rel=1e-5
    )


def test_parts_of_a_split_add_up(case: Case) -> None:
    assert case.metrics(17) == pytest.approx(case.metrics(), rel=1e-6)
    assert case.metrics(0, 0, 5, 30) == pytest.approx(case.metrics(), rel=1e-6)
    statistics = case.task.statistics(case.outputs[:0], case.targets[:0])
    assert statistics.dtype == torch.float64
    assert not statistics.any()


def test_metrics_are_those_of_scikit_learn_and_those_that_the_spec_names(case: Case) -> None:
    found = case.metrics(20)
    assert found == pytest.approx(expected(case), rel=1e-4)
    assert {f"val/{name}" for name in found} == {name for name in case.rules.metrics if name[:4] == "val/"}


def expected(case: Case) -> dict[str, float]:
    outputs, y = case.outputs.double().numpy()[case.is_measured], case.y[case.is_measured]
    if case.rules.targets == "values":
        return of_values(case, outputs[:, 0], y)
    if case.loss == "bce":
        positive = 1 / (1 + np.exp(-outputs))
        shares = np.hstack([1 - positive, positive])
    else:
        shares = np.exp(outputs)
        shares /= shares.sum(axis=1, keepdims=True)
    labels = shares.argmax(axis=1)
    loss = reference.log_loss(y, shares, labels=np.arange(shares.shape[1]))
    common = {"loss": loss, "accuracy": reference.accuracy_score(y, labels)}
    if case.rules.targets != "classes":
        return {**common, "perplexity": math.exp(loss)}
    average = "binary" if case.loss == "bce" else "macro"
    return {**common, "f1": reference.f1_score(y, labels, average=average)}


def of_values(case: Case, outputs: np.ndarray, y: np.ndarray) -> dict[str, float]:
    kind = case.kind
    assert kind.target_mean is not None
    assert kind.target_std is not None
    values = outputs * kind.target_std + kind.target_mean
    errors = np.abs(values - y) / kind.target_std
    losses = np.where(errors < 1, errors**2 / 2, errors - 0.5) if case.loss == "huber" else errors**2
    return {
        "loss": losses.mean(),
        "mae": reference.mean_absolute_error(y, values),
        "r2": reference.r2_score(y, values),
    }


@pytest.mark.parametrize(("name", "loss"), TELLING_TOKENS)
def test_tokens_are_told_as_a_text(name: str, loss: str) -> None:
    """By a network that is sure of the same one everywhere."""
    case = make(name, loss)
    sure = torch.full((case.task.num_outputs,), -1e4).index_fill(0, torch.tensor(7), 0.0)
    predictions = case.predict(lambda x: sure.repeat(len(x), x.shape[-1], 1))
    assert len(predictions) == NUM_ROWS
    assert {token for row in predictions for text in row.values() for token in text.split()} == {"7"}


@pytest.mark.parametrize(("name", "loss"), TELLING_NUMBERS)
def test_predictions_can_be_read(name: str, loss: str) -> None:
    case = make(name, loss)
    predictions = case.predict(lambda _: case.outputs)
    assert len(predictions) == NUM_ROWS
    assert json.loads(json.dumps(predictions)) == predictions
    found = case.metrics()
    if case.rules.targets == "values":
        values = [prediction["value"] for prediction in predictions]
        assert reference.mean_absolute_error(case.y, values) == pytest.approx(found["mae"], rel=1e-4)
        return
    names = case.kind.class_names if case.loss != "bce" else ("no", "yes")
    assert names is not None
    told = [names.index(prediction["label"]) for prediction in predictions]
    assert reference.accuracy_score(case.y, told) == pytest.approx(found["accuracy"])
    assert all(1 / len(names) <= prediction["probability"] <= 1 for prediction in predictions)


def test_what_is_looked_at_row_by_row_adds_up_to_the_metrics(case: Case) -> None:
    (name, found), *more = case.task.examine(case.outputs, case.targets).items()
    metrics = case.metrics()
    assert len(found) == NUM_ROWS
    if name == "probabilities":
        assert found.sum(axis=1) == pytest.approx(np.ones(NUM_ROWS), abs=1e-5)
        assert reference.log_loss(case.y, found, labels=range(found.shape[1])) == pytest.approx(
            metrics["loss"]
        )
        assert (found.argmax(axis=1) == case.y).mean() == pytest.approx(metrics["accuracy"])
    elif name == "values":
        assert reference.mean_absolute_error(case.y, found) == pytest.approx(metrics["mae"], rel=1e-4)
    else:
        assert name == "losses"
        ((_, num_tokens),) = more
        assert num_tokens.tolist() == case.is_measured.sum(axis=1).tolist()
        assert found @ num_tokens / num_tokens.sum() == pytest.approx(metrics["loss"], rel=1e-5)


def test_the_smallest_loss_is_where_all_is_right(case: Case) -> None:
    outputs = torch.zeros_like(case.outputs, requires_grad=True)
    optimizer = torch.optim.Adam([outputs], lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        case.task.loss(outputs, case.targets).backward()
        optimizer.step()
    learnt = replace(case, outputs=outputs.detach()).metrics()
    assert learnt["r2" if case.rules.targets == "values" else "accuracy"] > 0.99


@pytest.mark.parametrize(("name", "loss"), SMOOTHED)
def test_smoothing_is_trained_and_not_measured(name: str, loss: str) -> None:
    plain, smooth = make(name, loss), make(name, loss, label_smoothing=0.2)
    assert plain.metrics() == smooth.metrics()
    # Of a network that is sure and right.
    right = 9.0 * (
        2.0 * plain.targets[:, None] - 1
        if loss == "bce"
        else torch.nn.functional.one_hot(plain.targets, plain.task.num_outputs).float()
    )
    assert smooth.task.loss(right, smooth.targets) > 2 * plain.task.loss(right, plain.targets)
