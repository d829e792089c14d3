"""What every model promises, over all of them with all their options and tasks (`tests/kinds.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from kinds import (
    MODEL_TASKS,
    MODEL_TYPES,
    MODELS,
    TASKS,
    examples_of,
    model_section,
    model_spec,
    options_of,
    task_kind,
    tasks_of,
)
from torch import Tensor, nn

from tuner import models, tasks
from tuner.spec.sections import TrainSpec
from tuner.tasks.base import Task

Section = dict[str, Any]
NUM_ROWS = 16
ALL = [
    (section, task)
    for sections in MODELS.values()
    for section in sections
    for task in (tasks_of(section) if section is sections[0] else tasks_of(section)[:1])
]
"""Each example with one task, the first of each type with all of them."""
ONE_OF_EACH = [(sections[0], tasks_of(sections[0])[0]) for sections in MODELS.values()]
EVERY = [(section, task) for kind in MODELS.values() for section in kind for task in tasks_of(section)]
PADDED = [(section, task) for section, task in EVERY if TASKS[task].padding is not None]
TELLING_TOKENS = [(section, task) for section, task in EVERY if TASKS[task].tells_tokens]
RECOMPUTING = [case for case in ALL if case[0].get("checkpointing")]
MOST_STEPS = 100


def having(field: str, cases: list[tuple[Section, str]]) -> list[tuple[Section, str]]:
    return [case for case in cases if field in MODEL_TYPES[case[0]["type"]].model_fields]


class Case(NamedTuple):
    """A new model, its task, and a batch of it."""

    model: nn.Module
    task: Task
    x: Tensor
    y: Tensor

    def outputs_shape(self, num_rows: int = NUM_ROWS) -> tuple[int, ...]:
        length = self.x.shape[-1:] if self.task.is_per_token else ()
        return (num_rows, *length, self.task.num_outputs)

    def trained(self) -> list[nn.Parameter]:
        return [weight for _, weights in models.rate_groups(self.model) for weight in weights]

    def differentiate(self) -> Tensor:
        """The loss; its gradients are in the weights."""
        torch.manual_seed(2)
        loss = self.task.loss(self.model(self.x), self.y)
        loss.backward()
        return loss.detach()


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Case]:
    """build(section, task) -> Case"""
    folder = tmp_path_factory.mktemp("models")

    def call(section: Section, name: str, dtype: torch.dtype = torch.float32, seed: int = 0) -> Case:
        kind = task_kind(name, section)
        kind = kind.large() if section.get("stem") == "large" else kind
        task = tasks.get(name, TrainSpec(epochs=1), kind)
        torch.manual_seed(seed)
        model = models.build(
            model_spec(model_section(section, folder)),
            models.DataShape.of(kind),
            task.num_outputs,
            per_token=task.is_per_token,
        )
        # As DeepSpeed does, which leaves buffers in float32.
        for parameter in model.parameters():
            parameter.data = parameter.data.to(dtype)
        return Case(model.train(), task, *task.batch(*kind.rows(NUM_ROWS), torch.device("cpu"), dtype))

    return call


def test_every_model_has_examples_with_all_its_options_and_tasks() -> None:
    assert MODELS.keys() == MODEL_TASKS.keys() == MODEL_TYPES.keys(), "see tests/kinds.py"
    for name, sections in MODELS.items():
        assert [task for _, task in examples_of(name)] == list(MODEL_TASKS[name])
        given = {(key, value) for section in sections for key, value in given_by(section)}
        assert set(options_of(name)) <= given, name


def given_by(section: Section) -> list[tuple[str, Any]]:
    """Of fields that are sections their type."""
    values = model_spec(section)
    return [(name, getattr(value, "type", value)) for name, value in values]


def test_every_task_has_an_example() -> None:
    assert {task for tasks in MODEL_TASKS.values() for task in tasks} == TASKS.keys(), "see tests/kinds.py"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("case", ALL, ids=str)
def test_outputs_and_gradients(build: Any, case: Any, dtype: torch.dtype) -> None:
    made = build(*case, dtype)
    outputs = made.model(made.x)
    assert (outputs.shape, outputs.dtype) == (made.outputs_shape(), dtype)
    loss = made.differentiate()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    for weight in made.trained():
        assert weight.grad is not None
        assert weight.grad.isfinite().all()


@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_batch_is_learned_by_heart(build: Any, case: Any) -> None:
    made = build(*case)
    optimizer = torch.optim.Adam(made.trained(), lr=0.01)
    first = last = made.differentiate()
    for _ in range(MOST_STEPS):
        if last < 0.2 * first:
            break
        optimizer.step()
        optimizer.zero_grad()
        last = made.differentiate()
    assert last < 0.2 * first


@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_row_gives_the_same_alone_and_without_any_there_are_no_outputs(build: Any, case: Any) -> None:
    made = build(*case)
    model = made.model.eval()
    with torch.no_grad():
        together = model(made.x)
        for start, end in ((0, 1), (5, 9)):
            torch.testing.assert_close(model(made.x[start:end]), together[start:end])
        assert model(made.x[:0]).shape == made.outputs_shape(0)


@pytest.mark.parametrize("case", ALL, ids=str)
def test_the_seed_decides_the_weights_and_these_the_outputs(build: Any, case: Any) -> None:
    first, same, other = (build(*case, seed=seed) for seed in (0, 0, 1))
    weights = first.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in same.model.state_dict().items())
    outputs = first.model.eval()(first.x)
    if case[0]["type"] != "pretrained":  # of which at most the head is drawn
        assert not torch.equal(other.model.eval()(other.x), outputs)
    other.model.load_state_dict(weights)
    assert torch.equal(other.model.eval()(other.x), outputs)


@pytest.mark.parametrize("case", PADDED, ids=str)
def test_padding_has_no_influence(build: Any, case: Any) -> None:
    """A row alone, cut where its padding begins, gives what it gives among others."""
    made = build(*case)
    model, padding = made.model.eval(), TASKS[case[1]].padding
    lengths = (sequences(made.x)[:, 0] != padding).sum(dim=1).tolist()
    assert min(lengths) < max(lengths)
    for row, length, output in zip(made.x, lengths, model(made.x), strict=True):
        expected = output[:length] if made.task.is_per_token else output
        torch.testing.assert_close(model(row[None, ..., :length])[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", TELLING_TOKENS, ids=str)
def test_a_later_token_changes_no_earlier_output(build: Any, case: Any) -> None:
    made = build(*case)
    model = made.model.eval()
    outputs = model(made.x)
    for place in range(made.x.shape[-1]):
        changed = made.x.clone()
        written = sequences(changed)[:, -1]
        written[:, place] = written[:, place] % (made.task.num_outputs - 1) + 1
        differs = (model(changed) - outputs).abs().amax(dim=(0, 2)) > 1e-6
        assert not differs[:place].any()
        assert differs[place:].all()


def sequences(x: Tensor) -> Tensor:
    """[rows, sequences, length] of tokens: one, or what is read and what is written."""
    return x.view(len(x), -1, x.shape[-1])


@pytest.mark.parametrize("case", having("dropout", ONE_OF_EACH), ids=str)
def test_dropout_acts_in_training_only(build: Any, case: Any) -> None:
    section, task = case
    made = build(section | {"dropout": 0.5}, task)
    assert not torch.equal(made.model(made.x), made.model(made.x))
    made.model.eval()
    assert torch.equal(made.model(made.x), made.model(made.x))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("case", having("checkpointing", ALL), ids=str)
def test_checkpointing_changes_nothing(build: Any, case: Any, dropout: float) -> None:
    """The same outputs, gradients and running statistics, whether activations are kept or not."""
    section, task = case
    kept, again = (
        build(section | {"dropout": dropout, "checkpointing": recompute}, task) for recompute in (False, True)
    )
    assert torch.equal(kept.differentiate(), again.differentiate())
    for one, other in zip(kept.trained(), again.trained(), strict=True):
        assert torch.equal(one.grad, other.grad)
    for one, other in zip(kept.model.buffers(), again.model.buffers(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    "case", [*ONE_OF_EACH, *(case for case in ALL if case[0].get("checkpointing"))], ids=str
)
def test_a_compiled_model_gives_the_same(build: Any, case: Any) -> None:
    """Traced by torch.compile, without the slow step to machine code; recurrent layers stay as they are."""
    torch.compiler.reset()
    counts = torch._dynamo.utils.counters
    counts.clear()
    eager, compiled = build(*case), build(*case)
    compiled.model.compile(backend="aot_eager")
    torch.testing.assert_close(eager.differentiate(), compiled.differentiate())
    for one, other in zip(eager.trained(), compiled.trained(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5)
    for one, other in zip(eager.model.buffers(), compiled.model.buffers(), strict=True):
        torch.testing.assert_close(one, other)
    assert eager.model.state_dict().keys() == compiled.model.state_dict().keys()
    assert counts["frames"]["ok"] > 0
    assert case[0]["type"] == "rnn" or not counts["graph_break"]
